"""Rules of instances, events and histories: each refuses what it is there for."""

import json

import pytest
from tests.contract.api_server.port import Result
from tests.contract.api_server.space import (
    EVENTS,
    HISTORIES,
    NOWHERE,
    Space,
    custom,
    instance,
)
from tests.contract.api_server.space import breaks_rules as breaks

# --- names ----------------------------------------------------------------------------------


def test_the_name_of_an_instance_is_short(space: Space) -> None:
    assert space.post(instance("a" * 63)).status == 201
    message = "the name of a WorkflowInstance has at most 63 characters: choose a shorter one"
    assert breaks(space.post(instance("a" * 64)), NOWHERE, message)


# --- what does not change -------------------------------------------------------------------


def test_an_event_object_does_not_change(space: Space) -> None:
    space.post(custom(EVENTS, "e", {"instance": "a", "name": "paid"}), EVENTS)
    result = space.merge("e", {"spec": {"data": 1}}, EVENTS)
    assert breaks(
        result,
        "spec",
        "a WorkflowEvent does not change: create another one with its own name, or delete this one",
    )
    assert space.merge("e", {"metadata": {"labels": {"x": "1"}}}, EVENTS).status == 200


def test_a_history_object_does_not_change(space: Space) -> None:
    spec = {"instanceUid": "u", "kind": "Payload", "firstId": 1, "lastId": 1, "data": "eA=="}
    space.post(custom(HISTORIES, "h", spec), HISTORIES)
    assert breaks(
        space.merge("h", {"spec": {"lastId": 2}}, HISTORIES),
        "spec",
        "a WorkflowHistory does not change: it is part of what an instance has recorded",
    )


FIXED = {
    "definitionRef": "definitionRef does not change: start another instance for another definition",
    "input": "input does not change: start another instance with the other input",
    "startAt": "startAt does not change: start another instance for another time",
    "timeout": "timeout does not change: terminate the instance to end it early",
}


@pytest.fixture
def fixed(space: Space) -> Space:
    space.create("a", input={"x": 1}, startAt="2026-01-01T00:00:00Z", timeout="5m")
    space.create("bare")
    return space


@pytest.mark.parametrize(
    ("name", "spec", "field"),
    [
        ("a", {"definitionRef": {"name": "other"}}, "definitionRef"),
        ("a", {"definitionRef": {"revision": "order-1"}}, "definitionRef"),
        ("a", {"input": {"x": 2}}, "input"),
        ("a", {"input": {"x": True}}, "input"),
        ("a", {"input": None}, "input"),
        ("bare", {"input": {}}, "input"),
        ("a", {"startAt": "2026-01-01T00:00:01Z"}, "startAt"),
        ("a", {"startAt": None}, "startAt"),
        ("bare", {"startAt": "2026-01-01T00:00:00Z"}, "startAt"),
        ("a", {"timeout": "300s"}, "timeout"),
        ("a", {"timeout": None}, "timeout"),
        ("bare", {"timeout": "5m"}, "timeout"),
    ],
)
def test_what_an_instance_started_with_does_not_change(
    fixed: Space, name: str, spec: dict[str, object], field: str
) -> None:
    assert breaks(fixed.merge(name, {"spec": spec}), "spec", FIXED[field])


def test_two_changes_break_two_rules(fixed: Space) -> None:
    result = fixed.merge("a", {"spec": {"input": {"x": 2}, "timeout": None}})
    assert breaks(result, "spec", FIXED["input"], FIXED["timeout"])


@pytest.mark.parametrize("time", ["2026-01-01T01:00:00+01:00", "2026-01-01T00:00:00.000Z"])
def test_the_same_time_in_other_words_is_no_change_to_the_rule(fixed: Space, time: str) -> None:
    result = fixed.merge("a", {"spec": {"startAt": time}})
    assert (result.status, result.spec["startAt"]) == (200, time)


@pytest.mark.parametrize("change", [{"reason": "other"}, {"reason": None}, None])
def test_a_termination_cannot_be_taken_back(space: Space, change: dict[str, object] | None) -> None:
    space.create("a")
    assert space.merge("a", {"spec": {"terminate": {"reason": "why"}}}).status == 200
    message = "terminate is set once: it cannot be taken back or changed"
    assert breaks(space.merge("a", {"spec": {"terminate": change}}), "spec", message)


# --- events in the spec ---------------------------------------------------------------------

FIRST, SECOND = {"id": "1", "name": "paid"}, {"id": "2", "name": "sent"}


@pytest.fixture
def paid(space: Space) -> Space:
    space.create("a", events=[FIRST])
    return space


def with_events(space: Space, *events: object) -> Result:
    return space.merge("a", {"spec": {"events": list(events)}})


def test_events_are_appended_anywhere(paid: Space) -> None:
    assert with_events(paid, SECOND, FIRST).spec["events"] == [SECOND, FIRST]


def test_events_stay(paid: Space) -> None:
    assert breaks(
        with_events(paid, SECOND),
        "spec.events",
        "spec.events is append-only: keep the events that are there, and add new ones with a JSON "
        'patch (kubectl patch --type=json, op add, path "/spec/events/-")',
    )


@pytest.mark.parametrize("change", [{"name": "other"}, {"data": 1}])
def test_an_event_that_was_sent_does_not_change(paid: Space, change: dict[str, object]) -> None:
    message = "an event that was sent does not change: append another one with its own id"
    result = with_events(paid, SECOND, {**FIRST, **change})
    assert breaks(result, "spec.events[1]", message)


