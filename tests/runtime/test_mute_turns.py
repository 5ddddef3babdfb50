"""Turns of a process that could not renew its Lease: it claims no call that it may not send."""

from __future__ import annotations

from tests.language.definitions import flow, http, put, wait
from tests.runtime.worlds import World, rounds

from perdure.ports import InstanceKey


async def begun(world: World) -> InstanceKey:
    """Define two calls one after the other, and take one turn of an instance."""
    world.define(flow(http("a"), http("b")))
    key = world.store.create()
    await world.turns.run(key)
    await rounds()
    return key


async def test_a_mute_process_claims_nothing_and_begins_by_itself_when_it_is_heard() -> None:
    world = World()
    world.presence.may_send = False
    key = await begun(world)
    assert world.store.types(key) == ["InstanceStarted"]
    assert (await world.turns.run(key)).retry_in == 1.0
    world.presence.may_send = True
    assert (await world.turns.run(key)).retry_in is None
    await rounds()
    assert len(world.services.sent) == 1


async def test_a_mute_process_commits_an_answer_and_leaves_what_follows_to_others() -> None:
    world = World()
    key = await begun(world)
    await rounds()
    world.presence.may_send = False
    world.services.answer("a")
    await rounds()
    rest = await world.turns.run(key)
    assert world.store.types(key)[-1] == "ActivityCompleted"
    assert rest.retry_in == 1.0
    other = World(world.store, world.objects)
    other.presence.incarnation = "perdure-1-1"
    await other.turns.run(key)
    assert world.store.types(key)[-1] == "ActivityScheduled"


async def test_a_mute_process_goes_on_where_no_call_follows() -> None:
    world = World()
    world.presence.may_send = False
    world.define(flow(put("a"), vars={"x": 0}))
    key = world.store.create()
    await world.turns.run(key)
    assert world.store.types(key)[-1] == "InstanceEnded"


async def test_a_mute_process_asks_nothing_again_and_again_for_a_timer_before_a_call() -> None:
    world = World()
    world.define(flow(wait("pause", "5s"), http("a")))
    key = world.store.create()
    await world.turns.run(key)
    world.presence.may_send = False
    world.clock.advance(6)
    rest = await world.turns.run(key)
    assert (rest.wake_at, rest.retry_in) == (None, 1.0)
    world.presence.may_send = True
    await world.turns.run(key)
    assert world.store.types(key)[-1] == "ActivityScheduled"


async def test_a_mute_process_takes_nothing_over_and_asks_nothing_of_the_dead() -> None:
    first = World()
    key = await begun(first)
    second = World(first.store, first.objects)
    second.presence.incarnation = "perdure-1-1"
    second.presence.dead = {"perdure-0-1"}
    second.presence.may_send = False
    assert (await second.turns.run(key)).retry_in == 1.0
    assert second.presence.watched == []
    second.presence.may_send = True
    await second.turns.run(key)
    assert first.store.types(key)[-1] == "ActivityClaimed"
