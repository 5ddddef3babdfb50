"""Confluence: what is said not to depend on timing does not, and what may depend is not said so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from tests.simulation.rehearsal import rehearse
from tests.simulation.workloads import Workload, generated, is_confluent
from tests.simulation.workloads.actions import (
    Action,
    Define,
    Delete,
    Edit,
    RaiseAsObject,
    RaiseInSpec,
    Resume,
    Start,
    Suspend,
    Tamper,
    Terminate,
    Undefine,
    in_order,
    instance_of,
)
from tests.simulation.workloads.draws import Draw
from tests.simulation.workloads.services import Script

from perdure.engine.values import Json, JsonObject
from perdure.testing.stories import Story

PATIENT: Any = {"attempts": -1, "delay": "1s"}
CALL: Any = {"name": "pay", "http": {"service": "bank", "path": "/"}, "retry": PATIENT}
SIGNAL: Any = {"name": "signal", "event": {"name": "go"}, "output": "${result.data}"}
SHIELDED: Any = {**CALL, "needs": [], "catch": [{"output": "none"}]}


def workload(*steps: Any, actions: tuple[Action, ...] = (), **fields: Any) -> Workload:
    """Return a workload of one instance of these steps."""
    spec: JsonObject = {"steps": [*steps], **fields}
    begin = (
        Define(at=0.0, definition="order", spec=spec),
        Start(at=1.0, instance="run-1", spec={"definitionRef": {"name": "order"}}),
    )
    return Workload(name="x", actions=in_order((*begin, *actions)), script=Script(seed=1))


def go(event_id: str = "e1") -> RaiseInSpec:
    return RaiseInSpec(at=3.0, instance="run-1", event={"id": event_id, "name": "go"})


def events_of(found: Workload, start: Start) -> Iterator[tuple[str, Json]]:
    """Yield what an instance is sent."""
    for action in found.actions:
        if instance_of(action) != instance_of(start):
            continue
        if isinstance(action, RaiseInSpec):
            yield str(action.event["name"]), action.event.get("data")
        elif isinstance(action, RaiseAsObject):
            yield action.event_name, action.data


def end_of(story: Story) -> tuple[str, Json]:
    """Return how an instance ended: phase and output."""
    return story.phase, None if story.state.ended is None else story.output


def test_a_confluent_workload_ends_alike_whatever_the_order_of_things() -> None:
    compared = 0
    for seed in range(150):
        found = generated(seed)
        if not is_confluent(found):
            continue
        for start in (a for a in found.actions if isinstance(a, Start)):
            spec = next(d.spec for d in found.definitions if d.definition == start.definition)
            given, events = start.spec["input"], [*events_of(found, start)]
            calm = end_of(rehearse(spec, given, found.script, events))
            for whim in range(3):
                wild = rehearse(spec, given, found.script, events, whim=Draw(whim))
                assert end_of(wild) == calm, f"{found.name}, {start.instance}, whim {whim}"
                compared += 1
    assert compared > 100


@pytest.mark.parametrize(
    "found",
    [
        workload(CALL),
        workload(SIGNAL, actions=(go(),)),
        workload(SIGNAL),
        workload({**SHIELDED}, {**SHIELDED, "name": "other"}),
        workload(CALL, actions=(Suspend(at=2, instance="run-1"), Resume(at=9, instance="run-1"))),
        workload(CALL, actions=(Tamper(at=2, instance="run-1", edit=Edit.INPUT),)),
    ],
)
def test_what_follows_from_the_workload_alone_is_confluent(found: Workload) -> None:
    assert is_confluent(found)


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(workload({**CALL, "retry": {"attempts": 5}}), id="attempts-run-out"),
        pytest.param(workload({**CALL, "timeout": "9s"}), id="a-step-times-out"),
        pytest.param(workload(CALL, timeout="9s"), id="the-instance-times-out"),
        pytest.param(workload({**CALL, "onUnknown": "Fail"}), id="lost-answers-count"),
        pytest.param(workload(CALL, output="${workflow.now}"), id="the-time-is-read"),
        pytest.param(workload({**CALL, "needs": []}, {**SHIELDED, "name": "b"}), id="one-may-fail"),
        pytest.param(workload(SIGNAL, actions=(go(), go("e2"))), id="two-events-of-a-name"),
        pytest.param(workload(SIGNAL, {**SIGNAL, "name": "again"}), id="two-waits-of-a-name"),
        pytest.param(workload({**SIGNAL, "timeout": "9s"}), id="a-wait-times-out"),
        pytest.param(workload({"name": "s", "event": {"name": "go"}}), id="arrival-is-output"),
        pytest.param(workload(CALL, actions=(Terminate(at=2, instance="run-1"),)), id="terminated"),
        pytest.param(workload(CALL, actions=(Delete(at=2, instance="run-1"),)), id="deleted"),
        pytest.param(workload(CALL, actions=(Suspend(at=2, instance="run-1"),)), id="suspended"),
        pytest.param(workload(CALL, actions=(Undefine(at=2, definition="order"),)), id="undefined"),
        pytest.param(
            workload(CALL, actions=(Define(at=2, definition="order", spec={"steps": [SIGNAL]}),)),
            id="redefined",
        ),
        pytest.param(
            workload(CALL, actions=(Tamper(at=2, instance="run-1", edit=Edit.STATUS_PHASE),)),
            id="tampered",
        ),
        pytest.param(
            workload(SIGNAL, actions=(replace(go(), user="ben"),)), id="two-users-at-once"
        ),
        pytest.param(
            replace(workload(CALL), script=Script(seed=1, is_idempotent=False)), id="new-tokens"
        ),
    ],
)
def test_what_may_depend_on_timing_is_not_confluent(found: Workload) -> None:
    assert not is_confluent(found)
