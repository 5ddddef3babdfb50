"""One process and an API server in memory on virtual time, with requests that go wrong on order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import UTC, datetime
from itertools import count
from random import Random  # noqa: TID251 - seeded
from typing import TypeVar

import orjson
from tests.contract.memory_transport import MemoryTransport

from perdure.engine.values import JsonObject
from perdure.errors import (
    ObjectForbiddenError,
    ObjectRejectedError,
    ThrottledError,
    UnknownOutcomeError,
)
from perdure.kubernetes.client import ApiClient, ClientLimits
from perdure.kubernetes.connection import FixedToken
from perdure.kubernetes.log.claiming import Claimant, Claimed
from perdure.kubernetes.log.opening import Opener
from perdure.kubernetes.log.slots import Generation, Slots
from perdure.kubernetes.log.writer import LogWriter
from perdure.kubernetes.objects import ApiObjects
from perdure.lanes.carrying import OwnedRing
from perdure.lanes.entry import Entry, LoggedTurn, logged
from perdure.lanes.ring import LaneView
from perdure.lanes.settling import Outcome
from perdure.ports import InstanceKey, Resource
from perdure.testing.apiserver import ApiServer, Request
from perdure.testing.simulation.clocks import SimulatedClock, Watch
from perdure.testing.simulation.scheduler import Scheduler

NAMESPACE = "perdure-system"
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
ME, OTHER = "perdure-0_0000000000000001", "perdure-1_0000000000000002"
DELAY = 0.01
"""Seconds until an answer comes."""

Result = TypeVar("Result")
Apply = Callable[[], Awaitable[JsonObject]]
Fault = Callable[[Apply], Awaitable[JsonObject]]


async def lost_request(_: Apply) -> JsonObject:
    raise UnknownOutcomeError("cut, on purpose")


async def lost_answer(apply: Apply) -> JsonObject:
    await apply()
    raise UnknownOutcomeError("cut, on purpose")


async def never(_: Apply) -> JsonObject:
    """Nothing arrives, and nobody says so."""
    await asyncio.get_running_loop().create_future()
    raise AssertionError("nobody sets it")


async def silent(apply: Apply) -> JsonObject:
    """It arrives, but the answer never does."""
    await apply()
    return await never(apply)


async def refused(_: Apply) -> JsonObject:
    raise ObjectRejectedError("a policy is against it", status=422, reason="Invalid")


async def refused_as_too_large(_: Apply) -> JsonObject:
    raise ObjectRejectedError("too large", status=413, reason="RequestEntityTooLarge")


async def forbidden(_: Apply) -> JsonObject:
    raise ObjectForbiddenError("not allowed", status=403, reason="Forbidden")


async def passes(apply: Apply) -> JsonObject:
    return await apply()


def slow(seconds: float) -> Fault:
    """Arrives after so many seconds."""

    async def arrive(apply: Apply) -> JsonObject:
        await asyncio.sleep(seconds)
        return await apply()

    return arrive


def throttled(seconds: float) -> Fault:
    async def refuse(_: Apply) -> JsonObject:
        raise ThrottledError("too many requests", retry_after=seconds)

    return refuse


class Requests(ApiObjects):
    """The Objects port; each PUT and each GET meets the next fault, if there is one."""

    def __init__(self, client: ApiClient, scheduler: Scheduler) -> None:
        super().__init__(client)
        self._scheduler = scheduler
        self.faults: list[Fault] = []
        self.of_reads: list[Fault] = []
        self.written: list[tuple[float, JsonObject]] = []
        """When each PUT was sent, and its body."""
        self.read_at: list[float] = []

    async def replace(self, resource: Resource, namespace: str, body: JsonObject) -> JsonObject:
        self.written.append((self._scheduler.now, body))
        fault = self.faults.pop(0) if self.faults else passes
        await asyncio.sleep(DELAY)
        return await fault(lambda: super(Requests, self).replace(resource, namespace, body))

    async def get(self, resource: Resource, namespace: str, name: str) -> JsonObject:
        self.read_at.append(self._scheduler.now)
        fault = self.of_reads.pop(0) if self.of_reads else passes
        await asyncio.sleep(DELAY)
        return await fault(lambda: super(Requests, self).get(resource, namespace, name))


class Laboratory:
    """Everything that a test of the log needs. `run` lets time pass."""

    def __init__(self, lanes: int = 1) -> None:
        self.scheduler = Scheduler("laboratory", EPOCH)
        numbers = count(1)
        self.server = ApiServer(
            now=lambda: self.scheduler.time, uid=lambda *_: f"uid-{next(numbers)}"
        )
        self._create_namespace()
        self.loop = self.scheduler.loop("laboratory")
        self._tasks: list[asyncio.Task[object]] = []
        self.clock = SimulatedClock(
            self.scheduler, Watch(self.scheduler), Random("clock"), lambda: 0.0
        )
        self.client = ApiClient(
            MemoryTransport(self.server), FixedToken("tests"), self.clock, ClientLimits()
        )
        self.requests = Requests(self.client, self.scheduler)
        self.slots = Slots(self.requests, NAMESPACE)
        self.lanes = lanes
        self.fenced: list[int] = []
        self.damaged: list[tuple[int, str]] = []
        self.due: list[str] = []

    def _create_namespace(self) -> None:
        content = orjson.dumps({"metadata": {"name": NAMESPACE}})
        request = Request("POST", "/api/v1/namespaces", {}, content, "application/json", "setup")
        assert self.server.handle(request).status == 201

    # --- time -------------------------------------------------------------------------------

    def start(self, work: Coroutine[None, None, Result]) -> asyncio.Task[Result]:
        task = self.loop.create_task(work)
        self._tasks.append(task)
        return task

    def wait(self, seconds: float) -> None:
        """Let so much time pass."""
        self.scheduler.run(self.scheduler.now + seconds)
        assert self.loop.problems == []

    def result(self, task: asyncio.Task[Result], seconds: float = 60.0) -> Result:
        """Return what a task comes to, within so many seconds."""
        self.scheduler.run(self.scheduler.now + seconds, task.done)
        assert self.loop.problems == []
        assert task.done(), f"undecided after {seconds} s"
        return task.result()

    def run(self, work: Coroutine[None, None, Result], seconds: float = 60.0) -> Result:
        return self.result(self.start(work), seconds)

    def close(self) -> None:
        """End everything that was started, in good order."""
        for task in self._tasks:
            task.cancel()
        self.wait(1.0)
        assert all(task.done() for task in self._tasks)

    # --- lanes ------------------------------------------------------------------------------

    def open(self) -> Generation:
        return self.run(Opener(self.slots, self.clock, self.lanes).open())

    def claimant(self, incarnation: str = ME) -> Claimant:
        return Claimant(self.slots, self.clock, Generation(1, self.lanes), incarnation)

    def view(self, lane: int = 0) -> LaneView:
        """Return a lane as it stands."""
        return self.run(self.claimant().read(lane))

    def claimed(self, incarnation: str = ME, lane: int = 0) -> OwnedRing:
        """Claim a lane, and return it."""
        claimant = self.claimant(incarnation)
        result = self.run(claimant.claim(self.view(lane)))
        assert isinstance(result, Claimed)
        return OwnedRing(result.view)

    def writer(self, *owned: OwnedRing) -> LogWriter:
        """Return a writer that runs, with these lanes; `requests` has recorded nothing yet."""
        writer = LogWriter(
            self.slots,
            self.clock,
            self.lanes,
            on_fenced=self.fenced.append,
            on_damaged=lambda lane, why: self.damaged.append((lane, why)),
            on_due=self.due.extend,
        )
        self.start(writer.run())
        for ring in owned:
            writer.adopt(ring)
        self.requests.written.clear()
        self.requests.read_at.clear()
        return writer

    def entries(self, lane: int = 0) -> list[Entry]:
        """Return the entries that stand in a lane, oldest first."""
        entries = [slot.entry for slot in self.view(lane).slots if slot.entry.seq]
        return sorted(entries, key=lambda entry: entry.seq)

    def turns(self, lane: int = 0) -> list[tuple[str, int]]:
        """Return uid and rev of the turns that stand in a lane, in the order of their entries."""
        return [(turn.key.uid, turn.rev) for entry in self.entries(lane) for turn in entry.turns]


def turn(uid: str, rev: int, *, namespace: str = "shop", size: int = 10) -> LoggedTurn:
    """Return a turn of an instance; of its JSON `size` bytes can not be deflated."""
    text = Random(f"{uid}/{rev}").randbytes(size // 2).hex()
    return logged(
        InstanceKey(namespace, f"order-{uid}", uid),
        rev=rev,
        generation=1,
        before=f"d{rev - 1}",
        after=f"d{rev}",
        events=[{"id": rev, "type": "ActivityScheduled", "text": text}],
    )


def revs(turns: Sequence[LoggedTurn]) -> list[tuple[str, int]]:
    return [(each.key.uid, each.rev) for each in turns]


def submitted(
    laboratory: Laboratory, writer: LogWriter, *turns: LoggedTurn
) -> list[asyncio.Task[Outcome]]:
    """Begin to submit turns, in this order."""
    return [laboratory.start(writer.submit(each)) for each in turns]


def outcomes(laboratory: Laboratory, tasks: Sequence[asyncio.Task[Outcome]]) -> list[Outcome]:
    return [laboratory.result(task) for task in tasks]
