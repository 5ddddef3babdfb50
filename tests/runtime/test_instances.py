"""Which instance gets a turn when; one that cannot go on hurts nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from tests.language.definitions import event, flow, http
from tests.runtime.stores import hint_of
from tests.runtime.worlds import World

from perdure.definitions import revision_name, spec_digest
from perdure.engine.values import JsonObject
from perdure.ports import Rejected
from perdure.runtime.instances import SWEEP_SECONDS, Instances
from perdure.runtime.retention import Limits, Retention


@asynccontextmanager
async def running(world: World) -> AsyncIterator[Instances]:
    limits = Limits(count=10, finished_bytes=10**9, total_bytes=10**9)
    instances = Instances(
        store=world.store,
        turns=world.turns,
        desk=world.desk,
        calls=world.calls,
        presence=world.presence,
        retention=Retention(world.objects, world.clock, world.meter, limits),
        clock=world.clock,
        meter=world.meter,
        workers=4,
    )
    instances.start()
    try:
        yield instances
    finally:
        world.clock.advance(10)
        stopping = asyncio.create_task(instances.stop(0.01))
        while not stopping.done():
            world.clock.advance(0.02)
            await asyncio.sleep(0)
        assert instances.failed is None


async def until(holds: Callable[[], bool]) -> None:
    """Let the loop run until something holds."""
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0)


async def test_an_instance_gets_a_turn_when_it_is_seen_and_a_hint_of_the_same_version_none() -> (
    None
):
    world = World()
    world.define(flow(http("a")))
    key = world.store.create()
    async with running(world) as instances:
        instances.observe(hint_of(world.store, key))
        await until(lambda: len(world.services.sent) == 1)
        await until(lambda: instances.queue.is_idle)
        loads = len(world.store.loads)
        instances.observe(hint_of(world.store, key))
        await asyncio.sleep(0)
        assert instances.queue.is_idle
        assert len(world.store.loads) == loads


async def test_an_instance_whose_turn_is_rejected_stalls_once_and_others_go_on() -> None:
    world = World()
    world.define(flow(http("a")))
    bad, good = world.store.create(), world.store.create()
    world.store.script = [Rejected("too large")]
    async with running(world) as instances:
        instances.observe(hint_of(world.store, bad))
        await until(lambda: world.store.instances[bad].stalls == ["WriteRejected"])
        world.store.script = [Rejected("too large")] * 5
        for _ in range(5):
            world.store.touch(bad)
            instances.observe(hint_of(world.store, bad))
            await until(lambda: instances.queue.is_idle)
        assert world.store.instances[bad].stalls == ["WriteRejected"]
        assert world.store.script == []
        assert len(instances._attempts) == 1, "one attempt is pending, however often it changed"
        instances.observe(hint_of(world.store, good))
        await until(lambda: len(world.services.sent) == 1)


async def test_a_pending_instance_gets_a_turn_when_its_definition_changes() -> None:
    world = World()
    key = world.store.create()
    async with running(world) as instances:
        instances.observe(hint_of(world.store, key))
        await until(lambda: world.store.now(key).observed.pending is not None)
        await until(lambda: instances.queue.is_idle)
        world.define(flow(http("a")))
        instances.definition_changed("shop", "other")
        instances.definition_changed("shop", "order")
        await until(lambda: len(world.services.sent) == 1)


async def test_an_instance_that_names_a_revision_is_looked_after_until_it_is_there() -> None:
    world = World()
    spec: JsonObject = flow(http("a"))
    name = revision_name("order", spec_digest(spec))
    key = world.store.create(revision=name)
    async with running(world) as instances:
        instances.observe(hint_of(world.store, key))
        await until(lambda: world.store.now(key).observed.pending is not None)
        await until(lambda: instances.queue.is_idle)
        await world.revisions.ensure("shop", "order", spec)
        world.clock.advance(SWEEP_SECONDS)
        await until(lambda: len(world.services.sent) == 1)


async def test_an_event_object_gives_its_instance_a_turn() -> None:
    world = World()
    world.define(flow(event("a")))
    key = world.store.create()
    async with running(world) as instances:
        instances.observe(hint_of(world.store, key))
        await until(lambda: bool(world.store.now(key).state.waits))
        instances.observe_event(world.send("approved"))
        await until(lambda: world.store.now(key).state.ended is not None)
        await until(lambda: instances.count == 0)


async def test_a_stopping_process_commits_the_answers_it_still_gets() -> None:
    world = World()
    world.define(flow(http("a"), http("b")))
    key = world.store.create()
    async with running(world) as instances:
        world.calls._answered = instances.answered
        instances.observe(hint_of(world.store, key))
        await until(lambda: len(world.services.sent) == 1)
        await until(lambda: instances.queue.is_idle)
        world.services.answer("a")
    assert "ActivityCompleted" in world.store.types(key)
    assert [work.path for work in world.services.sent] == ["a"]


async def test_a_turn_that_fails_for_an_ended_instance_backs_off_too() -> None:
    world = World()
    world.define(flow(http("a")))
    key = world.store.create()
    async with running(world) as instances:
        for failures in (1, 2, 3):
            world.store.script = [Rejected("no")]
            instances._records.pop(key.uid, None)
            instances.queue.mark(key)
            await until(lambda: instances.queue.is_idle)
            assert instances._failures[key.uid] == failures
