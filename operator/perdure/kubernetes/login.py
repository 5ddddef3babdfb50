"""How a process finds its API server: a kubeconfig, or the files that every pod has.

The only file that uses the `kubernetes` package, and only for exec plugins: importing it takes
a second and 30 MB.

Source: https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/ and
https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/
"""

from __future__ import annotations

import base64
import binascii
import os
import ssl
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, cast

import yaml

from perdure.errors import SettingsError
from perdure.kubernetes.connection import (
    Connection,
    Credentials,
    FixedToken,
    PluginToken,
    TokenFile,
)
from perdure.ports import Clock

Entry: TypeAlias = "dict[str, object]"

POD_FILES = Path("/var/run/secrets/kubernetes.io/serviceaccount")


def log_in(
    clock: Clock,
    *,
    kubeconfig: str | None = None,
    context: str | None = None,
    environment: Mapping[str, str] = os.environ,
    pod_files: Path = POD_FILES,
) -> Connection:
    """Return the way to the API server; blocks (files, and a plugin if the kubeconfig has one).

    In this order: the file `kubeconfig`; the files of the variable KUBECONFIG; the pod's own
    files; `~/.kube/config`. With `context` the pod's files are not considered. Raises
    SettingsError that says what is missing.
    """
    if kubeconfig is not None:
        return from_kubeconfig([Path(kubeconfig).expanduser()], context, clock)
    if environment.get("KUBECONFIG"):
        paths = [Path(each) for each in environment["KUBECONFIG"].split(os.pathsep) if each]
        return from_kubeconfig(paths, context, clock)
    if context is None and (pod_files / "token").exists():
        return from_pod(pod_files, environment, clock)
    home = Path(environment.get("HOME", "~")).expanduser() / ".kube" / "config"
    if not home.exists():
        raise SettingsError(
            f"no way to an API server: not in a pod, no {home}; give --kubeconfig or set KUBECONFIG"
        )
    return from_kubeconfig([home], context, clock)


def from_pod(files: Path, environment: Mapping[str, str], clock: Clock) -> Connection:
    """Return the connection of a pod: its service account, and the Service `kubernetes`."""
    host = environment.get("KUBERNETES_SERVICE_HOST", "kubernetes.default.svc")
    port = environment.get("KUBERNETES_SERVICE_PORT", "443")
    bracketed = f"[{host}]" if ":" in host else host
    namespace = files / "namespace"
    return Connection(
        server=f"https://{bracketed}:{port}",
        tls=trust(files / "ca.crt"),
        credentials=TokenFile(files / "token", clock),
        namespace=namespace.read_text().strip() if namespace.exists() else None,
    )


def from_kubeconfig(paths: list[Path], context: str | None, clock: Clock) -> Connection:
    """Return the connection of a context, by default the current one, of the merged files."""
    config = KubeConfig.read(paths)
    chosen = config.context(context)
    cluster = config.entry("cluster", str(chosen.get("cluster") or ""))
    user = config.entry("user", str(chosen["user"])) if chosen.get("user") else {}
    server = text(cluster, "server")
    if not server:
        raise SettingsError(f"{config.where}: the cluster of the context has no server")
    tls = tls_of(cluster, user) if server.startswith("https:") else None
    namespace = text(chosen, "namespace")
    return Connection(
        server=server.rstrip("/"),
        tls=tls,
        credentials=credentials_of(cluster, user, tls, clock),
        tls_server_name=text(cluster, "tls-server-name"),
        proxy=text(cluster, "proxy-url"),
        namespace=namespace,
    )


@dataclass(frozen=True, slots=True)
class KubeConfig:
    """Merged kubeconfig files: of what occurs twice the first counts, as in kubectl."""

    where: str
    current: str
    entries: Mapping[tuple[str, str], Entry]

    @staticmethod
    def read(paths: list[Path]) -> KubeConfig:
        """Raises SettingsError if no file exists, or one is not a kubeconfig."""
        where = ", ".join(map(str, paths))
        current, entries = "", dict[tuple[str, str], Entry]()
        found = [path for path in paths if path.exists()]
        if not found:
            raise SettingsError(f"there is no kubeconfig {where}")
        for path in found:
            content = read_yaml(path)
            current = current or text(content, "current-context") or ""
            for kind in ("context", "cluster", "user"):
                for name, entry in named(content, kind, path):
                    entries.setdefault((kind, name), entry)
        return KubeConfig(where, current, entries)

    def context(self, name: str | None) -> Entry:
        if not (name or self.current):
            raise SettingsError(f"{self.where}: no current-context; choose one with --context")
        return self.entry("context", name or self.current)

    def entry(self, kind: str, name: str) -> Entry:
        if (kind, name) not in self.entries:
            known = ", ".join(sorted(each for of, each in self.entries if of == kind)) or "none"
            raise SettingsError(f"{self.where}: no {kind} {name!r}; there are: {known}")
        return self.entries[kind, name]


