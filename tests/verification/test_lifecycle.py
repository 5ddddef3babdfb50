"""Final is final, pins stay, and nothing begins where nothing may."""

from __future__ import annotations

import pytest
from tests.verification.logs import (
    ME,
    OPERATOR,
    USER,
    YOU,
    Edit,
    Log,
    call_step,
    calling,
    checks_of,
    claim,
    newest,
    resealed,
    showing,
    waiting,
)

from perdure.engine.events import (
    ActivityClaimed,
    ActivityScheduled,
    Ending,
    EndRequested,
    InstanceEnded,
    InstanceResumed,
    InstanceStarted,
    InstanceSuspended,
    Purpose,
    Revision,
    StepSkipped,
    TimerCreated,
    TimerFired,
)
from perdure.engine.values import Json, JsonObject
from perdure.ports import Observed


def ended() -> Log:
    log = waiting()
    log.later(1)
    log.commit(InstanceEnded(ending=Ending.SUCCEEDED, output={"n": 1}))
    return log


def patch_status(log: Log, edit: Edit) -> None:
    log.put("workflowinstances", "order-1", edit, actor=USER, subresource="status")


@pytest.mark.parametrize(
    "edit",
    [
        showing(phase="Running"),
        showing(output=None),
        showing(error={"type": "No"}),
        showing(completedAt="2027-01-01T00:00:00Z"),
        resealed(lambda events: events.append({"id": 4, "type": "StepSkipped", "path": "s"})),
    ],
)
def test_a_finished_instance_that_changes_is_reported_whoever_does_it(edit: Edit) -> None:
    log = ended()
    assert log.verdict() == []
    patch_status(log, edit)
    assert checks_of(log.verdict()) == ["final_is_final"]


@pytest.mark.parametrize("is_edited", [True, False])
def test_a_phase_that_somebody_has_edited_may_be_put_right_by_a_later_write(
    *, is_edited: bool
) -> None:
    log = waiting()
    if is_edited:
        patch_status(log, showing(phase="Undoing"))
    log.commit(StepSkipped(path="a"), edit=showing(phase="Undoing"))
    log.commit(StepSkipped(path="b"), edit=showing(phase="Running"))
    assert ("legal_moves" in checks_of(log.verdict())) != is_edited


def test_a_finished_instance_may_note_a_newer_generation() -> None:
    log = ended()
    log.edit(suspend=True)
    log.commit()
    assert log.verdict() == []


def test_an_event_after_the_end_is_reported() -> None:
    log = ended()
    log.commit(StepSkipped(path="s"), edit=lambda body: None)
    assert "nothing_after_the_end" in checks_of(log.verdict())


def test_what_begins_after_the_end_was_requested_is_reported() -> None:
    log = calling()
    log.commit(EndRequested(ending=Ending.FAILED))
    assert log.verdict() == []
    log.commit(StepSkipped(path="s"))
    assert checks_of(log.verdict()) == ["nothing_after_the_end"]


@pytest.mark.parametrize("field", ["definitionRef", "input", "startAt", "timeout"])
def test_a_spec_that_changes_is_reported(field: str) -> None:
    log = calling()
    other: JsonObject = {"name": "other"}
    log.edit("order-1", **{field: other})
    assert checks_of(log.verdict()) == ["frozen_spec"]


def test_terminate_that_is_taken_back_and_an_event_that_goes_are_reported() -> None:
    log = calling()
    log.edit(terminate={"reason": "no"}, events=[{"id": "e1", "name": "go"}], suspend=True)
    assert log.verdict() == []
    log.edit(terminate=None)
    log.edit(events=[])
    assert [v.text for v in log.verdict()] == [
        "frozen_spec: spec.terminate has changed",
        "frozen_spec: event e1 of spec.events has changed",
    ]


def test_a_phase_that_moves_back_is_reported() -> None:
    log = calling()
    log.commit(StepSkipped(path="s"), edit=showing(phase="Pending"))
    assert "legal_moves" in checks_of(log.verdict())


def test_a_pin_that_moves_is_reported() -> None:
    log = calling()
    log.commit(StepSkipped(path="s"), edit=showing(revision={"name": "other", "digest": "d"}))
    assert checks_of(log.verdict()) == ["pinned_for_good", "told_truly"]


def starting(edit: Edit) -> list[str]:
    log = Log()
    log.lease()
    log.define(call_step())
    log.start()
    revision = Revision(name="order-1", digest="d" * 64)
    log.commit(InstanceStarted(definition="order", revision=revision, input={}), edit=edit)
    return checks_of(log.verdict())


def test_an_instance_of_another_definition_is_reported() -> None:
    assert starting(newest(definition="other")) == ["own_input"]


def test_a_pin_of_another_recipe_is_reported() -> None:
    log = calling()
    revision = next(w for w in log.writes if w.resource == "controllerrevisions")
    assert revision.after is not None
    revision.after["data"] = {"spec": {"steps": []}}
    assert checks_of(log.verdict()) == ["true_pin"]


