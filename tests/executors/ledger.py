"""A service that answers as scripted and writes down what it was asked; works and clocks."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from aiohttp import web

from perdure.engine.events import Claim, Failure
from perdure.engine.orchestrator import Answer
from perdure.engine.values import Json, JsonObject
from perdure.engine.work import ActivityWork
from perdure.errors import ObjectNotFoundError
from perdure.executors.connections import CallLimits, Connections
from perdure.executors.http import HttpExecutor, Until
from perdure.executors.places import Resolver
from perdure.executors.policy import CallPolicy
from perdure.ports import SERVICES, Resource

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
DEADLINE = 10.0
Script: TypeAlias = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Entry:
    """One request as it arrived."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Ledger:
    """The service; `script` answers, first in first out, the last one for ever."""

    port: int = 0
    entries: list[Entry] = field(default_factory=list)
    script: list[Script] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        headers = {name.lower(): text for name, text in request.headers.items()}
        self.entries.append(Entry(request.method, request.raw_path, headers, body))
        self.arrived.set()
        answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        return await answer(request)


@asynccontextmanager
async def serving(*script: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[Ledger]:
    """Run a ledger on a free port of the loopback interface."""
    ledger = Ledger(script=list(script))
    runner = web.ServerRunner(
        web.Server(ledger.handle, handler_cancellation=True), shutdown_timeout=0
    )
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    ledger.port = runner.addresses[0][1]
    try:
        yield ledger
    finally:
        await runner.cleanup()


def answers(
    code: int = 200,
    body: bytes = b"",
    content_type: str | None = None,
    **headers: str,
) -> Script:
    """Return a script that answers so; header names are written with `_` for `-`."""
    texts = {name.replace("_", "-"): text for name, text in headers.items()}
    if content_type is not None:
        texts["content-type"] = content_type

    async def script(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=code, body=body, headers=texts)

    return script


def answers_json(body: bytes, code: int = 200, **headers: str) -> Script:
    return answers(code, body, "application/json", **headers)


def answers_bytes(raw: bytes, *, then_closes: bool = True) -> Script:
    """Return a script that writes these bytes as they are, then closes or stays silent."""

    async def script(request: web.BaseRequest) -> web.StreamResponse:
        transport = request.transport
        assert isinstance(transport, asyncio.Transport)
        transport.write(raw)
        if then_closes:
            transport.close()
        await asyncio.Event().wait()  # cancelled when the connection goes
        raise AssertionError

    return script


@dataclass(slots=True)
class SteppingClock:
    """Time that passes only by sleeping; every sleep is written down."""

    at: float = 0.0
    sleeps: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.at)

    def monotonic(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.at += seconds
        await asyncio.sleep(0)

    def token(self) -> str:
        return "0" * 16

    def is_trusted(self) -> bool:
        return True


@dataclass(slots=True)
class StoredServices:
    """The part of ports.Objects that reads; `failing` is raised instead, once per entry."""

    services: dict[tuple[str, str], JsonObject] = field(default_factory=dict)
    failing: list[Exception] = field(default_factory=list)
    reads: list[tuple[str, str]] = field(default_factory=list)

    async def get(self, resource: Resource, namespace: str, name: str) -> JsonObject:
        assert resource == SERVICES
        self.reads.append((namespace, name))
        if self.failing:
            raise self.failing.pop(0)
        try:
            return self.services[namespace, name]
        except KeyError:
            raise ObjectNotFoundError("not found", status=404) from None

    async def list(self, *_: object, **__: object) -> list[JsonObject]:
        raise AssertionError

    async def create(self, resource: Resource, namespace: str, body: JsonObject) -> JsonObject:
        raise AssertionError

    async def replace(self, resource: Resource, namespace: str, body: JsonObject) -> JsonObject:
        raise AssertionError

    async def patch(self, *_: object, **__: object) -> JsonObject:
        raise AssertionError

    async def delete(self, *_: object, **__: object) -> None:
        raise AssertionError


@dataclass(slots=True)
class ScriptedNames:
    """A resolver: each look-up takes the next answer, the last one for ever."""

    answers: list[Sequence[str]] = field(default_factory=list)
    lookups: list[str] = field(default_factory=list)
    is_closed: bool = False

    def close(self) -> None:
        self.is_closed = True

    async def addresses(self, host: str) -> Sequence[str]:
        self.lookups.append(host)
        assert not self.is_closed
        if not self.answers:
            raise OSError(-2, "Name or service not known")
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def never_over(work: ActivityWork, result: Json) -> bool | Failure:
    raise AssertionError("nothing is polled here")


@asynccontextmanager
async def executing(
    policy: CallPolicy,
    *,
    objects: StoredServices | None = None,
    clock: SteppingClock | None = None,
    names: Resolver | None = None,
    until: Until = never_over,
    limits: CallLimits | None = None,
    may_send: Callable[[], bool] = lambda: True,
) -> AsyncIterator[HttpExecutor]:
    """Run an executor and close it."""
    executor = HttpExecutor(
        objects or StoredServices(),
        policy,
        clock or SteppingClock(),
        until=until,
        resolver=names or ScriptedNames(),
        sender=Connections(limits or CallLimits()),
        may_send=may_send,
    )
    try:
        yield executor
    finally:
        await executor.close()


def mapped(ledger: Ledger, name: str = "inventory") -> CallPolicy:
    """Return the policy that leads a service to the ledger."""
    return CallPolicy.parse(service_map=[f"{name}={ledger.url}"])


def work_of(
    request: JsonObject,
    *,
    attempt: int = 1,
    accepted: Json = None,
    path: str = "reserve",
    namespace: str = "shop",
) -> ActivityWork:
    """Return one delivery; `accepted` is the start's answer of one that is only polled."""
    return ActivityWork(
        uid="u1",
        namespace=namespace,
        instance="order-42",
        scheduled_id=7,
        path=path,
        kind="http",
        attempt=attempt,
        claim=Claim(delivery=1, incarnation="incarnation", claim_id="claim"),
        request=request,
        since=NOW,
        is_accepted=accepted is not None,
        answer=accepted,
    )


async def call(executor: HttpExecutor, request: JsonObject, **work: object) -> Answer:
    """Execute with a deadline."""
    async with asyncio.timeout(DEADLINE):
        return await executor.execute(work_of(request, **work))  # type: ignore[arg-type]


def failure_of(answer: Answer) -> Failure:
    """Return the failure, which there must be."""
    assert answer.failure is not None
    return answer.failure


def result_of(answer: Answer) -> JsonObject:
    """Return the result, which there must be."""
    assert isinstance(answer.result, dict)
    return answer.result
