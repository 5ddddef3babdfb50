"""The network between processes and the API server: it delays, and does what the fates want."""

from __future__ import annotations

import asyncio
import zlib
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

import orjson

from perdure.engine.values import Json
from perdure.errors import PerdureError, TransientError
from perdure.kubernetes.responses import READS, Response, retry_after
from perdure.kubernetes.transport import Call, SilentStreamError, Stream
from perdure.testing.apiserver import Answer, ApiServer, Frontend, Request, Watch
from perdure.testing.simulation.encounters import Encounters, RefusedError
from perdure.testing.simulation.fates import Fate, Fates, Fault, Record
from perdure.testing.simulation.hosts import Host
from perdure.testing.simulation.meddling import Meddler
from perdure.testing.simulation.points import Point, point_of
from perdure.testing.simulation.post import Letter, Post
from perdure.testing.simulation.refusals import Policy, refusal_by_policy, refusal_of
from perdure.testing.simulation.scheduler import Due, Scheduler
from perdure.verification.evidence import Exchange

SILENCE_SECONDS = 70.0
LAG_SECONDS = 0.02
"""Until a cache knows of a write, usually."""


class Cluster:
    """The API server as its clients reach it: two frontends, each with a cache that lags."""

    def __init__(self, server: ApiServer, scheduler: Scheduler, post: Post) -> None:
        self.server = server
        self.scheduler = scheduler
        self.post = post
        self.frontends = [Frontend(server, f"apiserver-{number}") for number in range(2)]
        self.lags = [0.0, 0.0]
        """Seconds by which each frontend lags, beyond what is usual."""
        self.is_down = False
        self.cut_off: set[str] = set()
        """Hosts that cannot reach it."""
        self.unheard: set[str] = set()
        """Hosts whose requests for Leases do not reach it."""
        self.policy: Policy | None = None
        """What operators may not write."""
        self.exchanges: list[Exchange] = []
        """What operators were answered."""
        self.on_write: Callable[[], None] = _nobody
        """Called after every request that may have written."""
        self._revision = server.revision
        self._last = [0.0, 0.0]

    def handle(self, request: Request) -> Answer:
        """Let the server answer, and the frontends' caches follow what it accepted."""
        answer = self.server.handle(request)
        self.follow()
        self.on_write()
        return answer

    def follow(self) -> None:
        """Let the caches come to know of what was written, each in its time."""
        revision = self.server.revision
        if revision == self._revision:
            return
        self._revision = revision
        for number, frontend in enumerate(self.frontends):
            lag = self.lags[number] + LAG_SECONDS * self.scheduler.random.random()
            when = max(self.scheduler.now + lag, self._last[number])
            self._last[number] = when
            self.scheduler.at(when, _advance(frontend, revision))

    def heal(self) -> None:
        """Be reachable for everybody, and current."""
        self.is_down = False
        self.cut_off.clear()
        self.unheard.clear()
        self.policy = None
        self.lags = [0.0, 0.0]
        self._last = [self.scheduler.now] * 2
        for frontend in self.frontends:
            frontend.advance(self.server.revision)

    def lift(self, policy: Policy) -> None:
        """Let go of a policy, unless another one has followed it."""
        if self.policy is policy:
            self.policy = None

    def is_reachable(self, host: str) -> bool:
        """Return whether a host can talk to it."""
        return not self.is_down and host not in self.cut_off


def _nobody() -> None:
    """Nobody wants to know."""


def _advance(frontend: Frontend, revision: int) -> Callable[[], None]:
    return lambda: frontend.advance(revision)


class SimulatedTransport:
    """The Transport of one process."""

    def __init__(
        self,
        host: Host,
        cluster: Cluster,
        fates: Fates,
        record: Record,
        meddler: Meddler,
        *,
        is_operator: bool,
    ) -> None:
        self._host = host
        self._cluster = cluster
        self._encounters = Encounters(
            host, cluster.scheduler, fates, record, is_operator=is_operator
        )
        self._meddler = meddler
        self._is_operator = is_operator
        self._scheduler = cluster.scheduler

    async def close(self) -> None:
        """Nothing is kept open."""

    # --- requests ---------------------------------------------------------------------------

    async def exchange(self, call: Call, token: str | None, *, is_urgent: bool) -> Response:
        point = point_of(call.method, call.path, call.params, is_operator=self._is_operator)
        sent = self._scheduler.time
        fate = await self._met(point, call)
        future: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        flight = _Flight(
            self._cluster, self._meddler, self._host, call, point, future, fate, self._is_operator
        )
        text = f"{self._host.name} {call.method} {call.path} {zlib.crc32(call.body or b''):08x}"
        self._cluster.post.send(Letter(text=text, act=flight.arrive))
        try:
            async with asyncio.timeout(call.seconds):
                response = await future
        except TimeoutError as error:
            raise call.lost("no answer in time", is_sent=True) from error
        if self._is_operator:
            self._cluster.exchanges.append(self._exchanged(flight, response, sent, is_urgent))
        return response

    def _exchanged(
        self, flight: _Flight, response: Response, sent: datetime, is_urgent: bool
    ) -> Exchange:
        call = flight.call
        is_patch = call.method == "PATCH" and call.body is not None
        return Exchange(
            actor=self._host.name,
            start=flight.start,
            sent=sent,
            answered=self._scheduler.time,
            method=call.method,
            path=call.path,
            code=response.status,
            revision=flight.revision,
            is_urgent=is_urgent,
            retry_after=retry_after(response) if response.status == 429 else None,
            tests=_tests_of(call.body) if is_patch else (),
        )

    async def _met(self, point: Point, call: Call) -> Fate | None:
        try:
            return await self._encounters.meet(point, is_write=call.method not in READS)
        except RefusedError as error:
            raise call.lost("connection refused", is_sent=False) from error

    # --- streams ----------------------------------------------------------------------------

    @asynccontextmanager
    async def stream(
        self, path: str, params: Mapping[str, str], token: str | None
    ) -> AsyncIterator[Stream]:
        call = Call("GET", path, params, None, None, SILENCE_SECONDS)
        fate = await self._met(Point.WATCH, call)
        await asyncio.sleep(0)
        if not self._cluster.is_reachable(self._host.name):
            raise TransientError(f"GET {path}: connection refused")
        if fate is not None and fate.fault is Fault.REQUEST_LOST:
            await asyncio.sleep(fate.seconds)
            raise TransientError(f"GET {path}: the connection was cut")
        refusal = None if fate is None else refusal_of(fate, self._cluster.server)
        if refusal is not None:
            yield Stream(response_of(refusal, "GET"), _nothing())
            return
        random = self._scheduler.random
        frontend = self._cluster.frontends[int(random.random() * 2)]
        answer = frontend.watch(Request("GET", path, dict(params), None, None, self._host.name))
        if isinstance(answer, Answer):
            yield Stream(response_of(answer, "GET"), _nothing())
            return
        channel = _Channel(self._host, self._cluster, answer, fate)
        try:
            yield Stream(None, channel.lines())
        finally:
            channel.close()


