"""Damage to chain, segments and payloads of a history is seen by the write that does it."""

from __future__ import annotations

from typing import cast

import pytest
from tests.verification.logs import (
    ME,
    OPERATOR,
    USER,
    Edit,
    Log,
    call_step,
    calling,
    checks_of,
    resealed,
    showing,
    status_of,
)

from perdure.engine.events import ActivityCompleted, StepSucceeded, VariablesSet
from perdure.engine.values import JsonObject


def head_of(body: JsonObject) -> JsonObject:
    return cast("JsonObject", status_of(body)["history"])


def long_log(events: int = 60) -> Log:
    """Return the log of an instance whose history has spilled into segments."""
    log = calling()
    for number in range(events):
        log.commit(VariablesSet(path=f"s{number}", frame="", instance={"v": "x" * 900}))
    return log


@pytest.mark.parametrize(
    ("invariant", "edit"),
    [
        ("I-1", resealed(lambda events: events[-1].update(id=9))),
        ("I-1", lambda body: head_of(body).update(length=7)),
        ("I-1", lambda body: head_of(body).update(events={})),
        ("I-2", resealed(lambda events: events[0].update(at="2026-01-01T11:00:00Z"))),
        ("I-2", resealed(lambda events: events.pop(0))),
        ("I-2", lambda body: status_of(body).pop("history")),
        ("I-3", lambda body: head_of(body).update(digest="0" * 64)),
        (
            "I-3",
            lambda body: cast("list[JsonObject]", head_of(body)["events"])[-1].update(path="x"),
        ),
        ("I-4", lambda body: head_of(body).update(segments={"count": 1})),
    ],
)
def test_a_history_that_does_not_continue_the_one_before_is_reported(
    invariant: str, edit: Edit
) -> None:
    log = calling()
    log.later(1)
    log.commit(ActivityCompleted(scheduled_id=2), edit=edit)
    found = log.verdict()
    assert [(one.invariant, one.revision) for one in found] == [(invariant, len(log.writes))]


def test_a_history_that_spills_into_segments_breaks_nothing() -> None:
    log = long_log()
    assert [w.resource for w in log.writes].count("workflowhistories") >= 2
    assert "progress" not in checks_of(log.verdict())


def test_a_segment_that_is_referred_to_before_it_exists_is_reported() -> None:
    log = long_log()
    first = next(w for w in log.writes if w.resource == "workflowhistories")
    log.writes.remove(first)
    assert [v.invariant for v in log.verdict() if "does not exist" in v.text] == ["I-4"]


def test_a_segment_with_other_events_is_reported() -> None:
    log = long_log()
    first = next(w for w in log.writes if w.resource == "workflowhistories")
    assert first.after is not None
    events = cast("list[JsonObject]", cast("JsonObject", first.after["spec"])["events"])
    events[0]["path"] = "another"
    assert {v.invariant for v in log.verdict() if "progress" in v.text} == {"I-2"}


def test_a_segment_that_is_deleted_while_it_is_needed_is_reported() -> None:
    log = long_log()
    name = next(w.name for w in log.writes if w.resource == "workflowhistories")
    log.delete("workflowhistories", name, actor=OPERATOR)
    assert checks_of(log.verdict()) == ["orphans_only", "segments_stand"]


def test_an_orphan_may_be_deleted_once_the_chain_covers_it_and_not_before() -> None:
    log = long_log(10)
    uid = log.states["order-1"].uid
    lost: JsonObject = {"instanceUid": uid, "kind": "Segment", "firstId": 1, "lastId": 5}
    log.put("workflowhistories", "lost", lambda b: b.update(spec=lost), actor=OPERATOR)
    log.delete("workflowhistories", "lost", actor=OPERATOR)
    assert checks_of(log.verdict()) == ["orphans_only"]

    log = long_log()
    lost["instanceUid"] = log.states["order-1"].uid
    log.put("workflowhistories", "lost", lambda b: b.update(spec=lost), actor=OPERATOR)
    log.delete("workflowhistories", "lost", actor=OPERATOR)
    assert log.verdict() == []


def test_a_segment_that_changes_is_reported() -> None:
    log = long_log()
    name = next(w.name for w in log.writes if w.resource == "workflowhistories")
    change: Edit = lambda b: cast("JsonObject", b["spec"]).update(lastId=7)  # noqa: E731
    log.put("workflowhistories", name, change, actor=OPERATOR)
    assert checks_of(log.verdict()) == ["content_stays"]


def with_payload() -> Log:
    log = calling()
    log.later(1)
    log.commit(StepSucceeded(path="other", output={"large": "x" * 9000}))
    return log


def test_a_value_in_a_payload_breaks_nothing() -> None:
    log = with_payload()
    assert [w.resource for w in log.writes].count("workflowhistories") == 1
    assert log.verdict() == []


def test_a_payload_that_does_not_exist_yet_is_reported() -> None:
    log = with_payload()
    log.writes = [w for w in log.writes if w.resource != "workflowhistories"]
    assert "payloads_first" in checks_of(log.verdict())


def test_a_payload_that_is_being_deleted_is_reported() -> None:
    log = with_payload()
    payload = next(w for w in log.writes if w.resource == "workflowhistories")
    assert payload.after is not None
    cast("JsonObject", payload.after["metadata"])["deletionTimestamp"] = "2026-01-01T12:00:00Z"
    assert checks_of(log.verdict()) == ["payloads_first"]


def test_a_payload_with_another_content_is_reported() -> None:
    log = with_payload()
    payload = next(w for w in log.writes if w.resource == "workflowhistories")
    assert payload.after is not None
    cast("JsonObject", payload.after["spec"])["data"] = "e30="
    assert checks_of(log.verdict())[0] == "payloads_first"


def test_a_history_that_a_user_damages_is_not_held_against_the_operator() -> None:
    log = calling()
    edit = showing(history={"length": 0})
    log.put("workflowinstances", "order-1", edit, actor=USER, subresource="status")
    assert log.verdict() == []


def test_a_status_that_a_user_touches_without_the_history_is_judged_on() -> None:
    log = calling()
    log.put(
        "workflowinstances",
        "order-1",
        showing(rev=2, message="hm"),
        actor=USER,
        subresource="status",
    )
    log.later(1)
    log.commit(ActivityCompleted(scheduled_id=2), by=ME, edit=showing(rev=9))
    assert checks_of(log.verdict())[0] == "one_step"


def test_two_instances_have_a_chain_each() -> None:
    log = Log()
    log.lease()
    log.define(call_step())
    log.start("order-1")
    log.start("order-2")
    log.turn("order-1")
    log.turn("order-2")
    assert log.verdict() == []
