"""Turns on their way into a lane, whatever becomes of requests and answers."""

from __future__ import annotations

import pytest
from tests.kubernetes.log.laboratory import (
    ME,
    NAMESPACE,
    OTHER,
    Fault,
    Laboratory,
    forbidden,
    lost_answer,
    lost_request,
    never,
    outcomes,
    silent,
    slow,
    submitted,
    throttled,
    turn,
)

from perdure.engine.values import JsonObject
from perdure.kubernetes.log.placing import HEDGE_SECONDS
from perdure.kubernetes.log.writer import LogWriter
from perdure.lanes.entry import EntryKind
from perdure.lanes.settling import Fenced, Stands
from perdure.ports import WORKFLOW_LOGS


def test_what_waits_while_an_entry_is_under_way_stands_together_in_the_next(
    laboratory: Laboratory,
) -> None:
    writer = laboratory.writer(laboratory.claimed())
    first = submitted(laboratory, writer, turn("a", 1))
    laboratory.wait(0.005)
    others = submitted(laboratory, writer, turn("b", 1), turn("c", 1))
    answers = outcomes(laboratory, first + others)
    assert all(isinstance(answer, Stands) for answer in answers)
    turns, claims = laboratory.turns(), EntryKind.CLAIM
    assert turns == [("a", 1), ("b", 1), ("c", 1)]
    kinds = [(entry.seq, entry.kind) for entry in laboratory.entries()]
    assert kinds == [(1, claims), (2, EntryKind.TURNS), (3, EntryKind.TURNS)]


def test_a_turn_is_not_answered_before_it_stands(laboratory: Laboratory) -> None:
    writer = laboratory.writer(laboratory.claimed())
    laboratory.requests.faults = [slow(0.5)]
    (task,) = submitted(laboratory, writer, turn("a", 1))
    laboratory.wait(0.4)
    assert not task.done()
    assert laboratory.turns() == []
    assert isinstance(laboratory.result(task), Stands)


@pytest.mark.parametrize("fault", [lost_request, lost_answer, forbidden, throttled(1.0)])
def test_whatever_happens_to_a_request_the_turn_stands_once(
    laboratory: Laboratory, fault: Fault
) -> None:
    writer = laboratory.writer(laboratory.claimed())
    laboratory.requests.faults = [fault]
    tasks = submitted(laboratory, writer, turn("a", 1))
    assert all(isinstance(each, Stands) for each in outcomes(laboratory, tasks))
    tasks = submitted(laboratory, writer, turn("a", 2))
    assert all(isinstance(each, Stands) for each in outcomes(laboratory, tasks))
    assert laboratory.turns() == [("a", 1), ("a", 2)]
    assert len(laboratory.entries()) == 3


def test_without_an_answer_the_same_bytes_go_again_after_a_second(laboratory: Laboratory) -> None:
    writer = laboratory.writer(laboratory.claimed())
    laboratory.requests.faults = [never]
    begun = laboratory.scheduler.now
    (task,) = submitted(laboratory, writer, turn("a", 1))
    assert isinstance(laboratory.result(task), Stands)
    (first_at, first), (second_at, second) = laboratory.requests.written
    assert first == second
    assert second_at - first_at == pytest.approx(HEDGE_SECONDS)
    assert laboratory.scheduler.now - begun < HEDGE_SECONDS + 0.1


def test_a_409_after_the_first_copy_has_won_is_no_loss(laboratory: Laboratory) -> None:
    writer = laboratory.writer(laboratory.claimed())
    laboratory.requests.faults = [silent]
    (task,) = submitted(laboratory, writer, turn("a", 1))
    assert isinstance(laboratory.result(task), Stands)
    assert len(laboratory.requests.written) == 2
    assert laboratory.turns() == [("a", 1)]
    assert laboratory.fenced == []


def test_few_copies_are_under_way_at_once(laboratory: Laboratory) -> None:
    writer = laboratory.writer(laboratory.claimed())
    laboratory.requests.faults = [never] * 20
    submitted(laboratory, writer, turn("a", 1))
    laboratory.wait(30.0)
    assert len(laboratory.requests.written) == 3


def test_a_read_that_fails_is_tried_again(laboratory: Laboratory) -> None:
    writer = laboratory.writer(laboratory.claimed())
    laboratory.requests.faults = [lost_answer]
    laboratory.requests.of_reads = [throttled(2.0), forbidden]
    begun = laboratory.scheduler.now
    (task,) = submitted(laboratory, writer, turn("a", 1))
    assert isinstance(laboratory.result(task), Stands)
    assert laboratory.scheduler.now - begun > 2.0
    assert len(laboratory.requests.read_at) == 3


def test_retry_after_is_kept(laboratory: Laboratory) -> None:
    writer = laboratory.writer(laboratory.claimed())
    laboratory.requests.faults = [throttled(7.0)]
    (task,) = submitted(laboratory, writer, turn("a", 1))
    laboratory.result(task)
    (first, _), (second, _) = laboratory.requests.written
    assert second - first >= 7.0


