"""One cluster: its processes, its identities and its faults."""

import json
import os
import shutil
import socket
import subprocess
import urllib.request
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import yaml
from tests.cluster.api import Api
from tests.cluster.audit import AuditLog
from tests.cluster.certificates import Authority, write_signing_key
from tests.cluster.clients import Clients, fetch_clients
from tests.cluster.components import (
    COMPONENTS,
    SERVER_NAMES,
    Component,
    Layout,
    Ports,
    command,
)
from tests.cluster.connection import Connection, client_tls, server_tls
from tests.cluster.errors import ClusterError
from tests.cluster.identities import (
    CONTROLLER_MANAGER,
    IDENTITIES,
    OPERATOR_NAMESPACE,
    OPERATOR_SERVICE_ACCOUNT,
    SERVICE_ACCOUNT,
    USER,
    USER_ROLE,
)
from tests.cluster.kubeconfig import certificate_user, token_user, write_kubeconfig
from tests.cluster.processes import Process
from tests.cluster.programs import Programs, Report, build_programs, locked
from tests.cluster.waiting import wait_for

ROOT = Path(__file__).parents[2]
CLUSTERS = ROOT / "build" / "cluster"
CRDS = ROOT / "crds"
RBAC = Path(__file__).with_name("rbac.yaml")

CRD_PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

START_SECONDS = 60.0  # a start takes about 4 s; this much on a machine that does other work
PORT_ATTEMPTS = 3  # a free port may be taken before our program binds it
TOKEN_DURATION = timedelta(hours=24)


class PortTakenError(ClusterError):
    """Another program was quicker at a port that was free a moment ago."""


