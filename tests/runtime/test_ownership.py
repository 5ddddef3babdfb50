"""Instances that another process moves are heard of, and left alone; they can change hands."""

from __future__ import annotations

import asyncio

from tests.language.definitions import flow, http, wait
from tests.runtime.stores import hint_of
from tests.runtime.test_instances import running, until
from tests.runtime.worlds import World


async def test_an_instance_of_another_process_gets_no_turn_until_it_is_gained() -> None:
    world = World()
    world.define(flow(http("a")))
    key = world.store.create()
    world.store.foreign.add(key.uid)
    async with running(world) as instances:
        instances.observe(hint_of(world.store, key))
        instances.definition_changed("shop", "order")
        await asyncio.sleep(0)
        assert instances.queue.is_idle
        assert instances.count == 1
        world.store.foreign.clear()
        instances.gained(lambda uid: uid == key.uid)
        await until(lambda: len(world.services.sent) == 1)


async def test_what_came_for_an_ended_instance_of_others_is_seen_to_when_it_is_gained() -> None:
    world = World()
    world.define(flow(http("a")))
    key = world.store.create(terminate="")
    await world.turns.run(key)
    async with running(world) as instances:
        world.store.foreign.add(key.uid)
        instances.observe(hint_of(world.store, key, generation=1, observed_generation=1))
        instances.observe_event(world.send("late"))
        await asyncio.sleep(0)
        assert instances.queue.is_idle
        world.store.foreign.clear()
        instances.gained(lambda uid: uid == key.uid)
        await until(lambda: instances.queue.is_idle)
        await world.desk.drain()
        (event,) = world.desk.inbox.everything()
        assert event.answer == "Refused"


async def test_an_instance_of_others_that_is_gone_is_known_no_more() -> None:
    world = World()
    world.define(flow(http("a")))
    key = world.store.create()
    world.store.foreign.add(key.uid)
    async with running(world) as instances:
        instances.observe(hint_of(world.store, key))
        instances.removed(key)
        assert instances.count == 0
        world.store.foreign.clear()
        instances.gained(lambda uid: uid == key.uid)
        assert instances.queue.is_idle


async def test_only_what_is_meant_is_gained() -> None:
    world = World()
    world.define(flow(http("a")))
    ours, others = world.store.create(), world.store.create()
    async with running(world) as instances:
        world.store.foreign.update((ours.uid, others.uid))
        for key in (ours, others):
            instances.observe(hint_of(world.store, key))
        world.store.foreign.clear()
        instances.gained(lambda uid: uid == ours.uid)
        await until(lambda: len(world.services.sent) == 1)
        await until(lambda: instances.queue.is_idle)
        assert world.services.sent[0].uid == ours.uid


async def test_what_is_lost_has_its_calls_aborted() -> None:
    world = World()
    world.define(flow(http("a")))
    key = world.store.create()
    async with running(world) as instances:
        instances.observe(hint_of(world.store, key))
        await until(lambda: len(world.services.sent) == 1)
        world.store.foreign.add(key.uid)
        await instances.lost(lambda uid: uid == key.uid)
        assert not world.calls.has_any(key.uid)
        assert instances.count == 1


async def test_what_is_lost_has_its_timers_taken_down() -> None:
    world = World()
    world.define(flow(wait("a", "1h")))
    key = world.store.create()
    async with running(world) as instances:
        instances.observe(hint_of(world.store, key))
        await until(lambda: len(instances.wakes) == 1)
        await until(lambda: instances.queue.is_idle)
        world.store.foreign.add(key.uid)
        await instances.lost(lambda uid: uid == key.uid)
        assert len(instances.wakes) == 0


async def test_a_turn_that_finds_its_instance_lost_leaves_it_and_shows_nothing() -> None:
    world = World()
    world.define(flow(http("a")))
    key = world.store.create()
    async with running(world) as instances:
        instances.observe(hint_of(world.store, key))
        await until(lambda: len(world.services.sent) == 1)
        instances.queue.mark(key)
        world.store.foreign.add(key.uid)
        await until(lambda: instances.queue.is_idle)
        await until(lambda: not world.calls.has_any(key.uid))
        assert world.store.instances[key].stalls == []


async def test_a_call_of_what_was_lost_is_claimed_anew_when_it_comes_back_and_only_then_sent() -> (
    None
):
    world = World()
    world.define(flow(http("a")))
    key = world.store.create()
    async with running(world) as instances:
        instances.observe(hint_of(world.store, key))
        await until(lambda: len(world.services.sent) == 1)
        await until(lambda: instances.queue.is_idle)
        world.store.foreign.add(key.uid)
        await instances.lost(lambda uid: uid == key.uid)
        world.store.foreign.clear()
        world.presence.may_send = False
        instances.gained(lambda uid: uid == key.uid)
        await until(lambda: instances.queue.is_idle)
        assert len(world.services.sent) == 1
        world.presence.may_send = True
        instances.answered(key)
        await until(lambda: len(world.services.sent) == 2)
    assert world.store.types(key).count("ActivityClaimed") == 1
    first, second = (work.claim for work in world.services.sent)
    assert first.claim_id != second.claim_id
    assert (first.delivery, second.delivery) == (1, 2)


async def test_a_turn_that_is_overtaken_by_a_loss_sends_nothing() -> None:
    world = World()
    world.define(flow(http("a")))
    key = world.store.create()
    world.store.before_commit = [lambda: world.store.foreign.add(key.uid)]
    await world.turns.run(key)
    assert "ActivityScheduled" in world.store.types(key)
    assert world.services.sent == []
