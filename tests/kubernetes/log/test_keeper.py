"""Which lanes a process takes, holds and gives back, and in which order it says so."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.kubernetes.log.laboratory import OTHER
from tests.kubernetes.log.stages import IDENTITY, NEWEST, Stage, turn_in
from tests.kubernetes.waiting import until

from perdure.errors import (
    LogDamagedError,
    NewerLogError,
    PerdureError,
    SettingsError,
    TransientError,
)
from perdure.kubernetes.leases import identity_of
from perdure.kubernetes.log.claiming import Closed, Overtaken
from perdure.kubernetes.log.keeper import DAMAGED_SECONDS, FENCED_SECONDS, LIST_SECONDS
from perdure.lanes.spreading import RANK_SECONDS, heirs

LANES = 4
THEM = identity_of(OTHER)
OURS_FIRST = [lane for lane in range(LANES) if heirs(lane, [IDENTITY, THEM])[0] == IDENTITY]
THEIRS_FIRST = [lane for lane in range(LANES) if lane not in OURS_FIRST]


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    stage = Stage(LANES)
    async with stage.running():
        yield stage


# --- taking ---------------------------------------------------------------------------------


async def test_a_process_alone_takes_every_lane(stage: Stage) -> None:
    assert stage.keeper.owned == frozenset()
    await stage.look()
    assert stage.keeper.owned == stage.presence.listed == frozenset(range(LANES))
    assert stage.tries() == [0, 1, 2, 3]
    assert stage.presence.follows_all
    await stage.look(after=2.0)
    assert stage.tries() == []


async def test_others_hear_of_a_lane_before_anything_is_done_in_it() -> None:
    stage = Stage(1)
    stage.claimant.standing = {0: [turn_in(0)]}
    async with stage.running():
        await stage.look()
    told = ["claim 0", "list [0]", "newest", "adopt 0", "write 0", "gain 0", "show 0"]
    assert stage.taken() == told
    assert stage.store.adopted == {0: (NEWEST, [turn_in(0)])}


async def test_lanes_that_a_living_process_lists_are_left_alone(stage: Stage) -> None:
    for _ in range(5):
        await stage.look({OTHER: [0, 1, 2, 3]}, after=2.0)
    assert stage.tries() == []


async def test_lanes_of_the_dead_are_free(stage: Stage) -> None:
    await stage.look({OTHER: [0, 1, 2, 3]})
    stage.presence.dead.add(OTHER)
    await stage.look({OTHER: [0, 1, 2, 3]}, after=2.0)
    assert stage.keeper.owned == frozenset(range(LANES))


async def test_each_lane_is_tried_in_the_order_of_ranks(stage: Stage) -> None:
    assert OURS_FIRST
    assert THEIRS_FIRST
    await stage.look({OTHER: []})
    assert stage.tries() == OURS_FIRST[:2]
    await stage.look({OTHER: []}, after=RANK_SECONDS / 2)
    assert stage.tries() == []
    await stage.look({OTHER: []}, after=RANK_SECONDS / 2)
    assert stage.keeper.owned == frozenset(range(LANES))


async def test_what_another_takes_in_time_is_left_to_it(stage: Stage) -> None:
    await stage.look({OTHER: []})
    await stage.look({OTHER: THEIRS_FIRST}, after=RANK_SECONDS)
    assert stage.keeper.owned == frozenset(OURS_FIRST)
    assert stage.tries() == OURS_FIRST


async def test_a_lane_is_free_since_it_was_seen_to_be(stage: Stage) -> None:
    lane = THEIRS_FIRST[0]
    others = [other for other in range(LANES) if other != lane]
    third = "perdure-2_0000000000000003"
    await stage.look({OTHER: [], third: [*range(LANES)]})
    await stage.look({OTHER: [], third: others}, after=100.0)
    assert stage.tries() == []
    await stage.look({OTHER: [], third: others}, after=RANK_SECONDS)
    assert stage.tries() == [lane]


async def test_nothing_is_taken_while_nothing_may_be_sent(stage: Stage) -> None:
    stage.presence.may_send = False
    await stage.look()
    assert stage.tries() == []
    stage.presence.may_send = True
    await stage.look()
    assert stage.tries() == [0, 1, 2, 3]


async def test_a_lane_that_cannot_be_listed_is_not_adopted() -> None:
    stage = Stage(1)
    stage.presence.can_list = False
    async with stage.running():
        await until(lambda: stage.presence.is_asked)
        stage.begin_look()
        await until(lambda: stage.clock.sleepers == 1)
        assert stage.taken() == ["claim 0"]
        stage.presence.can_list = True
        stage.clock.advance(LIST_SECONDS)
        await until(lambda: stage.presence.is_asked)
        assert stage.taken()[:3] == ["list [0]", "newest", "adopt 0"]


async def test_who_has_lost_its_lease_takes_nothing() -> None:
    stage = Stage(1)
    stage.presence.can_list = False
    async with stage.running():
        await until(lambda: stage.presence.is_asked)
        stage.begin_look()
        await until(lambda: stage.clock.sleepers == 1)
        stage.presence.lost.set()
        stage.clock.advance(LIST_SECONDS)
        await until(lambda: stage.presence.is_asked)
        assert stage.taken() == ["claim 0"]
        assert stage.keeper.owned == frozenset()


async def test_a_lane_that_was_claimed_but_not_taken_is_unlisted_and_claimed_again() -> None:
    stage = Stage(1)
    stage.failing = TransientError("the API server is away")
    async with stage.running():
        await stage.look()
        assert stage.keeper.owned == frozenset()
        assert stage.presence.listed == frozenset()
        assert stage.store.adopted == {}
        await stage.look(after=2.0)
        assert stage.keeper.owned == stage.presence.listed == frozenset({0})


# --- lanes that cannot be taken -------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "seconds"),
    [
        (Overtaken(), FENCED_SECONDS),
        (LogDamagedError("a slot is missing"), DAMAGED_SECONDS),
        (NewerLogError("turns/2"), DAMAGED_SECONDS),
        (SettingsError("another number of lanes"), DAMAGED_SECONDS),
        (TransientError("the API server is away"), 0.0),
    ],
)
async def test_a_lane_that_cannot_be_claimed_is_tried_again_after_a_while(
    outcome: Overtaken | PerdureError, seconds: float
) -> None:
    stage = Stage(1)
    stage.claimant.outcomes = {0: [outcome]}
    async with stage.running():
        await stage.look()
        assert stage.tries() == [0]
        assert stage.keeper.owned == stage.presence.listed == frozenset()
        if seconds:
            await stage.look(after=seconds - 0.5)
            assert stage.tries() == []
        await stage.look(after=0.5)
        assert stage.tries() == [0]
        assert stage.keeper.owned == frozenset({0})


async def test_one_lane_that_cannot_be_claimed_stops_no_other(stage: Stage) -> None:
    stage.claimant.outcomes = {0: [LogDamagedError("a slot is missing")], 2: [Overtaken()]}
    await stage.look()
    assert stage.keeper.owned == frozenset({1, 3})


async def test_closed_lanes_end_the_process() -> None:
    stage = Stage(1)
    stage.claimant.outcomes = {0: [Closed(8)]}
    async with stage.running():
        await stage.look()
        assert stage.keeper.over.is_set()
        assert stage.keeper.owned == frozenset()


async def test_while_lanes_can_be_claimed_the_process_goes_on(stage: Stage) -> None:
    await stage.take_all()
    assert not stage.keeper.over.is_set()


# --- losing ---------------------------------------------------------------------------------


async def test_calls_are_aborted_before_a_lane_is_unlisted(stage: Stage) -> None:
    await stage.take_all()
    stage.tenants.gate.clear()
    stage.keeper.fenced(2)
    assert stage.taken() == ["lose 2"]
    await stage.look(after=FENCED_SECONDS)
    assert stage.presence.listed == stage.keeper.owned == frozenset(range(LANES))
    assert stage.tries() == []  # It is not ours, but our calls are still there.
    stage.tenants.gate.set()
    await stage.left(2)
    assert stage.taken() == ["abort 2", "list [0, 1, 3]"]


@pytest.mark.parametrize("how", ["fenced", "damaged"])
async def test_a_lane_that_was_lost_is_not_claimed_back_at_once(stage: Stage, how: str) -> None:
    await stage.take_all()
    if how == "fenced":
        stage.keeper.fenced(2)
    else:
        stage.keeper.damaged(2, "a slot was deleted")
    await stage.left(2)
    seconds = FENCED_SECONDS if how == "fenced" else DAMAGED_SECONDS
    await stage.look(after=seconds - 0.5)
    assert stage.tries() == []
    await stage.look(after=0.5)
    assert stage.tries() == [2]
    assert stage.keeper.owned == stage.presence.listed == frozenset(range(LANES))


async def test_a_lane_that_is_lost_at_once_is_free_only_since_then(stage: Stage) -> None:
    await stage.look()
    stage.tries()
    stage.keeper.fenced(2)
    await stage.left(2)
    await stage.look({OTHER: []}, after=FENCED_SECONDS)
    assert stage.tries() == []
    await stage.look({OTHER: []}, after=RANK_SECONDS)
    assert stage.tries() == [2]


async def test_a_lane_that_another_lists_is_not_claimed_back(stage: Stage) -> None:
    await stage.take_all()
    stage.keeper.fenced(2)
    await stage.left(2)
    for _ in range(20):
        await stage.look({OTHER: [2]}, after=2.0)
    assert stage.tries() == []
