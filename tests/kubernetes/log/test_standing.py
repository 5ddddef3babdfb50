"""`perdure store status`: what is told of a lane."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.kubernetes.log.administration import Office, office
from tests.kubernetes.log.laboratory import NAMESPACE, OTHER
from tests.kubernetes.log.test_claiming import deleted

from perdure.errors import LogDamagedError
from perdure.kubernetes.log.opening import blank
from perdure.kubernetes.log.replicas import Holder
from perdure.kubernetes.log.slots import Generation
from perdure.kubernetes.log.standing import LaneStanding, standing_of
from perdure.kubernetes.reading import Bodies
from perdure.lanes.entry import EntryKind
from perdure.ports import WORKFLOW_LOGS


@pytest.fixture
def desk(small_ring: int) -> Iterator[Office]:
    with office() as found:
        yield found


def standings(desk: Office, *holders: Holder) -> list[LaneStanding]:
    bodies = Bodies(desk.statuses)
    survey = desk.survey()
    return [desk.run(standing_of(lane, holders, bodies)) for lane in survey.lanes]


def test_a_lane_is_told_with_what_is_in_it(desk: Office) -> None:
    shown, unshown = desk.waiting(), desk.waiting()
    desk.written(shown, unshown)
    desk.run(desk.pen.show(shown))
    lane, other = standings(desk)
    assert lane.newest is not None
    assert (lane.newest.seq, lane.newest.kind) == (5, EntryKind.TURNS)
    assert lane.newest.incarnation == OTHER
    assert (lane.turns, lane.instances, lane.unshown) == (4, 2, 1)
    assert lane.size > 0
    assert (other.turns, other.instances, other.unshown, other.size) == (0, 0, 0, 0)
    assert lane.damage == other.damage == ()


def test_an_instance_that_is_gone_has_nothing_to_show(desk: Office) -> None:
    owned = desk.waiting()
    desk.written(owned)
    desk.delete(owned)
    assert [lane.unshown for lane in standings(desk)] == [0, 0]


def test_nothing_is_written(desk: Office) -> None:
    owned = desk.waiting()
    desk.written(owned)
    revision = desk.server.revision
    standings(desk)
    assert desk.server.revision == revision


def test_who_owns_a_lane_is_who_lists_it(desk: Office) -> None:
    one = Holder("perdure-0_1", frozenset({1}), is_living=True)
    two = Holder("perdure-1_2", frozenset(), is_living=True)
    assert [lane.holders for lane in standings(desk, one, two)] == [(), (one,)]


def test_damage_is_told_in_words(desk: Office) -> None:
    desk.written(desk.waiting(), desk.waiting(), desk.waiting(), desk.waiting(), desk.waiting())
    for name in ("g1-0-2", "g1-0-4", "g1-1-1", "g1-1-5"):
        deleted(desk, name)
    assert [lane.damage for lane in standings(desk)] == [
        (
            "WorkflowLog g1-0-2 is missing; entry 10 stood there",
            "WorkflowLog g1-0-4 is missing; perhaps entry 12 stood there, entry 4 otherwise",
        ),
        (
            "WorkflowLog g1-1-1 is missing; perhaps entry 1 stood there, none otherwise",
            "WorkflowLog g1-1-5 is missing; no entry stood there",
        ),
    ]


def test_a_slot_made_anew_is_told(desk: Office) -> None:
    desk.written(*(desk.waiting() for _ in range(5)))
    deleted(desk, "g1-0-6")
    desk.run(desk.slots.create(blank(Generation(1, 2), 0, EntryKind.EMPTY), 6))
    [words] = standings(desk)[0].damage
    assert words == "WorkflowLog g1-0-6 was deleted and made anew; entry 6 stood there"


def test_a_log_that_is_being_opened_is_not_damaged(small_ring: int) -> None:
    bare = Office()
    assert bare.run(bare.slots.samples()) == []
    bare.open()
    assert not bare.survey().is_opening
    begun = Generation(2, 2)
    bare.run(bare.slots.create(blank(begun, 0, EntryKind.OPENING), 0))
    survey = bare.survey()
    assert (survey.generation, survey.is_opening) == (begun, True)
    bare.close()


def test_slots_that_disagree_about_the_lanes_are_damage(desk: Office) -> None:
    body = desk.slots._body(blank(Generation(1, 3), 2, EntryKind.EMPTY), {"name": "g1-2-0"}, 0)
    desk.run(desk.requests.create(WORKFLOW_LOGS, NAMESPACE, body))
    with pytest.raises(LogDamagedError, match="generation 1 of the log say that it has 2 or 3"):
        desk.survey()
