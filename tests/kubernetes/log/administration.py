"""A log with instances behind it, and an administrator who works with both."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import orjson
from tests.contract.worlds import completed, scheduled, started
from tests.kubernetes.instances import ApiServerWorld
from tests.kubernetes.log.bodies import logged_turns
from tests.kubernetes.log.laboratory import DELAY, NAMESPACE, OTHER, Laboratory, Requests
from tests.kubernetes.log.owners import NAMESPACE as TENANTS
from tests.kubernetes.log.owners import Owned, Pen
from tests.kubernetes.log.shelves import StatusRequests

from perdure.engine.values import JsonObject
from perdure.kubernetes.instances import rev_of
from perdure.kubernetes.log.draining import Drained, LaneHolder, drain_lanes
from perdure.kubernetes.log.repairing import Repairer, settle
from perdure.kubernetes.log.resizing import Resized, Resizer
from perdure.kubernetes.log.slots import Generation, Slots
from perdure.kubernetes.log.surveying import Survey, Surveyor
from perdure.kubernetes.log.writer import LogWriter
from perdure.lanes import ring
from perdure.lanes.entry import Entry
from perdure.lanes.ring import lane_of
from perdure.lanes.settling import Stands
from perdure.ports import WORKFLOW_LOGS, Resource
from perdure.testing.apiserver import Request

STORE = "perdure-store-desk_0000000000000009"
LIMIT = 20.0
"""Seconds for statuses."""


class Paced(Requests):
    """Everything takes time, so that anything may come between."""

    async def create(self, resource: Resource, namespace: str, body: JsonObject) -> JsonObject:
        await asyncio.sleep(DELAY)
        return await super().create(resource, namespace, body)

    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        labels: str | None = None,
        fields: str | None = None,
    ) -> list[JsonObject]:
        await asyncio.sleep(DELAY)
        return await super().list(resource, namespace, labels=labels, fields=fields)


class Office(Laboratory):
    """`statuses` are the requests of commands about instances; `generation` is the newest one."""

    def __init__(self, lanes: int = 2) -> None:
        super().__init__(lanes)
        content = orjson.dumps({"metadata": {"name": TENANTS}})
        request = Request("POST", "/api/v1/namespaces", {}, content, "application/json", "setup")
        assert self.server.handle(request).status == 201
        self.requests = Paced(self.client, self.scheduler)
        self.slots = Slots(self.requests, NAMESPACE)
        self.world = ApiServerWorld(self.client, TENANTS)
        self.pen = Pen(self.world)
        self.statuses = StatusRequests(self.client, self.scheduler)
        self.generation = Generation(1, lanes)

    # --- instances --------------------------------------------------------------------------

    def waiting(self, lane: int = 0) -> Owned:
        """Return an instance of a lane with three turns, of which its status shows the first."""
        for number in range(100):
            owned = self.run(self.pen.owned(f"order-{self.server.revision}-{number}"))
            if lane_of(owned.key.uid, self.lanes) == lane:
                owned.commit(started())
                self.run(self.pen.show(owned))
                owned.commit(scheduled("a"))
                owned.commit(completed(2))
                return owned
        raise AssertionError("a hash spreads")

    def written(self, *instances: Owned) -> LogWriter:
        """Let the unshown turns of these stand in the log; return the writer, which runs on."""
        writer = self.writer(*(self.claimed(OTHER, lane) for lane in range(self.lanes)))
        for owned in instances:
            for turn in logged_turns(owned):
                assert isinstance(self.run(writer.submit(turn)), Stands)
        return writer

    def rev(self, owned: Owned) -> int | None:
        return rev_of(self.run(self.world.body(owned.key)))

    def delete(self, owned: Owned) -> None:
        self.run(self.world.remove(owned.key))

    # --- slots ------------------------------------------------------------------------------

    def body(self, name: str) -> JsonObject:
        return self.run(self.requests.get(WORKFLOW_LOGS, NAMESPACE, name))

    def versions(self) -> dict[str, str]:
        """Return the version of every slot by name."""
        bodies = self.run(self.requests.list(WORKFLOW_LOGS, NAMESPACE))
        found = [body["metadata"] for body in bodies]
        return {
            str(each["name"]): str(each["resourceVersion"])
            for each in found
            if isinstance(each, dict)
        }

    def tails(self, generation: Generation | None = None) -> list[Entry]:
        """Return the newest entry of each lane."""
        generation = generation or self.generation
        found = []
        for lane in range(generation.lanes):
            slots = self.run(self.slots.list(generation.number, lane))
            assert len(slots) == ring.SLOTS
            found.append(max((each.entry for each in slots.values()), key=lambda one: one.seq))
        return found

    # --- commands ---------------------------------------------------------------------------

    def holder(self, generation: Generation | None = None) -> LaneHolder:
        return LaneHolder(
            self.statuses, self.slots, self.clock, generation or self.generation, STORE
        )

    async def drains(self, lanes: Sequence[int] | None = None) -> Drained:
        async with self.holder() as holder:
            return await drain_lanes(holder, lanes or range(self.lanes), LIMIT)

    def drain(self) -> Drained:
        return self.run(self.drains())

    async def resizes(self, count: int) -> Resized:
        return await Resizer(self.slots, self.clock, self.holder).resize(count, LIMIT)

    def resize(self, count: int) -> Resized:
        return self.run(self.resizes(count))

    def survey(self, slots: Slots | None = None) -> Survey:
        found = self.run(Surveyor(slots or self.slots, self.clock).survey())
        assert found is not None
        return found

    async def repairs(self) -> list[str]:
        survey = await Surveyor(self.slots, self.clock).survey()
        assert survey is not None
        repairer = Repairer(self.slots, self.clock, survey.generation, STORE)
        lanes = [lane for lane in survey.lanes if lane.losses]
        async with self.holder(survey.generation) as holder:
            for lane in lanes:
                await repairer.fill(lane)
            return [await settle(holder, lane.lane) for lane in lanes]

    def repair(self) -> list[str]:
        return self.run(self.repairs())


@contextmanager
def office(lanes: int = 2) -> Iterator[Office]:
    """Open a log, and end everything in good order."""
    found = Office(lanes)
    found.open()
    yield found
    found.close()