class Cluster:
    """A control plane below `build/cluster/<name>`; usable from several processes at once.

    What it is stands in its directory: a second object of the same name, in this process or
    another, sees the same cluster. Component names are `etcd`, `apiserver` and
    `controller-manager`; data and ports survive the kill and start of any of them.
    """

    def __init__(self, name: str, report: Report) -> None:
        """`report` takes a line of progress each time the programs have to be built first."""
        self.name = name
        self.layout = Layout(CLUSTERS / name)
        self.audit = AuditLog(self.layout.audit)
        self._report = report

    # --- life ---------------------------------------------------------------------------

    def up(self) -> None:
        """Start what is not running; return when all is ready and all identities are in place.

        A cluster of other program versions is replaced by an empty one.
        """
        with locked_clusters():
            if self._recorded_key() not in (None, self._programs.key):
                self._remove()
            if self._recorded_key() is None:
                self._create()
            self._start_all()
        self._apply_identities()

    def down(self) -> None:
        """End every process and delete the data; only the logs stay, until the next `up`."""
        with locked_clusters():
            self._stop_all()
            for path in self.layout.root.glob("*"):
                if path != self.layout.log:
                    remove(path)

    def status(self) -> dict[Component, int | None]:
        """Return the pid of each component, None for one that is not running."""
        running = {each: self._process(each).running() for each in COMPONENTS}
        return {each: found.pid if found else None for each, found in running.items()}

    def start(self, component: Component) -> None:
        """Start one component and wait until it is ready; nothing happens if it runs."""
        self._spawn(component)
        self._wait_ready(component)

    def kill(self, component: Component) -> None:
        """End one component with SIGKILL and wait until it is gone."""
        self._process(component).stop()

    def restart(self, component: Component) -> None:
        """Kill one component and start it again; for the API server, a crash of a second."""
        self.kill(component)
        self.start(component)

    # --- ways in ------------------------------------------------------------------------

    @property
    def server(self) -> str:
        """The URL of the API server."""
        return f"https://127.0.0.1:{self.ports.apiserver}"

    @property
    def certificate_authority(self) -> Path:
        """The PEM file with which clients check the API server."""
        return self.layout.pki / "ca.crt"

    @property
    def ports(self) -> Ports:
        """The ports; raises ClusterError before the first `up`."""
        state = self._state()
        if state is None:
            raise ClusterError(
                f"cluster {self.name} does not exist: start it with "
                f"`python -m tests.cluster up --name {self.name}`"
            )
        return Ports(**state["ports"])

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

    @property
    def connection(self) -> Connection:
        """Blocking calls as the admin."""
        return Connection(self.ports.apiserver, client_tls(self.layout.pki, "admin"))

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
        self._wait_service_account(name)

    def delete_namespace(self, name: str) -> None:
        """Start the deletion of a namespace; the controller manager finishes it."""
        self.connection.call("DELETE", f"/api/v1/namespaces/{name}")

    # --- faults -------------------------------------------------------------------------

    def compact(self) -> int:
        """Make etcd forget every revision but the newest; return that revision.

        A running API server goes on answering watches and lists of the past from its
        memory; only `forget_history` makes them expire.
        """
        status = self._etcd("/v3/maintenance/status", {})
        revision = int(status["header"]["revision"])
        self._etcd("/v3/kv/compaction", {"revision": revision, "physical": True})
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
    def _programs(self) -> Programs:
        return build_programs(self._report)

    @cached_property
    def _clients(self) -> Clients:
        return fetch_clients(self._report)

    def _state(self) -> dict[str, Any] | None:
        try:
            state: dict[str, Any] = json.loads((self.layout.root / "cluster.json").read_text())
        except FileNotFoundError:
            return None
        return state

    def _recorded_key(self) -> str | None:
        state = self._state()
        return None if state is None else state["key"]

    def _remove(self) -> None:
        self._stop_all()
        remove(self.layout.root)

    def _stop_all(self) -> None:
        for component in reversed(COMPONENTS):
            self.kill(component)

    def _create(self) -> None:
        """Write keys, certificates and ports; `cluster.json` last, as it vouches for them."""
        remove(self.layout.root)
        for directory in (self.layout.log, self.layout.pids, self.layout.root / "kubeconfig"):
            directory.mkdir(parents=True)
        authority = Authority(self.layout.pki)
        authority.issue_server("apiserver", SERVER_NAMES)
        for identity in (*IDENTITIES.values(), CONTROLLER_MANAGER):
            authority.issue_client(identity.name, identity.user, identity.groups)
        write_signing_key(self.layout.pki)
        self._choose_ports()

    def _choose_ports(self) -> None:
        etcd, apiserver = free_ports(2)
        state = {"key": self._programs.key, "ports": asdict(Ports(etcd, apiserver))}
        unfinished = self.layout.root / "cluster.json.partial"
        unfinished.write_text(json.dumps(state))
        unfinished.rename(self.layout.root / "cluster.json")
        for identity in (*IDENTITIES.values(), CONTROLLER_MANAGER):
            user = certificate_user(self.layout.pki, identity.name)
            self._write_kubeconfig(identity.name, user)

    def _write_kubeconfig(self, identity: str, user: dict[str, Any]) -> None:
        write_kubeconfig(self.layout.kubeconfig(identity), self.server, self.layout.pki, user)

    def _start_all(self) -> None:
        for _ in range(PORT_ATTEMPTS):
            try:
                for component in ("etcd", "apiserver"):  # side by side: the latter waits
                    self._spawn(component)
                for component in COMPONENTS:
                    self.start(component)
            except PortTakenError:
                self._stop_all()
                self._choose_ports()
            else:
                return
        raise ClusterError(f"cluster {self.name}: found no free port in {PORT_ATTEMPTS} attempts")

    def _process(self, component: Component) -> Process:
        pid_file = self.layout.pids / component
        return Process(component, pid_file, self.layout.log / f"{component}.log")

    def _spawn(self, component: Component) -> None:
        process = self._process(component)
        if process.running() is None:
            # Nothing of the caller's environment, so that a proxy or a GOMAXPROCS set there
            # does not make one start differ from another.
            environment = {"PATH": os.environ["PATH"], "HOME": str(self.layout.root)}
            process.start(command(component, self._programs, self.layout, self.ports), environment)

    def _wait_ready(self, component: Component) -> None:
        process = self._process(component)

        def look() -> bool:
            if process.running() is None:
                raise self._ended(process)
            return self._is_ready(component)

        wait_for(look, f"{component} of cluster {self.name} to be ready", START_SECONDS)

    def _is_ready(self, component: Component) -> bool:
        match component:
            case "etcd":
                return self._is_etcd_healthy()
            case "apiserver":
                return self.connection.is_ready()
            case "controller-manager":
                return self._has_service_account("default")

    def _ended(self, process: Process) -> ClusterError:
        lines = process.last_lines()
        if "address already in use" in lines:
            return PortTakenError(lines)
        text = (
            f"{process.name} of cluster {self.name} ended; {process.log_file} closes with\n{lines}"
        )
        return ClusterError(text)

    def _etcd(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Call etcd's JSON gateway, https://etcd.io/docs/v3.6/dev-guide/api_grpc_gateway/."""
        url = f"http://127.0.0.1:{self.ports.etcd}{path}"
        with NO_PROXY.open(url, json.dumps(body).encode(), timeout=10) as answer:
            content: dict[str, Any] = json.load(answer)
        return content

    def _is_etcd_healthy(self) -> bool:
        try:
            with NO_PROXY.open(f"http://127.0.0.1:{self.ports.etcd}/health", timeout=5) as answer:
                return bool(json.load(answer)["health"] == "true")
        except OSError:
            return False

    def _apply_identities(self) -> None:
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(RBAC))
        token = self.token(OPERATOR_SERVICE_ACCOUNT, OPERATOR_NAMESPACE, TOKEN_DURATION)
        token_file = self.layout.root / "token"
        token_file.touch(mode=0o600)
        token_file.write_text(token)
        self._write_kubeconfig(SERVICE_ACCOUNT, token_user(token_file))

    def _has_service_account(self, namespace: str) -> bool:
        return self.connection.answers(f"/api/v1/namespaces/{namespace}/serviceaccounts/default")

    def _wait_service_account(self, namespace: str) -> None:
        what = f"the service account of namespace {namespace}"
        wait_for(lambda: self._has_service_account(namespace), what, START_SECONDS)

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


# Loopback addresses are never meant for a proxy.
NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def locked_clusters() -> Any:
    """Hold the lock under which clusters of this repository come and go, one at a time."""
    CLUSTERS.mkdir(parents=True, exist_ok=True)
    return locked(CLUSTERS / "lock", lambda _: None)


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


def free_ports(count: int) -> list[int]:
    """Return different free loopback ports."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
