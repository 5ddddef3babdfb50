"""When the store on the log wants a status, and who hears that it shows a turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.contract.worlds import completed, ended, scheduled, started, timer
from tests.kubernetes.instances import ApiServerWorld, filler
from tests.kubernetes.log.owners import memory_world
from tests.kubernetes.log.stores import Office

from perdure.engine.events import EventAwaited, HistoryEvent
from perdure.kubernetes.log.showing import AT_ONCE, PROGRESS_SECONDS, STARTED_SECONDS
from perdure.kubernetes.log.statuses import Gone
from perdure.ports import (
    Committed,
    Conflict,
    InstanceKey,
    Observed,
)

STALLED = Observed(stalled=("NonDeterminism", "the definition changed"))


@pytest.fixture
async def world() -> AsyncIterator[ApiServerWorld]:
    async with memory_world() as world:
        yield world


@pytest.fixture
def office(world: ApiServerWorld) -> Office:
    return Office(world)


# --- turns without events -------------------------------------------------------------------


async def test_a_turn_without_events_is_shown_at_once_and_not_logged(office: Office) -> None:
    base = await office.committed(await office.base(), started())
    office.wants()
    after = await office.committed(base, observed=STALLED)
    assert (after.rev, after.observed) == (1, STALLED)
    assert len(office.writes.submitted) == 1
    assert office.wants() == [AT_ONCE]
    await office.show(base.key)
    assert (await office.world.status(base.key))["phase"] == "Stalled"


async def test_a_turn_without_events_that_shows_nothing_new_is_nothing(office: Office) -> None:
    base = await office.committed(await office.base(), started())
    noted = await office.committed(base, observed=STALLED)
    office.wants()
    assert await office.committed(noted, observed=STALLED) == noted
    assert office.wants() == []


async def test_a_turn_without_events_that_comes_too_late_is_a_conflict(office: Office) -> None:
    base = await office.base()
    await office.committed(base, started())
    office.wants()
    assert await office.commit(base, observed=STALLED) == Conflict()
    assert office.wants() == []


async def test_the_generation_that_a_turn_has_seen_is_shown_without_events(office: Office) -> None:
    base = await office.committed(await office.base(), started())
    await office.show(base.key)
    await office.world.edit(base.key, retention={"succeeded": "1h"})
    newest = await office.load(base.key, fresh=True)
    assert office.store.shelf.take(base.key.uid) is None
    await office.committed(newest)
    await office.show(base.key)
    assert (await office.world.status(base.key))["observedGeneration"] == 2


# --- when a status is wanted ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "seconds"),
    [
        ([scheduled("b")], PROGRESS_SECONDS),
        ([completed(2), ended()], AT_ONCE),
        ([completed(2), timer("b", hours=1)], AT_ONCE),
        ([EventAwaited(path="b", name="paid")], AT_ONCE),
    ],
)
async def test_a_status_is_wanted_as_soon_as_the_turn_asks_for_it(
    office: Office, events: list[HistoryEvent], seconds: float
) -> None:
    base = await office.committed(await office.base(), started(), scheduled("a"))
    assert office.wants() == [STARTED_SECONDS]
    await office.committed(base, *events)
    assert office.wanted == [(base.key.uid, seconds)]


async def test_a_reason_that_a_turn_brings_along_is_wanted_at_once(office: Office) -> None:
    base = await office.committed(await office.base(), started(), scheduled("a"))
    office.wants()
    await office.committed(base, scheduled("b"), observed=STALLED)
    assert office.wants() == [AT_ONCE]


# --- waiting for what is shown --------------------------------------------------------------


async def waiting(office: Office, key: InstanceKey, rev: int) -> asyncio.Task[bool]:
    """Return who waits until a status shows a turn, as soon as it does."""
    task = asyncio.create_task(office.store.shown(key, rev))
    await asyncio.sleep(0)
    assert not task.done()
    return task


async def test_who_waits_hears_when_the_status_shows_the_turn(office: Office) -> None:
    first = await office.committed(await office.base(), started())
    await office.committed(first, scheduled("a"))
    reflection = office.reflection(first.key)
    task = await waiting(office, first.key, 2)
    outcome = await office.write(reflection)
    assert not task.done()
    office.store.shelf.told(first.key.uid, outcome)
    assert await task is True
    assert await office.store.shown(first.key, 2) is True
    assert await office.store.shown(first.key, 1) is True


async def test_who_waits_for_a_later_turn_goes_on_waiting(office: Office) -> None:
    first = await office.committed(await office.base(), started())
    task = await waiting(office, first.key, 2)
    await office.show(first.key)
    assert not task.done()
    await office.committed(await office.load(first.key), scheduled("a"))
    assert not task.done()
    await office.show(first.key)
    assert await task is True


async def test_what_is_gone_counts_as_shown(office: Office) -> None:
    base = await office.committed(await office.base(), started())
    task = await waiting(office, base.key, 1)
    await office.world.remove(base.key)
    assert isinstance(await office.show(base.key), Gone)
    assert await task is True
    assert office.writes.are_gone == [base.key.uid]
    assert await office.store.shown(base.key, 1) is True


async def test_a_deletion_that_is_told_counts_as_shown(office: Office) -> None:
    base = await office.committed(await office.base(), started())
    task = await waiting(office, base.key, 1)
    office.store.removed(base.key)
    assert await task is True
    assert office.writes.are_gone == [base.key.uid]


async def test_nothing_is_known_of_a_lane_that_was_lost(office: Office) -> None:
    base = await office.committed(await office.base(), started())
    task = await waiting(office, base.key, 1)
    office.store.lose(0)
    assert await task is False
    assert await office.store.shown(base.key, 1) is False


async def test_of_a_lane_that_came_back_nothing_counts_as_shown_before_it_is_read(
    office: Office,
) -> None:
    base = await office.committed(await office.base(), started())
    office.readopt()
    assert await office.store.shown(base.key, 1) is False
    await office.load(base.key)
    await office.show(base.key)
    assert await office.store.shown(base.key, 1) is True


async def test_what_was_forgotten_was_shown(office: Office) -> None:
    base = await office.committed(await office.base(), started())
    task = await waiting(office, base.key, 1)
    office.store.forget(base.key)
    assert not task.done()
    await office.show(base.key)
    assert await task is True
    assert await office.commit(base, scheduled("a")) == Conflict()  # It is not held any more.
    assert await office.store.shown(base.key, 1) is True


async def test_a_turn_warms_what_was_to_be_forgotten(office: Office) -> None:
    base = await office.committed(await office.base(), started())
    office.store.forget(base.key)
    after = await office.committed(base, scheduled("a"))
    await office.show(base.key)
    assert isinstance(await office.commit(after, completed(2)), Committed)  # It is held.


# --- stalled instances ----------------------------------------------------------------------


async def test_what_cannot_go_on_is_shown_without_a_turn(office: Office) -> None:
    base = await office.committed(await office.base(), started())
    await office.show(base.key)
    await office.store.stall(base.key, "HistoryCorrupt", "an event is missing")
    status = await office.world.status(base.key)
    assert (status["phase"], status["rev"]) == ("Stalled", 1)


async def test_instances_of_other_processes_are_not_stalled(office: Office) -> None:
    base = await office.committed(await office.base(), started())
    await office.show(base.key)
    office.store.lose(0)
    await office.store.stall(base.key, "HistoryCorrupt", "an event is missing")
    assert (await office.world.status(base.key))["phase"] == "Running"


async def test_a_history_that_fills_segments_is_read_back(
    office: Office, world: ApiServerWorld
) -> None:
    base = await office.committed(await office.base(), started(steps=80), *filler(50))
    await office.show(base.key)
    last = await office.committed(await office.load(base.key), scheduled("a"))
    heir = Office(world)
    heir.store.lose(0)
    heir.adopt(office.writes.submitted)
    assert (await heir.load(base.key)).state == last.state
