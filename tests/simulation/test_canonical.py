"""The canonical workflows: each one runs on the engine and comes to an end that it names."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.simulation.rehearsal import rehearse
from tests.simulation.workloads import CANONICAL, Canonical, is_confluent
from tests.simulation.workloads.actions import RaiseAsObject, RaiseInSpec, Start
from tests.simulation.workloads.workload import VERBS, Workload, steps_in

from perdure.definitions import review
from perdure.engine.values import Json

BY_NAME = {canonical.name: canonical for canonical in CANONICAL}


def events_of(workload: Workload) -> Iterator[tuple[str, Json]]:
    """Yield the events that the last instance is sent, each id once."""
    last = max(i for i, action in enumerate(workload.actions) if isinstance(action, Start))
    is_reborn = sum(isinstance(action, Start) for action in workload.actions) > 1
    seen: set[str] = set()
    for action in workload.actions[last if is_reborn else 0 :]:
        if isinstance(action, RaiseInSpec) and action.event["id"] not in seen:
            seen.add(str(action.event["id"]))
            yield str(action.event["name"]), action.event.get("data")
        elif isinstance(action, RaiseAsObject) and action.event_id not in seen:
            seen.add(str(action.event_id))
            yield action.event_name, action.data


def test_there_are_at_least_twelve_of_them_and_their_names_differ() -> None:
    assert len(BY_NAME) == len(CANONICAL) >= 12


def test_together_they_use_every_verb() -> None:
    used = {
        key
        for canonical in CANONICAL
        for define in canonical.workload.definitions
        for step in steps_in(define.spec)
        for key in step
    }
    assert set(VERBS) <= used


@pytest.mark.parametrize("name", BY_NAME)
def test_its_definitions_have_no_faults(name: str) -> None:
    for define in BY_NAME[name].workload.definitions:
        assert [fault.render() for fault in review(define.spec).faults] == []


@pytest.mark.parametrize("name", BY_NAME)
def test_on_the_engine_it_comes_to_an_end_that_it_allows(name: str) -> None:
    canonical = BY_NAME[name]
    workload = canonical.workload
    start = [action for action in workload.actions if isinstance(action, Start)][-1]
    given = start.spec.get("input", {})
    spec = workload.definitions[0].spec
    story = rehearse(spec, given, workload.script, events_of(workload))
    error = None if story.error is None else story.error.type
    assert canonical.allows(story.phase, story.output, error), story.summary


@pytest.mark.parametrize(
    "name", ["race-with-timeout", "cancel-race", "late-definition", "reborn", "at-most-once"]
)
def test_one_whose_end_is_a_matter_of_timing_is_not_confluent(name: str) -> None:
    assert not is_confluent(BY_NAME[name].workload)


@pytest.mark.parametrize(
    "name",
    [
        "one-activity",
        "five-in-sequence",
        "timer-chain",
        "compensation",
        "suspend-and-resume",
        "polled-call",
        "large-values",
    ],
)
def test_one_whose_end_follows_from_it_alone_is_confluent(name: str) -> None:
    assert is_confluent(BY_NAME[name].workload)


def test_an_end_that_is_not_named_is_not_allowed() -> None:
    canonical: Canonical = BY_NAME["five-in-sequence"]
    assert canonical.allows("Succeeded", 16, None)
    assert not canonical.allows("Succeeded", 15, None)
    assert not canonical.allows("Failed", None, "HttpStatus")
    lost = BY_NAME["at-most-once"]
    assert lost.allows("Failed", None, "OutcomeUnknown")
    assert not lost.allows("Failed", None, "Timeout")
