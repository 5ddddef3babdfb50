"""The processes of one cluster and the directory that says what it is."""

import http.client
import json
import os
import shutil
import socket
import urllib.request
from contextlib import AbstractContextManager
from dataclasses import asdict
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from tests.cluster.certificates import Authority, write_signing_key
from tests.cluster.components import (
    COMPONENTS,
    SERVER_NAMES,
    Component,
    Layout,
    Ports,
    command,
)
from tests.cluster.connection import Connection, client_tls
from tests.cluster.errors import ClusterError
from tests.cluster.identities import ADMIN, CONTROLLER_MANAGER, IDENTITIES
from tests.cluster.kubeconfig import certificate_user, write_kubeconfig
from tests.cluster.processes import Process
from tests.cluster.programs import Programs, Report, build_programs, locked
from tests.cluster.waiting import wait_for

ROOT = Path(__file__).parents[2]
CLUSTERS = ROOT / "build" / "cluster"

START_SECONDS = 60.0  # a start takes about 4 s; this much on a machine that does other work
PORTS = range(20_000, 32_000)  # Linux gives outgoing connections ports from 32768 on
PORT_ATTEMPTS = 3  # a free port may be taken before our program binds it

# Loopback addresses are never meant for a proxy.
NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class PortTakenError(ClusterError):
    """Another program was quicker at a port that was free a moment ago."""


class ControlPlane:
    """etcd, API server and controller manager below `build/cluster/<name>`.

    What it is stands in its directory: a second object of the same name, in this process or
    another, sees the same cluster. Component names are `etcd`, `apiserver` and
    `controller-manager`; data and ports survive the kill and start of any of them.
    """

    def __init__(self, name: str, report: Report) -> None:
        """`report` takes a line of progress each time the programs have to be built first."""
        self.name = name
        self.layout = Layout(CLUSTERS / name)
        self._report = report

    def up(self) -> None:
        """Start what is not running and return when all is ready.

        A cluster of other program versions is replaced by an empty one.
        """
        with locked_clusters():
            if self._recorded_key() not in (None, self._programs.key):
                self._stop_all()
                remove(self.layout.root)
            if self._recorded_key() is None:
                self._create()
            self._start_all()

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

    @property
    def connection(self) -> Connection:
        """Blocking calls as the admin."""
        return Connection(self.ports.apiserver, client_tls(self.layout.pki, ADMIN.name))

    def etcd(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Call etcd's JSON gateway, https://etcd.io/docs/v3.6/dev-guide/api_grpc_gateway/."""
        url = f"http://127.0.0.1:{self.ports.etcd}{path}"
        with NO_PROXY.open(url, json.dumps(body).encode(), timeout=10) as answer:
            content: dict[str, Any] = json.load(answer)
        return content

    @cached_property
    def _programs(self) -> Programs:
        return build_programs(self._report)

    def _state(self) -> dict[str, Any] | None:
        try:
            state: dict[str, Any] = json.loads((self.layout.root / "cluster.json").read_text())
        except FileNotFoundError:
            return None
        return state

    def _recorded_key(self) -> str | None:
        state = self._state()
        return None if state is None else state["key"]

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
        ports = Ports(*free_ports(2))
        for identity in (*IDENTITIES.values(), CONTROLLER_MANAGER):
            path = self.layout.kubeconfig(identity.name)
            user = certificate_user(self.layout.pki, identity.name)
            write_kubeconfig(path, ports.server, self.layout.pki, user)
        unfinished = self.layout.root / "cluster.json.partial"
        unfinished.write_text(json.dumps({"key": self._programs.key, "ports": asdict(ports)}))
        unfinished.rename(self.layout.root / "cluster.json")

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
        """Say whether a component answers; nobody there to answer is not an error yet."""
        try:
            match component:
                case "etcd":
                    return self._is_etcd_healthy()
                case "apiserver":
                    return self.connection.is_ready()
                case "controller-manager":
                    return self.has_service_account("default")
        except (OSError, http.client.HTTPException):
            return False

    def _is_etcd_healthy(self) -> bool:
        with NO_PROXY.open(f"http://127.0.0.1:{self.ports.etcd}/health", timeout=5) as answer:
            return bool(json.load(answer)["health"] == "true")

    def has_service_account(self, namespace: str) -> bool:
        """Say whether the controller manager has come to a namespace: pods need its account."""
        return self.connection.answers(f"/api/v1/namespaces/{namespace}/serviceaccounts/default")

    def _ended(self, process: Process) -> ClusterError:
        lines = process.last_lines()
        if "address already in use" in lines:
            return PortTakenError(lines)
        text = (
            f"{process.name} of cluster {self.name} ended; {process.log_file} closes with\n{lines}"
        )
        return ClusterError(text)


def locked_clusters() -> AbstractContextManager[None]:
    """Hold the lock under which clusters of this repository come and go, one at a time."""
    CLUSTERS.mkdir(parents=True, exist_ok=True)
    return locked(CLUSTERS / "lock", lambda _: None)


def free_ports(count: int) -> list[int]:
    """Return different free loopback ports, below those that outgoing connections are given.

    A component keeps its port while it is down; from the upper range, some client's
    connection could take it meanwhile.
    """
    offset = os.getpid() * count % len(PORTS)  # others look elsewhere first
    candidates = [*PORTS[offset:], *PORTS[:offset]]
    return list(islice(filter(is_free, candidates), count))


def is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
