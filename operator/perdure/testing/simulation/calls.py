"""Calls to services, without sockets: the Sender port over the simulated network."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import orjson

from perdure.engine.values import Json
from perdure.executors.answers import Response
from perdure.executors.connections import Outgoing
from perdure.executors.failures import no_answer
from perdure.executors.targets import Target
from perdure.testing.simulation.encounters import Encounters, RefusedError
from perdure.testing.simulation.fates import Fate, Fates, Fault, Record
from perdure.testing.simulation.hosts import Host
from perdure.testing.simulation.points import Point
from perdure.testing.simulation.post import Letter, Post
from perdure.testing.simulation.scheduler import Scheduler
from perdure.verification.evidence import Answered, Effect

SILENCE_SECONDS = 3600.0
"""Until a connection on which nothing comes is given up by somebody in between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceCall:
    """One request as a service sees it; header names in lower case."""

    host: str
    method: str
    target: str
    headers: dict[str, str]
    content: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceReply:
    """What a service does: answers after a while, or has the connection fail.

    `fault` is "" for an answer; "refused": nobody listens, nothing is taken in; "cut": taken in,
    then cut off; "silent": taken in, never answered.
    """

    delay_seconds: float
    code: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    content: bytes = b""
    fault: str = ""


class Services(Protocol):
    """All services of the world."""

    def reply(self, call: ServiceCall, now: float) -> ServiceReply:
        """Return what becomes of a call that arrives now (seconds of virtual time)."""
        ...

    def origin(self, call: ServiceCall) -> tuple[str, str]:
        """Return the uid of the instance and the path of the step that call; "" where unknown."""
        ...


class Ledger:
    """What services wrote down: every request that reached one of them, in order."""

    def __init__(self) -> None:
        self.effects: list[Effect] = []

    def add(self, effect: Effect) -> int:
        """Write a request down; return its number."""
        self.effects.append(effect)
        return len(self.effects) - 1

    def answered(self, number: int, answer: Answered) -> None:
        """Add what was answered to a request."""
        self.effects[number] = replace(self.effects[number], answer=answer)


class SimulatedSender:
    """Sends the calls of one process."""

    def __init__(
        self,
        host: Host,
        scheduler: Scheduler,
        post: Post,
        services: Services,
        ledger: Ledger,
        fates: Fates,
        record: Record,
    ) -> None:
        self._host = host
        self._scheduler = scheduler
        self._post = post
        self._services = services
        self._ledger = ledger
        self._encounters = Encounters(host, scheduler, fates, record, is_operator=True)

    async def close(self) -> None:
        """Nothing is kept open."""

    async def send(self, target: Target, outgoing: Outgoing) -> Response:
        fate = await self._met(outgoing)
        future: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        call = ServiceCall(
            host=target.origin.host,
            method=outgoing.method,
            target=outgoing.path,
            headers=dict(outgoing.headers),
            content=outgoing.content,
        )
        flight = _Flight(self, call, outgoing.label, future, fate, self._host.starts)
        self.post(f"{self._host.name} calls {outgoing.path}", flight.arrive)
        return await future

    async def _met(self, outgoing: Outgoing) -> Fate | None:
        is_write = outgoing.method not in ("GET", "HEAD")
        try:
            return await self._encounters.meet(Point.CALL, is_write=is_write)
        except RefusedError as error:
            raise no_answer(f"{outgoing.label}: cannot connect: refused") from error

    @property
    def name(self) -> str:
        """The host that calls."""
        return self._host.name

    def post(self, text: str, act: Callable[[], None]) -> None:
        """Let a message be on its way."""
        self._post.send(Letter(text=text, act=act))

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        """Do something after a while."""
        self._scheduler.after(seconds, act)

    def note_effect(self, call: ServiceCall) -> int:
        """Write down that a request was taken in."""
        uid, path = self._services.origin(call)
        attempt = call.headers.get("perdure-attempt", "0")
        key = call.headers.get("idempotency-key", "")
        self._scheduler.note(f"{self._host.name} {call.method} {call.target} {key[:8]} {attempt}")
        return self._ledger.add(
            Effect(
                at=self._scheduler.time,
                actor=self._host.name,
                uid=uid,
                path=path,
                attempt=int(attempt),
                key=key,
                method=call.method,
                target=call.target,
                body=_parsed(call.content),
            )
        )

    def answered(self, number: int, code: int, content: bytes) -> None:
        """Write down what was answered."""
        answer = Answered(at=self._scheduler.time, code=code, body=_parsed(content))
        self._ledger.answered(number, answer)

    def reply(self, call: ServiceCall) -> ServiceReply:
        """Ask the service."""
        return self._services.reply(call, self._scheduler.now)

    def crash(self, start: int, seconds: float) -> None:
        """End the process that called, if it still runs."""
        if self._host.starts == start:
            self._host.crash(seconds)

    def pause(self, start: int, seconds: float) -> None:
        """Freeze the process that called, if it still runs."""
        if self._host.starts == start:
            self._host.pause(seconds)


