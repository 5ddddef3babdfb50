"""The table of conditions, and how tools that only know kstatus would read them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from perdure.resources.conditions import (
    Condition,
    Summary,
    definition_conditions,
    instance_conditions,
)

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
BEFORE = NOW - timedelta(hours=1)


def summary(phase: str, reason: str = "", **fields: Any) -> Summary:
    return Summary(phase=phase, reason=reason, generation=3, now=NOW, **fields)


def states(conditions: list[Condition]) -> dict[str, str]:
    return {one.type: one.status for one in conditions}


# Succeeded, Completed, Suspended, Reconciling, Stalled
TABLE = [
    (summary("Pending"), "Unknown", "False", "False", "True", None),
    (summary("Pending", "DefinitionNotFound"), "Unknown", "False", "False", "True", None),
    (summary("Pending", "DefinitionNotReady"), "Unknown", "False", "False", "True", None),
    (summary("Pending", "StorageBudget"), "Unknown", "False", "False", "True", None),
    (summary("Pending", "StartsLater"), "Unknown", "False", "False", None, None),
    (summary("Pending", is_suspended=True), "Unknown", "False", "True", None, None),
    (summary("Running"), "Unknown", "False", "False", None, None),
    (summary("Suspended", is_suspended=True), "Unknown", "False", "True", None, None),
    (summary("Suspended"), "Unknown", "False", "True", None, None),
    (summary("Stalled", "HistoryCorrupt"), "Unknown", "False", "False", None, "True"),
    (summary("Succeeded"), "True", "True", "False", None, None),
    (summary("Succeeded", is_suspended=True), "True", "True", "False", None, None),
    (summary("Failed", "HttpStatus"), "False", "True", "False", None, "True"),
    (summary("Terminated"), "False", "True", "False", None, "True"),
]


@pytest.mark.parametrize(
    ("given", "succeeded", "completed", "suspended", "reconciling", "stalled"), TABLE
)
def test_an_instance_shows_the_conditions_of_the_table(
    given: Summary,
    succeeded: str,
    completed: str,
    suspended: str,
    reconciling: str | None,
    stalled: str | None,
) -> None:
    wanted = {
        "Succeeded": succeeded,
        "Completed": completed,
        "Suspended": suspended,
        "Reconciling": reconciling,
        "Stalled": stalled,
    }
    found = states(instance_conditions(given))
    assert found == {type_: status for type_, status in wanted.items() if status is not None}


@pytest.mark.parametrize(
    ("given", "kstatus"),
    [
        (summary("Pending"), "InProgress"),
        (summary("Running"), "Current"),
        (summary("Suspended", is_suspended=True), "Current"),
        (summary("Succeeded"), "Current"),
        (summary("Failed"), "Failed"),
        (summary("Terminated"), "Failed"),
        (summary("Stalled", "HistoryCorrupt"), "Failed"),
    ],
)
def test_helm_and_flux_read_them_like_those_of_a_job(given: Summary, kstatus: str) -> None:
    found = states(instance_conditions(given))
    assert "Ready" not in found
    if found.get("Reconciling") == "True":
        assert kstatus == "InProgress"
    else:
        assert kstatus == ("Failed" if found.get("Stalled") == "True" else "Current")


@pytest.mark.parametrize(
    ("phase", "reason"), [("Failed", "InstanceFailed"), ("Terminated", "InstanceTerminated")]
)
def test_alerts_tell_a_failed_instance_from_a_stuck_one_by_the_reason(
    phase: str, reason: str
) -> None:
    conditions = instance_conditions(summary(phase, "HttpStatus", message="503"))
    stalled = next(one for one in conditions if one.type == "Stalled")
    assert (stalled.reason, stalled.message) == (reason, "503")


def test_the_reason_of_succeeded_is_the_type_of_the_error() -> None:
    assert instance_conditions(summary("Failed", "HttpStatus"))[0].reason == "HttpStatus"
    assert instance_conditions(summary("Failed", "no reason!"))[0].reason == "Failed"


def test_the_time_of_a_condition_changes_only_with_its_status() -> None:
    running = Summary(phase="Running", generation=2, now=BEFORE)
    previous = [one.to_json() for one in instance_conditions(running)]
    conditions = instance_conditions(summary("Suspended", is_suspended=True, previous=previous))
    times = {one.type: one.last_transition_time for one in conditions}
    assert times == {"Succeeded": BEFORE, "Completed": BEFORE, "Suspended": NOW}
    assert {one.observed_generation for one in conditions} == {3}


@pytest.mark.parametrize("time", ["yesterday", "2030-01-01T00:00:00", None])
def test_a_time_that_nobody_can_read_is_replaced(time: str | None) -> None:
    previous = [{"type": "Completed", "status": "False", "lastTransitionTime": time}]
    conditions = instance_conditions(summary("Running", previous=previous))
    assert {one.last_transition_time for one in conditions} == {NOW}


def test_a_condition_in_json_is_as_kubernetes_writes_it() -> None:
    condition = Condition("Ready", "True", "Checked", "fine", NOW, 3)
    assert condition.to_json() == {
        "type": "Ready",
        "status": "True",
        "reason": "Checked",
        "message": "fine",
        "lastTransitionTime": "2030-01-01T12:00:00Z",
        "observedGeneration": 3,
    }


def test_a_definition_is_ready_or_says_why_not() -> None:
    ready = definition_conditions(summary(""), is_ready=True)
    faulty = definition_conditions(summary("", message="2 faults"), is_ready=False)
    assert [(one.type, one.status, one.reason) for one in ready] == [("Ready", "True", "Checked")]
    assert [(one.status, one.reason, one.message) for one in faulty] == [
        ("False", "Faults", "2 faults")
    ]
