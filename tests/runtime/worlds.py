"""What turns need around them: objects, presence, a meter, scripted executors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta

from tests.runtime.stores import MemoryStore

from perdure.definitions import Reviewed, review
from perdure.engine.orchestrator import Answer
from perdure.engine.values import Json, JsonObject
from perdure.engine.work import ActivityWork
from perdure.errors import ObjectConflictError, ObjectNotFoundError
from perdure.ports import (
    WORKFLOW_DEFINITIONS,
    WORKFLOW_EVENTS,
    WORKFLOW_INSTANCES,
    InstanceKey,
    Resource,
)
from perdure.runtime.calls import Calls
from perdure.runtime.events import EventDesk
from perdure.runtime.polling import PollConditions
from perdure.runtime.revisions import Revisions
from perdure.runtime.turn import Turns
from perdure.testing import VirtualClock


class MemoryObjects:
    """Implements Objects on dictionaries. `during` is called while a list is on its way."""

    def __init__(self) -> None:
        self.bodies: dict[tuple[str, str, str], JsonObject] = {}
        self.calls: list[tuple[str, str, str]] = []
        self.failures: list[Exception] = []
        self.during: list[Callable[[], object]] = []
        self._version = 10

    def put(self, resource: Resource, body: JsonObject) -> JsonObject:
        """Store an object, as somebody else does."""
        meta = body["metadata"]
        assert isinstance(meta, dict)
        self._version += 1
        meta.setdefault("namespace", "shop")
        meta.setdefault("uid", f"uid-{self._version}")
        meta.setdefault("generation", 1)
        meta.setdefault("creationTimestamp", "2026-01-01T00:00:00Z")
        meta["resourceVersion"] = str(self._version)
        self.bodies[resource.plural, str(meta["namespace"]), str(meta["name"])] = body
        return body

    def _note(self, verb: str, resource: Resource, name: str) -> None:
        self.calls.append((verb, resource.plural, name))
        if self.failures:
            raise self.failures.pop(0)

    async def get(self, resource: Resource, namespace: str, name: str) -> JsonObject:
        self._note("get", resource, name)
        found = self.bodies.get((resource.plural, namespace, name))
        if found is None:
            raise ObjectNotFoundError(f"no {name}", status=404)
        return found

    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        labels: str | None = None,
        fields: str | None = None,
    ) -> list[JsonObject]:
        self._note("list", resource, "")
        found = [b for (plural, ns, _), b in self.bodies.items() if plural == resource.plural]
        if self.during:
            self.during.pop(0)()
        return found

    async def create(self, resource: Resource, namespace: str, body: JsonObject) -> JsonObject:
        meta = body["metadata"]
        assert isinstance(meta, dict)
        self._note("create", resource, str(meta["name"]))
        if (resource.plural, namespace, str(meta["name"])) in self.bodies:
            raise ObjectConflictError("exists", status=409)
        return self.put(resource, body)

    async def replace(self, resource: Resource, namespace: str, body: JsonObject) -> JsonObject:
        raise NotImplementedError

    async def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        operations: Sequence[JsonObject],
        *,
        subresource: str | None = None,
    ) -> JsonObject:
        self._note("patch", resource, name)
        body = await self.get(resource, namespace, name)
        body["status"] = operations[-1]["value"]
        return self.put(resource, body)

    async def delete(
        self, resource: Resource, namespace: str, name: str, *, uid: str, version: str | None = None
    ) -> None:
        self._note("delete", resource, name)
        self.bodies.pop((resource.plural, namespace, name), None)


class Alive:
    """Implements Presence."""

    def __init__(self, incarnation: str = "perdure-0-1") -> None:
        self.incarnation = incarnation
        self.may_send = True
        self.dead: set[str] = set()
        self.watched: list[str] = []

    def is_dead(self, incarnation: str) -> bool:
        return incarnation in self.dead

    def has_let_go(self, incarnation: str, uid: str) -> bool:
        return self.is_dead(incarnation)

    def watch(self, incarnation: str) -> None:
        self.watched.append(incarnation)

    async def deaths(self) -> AsyncIterator[str]:
        await asyncio.Event().wait()
        yield ""


class Meter:
    """Implements Meter; keeps sums."""

    def __init__(self) -> None:
        self.counts: dict[str, float] = {}

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        self.counts[name] = self.counts.get(name, 0) + amount

    def level(self, name: str, value: float, **labels: str) -> None:
        self.counts[name] = value

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        self.counts[name] = self.counts.get(name, 0) + 1


class Services:
    """Implements Executor: every call waits until the test answers it."""

    def __init__(self) -> None:
        self.sent: list[ActivityWork] = []
        self.aborted: list[str] = []
        self._waiting: dict[str, asyncio.Future[Answer]] = {}
        self.on_send: list[Callable[[ActivityWork], None]] = []

    async def execute(self, work: ActivityWork) -> Answer:
        self.sent.append(work)
        for hook in self.on_send:
            hook(work)
        waiting: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[work.path] = waiting
        try:
            return await waiting
        except asyncio.CancelledError:
            self.aborted.append(work.path)
            raise

    def answer(self, path: str, body: Json = None) -> None:
        """Let the call of a step succeed."""
        work = next(w for w in reversed(self.sent) if w.path == path)
        result: Json = {"code": 200, "headers": {}, "body": body}
        self._waiting[path].set_result(Answer(scheduled_id=work.scheduled_id, result=result))

    def crash(self, path: str) -> None:
        """Let the executor fail with a bug."""
        self._waiting[path].set_exception(RuntimeError("a bug"))


class NoBudget:
    """Implements Budget."""

    def __init__(self) -> None:
        self.text: str | None = None

    def refusal(self, namespace: str) -> str | None:
        return self.text


async def review_at_once(spec: JsonObject) -> Reviewed:
    """Review without leaving the loop."""
    return review(spec)


class World:
    """One process over one store."""

    def __init__(
        self, store: MemoryStore | None = None, objects: MemoryObjects | None = None
    ) -> None:
        self.store = store or MemoryStore()
        self.objects = objects or MemoryObjects()
        self.clock = VirtualClock()
        self.presence = Alive()
        self.meter = Meter()
        self.services = Services()
        self.answered: list[InstanceKey] = []
        self.budget = NoBudget()
        self.calls = Calls({"http": self.services}, self.presence, self.meter, self.answered.append)
        self.desk = EventDesk(
            self.objects, self.clock, self.meter, self.store.shown, time_to_live=timedelta(0)
        )
        self.revisions = Revisions(self.objects, review_at_once)
        self.turns = Turns(
            self.store,
            self.revisions,
            self.desk,
            self.calls,
            self.presence,
            self.clock,
            self.budget,
            PollConditions(self.clock),
            self.meter,
        )

    def define(self, spec: JsonObject, *, ready: bool = True, observed: int = 1) -> JsonObject:
        """Store the definition `order`, checked or not."""
        condition: Json = {"type": "Ready", "status": "True" if ready else "False"}
        status: Json = {"observedGeneration": observed, "conditions": [condition]}
        body: JsonObject = {"metadata": {"name": "order"}, "spec": spec, "status": status}
        return self.objects.put(WORKFLOW_DEFINITIONS, body)

    def send(self, name: str, data: Json = None, *, uid: str | None = None) -> JsonObject:
        """Create a WorkflowEvent for the instance order-1."""
        spec: JsonObject = {"instance": "order-1", "name": name, "data": data}
        if uid is not None:
            spec["instanceUid"] = uid
        count = len(self.objects.bodies)
        return self.objects.put(
            WORKFLOW_EVENTS, {"metadata": {"name": f"event-{count}"}, "spec": spec}
        )

    def show(self, key: InstanceKey) -> None:
        """Store the instance object too, for those who look it up there."""
        meta: JsonObject = {"name": key.name, "namespace": key.namespace, "uid": key.uid}
        self.objects.put(WORKFLOW_INSTANCES, {"metadata": meta})


async def rounds(count: int = 5) -> None:
    """Let everything that is ready run for so many rounds of the loop."""
    for _ in range(count):
        await asyncio.sleep(0)
