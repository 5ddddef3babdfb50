"""Once nothing disturbs any more everything ends, waits for a reason, and comes to rest."""

from __future__ import annotations

from datetime import datetime
from functools import partial

import pytest
from tests.verification.logs import (
    AGAIN,
    ME,
    OPERATOR,
    USER,
    YOU,
    Log,
    call_step,
    calling,
    checks_of,
    claim,
    waiting,
)

from perdure.engine.events import (
    ActivityClaimed,
    ActivityFailed,
    Ending,
    EndRequested,
    Failure,
    InstanceSuspended,
)
from perdure.engine.values import JsonObject
from perdure.ports import Observed


def quiet(log: Log, seconds: float = 90, *, by: str = ME) -> list[str]:
    """Return what is reported of a run that goes on undisturbed for so long."""
    times: dict[str, datetime] = {"healed_at": log.now}
    log.alive(seconds, by)
    return checks_of(log.verdict(**times, ended_at=log.now))


def test_an_instance_that_waits_for_an_event_may_wait() -> None:
    assert quiet(waiting()) == []


def test_an_instance_that_waits_for_a_later_timer_may_wait() -> None:
    log = Log()
    log.lease()
    log.define({"name": "nap", "wait": {"for": "1h"}})
    log.start()
    log.turn()
    assert quiet(log) == []


def test_a_timer_that_is_overdue_is_reported() -> None:
    log = Log()
    log.lease()
    log.define({"name": "nap", "wait": {"for": "10s"}})
    log.start()
    log.turn()
    assert quiet(log) == ["comes_to_its_end"]


def test_nothing_is_expected_before_a_quiet_minute_is_over() -> None:
    log = calling()
    assert quiet(log, 50) == []


def test_a_call_that_nobody_makes_is_reported_where_services_were_seen() -> None:
    log = Log()
    log.lease()
    log.define(call_step("one"), call_step("two", needs=[]))
    log.start()
    log.turn()
    log.request("one", code=None)
    assert quiet(log) == ["comes_to_its_end"]


def test_a_call_that_its_service_does_not_answer_may_wait() -> None:
    log = calling()
    log.request(code=None)
    assert quiet(log) == []


def test_a_call_whose_answer_is_not_committed_is_reported() -> None:
    log = calling()
    log.request()
    assert quiet(log) == ["comes_to_its_end"]


def test_an_instance_that_nobody_accepts_is_reported() -> None:
    log = Log()
    log.lease()
    log.define(call_step())
    log.start()
    assert quiet(log) == ["comes_to_its_end"]


def test_an_instance_that_is_pending_with_a_reason_may_wait() -> None:
    log = Log()
    log.lease()
    log.define(call_step())
    log.start()
    log.commit(observed=Observed(pending=("StorageBudget", "there is no room")))
    assert quiet(log) == []


@pytest.mark.parametrize("reason", ["DefinitionNotFound", "DefinitionNotReady"])
def test_an_instance_has_to_start_once_its_definition_is_ready(reason: str) -> None:
    log = Log()
    log.lease()
    log.define(call_step())
    log.start()
    log.commit(observed=Observed(pending=(reason, "not yet")))
    assert quiet(log) == ["comes_to_its_end"]


def test_an_instance_may_wait_while_its_definition_has_faults_or_names_a_lost_revision() -> None:
    log = Log()
    log.lease()
    log.define(call_step())
    log.put("workflowdefinitions", "order", lambda b: b.update(status=judged("False")))
    log.start()
    log.commit(observed=Observed(pending=("DefinitionNotReady", "it has faults")))
    assert quiet(log) == []
    log = Log()
    log.lease()
    log.define(call_step())
    log.start(definitionRef={"name": "order", "revision": "order-1"})
    log.commit(observed=Observed(pending=("DefinitionNotFound", "no such revision")))
    assert quiet(log) == []


def test_a_definition_has_to_say_whether_it_is_ready() -> None:
    for status, expected in (
        ({}, ["definitions_judged"]),
        (judged("True", generation=2), ["definitions_judged"]),
        (judged("True"), []),
        (judged("False"), []),
    ):
        log = Log()
        log.lease()
        log.put("workflowdefinitions", "order", partial(dict.update, status=status))
        assert quiet(log) == expected


def judged(ready: str, generation: int = 1) -> JsonObject:
    """Return the status of a definition that says of a generation whether it is ready."""
    return {
        "observedGeneration": generation,
        "conditions": [{"type": "Ready", "status": ready}],
    }


def test_a_start_that_is_overdue_is_reported() -> None:
    for start_at, expected in (
        ("2026-01-01T12:00:10Z", ["comes_to_its_end"]),
        ("2026-01-01T13:00:00Z", []),
    ):
        log = Log()
        log.lease()
        log.define(call_step())
        log.start(startAt=start_at)
        log.commit(observed=Observed(pending=("StartsLater", "later")))
        assert quiet(log) == expected


