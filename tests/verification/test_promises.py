"""What clients were told comes true: starts, events and terminations that were acknowledged."""

from __future__ import annotations

from datetime import datetime

import pytest
from tests.verification.logs import ME, OPERATOR, Log, calling, checks_of, waiting

from perdure.engine.events import Door, Ending, EndRequested, EventReceived, InstanceEnded
from perdure.verification.evidence import Deed, Outcome

ACKNOWLEDGED, REFUSED, UNKNOWN = Outcome.ACKNOWLEDGED, Outcome.REFUSED, Outcome.UNKNOWN


def at_the_end(log: Log) -> dict[str, datetime]:
    """Let a quiet minute and a half pass; return what says so."""
    healed = log.now
    log.alive(90, ME)
    return {"healed_at": healed, "ended_at": log.now}


def test_a_start_that_was_acknowledged_and_never_happened_is_reported() -> None:
    log = waiting()
    log.told(Deed.START)
    assert log.verdict() == []
    log.writes = [w for w in log.writes if w.name != "order-1"]
    assert checks_of(log.verdict()) == ["starts_kept"]


def test_a_start_that_was_refused_and_happened_is_reported() -> None:
    log = waiting()
    log.told(Deed.START, REFUSED)
    assert checks_of(log.verdict()) == ["starts_refused"]
    log.told(Deed.START, UNKNOWN)
    assert log.verdict() == []


def sent(log: Log, door: str, outcome: Outcome = ACKNOWLEDGED) -> None:
    log.told(Deed.RAISE, outcome, id="e1", name="go", door=door, object="e1")


@pytest.mark.parametrize("door", ["spec", "object"])
def test_an_event_that_was_acknowledged_and_is_nowhere_is_reported(door: str) -> None:
    log = waiting()
    sent(log, door)
    assert checks_of(log.verdict()) == ["sends_kept"]


def test_an_event_that_was_acknowledged_and_waits_still_breaks_nothing() -> None:
    log = waiting()
    log.edit(events=[{"id": "e1", "name": "go"}])
    sent(log, "spec")
    assert log.verdict() == []
    log = waiting()
    log.send("e1")
    sent(log, "object")
    assert log.verdict() == []


def test_an_event_that_was_acknowledged_and_deleted_untaken_is_reported() -> None:
    log = waiting()
    log.send("e1")
    sent(log, "object")
    log.delete("workflowevents", "e1", actor=OPERATOR)
    assert checks_of(log.verdict()) == ["taken_before_gone", "sends_kept"]
    log = waiting()
    log.send("e1")
    sent(log, "object")
    log.delete("workflowevents", "e1")
    assert log.verdict() == []


def test_an_event_that_was_refused_to_its_sender_and_counts_is_reported() -> None:
    log = waiting()
    log.edit(events=[{"id": "e1", "name": "go"}])
    log.commit(EventReceived(event_id="e1", name="go", door=Door.SPEC))
    sent(log, "spec", REFUSED)
    assert checks_of(log.verdict()) == ["sends_refused"]
    sent(log, "object", UNKNOWN)
    assert log.verdict() == []


def test_an_event_that_nobody_takes_in_a_quiet_time_is_reported() -> None:
    log = waiting()
    log.send("e1")
    assert checks_of(log.verdict(**at_the_end(log))) == ["sends_taken"]
    log = waiting()
    log.edit(events=[{"id": "e1", "name": "go"}])
    assert checks_of(log.verdict(**at_the_end(log))) == ["sends_taken"]


def test_an_event_after_the_end_that_nobody_refuses_is_reported() -> None:
    log = waiting()
    log.commit(InstanceEnded(ending=Ending.SUCCEEDED))
    log.send("e1")
    assert checks_of(log.verdict(**at_the_end(log))) == ["sends_taken"]


def terminated(log: Log) -> list[str]:
    log.edit(terminate={"reason": "no"})
    log.told(Deed.TERMINATE)
    return checks_of(log.verdict(**at_the_end(log)))


def test_a_termination_that_was_acknowledged_and_does_not_come_is_reported() -> None:
    assert terminated(waiting()) == ["terminates_kept", "comes_to_its_end"]


def test_another_end_than_the_acknowledged_termination_has_to_come_before_it() -> None:
    log = waiting()
    log.commit(InstanceEnded(ending=Ending.SUCCEEDED))
    assert terminated(log) == []
    log = waiting()
    log.edit(terminate={"reason": "no"})
    log.told(Deed.TERMINATE)
    log.later(1)
    log.commit(InstanceEnded(ending=Ending.SUCCEEDED))
    assert checks_of(log.verdict()) == ["terminates_kept"]


def test_an_end_that_was_decided_without_knowing_of_the_termination_is_reported() -> None:
    log = calling()
    log.edit(terminate={"reason": "no"})
    log.told(Deed.TERMINATE)
    log.later(1)
    log.commit(
        EndRequested(ending=Ending.FAILED),
        edit=lambda body: body["status"].update(observedGeneration=1),  # type: ignore[union-attr]  # an object
    )
    log.commit(InstanceEnded(ending=Ending.FAILED))
    assert log.phase == "Failed"
    assert checks_of(log.verdict(**at_the_end(log))) == ["on_record", "terminates_kept"]


def test_an_event_for_an_instance_that_is_gone_has_to_be_refused() -> None:
    log = waiting()
    log.send("e1", instanceUid=log.states["order-1"].uid)
    log.delete("workflowinstances", "order-1")
    assert checks_of(log.verdict(**at_the_end(log))) == ["gone_are_answered"]


def test_an_event_for_an_instance_that_is_to_come_may_wait() -> None:
    log = waiting()
    log.send("e1", instance="order-2")
    assert log.verdict(**at_the_end(log)) == []


def test_an_event_that_was_taken_has_to_be_tidied_away() -> None:
    log = waiting()
    log.send("e1")
    log.later(1)
    log.turn(events=(log.external("e1"),))
    assert log.phase == "Succeeded"
    assert checks_of(log.verdict(**at_the_end(log))) == ["taken_are_tidied"]
    log.delete("workflowevents", "e1", actor=OPERATOR)
    assert log.verdict(**at_the_end(log)) == []