def test_nothing_later_is_written_before_an_entry_is_decided(laboratory: Laboratory) -> None:
    writer = laboratory.writer(laboratory.claimed())
    laboratory.requests.faults = [lost_answer]
    laboratory.requests.of_reads = [slow(5.0)]
    first = submitted(laboratory, writer, turn("a", 1))
    laboratory.wait(1.0)
    second = submitted(laboratory, writer, turn("b", 1))
    laboratory.wait(3.0)
    assert len(laboratory.requests.written) == 1
    outcomes(laboratory, first + second)
    assert laboratory.turns() == [("a", 1), ("b", 1)]


# --- fences


def test_who_is_fenced_answers_all_that_is_undecided(laboratory: Laboratory) -> None:
    writer = laboratory.writer(laboratory.claimed(ME))
    laboratory.claimed(OTHER)
    tasks = submitted(laboratory, writer, turn("a", 1))
    laboratory.wait(0.001)
    tasks += submitted(laboratory, writer, turn("b", 1), turn("a", 2))
    assert outcomes(laboratory, tasks) == [Fenced()] * 3
    assert laboratory.fenced == [0]
    assert writer.lanes == frozenset()
    assert laboratory.turns() == []


def test_a_lane_that_is_not_owned_takes_nothing(laboratory: Laboratory) -> None:
    writer = laboratory.writer()
    assert laboratory.run(writer.submit(turn("a", 1))) == Fenced()


def test_an_entry_that_landed_before_the_fence_stands(laboratory: Laboratory) -> None:
    writer = laboratory.writer(laboratory.claimed(ME))
    laboratory.requests.faults = [lost_answer]
    laboratory.requests.of_reads = [slow(1.0)]
    tasks = submitted(laboratory, writer, turn("a", 1))
    laboratory.wait(0.1)
    laboratory.claimed(OTHER)
    assert isinstance(outcomes(laboratory, tasks)[0], Stands)
    assert laboratory.fenced == []
    assert laboratory.run(writer.submit(turn("a", 2))) == Fenced()
    assert laboratory.fenced == [0]


def test_an_entry_in_a_newer_form_is_a_fence(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = laboratory.writer(laboratory.claimed(ME))
    view = laboratory.view()
    with monkeypatch.context() as context:
        context.setattr("perdure.lanes.entry.CODEC", "turns/2")
        laboratory.run(laboratory.claimant(OTHER).claim(view))
    assert laboratory.run(writer.submit(turn("a", 1))) == Fenced()
    assert laboratory.fenced == [0]


def test_a_lane_may_be_adopted_again_after_a_fence(laboratory: Laboratory) -> None:
    writer = laboratory.writer(laboratory.claimed(ME))
    laboratory.claimed(OTHER)
    assert laboratory.run(writer.submit(turn("a", 1))) == Fenced()
    writer.adopt(laboratory.claimed(ME))
    assert isinstance(laboratory.run(writer.submit(turn("a", 1))), Stands)


def test_a_slot_that_was_deleted_stops_the_lane(laboratory: Laboratory) -> None:
    writer = laboratory.writer(laboratory.claimed())
    slot = laboratory.run(laboratory.requests.get(WORKFLOW_LOGS, NAMESPACE, "g1-0-2"))
    uid = str(metadata(slot)["uid"])
    laboratory.run(laboratory.requests.delete(WORKFLOW_LOGS, NAMESPACE, "g1-0-2", uid=uid))
    assert laboratory.run(writer.submit(turn("a", 1))) == Fenced()
    ((lane, why),) = laboratory.damaged
    assert lane == 0
    assert "g1-0-2 was deleted" in why
    assert laboratory.fenced == []


def metadata(body: JsonObject) -> JsonObject:
    found = body["metadata"]
    assert isinstance(found, dict)
    return found


def test_a_process_that_stops_answers_all_that_is_undecided(laboratory: Laboratory) -> None:
    owned = laboratory.claimed()
    writer = LogWriter(
        laboratory.slots,
        laboratory.clock,
        1,
        on_fenced=laboratory.fenced.append,
        on_damaged=lambda _, why: None,
        on_due=lambda _: None,
    )
    running = laboratory.start(writer.run())
    writer.adopt(owned)
    laboratory.requests.faults = [never]
    tasks = submitted(laboratory, writer, turn("a", 1))
    laboratory.wait(0.1)
    running.cancel()
    assert outcomes(laboratory, tasks) == [Fenced()]
    assert laboratory.run(writer.submit(turn("b", 1))) == Fenced()


def test_a_turn_that_is_not_decided_must_not_come_again(laboratory: Laboratory) -> None:
    writer = laboratory.writer(laboratory.claimed())
    submitted(laboratory, writer, turn("a", 1))
    laboratory.wait(0.001)
    with pytest.raises(AssertionError, match="not decided"):
        laboratory.run(writer.submit(turn("a", 1)))
