"""When calls can be taken over with a lane, and when a process gives a lane back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import cast

import pytest
from tests.kubernetes.log.laboratory import OTHER
from tests.kubernetes.log.stages import Stage, uid_in

from perdure.kubernetes.leases import identity_of
from perdure.kubernetes.log.keeper import FENCED_SECONDS
from perdure.kubernetes.log.presence import LanePresence
from perdure.kubernetes.presence import LeasePresence
from perdure.lanes.spreading import CROWDED_SECONDS

LANES = 4
THEM = identity_of(OTHER)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    stage = Stage(LANES)
    async with stage.running():
        yield stage


# --- what another has let go of -------------------------------------------------------------


async def test_a_look_from_before_the_claim_says_nothing_of_calls() -> None:
    stage = Stage(1)
    stage.claimant.seconds = 1.0
    async with stage.running():
        assert not stage.keeper.has_let_go(OTHER, uid_in(0))
        stage.presence.dead.add(OTHER)  # Its lane is free.
        await stage.look({OTHER: []})
        stage.presence.dead.clear()
        assert stage.keeper.owned == frozenset({0})
        assert not stage.keeper.has_let_go(OTHER, uid_in(0))
        await stage.look({OTHER: [0]}, after=1.0)
        assert not stage.keeper.has_let_go(OTHER, uid_in(0))
        await stage.look({OTHER: []}, after=1.0)
        assert stage.keeper.has_let_go(OTHER, uid_in(0))


async def test_of_a_process_without_a_lease_nothing_is_known(stage: Stage) -> None:
    await stage.take_all()
    await stage.look({OTHER: []}, after=2.0)
    assert stage.keeper.has_let_go(OTHER, uid_in(1))
    assert not stage.keeper.has_let_go("perdure-1_0000000000000007", uid_in(1))


async def test_of_lanes_that_are_not_ours_nothing_is_known(stage: Stage) -> None:
    await stage.take_all()
    await stage.look({OTHER: []}, after=2.0)
    stage.keeper.fenced(2)
    await stage.left(2)
    assert not stage.keeper.has_let_go(OTHER, uid_in(2))
    assert stage.keeper.has_let_go(OTHER, uid_in(1))


async def test_a_lane_that_is_claimed_again_needs_another_look() -> None:
    stage = Stage(1)
    stage.claimant.seconds = 1.0
    async with stage.running():
        await stage.look()
        await stage.look({OTHER: []}, after=2.0)
        assert stage.keeper.has_let_go(OTHER, uid_in(0))
        stage.keeper.fenced(0)
        await stage.left(0)
        stage.presence.dead.add(OTHER)
        await stage.look({OTHER: []}, after=FENCED_SECONDS)
        assert stage.keeper.owned == frozenset({0})
        assert not stage.keeper.has_let_go(OTHER, uid_in(0))
        await stage.look({OTHER: []}, after=2.0)
        assert stage.keeper.has_let_go(OTHER, uid_in(0))


async def test_the_dead_have_let_go(stage: Stage) -> None:
    await stage.take_all()
    presence = LanePresence(cast("LeasePresence", stage.presence), stage.keeper)
    await stage.look({OTHER: [1]}, after=2.0)
    assert not presence.has_let_go(OTHER, uid_in(1))
    assert presence.has_let_go(OTHER, uid_in(0))
    stage.presence.dead.add(OTHER)
    assert presence.has_let_go(OTHER, uid_in(1))


async def test_instances_get_a_turn_again_when_nobody_else_calls_in_their_lane() -> None:
    stage = Stage(1)
    async with stage.running():
        await stage.look()
        assert stage.taken().count("gain 0") == 1
        for _ in range(3):
            await stage.look({OTHER: [0]}, after=2.0)
            assert stage.taken() == []
        await stage.look({OTHER: []}, after=2.0)
        assert stage.taken() == ["gain 0"]
        await stage.look({OTHER: []}, after=2.0)
        assert stage.taken() == []
        await stage.look({OTHER: [0]}, after=2.0)
        await stage.look(after=2.0)
        assert stage.taken() == ["gain 0"]


async def test_the_first_look_after_a_claim_gives_every_instance_another_turn(
    stage: Stage,
) -> None:
    await stage.look()
    stage.taken()
    await stage.look(after=2.0)
    assert stage.taken() == ["gain 0", "gain 1", "gain 2", "gain 3"]
    await stage.look(after=2.0)
    assert stage.taken() == []


# --- giving back ----------------------------------------------------------------------------


async def test_what_is_too_much_is_given_to_who_has_room(stage: Stage) -> None:
    await stage.take_all()
    await stage.look({OTHER: []}, after=2.0)
    await stage.look({OTHER: []}, after=CROWDED_SECONDS - 0.5)
    assert stage.taken() == []
    await stage.look({OTHER: []}, after=0.5)
    await stage.left(3)
    assert stage.taken() == [f"release 3 to {THEM}", "lose 3", "abort 3", "list [0, 1, 2]"]
    await stage.look({OTHER: [3]}, after=2.0)
    await stage.look({OTHER: [3]}, after=CROWDED_SECONDS - 0.5)
    assert stage.taken() == []
    await stage.look({OTHER: [3]}, after=0.5)
    assert f"release 2 to {THEM}" in stage.taken()
    await stage.left(2)
    for _ in range(40):
        await stage.look({OTHER: [2, 3]}, after=2.0)
    assert stage.keeper.owned == frozenset({0, 1})


async def test_a_lane_with_open_calls_is_kept_for_a_while_longer(stage: Stage) -> None:
    await stage.take_all()
    stage.tenants.calls = {3}
    await stage.look({OTHER: []}, after=2.0)
    await stage.look({OTHER: []}, after=2 * CROWDED_SECONDS - 0.5)
    assert stage.taken() == []
    await stage.look({OTHER: []}, after=0.5)
    assert f"release 3 to {THEM}" in stage.taken()
    await stage.left(3)


async def test_a_lane_whose_calls_have_ended_is_given_back_at_once(stage: Stage) -> None:
    await stage.take_all()
    stage.tenants.calls = {3}
    await stage.look({OTHER: []}, after=2.0)
    await stage.look({OTHER: []}, after=CROWDED_SECONDS + 1.0)
    assert stage.taken() == []
    stage.tenants.calls.clear()
    await stage.look({OTHER: []}, after=1.0)
    assert f"release 3 to {THEM}" in stage.taken()
    await stage.left(3)


async def test_who_was_there_for_a_moment_gets_nothing(stage: Stage) -> None:
    await stage.take_all()
    await stage.look({OTHER: []}, after=2.0)
    await stage.look(after=CROWDED_SECONDS - 1.0)
    await stage.look({OTHER: []}, after=2.0)
    await stage.look({OTHER: []}, after=CROWDED_SECONDS - 1.0)
    assert stage.taken() == []


async def test_a_lane_that_was_given_back_is_left_to_its_heir(stage: Stage) -> None:
    await stage.take_all()
    await stage.look({OTHER: []}, after=2.0)
    await stage.look({OTHER: []}, after=CROWDED_SECONDS)
    await stage.left(3)
    await stage.look(after=FENCED_SECONDS - 0.5)
    assert stage.tries() == []
    await stage.look(after=0.5)
    assert stage.tries() == [3]  # Its heir never came.


async def test_a_lane_that_was_lost_before_it_could_be_released_is_told_by_the_writer(
    stage: Stage,
) -> None:
    await stage.take_all()
    stage.writer.refuses = {3}
    await stage.look({OTHER: []}, after=2.0)
    await stage.look({OTHER: []}, after=CROWDED_SECONDS)
    assert stage.taken() == [f"release 3 to {THEM}"]
    assert stage.keeper.owned == frozenset(range(LANES))


# --- the end --------------------------------------------------------------------------------


async def test_who_ends_gives_every_lane_to_the_poorest(stage: Stage) -> None:
    third = "perdure-2_0000000000000003"
    await stage.take_all()
    await stage.look({OTHER: [7, 8], third: [9]}, after=2.0)
    await stage.keeper.release_all()
    heir = identity_of(third)
    assert stage.taken() == [f"release {lane} to {heir}" for lane in range(LANES)]


async def test_who_ends_as_the_last_one_names_no_heir(stage: Stage) -> None:
    await stage.take_all()
    await stage.keeper.release_all()
    assert stage.taken() == [f"release {lane} to None" for lane in range(LANES)]