def test_a_step_of_another_recipe_is_reported() -> None:
    log = calling()
    revision = next(w for w in log.writes if w.resource == "controllerrevisions")
    log.delete("controllerrevisions", revision.name)
    recipe: JsonObject = {"steps": [{"name": "other"}]}
    log.put("controllerrevisions", revision.name, lambda b: b.update(data={"spec": recipe}))
    log.commit(ActivityScheduled(path="charge", kind="http", attempt=2, claim=claim(ME)))
    log.commit(ActivityClaimed(scheduled_id=2, claim=claim(YOU, 2)), by=YOU)
    assert "of_its_recipe" not in checks_of(log.verdict())
    log.commit(ActivityScheduled(path="other", kind="http", attempt=1, claim=claim(ME)))
    assert "of_its_recipe" in checks_of(log.verdict())


def test_a_second_start_and_a_step_before_the_start_are_reported() -> None:
    log = calling()
    revision = log.states["order-1"].revision
    assert revision is not None
    log.commit(InstanceStarted(definition="order", revision=revision, input={}))
    assert "started_once" in checks_of(log.verdict())

    log = Log()
    log.lease()
    log.define(call_step())
    log.start()
    log.commit(ActivityScheduled(path="charge", kind="http", attempt=1, claim=claim(ME)))
    assert "started_once" in checks_of(log.verdict())


def suspended() -> Log:
    log = waiting(timeout="1s")
    log.edit(suspend=True)
    log.commit(InstanceSuspended())
    log.later(2)
    return log


def test_a_timer_that_fires_while_suspended_is_reported() -> None:
    log = suspended()
    log.commit(InstanceResumed(), TimerFired(timer_id=2))
    assert log.verdict() == []
    log = suspended()
    log.commit(TimerFired(timer_id=2))
    assert checks_of(log.verdict()) == ["nothing_while_suspended"]


def test_only_the_timer_of_a_retry_is_set_while_suspended() -> None:
    later = {"path": "wait", "fire_at": suspended().now.replace(hour=20)}
    for purpose, expected in ((Purpose.RETRY, []), (Purpose.WAIT, ["nothing_while_suspended"])):
        log = suspended()
        log.commit(TimerCreated(purpose=purpose, **later))  # type: ignore[arg-type]  # its fields
        assert checks_of(log.verdict()) == expected


def test_an_operator_that_goes_on_after_it_has_seen_the_deletion_is_reported() -> None:
    log = calling()
    log.lease(YOU)
    log.put(
        "workflowinstances",
        "order-1",
        lambda b: b["metadata"].update(deletionTimestamp="2026-01-01T12:00:01Z"),  # type: ignore[union-attr]  # an object
        verb="delete",
    )
    log.later(1)
    for by, path in ((ME, "a"), (YOU, "b")):
        new = ActivityScheduled(path=path, kind="http", attempt=1, claim=claim(by))
        log.commit(new, by=by)
    assert log.verdict() == []
    new = ActivityScheduled(path="c", kind="http", attempt=1, claim=claim(ME, claim_id="c"))
    log.commit(new, by=ME)
    assert checks_of(log.verdict()) == ["nothing_while_deleted"]


def test_conditions_that_say_another_thing_than_the_phase_are_reported() -> None:
    log = calling()
    wrong: list[Json] = [
        {"type": "Completed", "status": "True"},
        {"type": "Succeeded", "status": "Unknown"},
    ]
    log.commit(StepSkipped(path="s"), edit=showing(conditions=wrong))
    assert checks_of(log.verdict()) == ["shows_conditions"]


def test_an_operator_that_writes_or_creates_an_instance_itself_is_reported() -> None:
    log = calling()
    log.put("workflowinstances", "order-1", lambda b: b.update(spec=b["spec"]), actor=OPERATOR)
    log.put("workflowinstances", "child", lambda b: b.update(spec={}), actor=OPERATOR)
    assert checks_of(log.verdict()) == ["through_status"]
    assert len(log.verdict()) == 2


def test_an_operator_deletes_only_what_has_ended_and_nobody_owns() -> None:
    log = ended()
    log.later(7 * 86_400)
    log.delete("workflowinstances", "order-1", actor=OPERATOR)
    assert log.verdict() == []
    log = calling()
    log.delete("workflowinstances", "order-1", actor=OPERATOR)
    assert checks_of(log.verdict()) == ["purged_after_the_end"]
    log = ended()
    log.later(7 * 86_400)
    marks: JsonObject = {"meta.helm.sh/release-name": "shop"}
    log.put("workflowinstances", "order-1", lambda b: b["metadata"].update(labels=marks))  # type: ignore[union-attr]  # an object
    log.delete("workflowinstances", "order-1", actor=OPERATOR)
    assert checks_of(log.verdict()) == ["purged_after_the_end"]


def test_a_pending_instance_that_says_what_is_in_its_way_breaks_nothing() -> None:
    log = Log()
    log.lease()
    log.define(call_step())
    log.start()
    log.commit(observed=Observed(pending=("DefinitionNotReady", "it has faults")))
    assert log.verdict() == []
