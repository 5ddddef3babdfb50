"""What is known of instances that are gone or forgotten, and what a watch still tells of them."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import cast

import pytest
from tests.contract.worlds import ended, scheduled
from tests.kubernetes.instances import ApiServerWorld
from tests.kubernetes.log.bodies import at_version
from tests.kubernetes.log.owners import memory_world
from tests.kubernetes.log.readers import Library, left_over

from perdure.engine.values import JsonObject


@pytest.fixture
async def world() -> AsyncIterator[ApiServerWorld]:
    async with memory_world() as world:
        yield world


@pytest.fixture
def library(world: ApiServerWorld) -> Library:
    return Library(world)


# --- what is gone, or forgotten -------------------------------------------------------------


async def test_an_instance_that_is_gone_is_not_news_until_a_watch_tells_its_deletion(
    library: Library,
) -> None:
    order = await library.running()
    echo = await library.body(order)
    await library.world.remove(order.key)
    library.adopt(turns=left_over(order))
    assert await library.reader.load(order.key, fresh=False) is None
    assert library.gone == [order.key.uid]
    assert library.reader.left_over(0) == []
    assert library.reader.hint(echo) is None
    assert library.reader.hint(at_version(echo, 10**9)) is None
    library.reader.removed(order.key)
    assert library.reader.hint(echo) is not None


async def test_what_a_watch_tells_while_an_instance_is_found_gone_is_not_believed(
    library: Library,
) -> None:
    order = await library.running()
    echo = await library.body(order)
    library.adopt()
    await library.world.remove(order.key)

    async def tell() -> None:
        assert library.reader.hint(echo) is not None

    library.bodies.meanwhile = tell
    assert await library.reader.load(order.key, fresh=True) is None
    assert await library.reader.load(order.key, fresh=False) is None
    assert library.reader.held(order.key.uid) is None


async def test_one_of_its_name_is_another_instance(library: Library) -> None:
    order = await library.running()
    echo = await library.body(order)
    await library.world.remove(order.key)
    anew = await library.pen.owned("order")
    library.adopt()
    assert await library.reader.load(order.key, fresh=False) is None
    assert library.reader.hint(echo) is None
    assert library.reader.hint(await library.body(anew)) is not None


async def test_what_is_found_gone_is_dropped_and_who_waits_is_answered(library: Library) -> None:
    order = await library.running()
    library.adopt()
    await library.load(order)
    answer = library.waiter(order, 2)
    await library.world.remove(order.key)
    assert await library.reader.load(order.key, fresh=True) is None
    assert answer.result() is True
    assert library.reader.held(order.key.uid) is None


async def test_a_deletion_that_a_watch_tells_drops_everything(library: Library) -> None:
    order = await library.running()
    library.adopt(turns=left_over(order))
    library.reader.hint(await library.body(order))
    library.reader.removed(order.key)
    assert library.reader.left_over(0) == []
    assert library.gone == [order.key.uid]
    await library.world.remove(order.key)
    assert await library.reader.load(order.key, fresh=False) is None  # What was told is forgotten.


async def test_what_was_forgotten_is_not_believed_from_an_older_echo(library: Library) -> None:
    order = await library.running()
    older = await library.body(order)
    order.commit(scheduled("a"))
    await library.pen.show(order)
    library.adopt()
    await library.load(order)
    library.reader.forget(order.key)
    assert library.reader.held(order.key.uid) is None
    assert library.reader.hint(older) is None
    assert library.reader.hint(await library.body(order)) is not None
    assert (await library.load(order)).rev == 2


async def test_nothing_is_forgotten_before_a_status_shows_it(library: Library) -> None:
    order = await library.running()
    library.adopt(turns=left_over(order))
    await library.load(order)
    library.reader.forget(order.key)
    assert library.held(order).is_cold
    library.reader.keep(replace(library.held(order), is_damaged=False))
    assert library.held(order).is_cold
    await library.pen.show(order)
    library.reader.hint(await library.body(order))
    assert (await library.load(order)).rev == 3
    assert library.reader.held(order.key.uid) is None


async def test_forgetting_drops_what_was_told_and_not_used(library: Library) -> None:
    order = await library.running()
    library.adopt()
    library.reader.hint(await library.body(order))
    library.reader.forget(order.key)
    await library.load(order)
    assert library.reads() == 1


# --- echoes ---------------------------------------------------------------------------------


async def test_an_echo_of_what_is_held_is_no_news(library: Library) -> None:
    order = await library.running()
    older = await library.body(order)
    await library.world.edit(order.key, suspend=True)
    library.adopt()
    await library.load(order)
    assert library.reader.hint(older) is None
    assert library.reader.hint(await library.body(order)) is None
    await library.world.edit(order.key, suspend=False)
    assert library.reader.hint(await library.body(order)) is not None


async def test_the_echo_of_an_end_is_told(library: Library) -> None:
    order = await library.running()
    older = await library.body(order)
    order.commit(ended())
    await library.pen.show(order)
    library.adopt()
    await library.load(order)
    assert library.reader.hint(older) is None
    for _ in range(2):  # A resync tells it again.
        hint = library.reader.hint(await library.body(order))
        assert hint is not None
        assert hint.is_finished


async def test_an_older_echo_of_an_end_is_no_news(library: Library) -> None:
    order = await library.running()
    order.commit(ended())
    await library.pen.show(order)
    older = await library.body(order)
    await library.world.edit(order.key, suspend=True)
    library.adopt()
    await library.load(order)
    assert library.reader.hint(older) is None


async def test_the_first_echo_of_what_no_watch_has_told_of_is_news(library: Library) -> None:
    order = await library.running()
    library.adopt()
    await library.load(order)
    library.held(order).is_told = False
    assert library.reader.hint(await library.body(order)) is not None
    assert library.reader.hint(await library.body(order)) is None


async def test_what_is_no_instance_is_left_out(library: Library) -> None:
    library.adopt()
    order = await library.running()
    broken = copy.deepcopy(await library.body(order))
    del cast("JsonObject", broken["metadata"])["uid"]
    assert library.reader.hint(broken) is None
    assert library.reader.hint(await library.body(order)) is not None


# --- waiting for what is shown --------------------------------------------------------------


async def test_who_waits_is_answered_when_the_status_has_come_as_far(library: Library) -> None:
    order = await library.running()
    library.adopt(turns=left_over(order))
    await library.load(order)
    answers = {rev: library.waiter(order, rev) for rev in (2, 3, 4)}
    await library.pen.show(order)
    await library.load(order, fresh=True)
    assert [answer.done() for answer in answers.values()] == [True, True, False]
    assert answers[2].result() is True
    assert library.held(order).waiters == [(4, answers[4])]


async def test_everything_that_is_held_is_iterated(library: Library) -> None:
    orders = [await library.running(name) for name in ("a", "b")]
    library.adopt(turns=[turn for order in orders for turn in left_over(order)])
    for order in orders:
        await library.load(order)
    assert {held.snapshot.key for held in library.reader} == {order.key for order in orders}
    assert [held.snapshot.rev for held in library.reader] == [3, 3]
