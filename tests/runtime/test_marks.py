"""Revisions that nobody needs are deleted, and never one that is pinned meanwhile."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.language.definitions import flow, wait
from tests.runtime.interleavings import NAMESPACE, Gate, Order, Place, Side, at_work, every_order
from tests.runtime.worlds import Alive, Meter, NoBudget, Services, review_at_once, rounds

from perdure.definitions import revision_name, spec_digest
from perdure.engine.values import JsonObject
from perdure.errors import TransientError
from perdure.kubernetes.objects import ApiObjects
from perdure.kubernetes.store import KubernetesStore
from perdure.ports import (
    CONTROLLER_REVISIONS,
    WORKFLOW_DEFINITIONS,
    WORKFLOW_INSTANCES,
    InstanceKey,
)
from perdure.runtime.calls import Calls
from perdure.runtime.events import EventDesk
from perdure.runtime.marks import UNNEEDED_SINCE, is_marked, unneeded_since
from perdure.runtime.polling import PollConditions
from perdure.runtime.recipes import KEPT_REVISIONS, Recipes
from perdure.runtime.retention import Limits, Retention
from perdure.runtime.revisions import Revisions
from perdure.runtime.turn import Turns

LONG = (KEPT_REVISIONS + timedelta(seconds=1)).total_seconds()
OLD, NEW = flow(wait("a")), flow(wait("b"))
OLD_NAME = revision_name("order", spec_digest(OLD))
ANNOTATION = "/metadata/annotations/perdure.dev~1unneeded-since"


class Process:
    """One operator process as far as it pins and collects revisions."""

    def __init__(self, place: Place, gate: Gate | None = None) -> None:
        clock, meter = place.clock, Meter()
        self.objects = place.objects(gate)
        self.revisions = Revisions(self.objects, review_at_once)
        self.store = KubernetesStore(self.objects, clock)
        limits = Limits(count=10, finished_bytes=10**9, total_bytes=10**9)
        self.recipes = Recipes(
            self.objects,
            self.revisions,
            review_at_once,
            Retention(self.objects, clock, meter, limits),
            clock,
            lambda *_: None,
        )
        presence = Alive()
        self.turns = Turns(
            self.store,
            self.revisions,
            EventDesk(self.objects, clock, meter, self.store.shown, time_to_live=timedelta(0)),
            Calls({"http": Services()}, presence, meter, lambda _: None),
            presence,
            clock,
            NoBudget(),
            PollConditions(clock),
            meter,
        )

    async def accept(self, key: InstanceKey) -> None:
        """Take turns until one is not disturbed."""
        while True:
            try:
                await self.turns.run(key)
            except TransientError:
                continue
            return

    async def create_and_accept(self) -> None:
        """Create an instance that names the old revision, and take its first turn."""
        await self.accept(await create(self.objects, revision=OLD_NAME))


async def create(objects: ApiObjects, **reference: str) -> InstanceKey:
    spec: JsonObject = {"definitionRef": {"name": "order", **reference}}
    body = await objects.create(
        WORKFLOW_INSTANCES, NAMESPACE, {**kind("WorkflowInstance", "order-1"), "spec": spec}
    )
    assert isinstance(body["metadata"], dict)
    return InstanceKey(NAMESPACE, "order-1", str(body["metadata"]["uid"]))


def kind(name: str, called: str) -> JsonObject:
    return {"apiVersion": "perdure.dev/v1alpha1", "kind": name, "metadata": {"name": called}}


async def define(place: Place, spec: JsonObject) -> None:
    """Create the definition, or change it, and let an operator look at it."""
    objects, process = place.objects(), Process(place)
    if await place.all(WORKFLOW_DEFINITIONS):
        change: JsonObject = {"op": "replace", "path": "/spec", "value": spec}
        await objects.patch(WORKFLOW_DEFINITIONS, NAMESPACE, "order", [change])
    else:
        body = {**kind("WorkflowDefinition", "order"), "spec": spec}
        await objects.create(WORKFLOW_DEFINITIONS, NAMESPACE, body)
    queue = process.recipes.queue
    process.recipes.observe(NAMESPACE, "order")
    queue.start()
    while not queue.is_idle:
        await rounds()
    await queue.stop()


async def age(place: Place) -> int:
    """Let more than an hour pass, and collect."""
    place.clock.advance(LONG)
    return await Process(place).recipes.collect(NAMESPACE)


async def marked_place() -> Place:
    """Return a place whose old revision was marked long ago: the next round deletes it."""
    place = Place()
    await define(place, OLD)
    await define(place, NEW)
    await age(place)
    assert is_marked((await revisions(place))[OLD_NAME])
    place.clock.advance(LONG)
    return place


async def revisions(place: Place) -> dict[str, JsonObject]:
    return dict(await place.all(CONTROLLER_REVISIONS))


async def notes_on(place: Place) -> JsonObject:
    """Return the annotations of the old revision."""
    metadata = (await revisions(place))[OLD_NAME]["metadata"]
    assert isinstance(metadata, dict)
    found = metadata["annotations"]
    assert isinstance(found, dict)
    return found


async def assert_pin_stands(place: Place) -> bool:
    """Check that the old revision is there if it is pinned; return whether it is."""
    (instance,) = (await place.all(WORKFLOW_INSTANCES)).values() or ({},)
    status = instance.get("status")
    pin = status.get("revision") if isinstance(status, dict) else None
    if not isinstance(pin, dict):
        return False
    assert pin["name"] == OLD_NAME
    there = (await revisions(place)).get(OLD_NAME)
    assert there is not None, "the pinned revision was deleted"
    assert there["data"] == {"spec": OLD}
    return True


async def test_no_order_of_calls_deletes_what_is_pinned_after_a_pause() -> None:
    pinned = 0

    async def run(order: Order) -> None:
        nonlocal pinned
        place = Place()
        await define(place, OLD)
        key = await create(place.objects())
        accepting, collecting = Gate(), Gate()
        one = Side(accepting, Process(place, accepting).accept(key))
        other = Side(collecting, Process(place, collecting).recipes.collect(NAMESPACE))
        async with at_work(one, other):
            await one.step()
            await one.step()  # It has read instance and definition, and stands still for hours.
            await define(place, NEW)
            assert await age(place) == 0
            place.clock.advance(LONG)
            await order.follow(one, other)
        pinned += await assert_pin_stands(place)

    orders = await every_order(run)
    assert orders == pinned >= 20


@pytest.mark.parametrize("calls", [None, 1, 2, 3, 4, 5, 6])
async def test_a_named_revision_stands_wherever_the_process_that_pins_it_dies(
    calls: int | None,
) -> None:
    pinned: list[bool] = []

    async def run(order: Order) -> None:
        place = await marked_place()
        accepting, collecting = Gate(calls), Gate()
        one = Side(accepting, Process(place, accepting).create_and_accept())
        other = Side(collecting, Process(place, collecting).recipes.collect(NAMESPACE))
        async with at_work(one, other):
            await order.follow(one, other)
        pinned.append(await assert_pin_stands(place))

    await every_order(run)
    assert any(pinned) is (calls is None or calls >= 5)
    assert not all(pinned)  # It is deleted, too, where the instance comes too late.


async def test_a_revision_that_was_written_again_is_not_hit_by_an_old_deletion() -> None:
    place = await marked_place()
    gate = Gate()
    late = Side(gate, Process(place, gate).recipes.collect(NAMESPACE))
    async with at_work(late):
        for _ in range(3):
            await late.step()
        assert await Process(place).recipes.collect(NAMESPACE) == 1
        await Process(place).revisions.ensure(NAMESPACE, "order", OLD)
        await late.end()
    assert OLD_NAME in await revisions(place)


async def test_a_mark_is_written_once_and_followed_after_an_hour() -> None:
    place = Place()
    await define(place, OLD)
    await define(place, NEW)
    assert await Process(place).recipes.collect(NAMESPACE) == 0
    assert not is_marked((await revisions(place))[OLD_NAME])
    assert await age(place) == 0
    marked = await revisions(place)
    assert unneeded_since(marked[OLD_NAME]) == place.clock.now().replace(microsecond=0)
    assert await Process(place).recipes.collect(NAMESPACE) == 0
    assert await revisions(place) == marked
    assert await age(place) == 1
    assert OLD_NAME not in await revisions(place)


async def test_nothing_is_written_to_a_revision_that_is_pinned_for_long() -> None:
    place = await marked_place()
    await Process(place).create_and_accept()
    pinned = await revisions(place)
    assert not is_marked(pinned[OLD_NAME])
    for _ in range(3):
        assert await age(place) == 0
    assert await revisions(place) == pinned


async def test_a_mark_that_stays_on_a_pinned_revision_neither_deletes_nor_moves_it() -> None:
    place = await marked_place()
    await Process(place).create_and_accept()
    await mark(place, "2026-01-01T00:00:00Z")
    pinned = await revisions(place)
    for _ in range(3):
        assert await age(place) == 0
    assert await revisions(place) == pinned


async def test_a_definition_that_goes_back_to_an_old_recipe_takes_its_mark_off() -> None:
    place = await marked_place()
    await define(place, OLD)
    assert not is_marked((await revisions(place))[OLD_NAME])
    assert await age(place) == 0
    assert OLD_NAME in await revisions(place)


@pytest.mark.parametrize("value", ["soon", "2026-01-01T00:00:00"])
async def test_a_mark_that_is_no_time_is_written_anew(value: str) -> None:
    place = await marked_place()
    await mark(place, value)
    assert unneeded_since((await revisions(place))[OLD_NAME]) is None
    assert await age(place) == 0
    assert unneeded_since((await revisions(place))[OLD_NAME]) is not None
    assert await age(place) == 1


async def test_other_annotations_outlive_a_mark() -> None:
    place = Place()
    await define(place, OLD)
    notes: JsonObject = {"op": "add", "path": "/metadata/annotations", "value": {"note": "mine"}}
    await place.objects().patch(CONTROLLER_REVISIONS, NAMESPACE, OLD_NAME, [notes])
    await define(place, NEW)
    await age(place)
    assert (await notes_on(place)).keys() == {"note", UNNEEDED_SINCE}
    await Process(place).revisions.ensure(NAMESPACE, "order", OLD)
    assert await notes_on(place) == {"note": "mine"}


async def test_a_mark_overwrites_nothing_that_was_written_meanwhile() -> None:
    place = Place()
    await define(place, OLD)
    await define(place, NEW)
    place.clock.advance(LONG)
    gate = Gate()
    marking = Side(gate, Process(place, gate).recipes.collect(NAMESPACE))
    async with at_work(marking):
        for _ in range(3):
            await marking.step()
        await mark(place, "somebody else's")
        await marking.end()
    assert await notes_on(place) == {UNNEEDED_SINCE: "somebody else's"}


async def mark(place: Place, value: str) -> None:
    """Write a mark as a user might, or a process that came too late."""
    whole: JsonObject = {"op": "add", "path": "/metadata/annotations", "value": {}}
    mark: JsonObject = {"op": "add", "path": ANNOTATION, "value": value}
    await place.objects().patch(CONTROLLER_REVISIONS, NAMESPACE, OLD_NAME, [whole, mark])