@dataclass(slots=True)
class _Flight:
    """One call on its way."""

    sender: SimulatedSender
    call: ServiceCall
    label: str
    future: asyncio.Future[Response]
    fate: Fate | None
    start: int
    """Which process of its host sent it."""

    def arrive(self) -> None:
        """The request reaches the service, or does not."""
        fate = self.fate
        if fate is not None and fate.fault is Fault.REQUEST_LOST:
            self._lose(fate)
            return
        if fate is not None and fate.fault is Fault.SERVER_ERROR and "applied" not in fate.variant:
            self._refuse(self.sender.note_effect(self.call), int(fate.variant))
            return
        reply = self.sender.reply(self.call)
        if reply.fault == "refused":
            self._fail(is_unknown=False)
            return
        number = self.sender.note_effect(self.call)
        if fate is not None and fate.fault is Fault.CRASH_APPLIED:
            self.sender.crash(self.start, fate.seconds)
            return
        if reply.fault == "cut":
            self.sender.later(reply.delay_seconds, lambda: self._fail(is_unknown=True))
            return
        if reply.fault == "silent":
            self.sender.later(SILENCE_SECONDS, lambda: self._fail(is_unknown=True))
            return
        self.sender.later(reply.delay_seconds, lambda: self._answer(number, reply))

    def _answer(self, number: int, reply: ServiceReply) -> None:
        fate = self.fate
        if fate is not None and fate.fault is Fault.SERVER_ERROR:
            self._refuse(number, int(fate.variant.split()[0]))
            return
        self.sender.answered(number, reply.code, reply.content)
        if fate is not None and fate.fault is Fault.REPLY_LOST:
            self._lose(fate)
        else:
            self._deliver(reply.code, reply.headers, reply.content)

    def _refuse(self, number: int, code: int) -> None:
        """Let a proxy before the service answer in its place."""
        self.sender.answered(number, code, b"")
        self._deliver(code, (), b"")

    def _lose(self, fate: Fate) -> None:
        if fate.variant == "silent":
            self.sender.later(SILENCE_SECONDS, lambda: self._fail(is_unknown=True))
        else:
            self.sender.later(fate.seconds, lambda: self._fail(is_unknown=True))

    def _deliver(self, code: int, headers: tuple[tuple[str, str], ...], content: bytes) -> None:
        raw = tuple((name.encode(), value.encode()) for name, value in headers)
        response = Response(code=code, headers=raw, content=content)
        text = f"to {self.sender.name} {self.label}: {code}"
        self.sender.post(text, lambda: self._settle(response))

    def _settle(self, response: Response) -> None:
        fate = self.fate
        if fate is not None and fate.fault is Fault.CRASH_ANSWERED:
            self.sender.crash(self.start, fate.seconds)
            return
        if fate is not None and fate.fault is Fault.PAUSE and fate.variant == "after":
            self.sender.pause(self.start, fate.seconds)
        if not self.future.done():
            self.future.set_result(response)

    def _fail(self, *, is_unknown: bool) -> None:
        if not self.future.done():
            reason = "the connection was cut" if is_unknown else "cannot connect: refused"
            self.future.set_exception(no_answer(f"{self.label}: {reason}", is_unknown=is_unknown))


def _parsed(content: bytes | None) -> Json:
    try:
        value: Json = orjson.loads(content or b"null")
    except orjson.JSONDecodeError:
        return None
    return value
