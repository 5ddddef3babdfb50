"""`perdure store resize`: another number of lanes, in one piece whatever happens."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.kubernetes.log.administration import Office, office
from tests.kubernetes.log.laboratory import NAMESPACE, refused
from tests.kubernetes.log.test_claiming import deleted

from perdure.errors import LogDamagedError, NotOwnedError, SettingsError, WrongStateError
from perdure.kubernetes.log.opening import Opener, blank
from perdure.kubernetes.log.slots import Generation
from perdure.lanes.entry import EntryKind
from perdure.ports import WORKFLOW_LOGS

NEXT = Generation(2, 3)


@pytest.fixture
def desk(small_ring: int) -> Iterator[Office]:
    with office() as found:
        yield found


def opened_by(desk: Office, lanes: int) -> Generation:
    """Return what an operator with so many lanes finds, or opens."""
    return desk.run(Opener(desk.slots, desk.clock, lanes).open())


def closings(desk: Office) -> list[int | None]:
    """Return for how many lanes the newest entries of the first generation are closed."""
    return [tail.next_lanes for tail in desk.tails()]


def close_lane_0(desk: Office, count: int) -> None:
    """Do what a resize does that ends right after it has closed lane 0."""

    async def work() -> None:
        async with desk.holder() as holder:
            await holder.take(0)
            await holder.finish(0, count)

    desk.run(work())


def test_everything_is_shown_closed_and_opened_anew(desk: Office, small_ring: int) -> None:
    instances = [desk.waiting(0), desk.waiting(1)]
    desk.written(*instances)
    result = desk.resize(3)
    assert (result.generation, result.turns) == (NEXT, 4)
    assert [desk.rev(owned) for owned in instances] == [3, 3]
    assert closings(desk) == [3, 3]
    assert {tail.kind for tail in desk.tails(NEXT)} == {EntryKind.EMPTY}
    assert len(desk.versions()) == (2 + 3) * small_ring


def test_operators_find_the_new_generation_and_the_old_number_is_refused(desk: Office) -> None:
    desk.resize(3)
    assert opened_by(desk, 3) == NEXT
    with pytest.raises(SettingsError, match=r"2 lanes, but the log has 3: start it with --lanes 3"):
        opened_by(desk, 2)


def test_it_can_be_done_again_and_again(desk: Office) -> None:
    desk.resize(3)
    assert desk.resize(1).generation == Generation(3, 1)
    assert opened_by(desk, 1) == Generation(3, 1)


def test_the_same_number_changes_nothing(desk: Office) -> None:
    before = desk.versions()
    assert desk.resize(2).generation == Generation(1, 2)
    assert desk.versions() == before


def test_nothing_is_closed_before_everything_is_shown(desk: Office) -> None:
    bad, good = desk.waiting(0), desk.waiting(1)
    desk.written(bad, good)
    desk.statuses.always[bad.key.name] = refused
    result = desk.resize(3)
    assert [one.key for one in result.unshown] == [bad.key]
    assert result.generation == Generation(1, 2)
    assert {tail.kind for tail in desk.tails()} == {EntryKind.RELEASED}
    assert opened_by(desk, 2) == Generation(1, 2)


def test_cut_off_after_lane_0_its_number_counts(desk: Office) -> None:
    owned = desk.waiting(1)
    desk.written(owned)
    close_lane_0(desk, 3)
    with pytest.raises(WrongStateError, match=r"to 3 lanes was begun .* `perdure store res"):
        desk.resize(4)
    assert closings(desk) == [3, None]
    with pytest.raises(SettingsError, match="--lanes 3"):
        opened_by(desk, 2)
    assert desk.resize(3).generation == NEXT
    assert desk.rev(owned) == 3
    assert closings(desk) == [3, 3]


def test_the_old_number_is_no_way_back(desk: Office) -> None:
    close_lane_0(desk, 3)
    with pytest.raises(WrongStateError, match="resize to 3 lanes was begun"):
        desk.resize(2)


def test_an_operator_waits_until_all_lanes_are_closed(desk: Office, small_ring: int) -> None:
    close_lane_0(desk, 3)
    task = desk.start(Opener(desk.slots, desk.clock, 3).open())
    desk.wait(5.0)
    assert not task.done()
    assert len(desk.versions()) == 2 * small_ring
    desk.resize(3)
    assert desk.result(task) == NEXT


def test_an_operator_opens_what_is_closed(desk: Office) -> None:
    close_lane_0(desk, 3)

    async def close_lane_1() -> None:
        async with desk.holder() as holder:
            await holder.take(1)
            await holder.finish(1, 3)

    desk.run(close_lane_1())
    assert opened_by(desk, 3) == NEXT
    assert {tail.kind for tail in desk.tails(NEXT)} == {EntryKind.EMPTY}


def test_cut_off_while_it_opens_the_same_number_goes_on(desk: Office) -> None:
    desk.resize(3)
    begun = Generation(3, 4)
    desk.run(desk.slots.create(blank(begun, 0, EntryKind.OPENING), 0))
    with pytest.raises(WrongStateError, match="resize to 4 lanes was begun"):
        desk.resize(5)
    assert desk.resize(4).generation == begun
    assert {tail.kind for tail in desk.tails(begun)} == {EntryKind.EMPTY}


@pytest.mark.parametrize("hundredths", range(1, 24))
def test_cut_off_at_any_moment_it_can_be_run_again(desk: Office, hundredths: int) -> None:
    instances = [desk.waiting(0), desk.waiting(1)]
    desk.written(*instances)
    task = desk.start(desk.resizes(3))
    desk.wait(hundredths / 100 + 0.005)
    task.cancel()
    desk.wait(1.0)
    assert closings(desk) in ([None, None], [3, None], [3, 3])
    assert desk.resize(3).generation == NEXT
    assert [desk.rev(owned) for owned in instances] == [3, 3]
    assert closings(desk) == [3, 3]
    assert {tail.kind for tail in desk.tails(NEXT)} == {EntryKind.EMPTY}


@pytest.mark.parametrize("hundredths", range(18))
def test_of_two_with_different_numbers_one_has_its_way(desk: Office, hundredths: int) -> None:
    """They take lanes from each other. What was begun is finished, by one of them or later."""
    tasks = [desk.start(desk.resizes(3))]
    desk.wait(hundredths / 100 + 0.005)
    tasks.append(desk.start(desk.resizes(4)))
    desk.wait(30.0)
    errors = [task.exception() for task in tasks if task.exception() is not None]
    assert all(isinstance(error, NotOwnedError | WrongStateError) for error in errors)
    [number] = set(closings(desk)) - {None} or {3}
    assert number is not None
    assert desk.resize(number).generation == Generation(2, number)
    assert closings(desk) == [number, number]


def test_a_damaged_lane_is_not_closed(desk: Office) -> None:
    deleted(desk, "g1-1-5")
    with pytest.raises(LogDamagedError, match="the log lacks g1-1-5"):
        desk.resize(3)
    bodies = desk.run(desk.requests.list(WORKFLOW_LOGS, NAMESPACE))
    assert "Closed" not in str(bodies)


def test_an_instance_that_is_gone_holds_nothing_up(desk: Office) -> None:
    owned = desk.waiting()
    desk.written(owned)
    desk.delete(owned)
    assert desk.resize(3).generation == NEXT


def test_without_a_log_there_is_nothing_to_resize(small_ring: int) -> None:
    bare = Office()
    with pytest.raises(WrongStateError, match="no log yet: the first operator with --lanes 3"):
        bare.resize(3)
    bare.close()