def read_yaml(path: Path) -> Entry:
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"kubeconfig {path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise SettingsError(f"kubeconfig {path} is not a mapping")
    return content


def named(content: Entry, kind: str, path: Path) -> Iterator[tuple[str, Entry]]:
    """Yield the entries of a list of a kubeconfig, their file names made absolute."""
    items = content.get(f"{kind}s") or []
    for item in items if isinstance(items, list) else []:
        if isinstance(item, dict) and isinstance(item.get(kind), dict):
            yield str(item.get("name")), resolved(item[kind], path.parent)


FILES = ("certificate-authority", "client-certificate", "client-key", "tokenFile")


def resolved(entry: Entry, directory: Path) -> Entry:
    """Return the entry with its file names, relative ones from the kubeconfig's directory."""
    files = {key: str(directory / str(entry[key])) for key in FILES if entry.get(key)}
    return {**entry, **files, "directory": str(directory)}


def text(entry: Entry, key: str) -> str | None:
    value = entry.get(key)
    return str(value) if value else None


def trust(file: Path | None = None, data: str | None = None) -> ssl.SSLContext:
    """Return a context that checks the server, by the system's authorities without any given."""
    try:
        return ssl.create_default_context(cafile=None if file is None else str(file), cadata=data)
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"the certificate authority {file or ''} is not usable: {error}"
        ) from error


def tls_of(cluster: Entry, user: Entry) -> ssl.SSLContext:
    file, data = text(cluster, "certificate-authority"), text(cluster, "certificate-authority-data")
    if data:
        tls = trust(data=decoded(data, "certificate-authority-data"))
    else:
        tls = trust(Path(file)) if file else trust()
    if cluster.get("insecure-skip-tls-verify"):
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    with pem(user, "client-certificate") as certificate, pem(user, "client-key") as key:
        if certificate is not None:
            show(tls, certificate, key)
    return tls


@contextmanager
def pem(user: Entry, key: str) -> Iterator[str | None]:
    """Yield the file of a certificate or key, a passing one for inline data."""
    data = text(user, f"{key}-data")
    if data is None:
        yield text(user, key)
        return
    with passing_file(decoded(data, f"{key}-data")) as name:
        yield name


@contextmanager
def passing_file(content: str) -> Iterator[str]:
    """Yield a file that only we can read: `ssl` takes certificates from nothing else."""
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(content)
        file.flush()
        yield file.name


def show(tls: ssl.SSLContext, certificate: str, key: str | None) -> None:
    try:
        tls.load_cert_chain(certificate, key)
    except OSError as error:  # ssl.SSLError is one
        raise SettingsError(f"the client certificate is not usable: {error}") from error


def decoded(data: str, what: str) -> str:
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise SettingsError(f"kubeconfig: {what} is not base64 of a PEM text: {error}") from error


def credentials_of(
    cluster: Entry, user: Entry, tls: ssl.SSLContext | None, clock: Clock
) -> Credentials:
    """Return where the token comes from. Raises SettingsError for ways that are not supported."""
    file = text(user, "tokenFile")
    if file is not None:  # as in kubectl it wins over `token`
        return TokenFile(Path(file), clock)
    if user.get("exec"):
        plugin = Plugin(cluster, user, tls)
        return PluginToken(plugin, plugin())
    for key in ("auth-provider", "username"):
        if user.get(key):
            raise SettingsError(f"kubeconfig: logging in by {key} is not supported; use exec")
    return FixedToken(text(user, "token"))


class Plugin:
    """An exec plugin: a call runs it, blocks, takes over its certificate, returns its token.

    Source: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
    """

    def __init__(self, cluster: Entry, user: Entry, tls: ssl.SSLContext | None) -> None:
        self._cluster, self._user, self._tls = cluster, user, tls

    def __call__(self) -> str | None:
        status = self._run()
        certificate, key = text(status, "clientCertificateData"), text(status, "clientKeyData")
        if certificate and key and self._tls is not None:
            with passing_file(certificate) as first, passing_file(key) as second:
                show(self._tls, first, second)  # counts for connections from now on
        return text(status, "token")

    def _run(self) -> Entry:
        from kubernetes.config.config_exception import ConfigException
        from kubernetes.config.exec_provider import ExecProvider
        from kubernetes.config.kube_config import ConfigNode

        entries = {"exec": self._user["exec"], "cluster": self._cluster}
        where = self._user["directory"]
        try:
            # The package ships no types: that is the reason for each ignore below.
            node = ConfigNode("login", entries)  # type: ignore[no-untyped-call]  # no types
            program = ExecProvider(node["exec"], where, node["cluster"])  # type: ignore[no-untyped-call]  # no types
            status = program.run()  # type: ignore[no-untyped-call]  # no types
        except (ConfigException, OSError) as error:
            raise SettingsError(f"kubeconfig: the login plugin failed: {error}") from error
        return cast("Entry", status)
