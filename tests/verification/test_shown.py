"""A status shows what its history folds to, or what only the outside knows."""

from __future__ import annotations

import pytest
from tests.verification.logs import (
    Edit,
    Log,
    calling,
    checks_of,
    newest,
    showing,
    waiting,
)

from perdure.engine.events import Ending, Failure, InstanceEnded, StepSkipped
from perdure.engine.values import JsonObject
from perdure.ports import Observed


@pytest.mark.parametrize(
    "edit",
    [
        showing(phase="Suspended"),
        showing(message="fine"),
        showing(progress="0/1"),
        showing(waitingFor=[]),
        showing(wakeAt="2026-01-02T00:00:00Z"),
        showing(startedAt=None),
        showing(output={"n": 1}),
        showing(error={"type": "No"}),
        showing(revision=None),
    ],
)
def test_a_field_that_the_history_does_not_give_is_reported(edit: Edit) -> None:
    log = calling()
    log.commit(StepSkipped(path="s"), edit=edit)
    assert "told_truly" in checks_of(log.verdict())


def test_an_event_that_no_version_can_fold_is_reported_once() -> None:
    log = calling()
    log.commit(StepSkipped(path="s"), edit=newest(type="Guessed"))
    log.commit(StepSkipped(path="t"))
    assert checks_of(log.verdict()) == ["foldable"]


def test_a_stalled_instance_that_says_why_breaks_nothing() -> None:
    log = waiting()
    log.commit(observed=Observed(stalled=("RevisionUnusable", "it is gone")))
    assert log.phase == "Stalled"
    assert log.verdict() == []
    log.commit()
    assert log.phase == "Running"
    assert log.verdict() == []


def test_a_stalled_instance_without_a_reason_is_reported() -> None:
    log = waiting()
    log.commit(
        observed=Observed(stalled=("HistoryCorrupt", "it is gone")),
        edit=showing(observed={"stalled": {"message": "it is gone"}}),
    )
    assert checks_of(log.verdict()) == ["says_why"]


def test_a_pending_instance_that_does_not_say_why_is_reported() -> None:
    log = Log()
    log.lease()
    log.define({"name": "wait", "event": {"name": "go"}})
    log.start()
    log.commit(
        observed=Observed(pending=("DefinitionNotReady", "faults")), edit=showing(waitingFor=[])
    )
    assert checks_of(log.verdict()) == ["says_why"]


def test_a_failed_instance_shows_its_error_without_what_is_too_large() -> None:
    log = waiting()
    error = Failure(type="No", message="never", details={"text": "x" * 5000}, step="wait")
    log.commit(InstanceEnded(ending=Ending.FAILED, error=error))
    assert log.verdict() == []


def test_a_large_output_is_a_reference_in_the_status() -> None:
    log = waiting()
    log.commit(InstanceEnded(ending=Ending.SUCCEEDED, output={"text": "x" * 20_000}))
    assert log.verdict() == []
    log = waiting()
    output: JsonObject = {"text": "x" * 20_000}
    log.commit(InstanceEnded(ending=Ending.SUCCEEDED, output=output), edit=showing(output=output))
    assert checks_of(log.verdict()) == ["inline_output"]
