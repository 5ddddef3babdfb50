"""Kubeconfig files, the way into the cluster for kubectl, Helm and the operator."""

import base64
from pathlib import Path
from typing import Any

import yaml


def encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def certificate_user(pki: Path, file: str) -> dict[str, Any]:
    """Return the `user` entry that logs in with the certificate `file`; its key is inside."""
    return {
        "client-certificate-data": encoded(pki / f"{file}.crt"),
        "client-key-data": encoded(pki / f"{file}.key"),
    }


def token_user(token_file: Path) -> dict[str, Any]:
    """Return the `user` entry that reads its bearer token from a file, again and again."""
    return {"tokenFile": str(token_file)}


def write_kubeconfig(path: Path, server: str, pki: Path, user: dict[str, Any]) -> None:
    cluster = {"server": server, "certificate-authority-data": encoded(pki / "ca.crt")}
    context = {"cluster": "test", "user": "test", "namespace": "default"}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "test", "user": user}],
        "contexts": [{"name": "test", "context": context}],
        "current-context": "test",
    }
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(content, sort_keys=False))
