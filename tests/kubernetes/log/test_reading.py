"""What is believed of the instances of an owned lane, and for how long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.contract.worlds import started
from tests.kubernetes.instances import ApiServerWorld, add
from tests.kubernetes.log.owners import memory_world
from tests.kubernetes.log.readers import Library, left_over
from tests.kubernetes.waiting import until

from perdure.errors import HistoryCorruptError, NotOwnedError
from perdure.kubernetes.instances import version_of


@pytest.fixture
async def world() -> AsyncIterator[ApiServerWorld]:
    async with memory_world() as world:
        yield world


@pytest.fixture
def library(world: ApiServerWorld) -> Library:
    return Library(world)


# --- the first load after a claim -----------------------------------------------------------


async def test_what_was_told_before_the_claim_is_read_again(library: Library) -> None:
    order = await library.running()
    told = await library.body(order)
    library.adopt(since=version_of(told))
    assert library.reader.hint(told) is not None
    assert (await library.load(order)).rev == 1
    assert library.reads() == 1


async def test_what_is_told_after_the_claim_is_not_read(library: Library) -> None:
    order = await library.running()
    told = await library.body(order)
    library.adopt(since=version_of(told) - 1)
    library.reader.hint(told)
    snapshot = await library.load(order)
    assert (snapshot.rev, snapshot.version) == (1, version_of(told))
    assert library.reads() == 0


async def test_what_nobody_told_is_read(library: Library) -> None:
    order = await library.running()
    library.adopt()
    assert (await library.load(order)).state == order.state
    assert library.reads() == 1


async def test_a_fresh_load_reads_whatever_was_told(library: Library) -> None:
    order = await library.running()
    library.adopt()
    library.reader.hint(await library.body(order))
    await library.load(order, fresh=True)
    assert library.reads() == 1


async def test_what_is_held_is_not_read_again(library: Library) -> None:
    order = await library.running()
    library.adopt()
    first = await library.load(order)
    assert library.reads() == 1
    assert await library.load(order) is first
    assert library.reads() == 0


async def test_of_two_bodies_that_were_told_the_newer_one_counts(library: Library) -> None:
    order = await library.running()
    older = await library.body(order)
    await library.world.edit(order.key, suspend=True)
    newer = await library.body(order)
    library.adopt()
    for told in (newer, older):
        library.reader.hint(told)
    assert (await library.load(order)).version == version_of(newer)
    assert library.reads() == 0


async def test_a_newer_body_goes_on_from_what_is_held(library: Library) -> None:
    order = await library.running()
    library.adopt()
    await library.load(order)
    await library.world.edit(order.key, suspend=True)
    library.reader.hint(await library.body(order))
    snapshot = await library.load(order)
    assert snapshot.controls.is_suspended
    assert snapshot.state == order.state
    assert library.reads() == 1


async def test_an_older_read_does_not_take_back_what_is_held(library: Library) -> None:
    order = await library.running()
    library.adopt()
    await library.load(order)

    async def overtake() -> None:
        await library.world.edit(order.key, suspend=True)
        library.reader.hint(await library.body(order))
        await library.load(order)

    library.bodies.meanwhile = overtake
    snapshot = await library.load(order, fresh=True)
    assert snapshot.controls.is_suspended
    assert snapshot.version == await library.version(order)


# --- turns of an earlier owner --------------------------------------------------------------


async def test_turns_that_stood_before_the_claim_are_joined(library: Library) -> None:
    order = await library.running()
    turns = left_over(order)
    library.adopt(turns=turns)
    assert library.reader.left_over(0) == [order.key]
    snapshot = await library.load(order)
    assert (snapshot.rev, snapshot.state) == (3, order.state)
    assert [one.turn for one in library.held(order).backlog] == turns
    assert library.held(order).basis.rev == 1
    assert library.reader.left_over(0) == []


async def test_turns_that_a_status_shows_by_now_are_left_out(library: Library) -> None:
    order = await library.running()
    turns = left_over(order)
    await library.pen.show(order)
    library.adopt(turns=turns)
    assert (await library.load(order)).rev == 3
    assert library.held(order).backlog == []
    assert library.held(order).is_shown


async def test_a_turn_that_is_missing_between_the_log_and_the_status_is_damage(
    library: Library,
) -> None:
    order = await library.running()
    _, last = left_over(order)
    library.adopt(turns=[last])
    for _ in range(2):
        with pytest.raises(HistoryCorruptError, match="nor the status turn 2"):
            await library.load(order)
    assert library.reader.held(order.key.uid) is None


async def test_an_old_body_that_seems_damaged_is_looked_at_again(library: Library) -> None:
    order = await library.pen.owned("order")
    bare = await library.body(order)
    order.commit(started())
    await library.pen.show(order)
    turns = left_over(order)
    library.adopt(since=0, turns=turns)
    library.reader.hint(bare)  # It shows nothing; its first turn has left the log.
    assert (await library.load(order)).state == order.state
    assert library.reads() == 1


async def test_damage_is_not_believed_again_from_an_older_echo(library: Library) -> None:
    order = await library.running()
    older = await library.body(order)
    await library.world.edit_status(order.key, add("/status/history/digest", "f" * 64))
    library.adopt()
    with pytest.raises(HistoryCorruptError):
        await library.load(order)
    assert library.reader.hint(older) is None
    assert library.reader.hint(await library.body(order)) is not None


# --- losing a lane --------------------------------------------------------------------------


async def test_instances_of_other_lanes_are_not_read(library: Library) -> None:
    order = await library.running()
    for fresh in (False, True):
        with pytest.raises(NotOwnedError):
            await library.reader.load(order.key, fresh=fresh)
    assert library.reads() == 0
    assert library.reader.hint(await library.body(order)) is not None
    with pytest.raises(NotOwnedError):
        await library.reader.load(order.key, fresh=False)


async def test_what_is_told_of_another_process_s_lane_is_not_kept(library: Library) -> None:
    order = await library.running()
    library.reader.hint(await library.body(order))
    library.adopt()
    await library.load(order)
    assert library.reads() == 1


async def test_what_was_told_of_a_lane_that_is_lost_is_forgotten(world: ApiServerWorld) -> None:
    library = Library(world, lanes=2)
    lost, kept = await library.in_lane(0), await library.in_lane(1)
    for lane in (0, 1):
        library.adopt(lane=lane)
    for order in (lost, kept):
        library.reader.hint(await library.body(order))
    library.reader.lose(0)
    library.adopt(lane=0)
    await library.load(lost)
    await library.load(kept)
    assert library.bodies.reads == [lost.key.name]


async def test_who_waits_in_a_lane_that_is_lost_is_told_so(world: ApiServerWorld) -> None:
    library = Library(world, lanes=2)
    lost, kept = await library.in_lane(0), await library.in_lane(1)
    answers = []
    for lane, order in enumerate((lost, kept)):
        library.adopt(lane=lane)
        await library.load(order)
        answers.append(library.waiter(order, 2))
    library.reader.lose(0)
    assert answers[0].result() is False
    assert library.reader.held(lost.key.uid) is None
    assert not answers[1].done()
    assert library.held(kept).snapshot.key == kept.key
    assert [library.reader.owns(order.key.uid) for order in (lost, kept)] == [False, True]


@pytest.mark.parametrize("is_adopted_again", [False, True])
async def test_what_was_read_of_a_lane_that_was_lost_meanwhile_is_not_held(
    library: Library, is_adopted_again: bool
) -> None:
    order = await library.running()
    library.adopt()

    async def lose() -> None:
        library.reader.lose(0)
        if is_adopted_again:
            library.adopt()

    library.loader.meanwhile = lose
    with pytest.raises(NotOwnedError):
        await library.load(order)
    assert library.reader.held(order.key.uid) is None


async def test_a_lane_that_is_lost_during_a_read_is_not_read_on(library: Library) -> None:
    order = await library.running()
    library.adopt()

    async def lose() -> None:
        library.reader.lose(0)

    library.bodies.meanwhile = lose
    with pytest.raises(NotOwnedError):
        await library.load(order)
    assert library.reader.held(order.key.uid) is None


async def test_the_turns_of_a_second_claim_count_alone(library: Library) -> None:
    order = await library.running()
    turns = left_over(order)
    library.adopt(turns=turns[:1])
    assert (await library.load(order)).rev == 2
    library.reader.lose(0)
    library.adopt(turns=turns)
    assert (await library.load(order)).rev == 3


async def test_of_two_loads_at_once_the_first_one_to_end_is_held(library: Library) -> None:
    order = await library.running()
    library.adopt(turns=left_over(order))
    library.loader.gate.clear()
    loads = [asyncio.create_task(library.load(order)) for _ in range(2)]
    await until(lambda: library.loader.waiting == 2)
    library.loader.gate.set()
    first, second = await asyncio.gather(*loads)
    assert first is second
    assert library.held(order).snapshot is first
