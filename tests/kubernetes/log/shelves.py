"""A Reflector on virtual time, over an API server in memory whose requests go wrong on order."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from itertools import count
from random import Random  # noqa: TID251 - seeded

import orjson
from tests.contract.memory_transport import MemoryTransport
from tests.contract.worlds import scheduled, started
from tests.kubernetes.instances import ApiServerWorld
from tests.kubernetes.log.laboratory import EPOCH, Fault, Result, passes
from tests.kubernetes.log.owners import NAMESPACE, Owned, Pen, seen

from perdure.engine.values import JsonObject
from perdure.kubernetes.client import ApiClient, ClientLimits
from perdure.kubernetes.connection import FixedToken
from perdure.kubernetes.instances import generation_of
from perdure.kubernetes.log.reflection import Reflection
from perdure.kubernetes.log.reflector import Reflector
from perdure.kubernetes.log.statuses import Gone, Moved, Outcome, Refused, Shown
from perdure.kubernetes.objects import ApiObjects
from perdure.ports import Resource
from perdure.testing.apiserver import ApiServer, Request
from perdure.testing.simulation.clocks import SimulatedClock, Watch
from perdure.testing.simulation.scheduler import Scheduler


class StatusRequests(ApiObjects):
    """The Objects port. Requests take `delay` seconds; each patch of a name meets its next fault,
    or `always`; reads meet the faults `of_reads`."""

    def __init__(self, client: ApiClient, scheduler: Scheduler) -> None:
        super().__init__(client)
        self._scheduler = scheduler
        self.delay = 0.01
        self.faults: dict[str, list[Fault]] = defaultdict(list)
        self.always: dict[str, Fault] = {}
        self.of_reads: list[Fault] = []
        self.patches: list[tuple[float, str]] = []
        """When each patch was sent, and of what."""
        self.reads = 0
        self.running: Counter[str] = Counter()
        self.most_running = 0
        self.most_of_one = 0

    async def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        operations: Sequence[JsonObject],
        *,
        subresource: str | None = None,
    ) -> JsonObject:
        self.patches.append((self._scheduler.now, name))
        waiting = self.faults[name]
        fault = waiting.pop(0) if waiting else self.always.get(name, passes)
        self.running[name] += 1
        self.most_running = max(self.most_running, self.running.total())
        self.most_of_one = max(self.most_of_one, self.running[name])
        try:
            await asyncio.sleep(self.delay)
            return await fault(
                lambda: super(StatusRequests, self).patch(
                    resource, namespace, name, operations, subresource=subresource
                )
            )
        finally:
            self.running[name] -= 1

    async def get(self, resource: Resource, namespace: str, name: str) -> JsonObject:
        self.reads += 1
        fault = self.of_reads.pop(0) if self.of_reads else passes
        await asyncio.sleep(self.delay)
        return await fault(lambda: super(StatusRequests, self).get(resource, namespace, name))

    def times(self, name: str) -> list[float]:
        """Return when its patches were sent, in hundredths of seconds."""
        return [round(at, 2) for at, of in self.patches if of == name]


@dataclass
class Shelf:
    """The owner of instances: it goes on from what it is told."""

    owned: dict[str, Owned] = field(default_factory=dict)
    told_of: dict[str, list[Outcome]] = field(default_factory=lambda: defaultdict(list))

    def take(self, uid: str) -> Reflection | None:
        owned = self.owned.get(uid)
        return None if owned is None else owned.reflection()

    def told(self, uid: str, outcome: Outcome) -> None:
        owned = self.owned[uid]
        self.told_of[owned.key.name].append(outcome)
        match outcome:
            case Shown(basis, _):
                owned.saw(basis)
            case Moved(body):
                owned.saw(seen(body))
                owned.generation = generation_of(body)
            case Gone():
                del self.owned[uid]
            case Refused():
                pass  # There is nothing that it could do.


class Desk:
    """A reflector that runs, its shelf and its requests. `wait` lets time pass."""

    def __init__(self) -> None:
        self._scheduler = Scheduler("desk", EPOCH)
        self._loop = self._scheduler.loop("desk")
        numbers = count(1)
        server = ApiServer(now=lambda: self._scheduler.time, uid=lambda *_: f"uid-{next(numbers)}")
        content = orjson.dumps({"metadata": {"name": NAMESPACE}})
        request = Request("POST", "/api/v1/namespaces", {}, content, "application/json", "tests")
        assert server.handle(request).status == 201
        watch = Watch(self._scheduler)
        clock = SimulatedClock(self._scheduler, watch, Random("clock"), lambda: 0.0)
        client = ApiClient(MemoryTransport(server), FixedToken("tests"), clock, ClientLimits())
        self.world = ApiServerWorld(client, NAMESPACE)
        self.requests = StatusRequests(client, self._scheduler)
        self.shelf = Shelf()
        self.reflector = Reflector(self.requests, clock, self.shelf)
        self._task = self.start(self.reflector.run())

    @property
    def now(self) -> float:
        return self._scheduler.now

    def start(self, work: Coroutine[None, None, Result]) -> asyncio.Task[Result]:
        return self._loop.create_task(work)

    def wait(self, seconds: float) -> None:
        """Let so much time pass."""
        self._scheduler.run(self.now + seconds)
        assert self._loop.problems == []

    def run(self, work: Coroutine[None, None, Result]) -> Result:
        """Return what something comes to, within a minute."""
        task = self.start(work)
        self._scheduler.run(self.now + 60.0, task.done)
        assert self._loop.problems == []
        return task.result()

    def owned(self, *names: str) -> list[Owned]:
        """Create instances that the shelf owns; without time passing."""
        return [self._own(name) for name in names]

    def _own(self, name: str) -> Owned:
        owned = self.run(Pen(self.world).owned(name))
        self.shelf.owned[owned.key.uid] = owned
        return owned

    def status(self, owned: Owned) -> JsonObject:
        return self.run(self.world.status(owned.key))

    def told(self, owned: Owned) -> list[str]:
        """Return the kinds of outcomes that were told of an instance."""
        return [type(outcome).__name__ for outcome in self.shelf.told_of[owned.key.name]]

    def close(self) -> None:
        """End the reflector, which ends for no other reason."""
        assert not self._task.done()
        self._task.cancel()
        self.wait(1.0)
        assert self._task.cancelled()


def begun(desk: Desk, *names: str) -> list[Owned]:
    """Return instances with one committed turn that no status shows."""
    owned = desk.owned(*names)
    for each in owned:
        each.commit(started(), scheduled("a"))
    return owned


def want(desk: Desk, owned: Owned, within: float) -> None:
    desk.reflector.want(owned.key.uid, within)
