"""Statuses that follow the log: they show what stands there, and in the end all of it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.verification.laned import LanedLog, calling, ending, opened, skipped
from tests.verification.logs import (
    ME,
    OPERATOR,
    OTHER,
    USER,
    YOU,
    Edit,
    call_step,
    checks_of,
    resealed,
    showing,
)

from perdure.engine.events import (
    EventAwaited,
    HistoryEvent,
    InstanceResumed,
    InstanceSuspended,
    StepSkipped,
)
from perdure.engine.values import JsonObject
from perdure.lanes.entry import EntryKind
from perdure.ports import Observed
from perdure.verification.bodies import items, part


def shown_as(edit: Edit) -> list[str]:
    """Return what a status is reported for that shows two turns of a call, damaged."""
    log = calling()
    log.commit(skipped(1))
    log.commit(skipped(2))
    log.show(edit=edit)
    return checks_of(log.verdict())


# --- what a status may show -----------------------------------------------------------------------


def test_a_status_that_shows_several_turns_at_once_breaks_nothing() -> None:
    assert shown_as(lambda _: None) == []


def test_a_status_may_show_the_first_of_several_turns_by_whoever_lost_the_lane() -> None:
    log = calling()
    log.lease(YOU)
    log.commit(skipped(1))
    log.claim(YOU)
    log.commit(skipped(2), by=YOU)
    log.show(rev=2, by=OPERATOR)
    log.show(by=OTHER)
    assert log.verdict() == []


@pytest.mark.parametrize("rev", [1, 2, 4])
def test_a_status_with_the_history_of_another_rev_is_reported(rev: int) -> None:
    assert shown_as(showing(rev=rev)) == ["shows_committed"]


def test_a_status_that_shows_another_commit_id_is_reported() -> None:
    assert shown_as(showing(commitId="c2")) == ["shows_committed"]


def test_a_status_that_shows_other_events_is_reported() -> None:
    assert shown_as(resealed(lambda events: events[-1].update(path="s9"))) == ["shows_committed"]


def test_a_status_that_shows_what_is_not_committed_is_reported() -> None:
    log = calling()
    log.decided(skipped())
    log.show()
    assert checks_of(log.verdict()) == ["shows_committed"]


def test_the_first_status_of_an_instance_without_a_turn_in_the_log_is_reported() -> None:
    log = opened(call_step())
    log.decided(skipped())
    log.show()
    assert checks_of(log.verdict()) == ["shows_committed"]


def test_a_status_that_goes_back_is_reported() -> None:
    log = calling()
    older = log.bodies["workflowinstances", "order-1"]["status"]
    log.commit(skipped(1))
    log.show()
    log.put(
        "workflowinstances",
        "order-1",
        lambda body: body.update(status=older),
        actor=OPERATOR,
        subresource="status",
    )
    assert "shows_committed" in checks_of(log.verdict())


def test_events_that_do_not_make_the_digest_of_a_status_are_reported() -> None:
    def edit(body: JsonObject) -> None:
        items(part(body, "status", "history")["events"])[-1]["path"] = "s9"

    log = calling()
    log.commit(skipped(1))
    log.show(edit=edit)
    assert [one.invariant for one in log.verdict()] == ["I-3"]


def test_a_status_that_moves_events_to_segments_breaks_nothing() -> None:
    log = calling()
    for number in range(60):
        log.commit(StepSkipped(path=f"s{number}-{'x' * 900}"))
        if number % 3 == 2:
            log.show()
    assert any(write.resource == "workflowhistories" for write in log.writes)
    assert log.verdict() == []


def test_the_summary_is_that_of_the_turn_which_the_status_shows() -> None:
    log = calling()
    log.commit(InstanceSuspended())
    log.commit(InstanceResumed())
    log.show(rev=2)
    assert log.phase == "Suspended"
    log.show()
    assert log.phase == "Running"
    assert log.verdict() == []


def test_a_summary_of_another_turn_than_the_one_shown_is_reported() -> None:
    log = calling()
    log.commit(InstanceSuspended())
    log.show(edit=showing(phase="Running"))
    assert "told_truly" in checks_of(log.verdict())


def test_a_status_without_events_leaves_rev_and_may_come_before_the_first_turn() -> None:
    log = opened(call_step())
    log.show(observed=Observed(pending=("DefinitionNotReady", "it has faults")))
    log.turn()
    log.show()
    log.edit(suspend=True)
    assert log.verdict() == []


def test_a_status_that_shows_nothing_new_is_reported() -> None:
    log = calling()
    log.show(edit=showing(conditions=[]))
    assert "has_reason" in checks_of(log.verdict())


# --- what users did to a status -------------------------------------------------------------------


def damaged() -> tuple[LanedLog, JsonObject]:
    """Return a log in which a user changed the history in a status, and the status before."""
    log = calling()
    good = part(log.bodies["workflowinstances", "order-1"], "status")
    changed = resealed(lambda events: events[-1].update(path="other"))
    log.put("workflowinstances", "order-1", changed, subresource="status")
    return log, good


def test_turns_go_on_while_a_status_is_damaged_and_are_shown_when_it_is_mended() -> None:
    log, good = damaged()
    log.commit(skipped(1))
    assert log.verdict() == []
    log.put("workflowinstances", "order-1", lambda b: b.update(status=good), subresource="status")
    log.commit(skipped(2))
    log.show()
    assert log.verdict() == []
    assert log.shown[log.states["order-1"].uid] == 3


def test_a_status_whose_rev_a_user_changed_is_judged_no_further() -> None:
    log = calling()
    log.commit(skipped(1))
    log.put("workflowinstances", "order-1", showing(rev=2), subresource="status")
    stalled: JsonObject = {"reason": "HistoryCorrupt", "message": "it is not what turn 2 left"}
    log.put(
        "workflowinstances",
        "order-1",
        showing(phase="Stalled", observed={"stalled": stalled}),
        actor=OPERATOR,
        subresource="status",
    )
    log.alive(20, ME)
    assert quiet(log) == []


def test_statuses_that_are_written_onto_a_damaged_history_are_reported() -> None:
    def change(body: JsonObject) -> None:
        history = part(body, "status", "history")
        history["events"] = [*items(history["events"]), {"id": 9}]

    log = calling()
    for actor in (USER, OPERATOR):
        log.put("workflowinstances", "order-1", change, actor=actor, subresource="status")
    assert log.verdict() == []
    log.put("workflowinstances", "order-1", change, actor=OPERATOR, subresource="status")
    assert checks_of(log.verdict()) == ["parked"]


# --- in the end -----------------------------------------------------------------------------------


def quiet(log: LanedLog, seconds: float = 70.0) -> list[str]:
    """Return what is reported when nothing was disturbed, and the run went on for so long."""
    healed = log.now
    return checks_of(log.verdict(healed_at=healed, ended_at=healed + timedelta(seconds=seconds)))


def test_a_turn_that_no_status_shows_in_the_end_is_reported() -> None:
    log = calling()
    log.commit(skipped())
    assert {"all_is_shown", "shown_in_time"} <= set(quiet(log))
    log.show()
    assert not {"all_is_shown", "shown_in_time"} & set(quiet(log))


def test_a_turn_that_no_status_shows_is_not_missed_when_its_instance_is_gone() -> None:
    log = calling()
    log.commit(skipped())
    log.delete("workflowinstances", "order-1")
    assert not {"all_is_shown", "shown_in_time"} & set(quiet(log))


SUSPENDED: list[HistoryEvent] = [InstanceSuspended()]
WAITING: list[HistoryEvent] = [EventAwaited(path="a", name="go", count=1)]


@pytest.mark.parametrize(
    ("events", "seconds", "is_late"),
    [
        ([skipped()], 9.0, False),
        ([skipped()], 11.0, True),
        (SUSPENDED, 4.0, False),
        (SUSPENDED, 6.0, True),
        (WAITING, 4.0, False),
        (WAITING, 6.0, True),
    ],
)
def test_a_turn_that_is_shown_late_is_reported(
    events: list[HistoryEvent], seconds: float, is_late: bool
) -> None:
    log = calling()
    log.commit(*events)
    log.alive(seconds, ME)
    log.later(seconds % 2)
    log.show()
    assert checks_of(log.verdict()) == (["shown_in_time"] if is_late else [])


def test_an_end_that_is_shown_late_is_reported_unless_something_was_disturbed() -> None:
    log = ending()
    log.later(6)
    log.show()
    assert checks_of(log.verdict()) == ["shown_in_time"]
    log.now -= timedelta(seconds=30)
    log.disturb("")
    assert log.verdict() == []


def test_progress_may_be_late_where_a_process_has_more_to_write_than_it_may(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def late(*events: HistoryEvent) -> list[str]:
        log = calling()
        log.commit(*events)
        log.alive(8, ME)
        log.edit(suspend=True)
        log.alive(4, ME)
        log.show()
        return checks_of(log.verdict())

    assert late(skipped()) == ["shown_in_time"]
    monkeypatch.setattr("perdure.verification.showings.BUSY", 1)
    assert late(skipped()) == []
    assert late(InstanceSuspended()) == ["shown_in_time"]


@pytest.mark.parametrize(
    ("seconds", "kind", "is_reported"),
    [
        (50, EntryKind.TURNS, False),
        (70, EntryKind.TURNS, True),
        (70, EntryKind.CLAIM, False),
        (130, EntryKind.CLAIM, True),
    ],
)
def test_an_entry_without_a_cause_in_a_quiet_time_is_reported(
    seconds: float, kind: EntryKind, *, is_reported: bool
) -> None:
    log = calling()
    healed = log.now
    log.later(seconds)
    log.enter(kind)
    found = log.verdict(healed_at=healed, ended_at=log.now + timedelta(seconds=60))
    assert ("comes_to_rest" in checks_of(found)) == is_reported
