"""`perdure operator` as a process that tests start, kill, pause and stop.

All calls block: an async test runs them by `asyncio.to_thread` where it must go on meanwhile.
"""

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import IO

from tests.cluster.cluster import Cluster
from tests.cluster.control_plane import ROOT, free_ports
from tests.cluster.errors import ClusterError
from tests.cluster.identities import SERVICE_ACCOUNT
from tests.cluster.waiting import wait_for

LOGS = ROOT / "build" / "e2e"
READY_SECONDS = 60.0  # a guard against hanging; 2 s are usual
STOP_SECONDS = 30.0  # likewise; a graceful stop is promised within 5 s
PROBE_SECONDS = 5.0
TAIL_LINES = 30

_given_ports: set[int] = set()


class OperatorProcess:
    """One operator identity on one cluster; a context manager that ends in SIGKILL.

    `services` become `--service-map`, `namespaces` become `--watch-namespace`; `args` are added
    as they are, `environment` to the little that the process gets otherwise. With `lanes` its
    turns stand in a log of so many. Ports and log file stay the same from one start to the next.
    """

    def __init__(
        self,
        cluster: Cluster,
        identity: str = "op",
        kubeconfig_identity: str = SERVICE_ACCOUNT,
        namespaces: Sequence[str] = (),
        services: Mapping[str, str] | None = None,
        args: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        lanes: int | None = None,
    ) -> None:
        self.identity = identity
        self.health_port, self.metrics_port = new_ports(2)
        self.log_file = LOGS / cluster.name / f"operator-{identity}.log"
        module = "perdure" if lanes is None else "tests.e2e.logged_operator"
        self._command = [sys.executable, "-m", module, "operator", "--identity", identity]
        self._command += ["--health-port", str(self.health_port)]
        self._command += ["--metrics-port", str(self.metrics_port)]
        for namespace in namespaces:
            self._command += ["--watch-namespace", namespace]
        for name, url in (services or {}).items():
            self._command += ["--service-map", f"{name}={url}"]
        self._command += args
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(cluster.layout.root),
            "KUBECONFIG": str(cluster.kubeconfig(kubeconfig_identity)),
            **(environment or {}),
        }
        if lanes is not None:
            self._environment |= {"PERDURE_TEST_LANES": str(lanes), "PYTHONPATH": str(ROOT)}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "OperatorProcess":
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    # --- life ---------------------------------------------------------------------------

    def start(self, ready_seconds: float = READY_SECONDS) -> float:
        """Start the process, wait until it is ready; return the seconds that took.

        Raises ClusterError with the end of the log if it ends or is not ready in time.
        """
        began = time.monotonic()
        self.spawn()
        try:
            self.wait_ready(ready_seconds)
        except ClusterError:
            self.kill()
            raise
        return time.monotonic() - began

    def spawn(self) -> None:
        """Start the process and wait for nothing."""
        assert not self.is_running, f"operator {self.identity} runs already"
        with self._log() as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait_ready(self, timeout_seconds: float = READY_SECONDS) -> None:
        """Wait until `/readyz` says yes; raises ClusterError as `start` does."""

        def look() -> bool:
            if not self.is_running:
                raise ClusterError(f"operator {self.identity} ended: {self._told()}")
            return self.is_ready()

        try:
            wait_for(look, f"operator {self.identity} to be ready", timeout_seconds)
        except ClusterError as error:
            raise ClusterError(f"{error}: {self._told()}") from None

    def kill(self) -> None:
        """End the process with SIGKILL, also a paused one; no error if there is none."""
        process = self._process
        if process is not None:
            process.kill()
            process.wait(STOP_SECONDS)

    def stop(self, timeout_seconds: float = STOP_SECONDS) -> tuple[int, float]:
        """End the process with SIGTERM; return its exit code and how many seconds it took."""
        process = self._running()
        began = time.monotonic()
        process.terminate()
        try:
            code = process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            text = f"operator {self.identity} did not stop in {timeout_seconds:g} s"
            raise ClusterError(f"{text}: {self._told()}") from None
        return code, time.monotonic() - began

    def pause(self) -> None:
        """Hold the whole process with SIGSTOP, as a machine that hangs would."""
        self._running().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused process go on."""
        self._running().send_signal(signal.SIGCONT)

    # --- looking at it ------------------------------------------------------------------

    @property
    def is_running(self) -> bool:
        """Say whether there is a process, paused or not."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """The exit code of the last process, negative for a signal; None while it runs."""
        return None if self._process is None else self._process.poll()

    @property
    def pid(self) -> int:
        """The pid; raises ClusterError if no process runs."""
        return self._running().pid

    @property
    def rss_bytes(self) -> int:
        """The resident memory of the process."""
        with open(f"/proc/{self.pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")

    @property
    def cpu_seconds(self) -> float:
        """The processor time that the process has used, its own and the kernel's for it."""
        with open(f"/proc/{self.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def is_ready(self) -> bool:
        """Say whether `/readyz` answers 200."""
        return self.probe("/readyz")[0] == http.HTTPStatus.OK

    def probe(self, path: str) -> tuple[int, str]:
        """Return status and text of `/readyz` or `/healthz`; status 0 where nobody answers."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            return get(self.health_port, path)
        return 0, ""

    def metrics(self) -> dict[str, float]:
        """Return all metrics by name with labels, as in `perdure_commits_total{outcome="Gone"}`."""
        _, text = get(self.metrics_port, "/metrics")
        lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, _, value in lines}

    def log_tail(self, count: int = TAIL_LINES) -> str:
        """Return the last lines of the log, of all starts so far."""
        if not self.log_file.exists():
            return "(no log)"
        return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-count:])

    # --- inside -------------------------------------------------------------------------

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is None or not self.is_running:
            raise ClusterError(f"operator {self.identity} does not run: {self._told()}")
        return self._process

    def _told(self) -> str:
        return f"exit code {self.exit_code}; {self.log_file} closes with\n{self.log_tail()}"

    def _log(self) -> IO[bytes]:
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        return self.log_file.open("ab")


def get(port: int, path: str) -> tuple[int, str]:
    """Return status and text of a GET on a loopback port."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PROBE_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def new_ports(count: int) -> list[int]:
    """Return free ports that were not given out before by this process."""
    ports = [port for port in free_ports(count + len(_given_ports)) if port not in _given_ports]
    _given_ports.update(ports[:count])
    return ports[:count]
