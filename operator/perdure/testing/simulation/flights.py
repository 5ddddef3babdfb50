"""One request on its way to the API server and back: delayed, lost, doubled, refused."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

import orjson

from perdure.errors import PerdureError
from perdure.kubernetes.responses import Response
from perdure.kubernetes.transport import Call
from perdure.testing.apiserver import Answer, Request
from perdure.testing.simulation.cluster import Cluster
from perdure.testing.simulation.fates import Fate, Fault
from perdure.testing.simulation.hosts import Host
from perdure.testing.simulation.meddling import Meddler
from perdure.testing.simulation.points import Point
from perdure.testing.simulation.post import Letter
from perdure.testing.simulation.refusals import refusal_by_policy, refusal_of


def response_of(answer: Answer, method: str) -> Response:
    """Return an answer of the server as a client gets it."""
    return Response(answer.status, answer.headers, answer.body, method)


@dataclass(slots=True)
class Flight:
    """One request on its way to the API server and back."""

    cluster: Cluster
    meddler: Meddler
    host: Host
    call: Call
    point: Point
    future: asyncio.Future[Response]
    fate: Fate | None
    is_operator: bool
    start: int = field(init=False)
    revision: int = field(init=False)
    """Of the storage, when the request was last looked at."""

    def __post_init__(self) -> None:
        self.start = self.host.starts
        self.revision = self.cluster.server.revision

    def arrive(self) -> None:
        """The request reaches the server, or does not."""
        call, fate = self.call, self.fate
        if not self.cluster.is_reachable(self.host.name) or self._is_unheard():
            self._fail(call.lost("connection refused", is_sent=False))
            return
        if fate is not None and fate.fault is Fault.REQUEST_LOST:
            self._lose(fate)
            return
        if fate is not None:
            self.meddler.meddle(fate, self.point, call)
            self._look()
            refusal = refusal_of(fate, self.cluster.server)
            if refusal is not None:
                self._deliver(refusal)
                return
        self._look()
        policy = self.cluster.policy
        if policy is not None and self.is_operator and policy.refuses(self._request()):
            self._deliver(refusal_by_policy(self.cluster.server))
            return
        answer = self.cluster.handle(self._request())
        if fate is not None and fate.fault is Fault.TWICE:
            self._look()
            answer = self.cluster.handle(self._request())
        self._note(answer)
        self._back(answer)

    def _look(self) -> None:
        self.revision = self.cluster.server.revision

    def _is_unheard(self) -> bool:
        return self.point is Point.LEASE and self.host.name in self.cluster.unheard

    def _request(self) -> Request:
        call = self.call
        params = dict(call.params or {})
        return Request(call.method, call.path, params, call.body, call.content_type, self.host.name)

    def _note(self, answer: Answer) -> None:
        body = zlib.crc32(self.call.body or b"")
        reply = zlib.crc32(answer.body)
        self.cluster.scheduler.note(
            f"{self.host.name} {self.call.method} {self.call.path} {body:08x} "
            f"{answer.status} {reply:08x}"
        )

    def _back(self, answer: Answer) -> None:
        fate = self.fate
        if fate is None:
            self._deliver(answer)
            return
        match fate.fault:
            case Fault.CRASH_APPLIED:
                self._if_alive(lambda: self.host.crash(fate.seconds))
            case Fault.REPLY_LOST if fate.variant == "late":
                self._deliver(answer, fate.seconds)
            case Fault.REPLY_LOST:
                self._lose(fate)
            case Fault.SERVER_ERROR:
                self._deliver(failed(int(fate.variant.split()[0])))
            case _:
                self._deliver(answer)

    def _lose(self, fate: Fate) -> None:
        """Let no answer come: the connection breaks, or stays silent until the time is up."""
        if fate.variant != "silent":
            error = self.call.lost("the connection was cut", is_sent=True)
            self.cluster.scheduler.after(fate.seconds, lambda: self._fail(error))

    def _fail(self, error: PerdureError) -> None:
        if not self.future.done():
            self.future.set_exception(error)

    def _deliver(self, answer: Answer, delay: float = 0.0) -> None:
        response = response_of(answer, self.call.method)
        body = zlib.crc32(response.body)
        text = f"to {self.host.name} {self.call.path}: {response.status} {body:08x}"
        self.cluster.post.send(Letter(text=text, act=lambda: self._settle(response)), delay)

    def _settle(self, response: Response) -> None:
        fate = self.fate
        if fate is not None and fate.fault is Fault.CRASH_ANSWERED:
            self._if_alive(lambda: self.host.crash(fate.seconds))
            return
        if fate is not None and fate.fault is Fault.PAUSE and fate.variant == "after":
            self._if_alive(lambda: self.host.pause(fate.seconds))
        if not self.future.done():
            self.future.set_result(response)

    def _if_alive(self, act: Callable[[], None]) -> None:
        """Do something to the process that sent it, if it has not been followed by another."""
        if self.host.starts == self.start:
            act()


def failed(code: int) -> Answer:
    """Return an answer of a server, or of a proxy before it, that has a problem."""
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code}
    body = orjson.dumps({**status, "reason": "InternalError", "message": "on purpose"})
    return Answer(code, {"Content-Type": "application/json"}, body)
