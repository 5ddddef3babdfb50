"""One turn takes its facts in order, by a clock it may trust, and ends with nothing open."""

from __future__ import annotations

import copy
from datetime import timedelta

from tests.verification.logs import (
    ME,
    OPERATOR,
    USER,
    Log,
    calling,
    checks_of,
    newest,
    showing,
    waiting,
)

from perdure.engine.events import (
    ActivityCompleted,
    Door,
    Ending,
    EndRequested,
    EventReceived,
    InstanceEnded,
    InstanceSuspended,
    TimerFired,
)
from perdure.engine.values import Json, JsonObject
from perdure.ports import Observed
from perdure.verification.bodies import part


def test_an_event_that_counts_after_a_timer_is_reported() -> None:
    log = waiting(timeout="5s")
    log.later(5)
    log.edit(events=[{"id": "e1", "name": "go"}])
    log.commit(TimerFired(timer_id=2), EventReceived(event_id="e1", name="go", door=Door.SPEC))
    assert checks_of(log.verdict()) == ["facts_in_order"]


def test_an_event_that_counts_before_a_timer_breaks_nothing() -> None:
    log = waiting(timeout="5s")
    log.later(5)
    log.edit(events=[{"id": "e1", "name": "go"}])
    log.commit(EventReceived(event_id="e1", name="go", door=Door.SPEC), TimerFired(timer_id=2))
    assert "facts_in_order" not in checks_of(log.verdict())


def test_an_end_that_leaves_a_call_behind_is_reported() -> None:
    log = calling()
    log.commit(InstanceEnded(ending=Ending.TERMINATED))
    assert checks_of(log.verdict()) == ["ends_with_nothing_open"]


def test_an_end_that_was_requested_while_calls_were_open_breaks_nothing() -> None:
    log = calling()
    log.commit(EndRequested(ending=Ending.TERMINATED))
    log.commit(InstanceEnded(ending=Ending.TERMINATED))
    assert log.verdict() == []


def fired_by_a_wrong_clock(*, jumped_before: float) -> list[str]:
    """Return what is reported of a timer that fires half a minute early in true time."""
    log = Log()
    log.lease()
    log.define({"name": "nap", "wait": {"for": "40s"}}, {"name": "go", "event": {"name": "go"}})
    log.start()
    log.turn()
    log.later(10 - jumped_before)
    log.disturb(OPERATOR, 60, kind="F18")
    log.later(jumped_before)
    log.commit(TimerFired(timer_id=2), edit=newest(at="2026-01-01T12:00:40Z"))
    return checks_of(log.verdict(clocks={OPERATOR: 30.0}))


def test_a_timer_that_fires_by_a_clock_that_has_been_off_is_reported() -> None:
    assert fired_by_a_wrong_clock(jumped_before=8) == ["trusted_clocks"]


def test_a_timer_that_fires_right_after_the_clock_jumped_is_excused() -> None:
    assert fired_by_a_wrong_clock(jumped_before=2) == []


def suspended(*, is_disturbed: bool = False, is_committed: bool = False) -> list[str]:
    """Return what is reported of a call that is answered while its instance is suspended."""
    log = calling()
    log.edit(suspend=True)
    log.commit(InstanceSuspended())
    log.later(1)
    log.request()
    if is_disturbed:
        log.disturb(OPERATOR)
    if is_committed:
        log.commit(ActivityCompleted(scheduled_id=2))
    healed_at = log.now + timedelta(seconds=1)
    log.alive(150, ME)
    return checks_of(log.verdict(healed_at=healed_at, ended_at=log.now))


def test_an_answer_that_is_not_committed_while_suspended_is_reported() -> None:
    assert suspended() == ["answered_while_suspended"]
    assert suspended(is_committed=True) == []


def test_an_answer_that_died_with_its_process_is_not_missed() -> None:
    assert suspended(is_disturbed=True) == []


def stalled(*, kind: str | None) -> list[str]:
    log = waiting()
    if kind is not None:
        log.disturb(OPERATOR, kind=kind)
    log.commit(observed=Observed(stalled=("WriteRejected", "no")))
    return checks_of(log.verdict())


def test_a_write_that_is_taken_for_rejected_without_cause_is_reported() -> None:
    assert stalled(kind=None) == ["rejected_with_cause"]
    assert stalled(kind="F7") == ["rejected_with_cause"]
    assert stalled(kind="F13") == []


def damaged(**fields: Json) -> Log:
    """Return the log of an instance in whose history a user has changed an event, or `fields`."""
    log = waiting()

    def change(body: JsonObject) -> None:
        history = part(body, "status", "history")
        events = history["events"]
        assert isinstance(events, list)
        if not fields:
            events[-1] = {**part(events[-1]), "name": "other"}
        history.update(fields)

    log.put("workflowinstances", "order-1", change, actor=USER, subresource="status")
    return log


def go_on(body: JsonObject) -> None:
    head = part(body, "status", "history")
    events = head["events"]
    assert isinstance(events, list)
    events.append({"id": len(events) + 1, "type": "StepSkipped", "path": "s"})
    head["length"] = len(events)


def test_what_is_written_onto_a_digest_that_was_edited_is_reported_at_once() -> None:
    log = damaged(digest="0" * 64)
    log.put("workflowinstances", "order-1", go_on, actor=OPERATOR, subresource="status")
    assert checks_of(log.verdict()) == ["parked"]


def test_what_is_written_onto_a_newer_form_is_reported() -> None:
    log = damaged(version=2)
    log.put("workflowinstances", "order-1", go_on, actor=OPERATOR, subresource="status")
    assert log.verdict() == []  # It may have been on its way.
    log.put("workflowinstances", "order-1", go_on, actor=OPERATOR, subresource="status")
    assert checks_of(log.verdict()) == ["parked"]


def test_what_is_written_onto_a_damaged_history_is_reported() -> None:
    log = damaged()
    log.put("workflowinstances", "order-1", go_on, actor=OPERATOR, subresource="status")
    assert log.verdict() == []  # It may have been on its way.
    log.put("workflowinstances", "order-1", go_on, actor=OPERATOR, subresource="status")
    assert checks_of(log.verdict()) == ["parked"]


def test_a_history_that_is_what_it_was_is_judged_again() -> None:
    log = waiting()
    sound = copy.deepcopy(log.bodies["workflowinstances", "order-1"])

    def damage(body: JsonObject) -> None:
        part(body, "status", "history")["digest"] = "0" * 64

    def mend(body: JsonObject) -> None:
        body["status"] = sound["status"]

    log.put("workflowinstances", "order-1", damage, actor=USER, subresource="status")
    log.put("workflowinstances", "order-1", mend, actor=USER, subresource="status")
    log.put("workflowinstances", "order-1", go_on, actor=OPERATOR, subresource="status")
    assert "progress" in checks_of(log.verdict())


def test_a_damaged_instance_may_say_that_it_stalls() -> None:
    log = damaged()
    stalls = showing(phase="Stalled", message="damaged")
    log.put("workflowinstances", "order-1", stalls, actor=OPERATOR, subresource="status")
    assert log.verdict() == []
