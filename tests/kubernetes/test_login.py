"""Finding the API server by kubeconfig or by a pod's files."""

import base64
import json
import ssl
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cluster.certificates import Authority
from tests.kubernetes.clocks import ManualClock

from perdure.errors import SettingsError, TransientError
from perdure.kubernetes.connection import Connection
from perdure.kubernetes.login import log_in


def written(
    path: Path,
    *,
    cluster: dict[str, Any] | None = None,
    user: dict[str, Any] | None = None,
    name: str = "one",
) -> Path:
    content = {
        "clusters": [{"name": name, "cluster": {"server": "https://h:1/", **(cluster or {})}}],
        "users": [{"name": name, "user": user or {}}],
        "contexts": [
            {"name": name, "context": {"cluster": name, "user": name, "namespace": f"ns-{name}"}}
        ],
        "current-context": name,
    }
    path.write_text(yaml.safe_dump(content))
    return path


def login(path: Path, context: str | None = None) -> Connection:
    return log_in(ManualClock(), kubeconfig=str(path), context=context, environment={})


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("pki")
    Authority(directory).issue_client("client", "anna")
    return directory


def encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


async def test_server_token_and_namespace_of_the_current_context(tmp_path: Path) -> None:
    connection = login(written(tmp_path / "config", user={"token": "t"}))
    assert (connection.server, connection.namespace) == ("https://h:1", "ns-one")
    assert await connection.credentials.token() == "t"


async def test_files_are_found_beside_the_kubeconfig(tmp_path: Path, pki: Path) -> None:
    (tmp_path / "ca.crt").write_bytes((pki / "ca.crt").read_bytes())
    (tmp_path / "token").write_text("of the file")
    connection = login(
        written(
            tmp_path / "config",
            cluster={"certificate-authority": "ca.crt"},
            user={"tokenFile": "token", "token": "loses"},
        )
    )
    assert connection.tls is not None
    assert [each["subject"] for each in connection.tls.get_ca_certs()] == [
        ((("commonName", "perdure-test-ca"),),)
    ]
    assert await connection.credentials.token() == "of the file"


def test_inline_certificates_are_taken(tmp_path: Path, pki: Path) -> None:
    connection = login(
        written(
            tmp_path / "config",
            cluster={"certificate-authority-data": encoded(pki / "ca.crt")},
            user={
                "client-certificate-data": encoded(pki / "client.crt"),
                "client-key-data": encoded(pki / "client.key"),
            },
        )
    )
    assert connection.tls is not None
    assert connection.tls.verify_mode is ssl.CERT_REQUIRED


def test_verification_can_be_skipped(tmp_path: Path) -> None:
    connection = login(written(tmp_path / "config", cluster={"insecure-skip-tls-verify": True}))
    assert connection.tls is not None
    assert connection.tls.verify_mode is ssl.CERT_NONE
    assert not connection.tls.check_hostname


def test_plain_http_has_no_tls(tmp_path: Path) -> None:
    assert login(written(tmp_path / "config", cluster={"server": "http://h"})).tls is None


async def test_of_several_files_the_first_counts_and_all_contexts_can_be_chosen(
    tmp_path: Path,
) -> None:
    first = written(tmp_path / "1", user={"token": "first"})
    second = written(tmp_path / "2", user={"token": "second"}, name="two")
    environment = {"KUBECONFIG": f"{first}:{tmp_path / 'absent'}:{second}"}
    current = log_in(ManualClock(), environment=environment)
    assert await current.credentials.token() == "first"
    chosen = log_in(ManualClock(), context="two", environment=environment)
    assert await chosen.credentials.token() == "second"


PLUGIN = """
import json, pathlib, sys
count = pathlib.Path(sys.argv[1])
number = int(count.read_text()) + 1 if count.exists() else 1
count.write_text(str(number))
if number > 2:
    sys.exit("no more")
print(json.dumps({
    "apiVersion": "client.authentication.k8s.io/v1",
    "kind": "ExecCredential",
    "status": {"token": f"token-{number}"},
}))
"""


async def test_a_plugin_gives_the_token_and_a_new_one_after_a_refusal(tmp_path: Path) -> None:
    (tmp_path / "plugin.py").write_text(PLUGIN)
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": sys.executable,
        "args": ["plugin.py", "count"],
    }
    credentials = login(written(tmp_path / "config", user={"exec": plugin})).credentials
    assert await credentials.token() == "token-1"
    assert await credentials.renew("token-1")
    assert await credentials.token() == "token-2"
    assert await credentials.renew("token-1"), "somebody else has renewed it meanwhile"
    assert await credentials.token() == "token-2"
    with pytest.raises(TransientError, match="no more"):
        await credentials.renew("token-2")


async def test_a_pod_uses_its_service_account(tmp_path: Path, pki: Path) -> None:
    (tmp_path / "ca.crt").write_bytes((pki / "ca.crt").read_bytes())
    (tmp_path / "token").write_text("of the pod\n")
    (tmp_path / "namespace").write_text("perdure-system")
    environment = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    connection = log_in(ManualClock(), environment=environment, pod_files=tmp_path)
    assert connection.server == "https://[fd00::1]:443"
    assert connection.namespace == "perdure-system"
    assert await connection.credentials.token() == "of the pod"


def test_faults_are_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no kubeconfig"):
        login(tmp_path / "absent")
    with pytest.raises(SettingsError, match="no context 'two'; there are: one"):
        login(written(tmp_path / "config"), "two")
    with pytest.raises(SettingsError, match="auth-provider is not supported"):
        login(written(tmp_path / "config", user={"auth-provider": {"name": "gcp"}}))
    with pytest.raises(SettingsError, match="client-certificate-data is not base64"):
        login(written(tmp_path / "config", user={"client-certificate-data": "%"}))
    with pytest.raises(SettingsError, match="not in a pod"):
        log_in(ManualClock(), environment={"HOME": str(tmp_path)}, pod_files=tmp_path)
    (tmp_path / "config").write_text(json.dumps([]))
    with pytest.raises(SettingsError, match="is not a mapping"):
        login(tmp_path / "config")
