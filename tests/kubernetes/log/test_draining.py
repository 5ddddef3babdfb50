"""`perdure store drain`: everything that stands is shown, or named."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.kubernetes.log.administration import STORE, Office, office
from tests.kubernetes.log.bodies import logged_turns
from tests.kubernetes.log.laboratory import OTHER, lost_answer, refused
from tests.kubernetes.log.test_claiming import deleted

from perdure.errors import NotOwnedError
from perdure.lanes.entry import EntryKind
from perdure.lanes.settling import Fenced


@pytest.fixture
def desk(small_ring: int) -> Iterator[Office]:
    with office() as found:
        yield found


def test_every_turn_is_shown_and_every_lane_released(desk: Office) -> None:
    instances = [desk.waiting(0), desk.waiting(0), desk.waiting(1)]
    desk.written(*instances)
    drained = desk.drain()
    assert drained.is_complete
    assert [(lane.lane, lane.turns) for lane in drained.lanes] == [(0, 4), (1, 2)]
    assert [desk.rev(owned) for owned in instances] == [3, 3, 3]
    assert {(tail.kind, tail.incarnation) for tail in desk.tails()} == {(EntryKind.RELEASED, STORE)}


def test_a_second_time_there_is_nothing_left(desk: Office) -> None:
    desk.written(desk.waiting())
    desk.drain()
    desk.statuses.patches.clear()
    drained = desk.drain()
    assert drained.is_complete
    assert [lane.turns for lane in drained.lanes] == [0, 0]
    assert desk.statuses.patches == []


def test_what_was_shown_is_not_carried_any_more(desk: Office, small_ring: int) -> None:
    """Neither what is shown now, nor what was shown before the lane was claimed."""
    desk.written(*(desk.waiting() for _ in range(small_ring // 2)))
    for entries in (small_ring + 3, small_ring + 5):
        replaced = desk.view().slots[entries % small_ring].entry
        assert replaced.turns != ()
        desk.drain()
        tail = desk.tails()[0]
        assert (tail.seq, tail.carried) == (entries, ())


def test_who_owned_a_lane_is_fenced_first(desk: Office) -> None:
    owned = desk.waiting()
    late = desk.waiting()
    writer = desk.written(owned)
    desk.drain()
    assert desk.run(writer.submit(logged_turns(late)[0])) == Fenced()
    assert desk.rev(late) == 1


def test_a_status_that_is_refused_is_named_with_the_reason(desk: Office) -> None:
    good, bad = desk.waiting(), desk.waiting()
    desk.written(good, bad)
    desk.statuses.always[bad.key.name] = refused
    drained = desk.drain()
    assert not drained.is_complete
    assert [(one.key, one.why) for one in drained.unshown] == [
        (bad.key, "its status is refused: a policy is against it")
    ]
    assert (desk.rev(good), desk.rev(bad)) == (3, 1)
    assert [lane.fault for lane in drained.lanes] == [None, None]


def test_what_was_not_shown_stays_in_the_log(desk: Office, small_ring: int) -> None:
    bad = desk.waiting()
    desk.written(bad)
    desk.statuses.always[bad.key.name] = refused
    for _ in range(small_ring):
        assert not desk.drain().is_complete
    desk.statuses.always.clear()
    assert desk.drain().is_complete
    assert desk.rev(bad) == 3


def test_an_answer_that_got_lost_does_not_matter(desk: Office) -> None:
    owned = desk.waiting()
    desk.written(owned)
    desk.statuses.faults[owned.key.name] = [lost_answer]
    assert desk.drain().is_complete
    assert desk.rev(owned) == 3


def test_an_instance_that_is_gone_has_nothing_to_show(desk: Office) -> None:
    owned = desk.waiting()
    desk.written(owned)
    desk.delete(owned)
    assert desk.drain().is_complete


def test_a_history_with_a_gap_is_named(desk: Office) -> None:
    owned = desk.waiting()
    writer = desk.written()
    desk.run(writer.submit(logged_turns(owned)[1]))
    [one] = desk.drain().unshown
    assert one.key == owned.key
    assert one.why == "the log holds turn 3, but neither it nor the status turn 2"


def test_a_damaged_lane_does_not_hold_up_the_others(desk: Office) -> None:
    owned = desk.waiting(1)
    desk.written(desk.waiting(0), owned)
    deleted(desk, "g1-0-5")
    drained = desk.drain()
    assert not drained.is_complete
    fault = drained.lanes[0].fault
    assert fault is not None
    assert fault.startswith("the log lacks g1-0-5: ")
    assert "`perdure store repair`" in fault
    assert desk.rev(owned) == 3


@pytest.mark.parametrize("hundredths", range(1, 16))
def test_cut_off_at_any_moment_it_can_be_run_again(desk: Office, hundredths: int) -> None:
    instances = [desk.waiting(0), desk.waiting(1)]
    desk.written(*instances)
    task = desk.start(desk.drains())
    desk.wait(hundredths / 100 + 0.005)
    task.cancel()
    desk.wait(1.0)
    assert desk.drain().is_complete
    assert [desk.rev(owned) for owned in instances] == [3, 3]


def test_who_claims_a_lane_meanwhile_is_the_reason_that_is_told(desk: Office) -> None:
    async def overtaken() -> None:
        async with desk.holder() as holder:
            await holder.take(0)
            claimant = desk.claimant(OTHER)
            await claimant.claim(await claimant.read(0))
            await holder.finish(0)

    with pytest.raises(NotOwnedError, match="lane 0 was claimed by another process meanwhile"):
        desk.run(overtaken())
