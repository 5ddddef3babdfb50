"""A real HTTP service in a process of its own that writes down every request it gets.

Its process is `service_process.py`; this is what tests see of it: answers are scripted per path,
the ledger is read at any time. All calls block and take milliseconds.
"""

import http.client
import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from types import TracebackType
from typing import Any

from tests.cluster.control_plane import ROOT
from tests.cluster.errors import ClusterError
from tests.cluster.waiting import wait_for
from tests.e2e.operators import LOGS, get, new_ports

START_SECONDS = 30.0
CONTROL = "/-"
CALL_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One scripted answer.

    `body` None means `{"token": …, "n": …}`, of which the ledger knows the same token; `text` is
    sent as it is. `delay` seconds pass before it, and up to `spread` more, the same ones for the
    same key and attempt. `times` is how often it is given before the next one's turn comes (None:
    for ever). With `cut` the connection is closed instead of an answer.
    """

    status: int = 200
    body: Any = None
    text: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    spread: float = 0.0
    times: int | None = None
    cut: bool = False


def fails_then(count: int, then: Reply, status: int = 503, **headers: str) -> tuple[Reply, Reply]:
    """Return the script that fails `count` times, then answers so for ever."""
    failing = Reply(status=status, times=count, headers=headers, delay=then.delay)
    return failing, then


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as it arrived. Times are seconds since 1970 by the machine's clock.

    `remote` is the address that it came from. `uid` and `step` are those fields of a JSON body,
    `answered` is None while it waits for its
    answer or when its client went away before; then `status` is 0.
    """

    n: int
    time: float
    answered: float | None
    remote: str
    method: str
    path: str
    query: str
    headers: dict[str, str]
    key: str
    attempt: int
    body: Any
    uid: str
    step: str
    status: int
    token: str


class LedgerService:
    """The service; a context manager. It survives everything that happens to operators."""

    def __init__(self, name: str = "ledger") -> None:
        self.name = name
        (self.port,) = new_ports(1)
        self.log_file = LOGS / f"service-{name}-{self.port}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens: the value for `--service-map`."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> "LedgerService":
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    def start(self) -> None:
        """Start the process and wait until it answers; its ledger is empty."""
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.e2e.service_process", str(self.port)],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            wait_for(self._answers, f"service {self.name}", START_SECONDS)
        except ClusterError:
            self.kill()
            raise

    def kill(self) -> None:
        """End the process: calls to it are refused from now on, its ledger is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def pause(self) -> None:
        """Hold the process: connections are taken and nobody answers."""
        assert self._process is not None, "it was started"
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused process go on: what has come meanwhile is answered."""
        assert self._process is not None, "it was started"
        self._process.send_signal(signal.SIGCONT)

    def script(self, path: str, *replies: Reply, per_key: bool = False) -> None:
        """Answer requests to `path` so, in place of what was scripted for it before.

        A `*` at the end of the path matches any rest; the longest match counts, and `200` with a
        token is for all else. With `per_key` each idempotency key goes through the replies anew.
        """
        rule = {"path": path, "per_key": per_key, "replies": [asdict(reply) for reply in replies]}
        self._call("PUT", "/script", rule)

    def requests(self, path: str | None = None, since: int = 0) -> list[Request]:
        """Return what has arrived, in this order; number `since` (from 1) and later ones."""
        found = [Request(**entry) for entry in self._call("GET", f"/requests?since={since}")]
        return [request for request in found if path is None or request.path == path]

    def in_flight(self) -> int:
        """Return how many requests wait for their answer now."""
        return len(self.paths_in_flight())

    def paths_in_flight(self) -> list[str]:
        """Return the paths of the requests that wait for their answer now."""
        paths: list[str] = self._call("GET", "/in-flight")
        return paths

    def release(self) -> None:
        """End the delay of every request that waits now."""
        self._call("POST", "/release")

    def _answers(self) -> bool:
        process = self._process
        if process is not None and process.poll() is not None:
            raise ClusterError(f"service {self.name} ended: {self.log_file.read_text()}")
        try:
            return get(self.port, f"{CONTROL}/in-flight")[0] == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False

    def _call(self, method: str, path: str, body: object = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=CALL_SECONDS)
        try:
            content = None if body is None else json.dumps(body)
            connection.request(method, CONTROL + path, content)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        assert answer.status == http.HTTPStatus.OK, f"{method} {path}: {answer.status} {text}"
        return json.loads(text)
