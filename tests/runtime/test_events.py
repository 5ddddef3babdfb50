"""The desk for WorkflowEvents: order, identity, clean-up, hopeless ones."""

from __future__ import annotations

from tests.language.definitions import event, flow
from tests.runtime.worlds import World

from perdure.engine.values import JsonObject
from perdure.errors import TransientError
from perdure.ports import InstanceKey
from perdure.runtime.inbox import parse_event

KEY = InstanceKey("shop", "order-1", "uid-of-order-1")


def waiting(world: World) -> list[str]:
    return [e.object_name for e in world.desk.waiting(KEY)]


def told(world: World, body: JsonObject) -> JsonObject:
    """Let the watch tell of an object."""
    world.desk.inbox.put(parse_event(body))
    return body


def reason(body: JsonObject) -> str | None:
    status = body.get("status")
    if not isinstance(status, dict):
        return None
    conditions = status["conditions"]
    assert isinstance(conditions, list)
    assert isinstance(conditions[0], dict)
    return str(conditions[0]["reason"])


def test_events_wait_in_the_order_of_their_resource_version_whatever_order_they_come_in() -> None:
    world = World()
    first, second = world.send("a"), world.send("b")
    told(world, second)
    told(world, first)
    assert waiting(world) == ["event-0", "event-1"]


def test_an_event_for_another_uid_waits_for_somebody_else() -> None:
    world = World()
    told(world, world.send("a", uid="uid-of-another"))
    told(world, world.send("b", uid=KEY.uid))
    assert waiting(world) == ["event-1"]


def test_the_id_is_the_name_of_the_object_unless_given() -> None:
    world = World()
    body = world.send("a")
    assert parse_event(body).event_id == "event-0"
    assert isinstance(body["spec"], dict)
    body["spec"]["id"] = "own"
    assert parse_event(body).event_id == "own"


async def test_a_fresh_list_drops_what_is_gone_and_keeps_what_came_meanwhile() -> None:
    world = World()
    told(world, world.send("gone"))
    del world.objects.bodies["workflowevents", "shop", "event-0"]
    world.objects.during = [lambda: told(world, world.send("came by the watch meanwhile"))]
    await world.desk.refresh(KEY)
    assert waiting(world) == ["event-0"]
    (kept,) = world.desk.waiting(KEY)
    assert kept.name == "came by the watch meanwhile"


async def test_an_event_for_an_instance_that_never_comes_is_refused_after_a_day() -> None:
    world = World()
    body = told(world, world.send("a"))
    world.clock.advance(86_400)
    world.desk.sweep({})
    await world.desk.drain()
    assert reason(body) is None
    world.clock.advance(1)
    world.desk.sweep({})
    await world.desk.drain()
    assert reason(body) == "NoInstance"
    world.clock.advance(86_401)
    world.desk.sweep({})
    await world.desk.drain()
    assert world.objects.bodies == {}


async def test_an_event_for_an_instance_that_is_gone_is_refused_at_once() -> None:
    world = World()
    body = told(world, world.send("a", uid="uid-of-another"))
    world.show(KEY)
    world.desk.sweep({("shop", "order-1"): KEY.uid})
    await world.desk.drain()
    assert reason(body) == "InstanceGone"


async def test_an_instance_that_the_watch_has_not_told_yet_is_not_gone() -> None:
    world = World()
    body = told(world, world.send("a", uid=KEY.uid))
    world.show(KEY)
    world.desk.sweep({})
    await world.desk.drain()
    assert reason(body) is None
    assert waiting(world) == ["event-0"]


async def test_an_event_from_before_the_instance_is_looked_for_before_it_is_taken() -> None:
    world = World()
    world.define(flow(event("a")))
    body = world.send("approved")
    told(world, body)
    # An earlier instance of the name has taken it, and the watch has not told that it is gone.
    metadata = body["metadata"]
    assert isinstance(metadata, dict)
    del world.objects.bodies["workflowevents", "shop", str(metadata["name"])]
    key = world.store.create()
    await world.turns.run(key)
    assert "EventReceived" not in world.store.types(key)
    told(world, world.send("approved"))
    await world.turns.run(key)
    assert "EventReceived" in world.store.types(key)


async def test_what_no_status_shows_keeps_its_event() -> None:
    world = World()
    world.define(flow(event("a")))
    key = world.store.create()
    told(world, world.send("approved"))
    world.store.hidden.add(key.uid)
    await world.turns.run(key)
    await world.desk.drain()
    assert "EventReceived" in world.store.types(key)
    assert any(plural == "workflowevents" for plural, _, _ in world.objects.bodies)
    world.store.hidden.clear()
    await world.turns.run(key)
    await world.desk.drain()
    assert not any(plural == "workflowevents" for plural, _, _ in world.objects.bodies)


async def test_a_clean_up_that_failed_is_tried_again_by_the_sweep() -> None:
    world = World()
    world.define(flow(event("a")))
    key = world.store.create()
    told(world, world.send("approved"))
    world.objects.failures = []
    await world.turns.run(key)
    await world.desk.drain()
    told(world, world.send("other"))
    taken = world.desk.waiting(key)
    world.objects.failures = [TransientError("away")]
    world.desk.consumed(taken, world.store.now(key))
    await world.desk.drain()
    assert any(plural == "workflowevents" for plural, _, _ in world.objects.bodies)
    world.desk.sweep({("shop", "order-1"): key.uid})
    await world.desk.drain()
    assert not any(plural == "workflowevents" for plural, _, _ in world.objects.bodies)


def test_data_that_cannot_be_stored_is_a_fault_of_the_event() -> None:
    world = World()
    fault = parse_event(world.send("a", 2**70)).fault
    assert fault is not None
    assert "64 bits" in fault


async def test_a_refusal_that_could_not_be_marked_is_marked_by_the_sweep() -> None:
    world = World()
    world.define(flow(event("a")))
    key = world.store.create()
    body = told(world, world.send("late"))
    refused = [(each, "Ended", "it has ended") for each in world.desk.waiting(key)]
    world.objects.failures = [TransientError("away")]
    world.desk.refused(refused)
    await world.desk.drain()
    assert reason(body) is None
    living = {("shop", "order-1"): key.uid}
    world.desk.sweep(living)
    await world.desk.drain()
    assert reason(body) == "Ended"
    world.objects.calls.clear()
    world.desk.sweep(living)
    await world.desk.drain()
    assert world.objects.calls == []
