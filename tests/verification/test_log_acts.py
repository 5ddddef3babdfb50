"""What follows from turns in the log: ends, what is destroyed, calls; judged by when they stand."""

from __future__ import annotations

from datetime import timedelta

from tests.verification.laned import NAP, LanedLog, calling, ending, opened, rewritten, skipped
from tests.verification.logs import (
    ME,
    OPERATOR,
    YOU,
    Edit,
    call_step,
    checks_of,
    claim,
    showing,
)

from perdure.engine.events import (
    ActivityScheduled,
    Door,
    Ending,
    EndRequested,
    EventAwaited,
    EventReceived,
)
from perdure.engine.orchestrator import Facts
from perdure.engine.values import JsonObject
from perdure.lanes.entry import EntryKind
from perdure.verification.bodies import part
from perdure.verification.evidence import Deed

TURNS = EntryKind.TURNS


def shown_as(edit: Edit) -> list[str]:
    """Return what a status is reported for that shows two turns of a call, damaged."""
    log = calling()
    log.commit(skipped(1))
    log.commit(skipped(2))
    log.show(edit=edit)
    return checks_of(log.verdict())


# --- ends -----------------------------------------------------------------------------------------


def test_a_final_status_of_an_older_generation_is_reported() -> None:
    log = ending()
    log.edit(suspend=True)
    log.show()
    assert log.phase == "Succeeded"
    assert checks_of(log.verdict()) == ["on_record"]


def test_a_final_status_of_the_newest_generation_breaks_nothing() -> None:
    log = ending()
    log.edit(events=[{"id": "e", "name": "go"}])
    log.show(edit=showing(observedGeneration=2))
    assert log.verdict() == []


def test_a_decision_to_end_in_the_log_need_not_have_seen_the_newest_generation() -> None:
    log = calling()
    log.edit(suspend=True)
    turn = log.decided(EndRequested(ending=Ending.FAILED))
    log.enter(TURNS, rewritten(turn, generation=1))
    log.show(edit=showing(observedGeneration=1))
    assert log.verdict() == []


def terminated(seen: int, seconds: float) -> LanedLog:
    """Return a log whose end comes so long after a terminate, by a turn that has seen so much."""
    log = opened(NAP)
    log.turn()
    log.show()
    log.later(2)
    log.edit(terminate={})
    log.told(Deed.TERMINATE)
    log.later(seconds)
    decided = log.orchestrators["order"].advance(
        log.states["order-1"], Facts(incarnation=ME, commit_id="c2"), log.now
    )
    turn = log.decided(*decided.events, is_numbered=True)
    log.enter(TURNS, rewritten(turn, generation=seen))
    log.later(0.1)
    log.show()
    assert log.phase == "Succeeded"
    return log


def test_an_end_that_was_on_its_way_when_its_instance_was_terminated_counts() -> None:
    assert terminated(seen=1, seconds=1).verdict() == []


def test_an_end_that_has_seen_the_termination_and_is_none_is_reported() -> None:
    assert checks_of(terminated(seen=2, seconds=1).verdict()) == ["terminates_kept"]


def test_an_end_long_after_the_termination_is_reported_unless_its_writer_was_disturbed() -> None:
    log = terminated(seen=1, seconds=3)
    assert checks_of(log.verdict()) == ["terminates_kept"]
    log.now -= timedelta(seconds=2)
    log.disturb(OPERATOR)
    assert log.verdict() == []


def test_an_end_that_stands_in_the_log_counts_before_a_status_shows_it() -> None:
    log = opened(NAP)
    log.turn()
    log.show()
    log.until_wake()
    log.edit(terminate={})
    log.told(Deed.TERMINATE)
    assert log.phase == "Running"
    assert log.verdict() == []


# --- what may be destroyed when -------------------------------------------------------------------


def taking() -> LanedLog:
    """Return a log in which an event was taken, and no status shows it."""
    log = opened({"name": "wait", "event": {"name": "go"}})
    log.turn()
    log.show()
    log.send("e1")
    log.later(1)
    log.turn(events=(log.external("e1"),))
    return log


def test_an_event_that_is_deleted_before_a_status_shows_it_taken_is_reported() -> None:
    log = taking()
    log.delete("workflowevents", "e1", actor=OPERATOR)
    assert checks_of(log.verdict()) == ["taken_before_gone"]


def test_an_event_that_is_deleted_when_a_status_shows_it_taken_breaks_nothing() -> None:
    log = taking()
    log.show()
    log.delete("workflowevents", "e1", actor=OPERATOR)
    assert log.verdict() == []


def test_an_event_may_be_deleted_when_its_instance_is_gone() -> None:
    log = taking()
    log.delete("workflowinstances", "order-1")
    log.delete("workflowevents", "e1", actor=OPERATOR)
    assert log.verdict() == []


def test_a_payload_of_a_turn_in_the_log_is_needed_before_a_status_shows_it() -> None:
    log = calling()
    data = "x" * 20_000
    log.send("e1", data=data)
    log.commit(EventReceived(event_id="e1", name="go", door=Door.OBJECT, data=data))
    payload = next(write.name for write in log.writes if write.resource == "workflowhistories")
    assert log.verdict() == []
    log.delete("workflowhistories", payload, actor=OPERATOR)
    assert checks_of(log.verdict()) == ["orphans_only", "segments_stand"]


def test_a_payload_that_is_created_after_its_turn_stands_is_reported() -> None:
    log = calling()
    data = "x" * 20_000
    log.send("e1", data=data)
    log.commit(EventReceived(event_id="e1", name="go", door=Door.OBJECT, data=data))
    log.writes[-2:] = reversed(log.writes[-2:])
    assert checks_of(log.verdict())[0] == "payloads_first"


# --- effects and clocks ---------------------------------------------------------------------------


def test_a_call_counts_from_the_turn_that_intends_it_and_not_from_its_status() -> None:
    log = opened(call_step())
    log.turn()
    log.later(0.1)
    log.request()
    log.later(0.5)
    log.show()
    assert log.verdict() == []


def test_a_call_before_the_turn_that_intends_it_is_reported() -> None:
    log = opened(call_step())
    log.request()
    log.later(1)
    log.turn()
    log.show()
    assert "intended" in checks_of(log.verdict())


def test_a_claim_belongs_to_whoever_wrote_the_entry() -> None:
    log = calling()
    log.lease(YOU)
    new = ActivityScheduled(path="a", kind="http", attempt=1, claim=claim(YOU))
    log.commit(new, by=ME)
    assert checks_of(log.verdict()) == ["own_claims"]


def test_an_operator_that_schedules_after_it_has_seen_a_deletion_is_reported() -> None:
    log = calling()
    gone: JsonObject = {"deletionTimestamp": "2026-01-01T12:00:01Z"}
    log.put(
        "workflowinstances",
        "order-1",
        lambda body: body.update(metadata={**part(body, "metadata"), **gone}),
        verb="delete",
    )
    for number in range(2):
        log.commit(skipped(number))
        log.show()
    log.commit(EventAwaited(path="a", name="go", count=1))
    assert log.verdict() == []
    log.commit(EventAwaited(path="b", name="go", count=1))
    assert checks_of(log.verdict()) == ["nothing_while_deleted"]