def test_a_suspended_instance_may_wait_and_one_that_is_not_yet_suspended_may_not() -> None:
    log = calling()
    log.edit(suspend=True)
    assert quiet(log) == ["comes_to_its_end"]
    log = calling()
    log.edit(suspend=True)
    log.commit(InstanceSuspended())
    assert quiet(log) == []


def test_a_stalled_instance_is_reported_unless_what_it_needs_was_taken_from_it() -> None:
    for is_helpless, expected in ((True, []), (False, ["comes_to_its_end"])):
        log = waiting()
        log.commit(observed=Observed(stalled=("RevisionUnusable", "it is gone")))
        if is_helpless:
            name = next(w.name for w in log.writes if w.resource == "controllerrevisions")
            log.delete("controllerrevisions", name, actor=USER)
        assert quiet(log) == expected


def test_an_end_that_was_requested_and_does_not_come_is_reported() -> None:
    log = calling()
    log.commit(EndRequested(ending=Ending.FAILED))
    assert quiet(log) == ["comes_to_its_end"]


def test_an_instance_in_which_nothing_is_open_is_reported() -> None:
    log = calling()
    log.request(code=500)
    log.commit(ActivityFailed(scheduled_id=2, failure=Failure(type="No", message="")))
    assert quiet(log) == ["comes_to_its_end"]


def test_a_write_for_which_there_is_no_cause_is_reported() -> None:
    log = waiting()
    healed = log.now
    log.alive(200, ME)
    log.commit(observed=Observed(warning="hm"))
    found = log.verdict(healed_at=healed, ended_at=log.now)
    assert checks_of(found) == ["comes_to_rest"]


def test_a_write_after_a_user_has_done_something_has_a_cause() -> None:
    log = waiting()
    healed = log.now
    log.alive(200, ME)
    log.edit(suspend=True)
    log.commit(InstanceSuspended())
    log.alive(30, ME)
    assert log.verdict(healed_at=healed, ended_at=log.now) == []


def orphan(log: Log, first_id: int = 2) -> None:
    spec: JsonObject = {
        "instanceUid": log.states["order-1"].uid,
        "kind": "Payload",
        "firstId": first_id,
        "data": "e30=",
    }
    log.put("workflowhistories", "left", lambda b: b.update(spec=spec), actor=OPERATOR)


def test_what_is_left_over_for_two_minutes_is_reported() -> None:
    log = waiting()
    orphan(log)
    assert quiet(log, 100) == []
    assert quiet(log, 130) == ["nothing_left"]


def test_what_a_dead_process_left_over_goes_with_its_instance() -> None:
    log = waiting()
    orphan(log)
    log.later(1)
    log.disturb(OPERATOR)
    assert quiet(log, 700) == []
    log = waiting()
    orphan(log)
    log.delete("workflowinstances", "order-1")
    assert quiet(log, 700) == ["nothing_left"]


def test_what_the_dead_left_is_reported_once_their_call_was_taken_over() -> None:
    log = calling()
    orphan(log)
    log.request(code=None)
    log.disturb(OPERATOR, 30)
    log.lease(YOU)
    log.alive(40, YOU)
    log.commit(ActivityClaimed(scheduled_id=2, claim=claim(YOU, 2)), by=YOU)
    assert "nothing_left" not in quiet(log, 130, by=YOU)
    log.commit(ActivityFailed(scheduled_id=2, failure=Failure(type="No", message="")), by=YOU)
    assert "nothing_left" in quiet(log, 130, by=YOU)


def test_a_pin_whose_revision_is_gone_is_reported() -> None:
    log = waiting()
    name = next(w.name for w in log.writes if w.resource == "controllerrevisions")
    log.delete("controllerrevisions", name, actor=OPERATOR)
    assert quiet(log) == ["revisions_stay", "pins_stand"]


@pytest.mark.parametrize("actor", [OPERATOR, USER])
def test_a_payload_that_is_missing_is_reported_unless_a_user_took_it(actor: str) -> None:
    log = waiting()
    log.send("e1", data={"text": "x" * 9000})
    log.turn(events=(log.external("e1"),))
    name = next(w.name for w in log.writes if w.resource == "workflowhistories")
    log.delete("workflowhistories", name, actor=actor)
    expected = [] if actor == USER else ["orphans_only", "segments_stand"]
    assert checks_of(log.verdict()) == expected


def test_a_call_whose_claimant_was_replaced_long_ago_is_reported() -> None:
    log = calling()
    log.request(code=None)
    log.lease(AGAIN)
    assert quiet(log, by=AGAIN) == ["comes_to_its_end"]