def test_at_most_32_events_are_in_a_spec(paid: Space) -> None:
    events = [{"id": f"e{number}", "name": "n"} for number in range(32)]
    assert with_events(paid, FIRST, *events[:31]).status == 200
    assert breaks(
        with_events(paid, FIRST, *events),
        "spec.events",
        "spec.events holds at most 32 events: send further ones as WorkflowEvent objects (kubectl "
        "create, kind WorkflowEvent), of which there may be any number",
    )


# --- the status -----------------------------------------------------------------------------

STAYS_FINISHED = "a finished instance stays finished: start another instance to run it again"
RESULT = (
    "the result of a finished instance does not change: history, error, startedAt, completedAt and "
    "revision stay as they are"
)
CONDITIONS = "the conditions Succeeded and Completed of a finished instance do not change"
ALL = (
    "the status of a finished instance does not change, the output included; only the operator "
    "notes that it has seen a newer generation of the spec"
)


def test_rev_only_grows(space: Space) -> None:
    space.create("a")
    space.status("a", rev=2)
    message = "status.rev only grows: read the object anew before writing its status"
    assert breaks(space.status("a", rev=1), "status", message)
    assert breaks(space.status("a", rev=None), "status", message)
    assert space.status("a", rev=2, message="x").status == 200


def test_a_status_cannot_be_removed(space: Space) -> None:
    space.create("a")
    space.status("a", rev=1)
    assert breaks(
        space.merge("a", {"status": None}, subresource="status"),
        NOWHERE,
        "the status of an instance is its memory: it cannot be removed; delete the instance "
        "instead",
    )


@pytest.fixture(params=["Succeeded", "Failed", "Terminated"])
def phase(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def ended(space: Space, phase: str) -> Space:
    """An instance `a` that has come to its end."""
    space.create("a", events=[FIRST, SECOND])
    result = space.status(
        "a",
        phase=phase,
        rev=5,
        observedGeneration=1,
        output={"x": 1},
        startedAt="2026-01-01T00:00:00Z",
        completedAt="2026-01-01T00:00:01Z",
        history={"length": 1, "events": [{"id": 1}]},
        revision={"name": "order-1"},
        error={"type": "E"},
        conditions=[
            {"type": "Succeeded", "status": "True"},
            {"type": "Completed", "status": "True"},
            {"type": "Stalled", "status": "False"},
        ],
    )
    assert result.status == 200, result.text
    return space


@pytest.mark.parametrize("after", ["Running", "Odd", None])
def test_a_final_phase_stays(ended: Space, after: str | None) -> None:
    assert breaks(ended.status("a", phase=after), "status", STAYS_FINISHED, ALL)


@pytest.mark.parametrize(
    "change",
    [
        {"history": {"length": 2}},
        {"history": {"events": []}},
        {"history": None},
        {"error": {"type": "F"}},
        {"error": None},
        {"startedAt": "2026-01-01T00:00:09Z"},
        {"completedAt": None},
        {"revision": {"name": "order-2"}},
    ],
    ids=json.dumps,
)
def test_a_result_is_final(ended: Space, change: dict[str, object]) -> None:
    assert breaks(ended.status("a", **change), "status", RESULT, ALL)
    newer = {"rev": 6, "observedGeneration": 2}
    assert breaks(ended.status("a", **newer, **change), "status", RESULT)


@pytest.mark.parametrize("status", ["False", None])
def test_the_conditions_of_an_end_are_final(ended: Space, status: str | None) -> None:
    conditions = [{"type": "Completed", "status": "True"}]
    if status is not None:
        conditions.append({"type": "Succeeded", "status": status})
    newer = {"rev": 6, "observedGeneration": 2}
    assert breaks(ended.status("a", conditions=conditions, **newer), "status", CONDITIONS)
    assert breaks(ended.status("a", conditions=None, **newer), "status", CONDITIONS)


@pytest.mark.parametrize(
    "change",
    [
        {"output": {"x": 2}},
        {"output": None},
        {"message": "x"},
        {"rev": 6},
    ],
    ids=json.dumps,
)
def test_the_rest_of_a_status_is_final_too(ended: Space, change: dict[str, object]) -> None:
    assert breaks(ended.status("a", **change), "status", ALL)


def test_that_a_newer_generation_was_seen_may_be_noted(ended: Space) -> None:
    result = ended.status("a", rev=6, observedGeneration=2, message="x")
    assert (result.status, result.body["status"]["rev"]) == (200, 6)


def test_it_may_be_noted_without_a_commit(ended: Space) -> None:
    assert ended.status("a", observedGeneration=2).status == 200
    grows = "status.rev only grows: read the object anew before writing its status"
    assert breaks(ended.status("a", rev=4, observedGeneration=3), "status", grows, ALL)


def test_an_ended_instance_takes_no_events(ended: Space) -> None:
    third = {"id": "3", "name": "late"}
    message = "the instance has ended and takes no events any more: start another one"
    assert breaks(with_events(ended, FIRST, SECOND, third), NOWHERE, message)


def test_the_order_of_events_may_change_even_then(ended: Space) -> None:
    assert with_events(ended, SECOND, FIRST).spec["events"] == [SECOND, FIRST]


def test_an_ended_instance_can_be_labelled_and_suspended(ended: Space) -> None:
    assert ended.merge("a", {"metadata": {"labels": {"x": "1"}}}).status == 200
    assert ended.merge("a", {"spec": {"suspend": True}}).status == 200
