"""Several lanes of one process, and giving one up."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.kubernetes.log.laboratory import (
    ME,
    OTHER,
    Laboratory,
    outcomes,
    slow,
    submitted,
    turn,
)

from perdure.kubernetes.log.turnstile import SLOW_SECONDS
from perdure.lanes.entry import EntryKind
from perdure.lanes.ring import lane_of
from perdure.lanes.settling import Fenced, Stands


def of_lane(lane: int, lanes: int = 2) -> str:
    """Return the uid of an instance in a lane."""
    return next(f"i{n}" for n in range(1000) if lane_of(f"i{n}", lanes) == lane)


@pytest.fixture
def two_lanes(small_ring: int) -> Iterator[Laboratory]:
    laboratory = Laboratory(lanes=2)
    laboratory.open()
    yield laboratory
    laboratory.close()


def test_lanes_write_one_after_the_other(two_lanes: Laboratory) -> None:
    writer = two_lanes.writer(two_lanes.claimed(lane=0), two_lanes.claimed(lane=1))
    tasks = submitted(two_lanes, writer, turn(of_lane(0), 1), turn(of_lane(1), 1))
    outcomes(two_lanes, tasks)
    (first, _), (second, _) = two_lanes.requests.written
    assert second - first >= 0.01


def test_after_50_ms_without_an_answer_other_lanes_go_on(two_lanes: Laboratory) -> None:
    writer = two_lanes.writer(two_lanes.claimed(lane=0), two_lanes.claimed(lane=1))
    two_lanes.requests.faults = [slow(0.8)]
    begun = two_lanes.scheduler.now
    tasks = submitted(two_lanes, writer, turn(of_lane(0), 1), turn(of_lane(1), 1))
    assert isinstance(two_lanes.result(tasks[1]), Stands)
    assert SLOW_SECONDS <= two_lanes.scheduler.now - begun < 2 * SLOW_SECONDS
    assert not tasks[0].done()
    assert isinstance(two_lanes.result(tasks[0]), Stands)


def test_a_fence_in_one_lane_leaves_the_other_alone(two_lanes: Laboratory) -> None:
    writer = two_lanes.writer(two_lanes.claimed(lane=0), two_lanes.claimed(lane=1))
    two_lanes.claimed(OTHER, lane=0)
    tasks = submitted(two_lanes, writer, turn(of_lane(0), 1), turn(of_lane(1), 1))
    assert [type(each) for each in outcomes(two_lanes, tasks)] == [Fenced, Stands]
    assert writer.lanes == {1}


# --- releasing


def test_a_released_lane_says_who_should_have_it(laboratory: Laboratory) -> None:
    writer = laboratory.writer(laboratory.claimed())
    laboratory.requests.faults = [slow(0.2)]
    tasks = submitted(laboratory, writer, turn("a", 1))
    laboratory.wait(0.1)
    tasks += submitted(laboratory, writer, turn("b", 1))
    assert laboratory.run(writer.release(0, "perdure-1"))
    assert [type(each) for each in outcomes(laboratory, tasks)] == [Stands, Fenced]
    newest = laboratory.entries()[-1]
    assert (newest.kind, newest.heir) == (EntryKind.RELEASED, "perdure-1")
    assert laboratory.run(writer.submit(turn("c", 1))) == Fenced()
    assert writer.lanes == frozenset()
    assert laboratory.fenced == []


def test_a_released_entry_carries_what_it_replaces(laboratory: Laboratory, small_ring: int) -> None:
    writer = laboratory.writer(laboratory.claimed())
    for rev in range(1, small_ring + 1):
        laboratory.run(writer.submit(turn("a", rev)))
    assert laboratory.run(writer.release(0, None))
    revs = [each.rev for each in laboratory.view().turns()]
    assert revs == list(range(1, small_ring + 1))


def test_a_lane_that_was_lost_cannot_be_released(laboratory: Laboratory) -> None:
    writer = laboratory.writer(laboratory.claimed(ME))
    laboratory.claimed(OTHER)
    assert not laboratory.run(writer.release(0, None))
    assert laboratory.fenced == [0]
    assert not laboratory.run(writer.release(0, None))


def test_a_lane_is_given_up_even_if_nobody_waits_for_it(laboratory: Laboratory) -> None:
    writer = laboratory.writer(laboratory.claimed())
    laboratory.requests.faults = [slow(0.5)]
    first = laboratory.start(writer.release(0, "perdure-1"))
    laboratory.wait(0.1)
    second = laboratory.start(writer.release(0, "perdure-1"))
    laboratory.wait(0.1)
    first.cancel()
    assert laboratory.result(second)
    assert [entry.kind for entry in laboratory.entries()] == [EntryKind.CLAIM, EntryKind.RELEASED]