def _tests_of(patch: bytes | None) -> tuple[tuple[str, Json], ...]:
    """Return pointers and values of what a JSON patch tests."""
    operations = orjson.loads(patch or b"[]")
    return tuple((one["path"], one["value"]) for one in operations if one["op"] == "test")


async def _nothing() -> AsyncGenerator[bytes, None]:
    return
    yield b""


def response_of(answer: Answer, method: str) -> Response:
    """Return an answer of the server as a client gets it."""
    return Response(answer.status, answer.headers, answer.body, method)


@dataclass(slots=True)
class _Flight:
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


class _Channel:
    """The lines of one watch on their way to a process."""

    def __init__(self, host: Host, cluster: Cluster, watch: Watch, fate: Fate | None) -> None:
        self._host = host
        self._loop = host.loop
        self._cluster = cluster
        self._watch = watch
        self._fate = fate
        self._variant = "" if fate is None or fate.fault is not Fault.WATCH else fate.variant
        self._waiting: deque[bytes | PerdureError | None] = deque()
        self._arrived: asyncio.Future[None] | None = None
        self._route = f"{host.name} {host.number}"
        self._count = 0
        self._timer: Due | None = None
        watch.on_ready = self._pump
        if self._variant in ("cut", "silent", "expired", "odd") and fate is not None:
            cluster.scheduler.after(fate.seconds, self._strike)
        self._pump()

    def close(self) -> None:
        """Take nothing more from the server."""
        self._watch.close()
        if self._timer is not None:
            self._timer.call_off()

    def _pump(self) -> None:
        """Send on what the server has."""
        if self._loop is None or self._loop.is_ended:
            self.close()
            return
        if not self._cluster.is_reachable(self._host.name):
            return  # a half-open connection: the other side will find out by silence
        lines = self._watch.take()
        if self._variant == "doubled":
            lines = [line for line in lines for _ in range(2)]
        elif self._variant == "replayed" and lines:
            self._count += 1
            lines = [*lines, *lines] if self._count % 2 else lines
        for line in lines:
            self._send(line)
        if self._watch.is_ended:
            self._send(None)
        else:
            self._come_again()

    def _come_again(self) -> None:
        """Look again when time alone brings a bookmark, or the end."""
        if self._timer is not None:
            self._timer.call_off()
        scheduler = self._cluster.scheduler
        seconds = (self._watch.due_at - scheduler.time).total_seconds()
        self._timer = scheduler.after(max(seconds, 0.001), self._pump)

    def _send(self, item: bytes | PerdureError | None) -> None:
        delay = 0.0
        if self._fate is not None and (self._variant == "slow" or self._fate.fault is Fault.STALE):
            delay = self._fate.seconds * self._cluster.scheduler.random.random()
        line = item if isinstance(item, bytes) else b""
        text = f"to {self._route}: {zlib.crc32(line):08x}"
        letter = Letter(text=text, act=lambda: self._reach(item), route=self._route)
        self._cluster.post.send(letter, delay)

    def _reach(self, item: bytes | PerdureError | None) -> None:
        self._waiting.append(item)
        if self._arrived is not None and not self._arrived.done():
            self._arrived.set_result(None)

    def _strike(self) -> None:
        """Let the fate of this watch come true."""
        self._watch.on_ready = None
        match self._variant:
            case "cut":
                self._reach(TransientError("the watch was cut"))
            case "expired":
                self._reach(orjson.dumps({"type": "ERROR", "object": status(410, "Expired")}))
                self._reach(None)
            case "odd":
                self._reach(orjson.dumps({"type": "ERROR", "object": status(500, "Unknown")}))
                self._reach(None)
            case _:
                return  # silence

    async def lines(self) -> AsyncGenerator[bytes, None]:
        """Yield what arrives. Raises SilentStreamError when nothing does for too long."""
        while True:
            while not self._waiting:
                self._arrived = asyncio.get_running_loop().create_future()
                try:
                    async with asyncio.timeout(SILENCE_SECONDS):
                        await self._arrived
                except TimeoutError as error:
                    raise SilentStreamError("nothing came") from error
            item = self._waiting.popleft()
            if item is None:
                return
            if isinstance(item, PerdureError):
                raise item
            yield item


def status(code: int, reason: str) -> dict[str, object]:
    """Return the Status object of an ERROR event."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "reason": reason,
        "message": "on purpose",
        "code": code,
    }
