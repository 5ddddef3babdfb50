"""One cluster as tests see it: ways in, content and faults."""

import os
import subprocess
from collections.abc import Sequence
from datetime import timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import yaml
from tests.cluster.api import Api
from tests.cluster.audit import AuditLog
from tests.cluster.clients import Clients, fetch_clients
from tests.cluster.connection import client_tls, server_tls
from tests.cluster.control_plane import ROOT, START_SECONDS, ControlPlane
from tests.cluster.errors import ClusterError
from tests.cluster.identities import (
    OPERATOR_NAMESPACE,
    OPERATOR_SERVICE_ACCOUNT,
    SERVICE_ACCOUNT,
    USER,
    USER_ROLE,
)
from tests.cluster.kubeconfig import token_user, write_kubeconfig
from tests.cluster.programs import Report
from tests.cluster.waiting import wait_for

CRDS = ROOT / "crds"
CRD_PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
RBAC = Path(__file__).with_name("rbac.yaml")
TOKEN_DURATION = timedelta(hours=24)


class Cluster(ControlPlane):
    """A control plane with identities to act as, an audit log to read and faults to inject."""

    def __init__(self, name: str, report: Report) -> None:
        super().__init__(name, report)
        self.audit = AuditLog(self.layout.audit)

    def up(self) -> None:
        """Start what is not running; return when all is ready and all identities are in place."""
        super().up()
        self._apply_identities()

    # --- ways in ------------------------------------------------------------------------

    @property
    def server(self) -> str:
        """The URL of the API server."""
        return self.ports.server

    @property
    def certificate_authority(self) -> Path:
        """The PEM file with which clients check the API server."""
        return self.layout.pki / "ca.crt"

    def kubeconfig(self, identity: str = "admin") -> Path:
        """Return the kubeconfig of `admin`, `operator`, `operator-2`, `user` or `service-account`.

        The last is the operator as it runs in a pod: it reads its token from a file.
        """
        path = self.layout.kubeconfig(identity)
        if not path.exists():
            raise ClusterError(
                f"cluster {self.name} has no kubeconfig for {identity!r}: start it with "
                f"`python -m tests.cluster up --name {self.name}`, or name another identity"
            )
        return path

    def kubectl(
        self,
        *args: str,
        identity: str = "admin",
        input: str | None = None,  # noqa: A002 - as subprocess calls it
        check: bool = True,
    ) -> "subprocess.CompletedProcess[str]":
        """Run kubectl; raises ClusterError with its output if it fails and `check` is set."""
        return self._run([str(self._clients.kubectl), *args], identity, input, check)

    def helm(
        self, *args: str, identity: str = "admin", check: bool = True
    ) -> "subprocess.CompletedProcess[str]":
        """Run Helm, its own files kept inside the cluster's directory."""
        return self._run([str(self._clients.helm), *args], identity, None, check)

    def api(self, identity: str = "admin") -> Api:
        """Return a client that acts as one of the identities with a certificate."""
        return Api(self.server, client_tls(self.layout.pki, identity))

    def token_api(self, token: str) -> Api:
        """Return a client that acts as the holder of a bearer token."""
        return Api(self.server, server_tls(self.layout.pki), token)

    def token(self, service_account: str, namespace: str, duration: timedelta) -> str:
        """Return a bearer token by the TokenRequest API, which gives none under 10 minutes."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{service_account}/token"
        request = {"spec": {"expirationSeconds": int(duration.total_seconds())}}
        token: str = self.connection.call("POST", path, request)["status"]["token"]
        return token

    # --- content ------------------------------------------------------------------------

    def apply_crds(self, directory: Path = CRDS) -> None:
        """Apply every CRD of a directory and wait until the API server serves them."""
        crds = [yaml.safe_load(path.read_text()) for path in sorted(directory.glob("*.yaml"))]
        for crd in crds:
            self.connection.apply(f"{CRD_PATH}/{crd['metadata']['name']}", crd)
        for crd in crds:
            served = served_path(crd)
            wait_for(partial(self.connection.answers, served), f"GET {served}", START_SECONDS)

    def create_namespace(self, name: str) -> None:
        """Create a namespace in which `user` may edit workflows, ready to take pods."""
        self.connection.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        self.connection.call(
            "POST",
            f"/apis/rbac.authorization.k8s.io/v1/namespaces/{name}/rolebindings",
            user_binding(),
        )
        what = f"the service account of namespace {name}"
        wait_for(partial(self.has_service_account, name), what, START_SECONDS)

    def delete_namespace(self, name: str) -> None:
        """Start the deletion of a namespace; the controller manager finishes it."""
        self.connection.call("DELETE", f"/api/v1/namespaces/{name}")

    # --- faults -------------------------------------------------------------------------

    def compact(self) -> int:
        """Make etcd forget every revision but the newest; return that revision.

        A running API server goes on answering watches and lists of the past from its
        memory; only `forget_history` makes them expire.
        """
        status = self.etcd("/v3/maintenance/status", {})
        revision = int(status["header"]["revision"])
        self.etcd("/v3/kv/compaction", {"revision": revision, "physical": True})
        return revision

    def forget_history(self) -> int:
        """Compact and restart the API server: what asks for the past now gets 410.

        That is a watch from an older resource version and the next page of an older list.
        """
        revision = self.compact()
        self.restart("apiserver")
        return revision

    # --- inside -------------------------------------------------------------------------

    @cached_property
    def _clients(self) -> Clients:
        return fetch_clients(self._report)

    def _apply_identities(self) -> None:
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(RBAC))
        token = self.token(OPERATOR_SERVICE_ACCOUNT, OPERATOR_NAMESPACE, TOKEN_DURATION)
        token_file = self.layout.root / "token"
        token_file.touch(mode=0o600)
        token_file.write_text(token)
        path, user = self.layout.kubeconfig(SERVICE_ACCOUNT), token_user(token_file)
        write_kubeconfig(path, self.server, self.layout.pki, user)

    def _run(
        self, arguments: Sequence[str], identity: str, text: str | None, check: bool
    ) -> "subprocess.CompletedProcess[str]":
        own = self.layout.root / "clients"
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(own),
            "KUBECONFIG": str(self.kubeconfig(identity)),
            # Discovery is kept by host and port, which another cluster may have had.
            "KUBECACHEDIR": str(own / "kubectl"),
        }
        done = subprocess.run(
            arguments, input=text, capture_output=True, text=True, env=environment, check=False
        )
        if check and done.returncode != 0:
            call = " ".join([Path(arguments[0]).name, *arguments[1:]])
            output = (done.stderr + done.stdout).strip()
            raise ClusterError(f"as {identity}: {call}: exit status {done.returncode}\n{output}")
        return done


def user_binding() -> dict[str, Any]:
    group = "rbac.authorization.k8s.io"
    return {
        "metadata": {"name": USER_ROLE},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": USER_ROLE},
        "subjects": [{"apiGroup": group, "kind": "User", "name": USER.user}],
    }


def served_path(crd: dict[str, Any]) -> str:
    """Return a path that answers once the API server serves the kind of a CRD."""
    spec = crd["spec"]
    (version,) = (each["name"] for each in spec["versions"] if each["storage"])
    return f"/apis/{spec['group']}/{version}/{spec['names']['plural']}?limit=1"
