"""Where in a running instance a step stands, and what its expressions can see from there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from perdure.engine.external import time_text
from perdure.engine.paths import MAIN, owner_of, step_path
from perdure.engine.state import Frame, Stage, State, Unit
from perdure.engine.values import Json, JsonObject
from perdure.language.program import Body, CallVerb, Flow, Program, Step, SwitchVerb

_CATCH = re.compile(r"catch\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class Place:
    """A step (or the leaf of a body) in a frame. A leaf sees what its block's step sees."""

    path: str
    step: Step
    frame: str


def locate(program: Program, state: State, path: str) -> Place:
    """Return the place of a path that is open in the state.

    Raises KeyError or StopIteration when the program has no such place: the history belongs to
    another revision, which the pin makes impossible.
    """
    head, _, last = path.rpartition(".")
    if last == "do":
        block = locate(program, state, owner_of(head))
        return _leaf(block, body_of(block.step, state.units[block.path]), path)
    catch = _CATCH.fullmatch(last)
    if catch is not None:
        owner = locate(program, state, head)
        return _leaf(owner, owner.step.catch[int(catch[1])].body, path)
    flow = program.flow(state.frames[head].flow)
    return Place(path, flow.step(last), head)


def _leaf(owner: Place, body: Body, path: str) -> Place:
    assert body.do is not None, f"{path}: the body has no leaf"
    return Place(path, body.do, owner.frame)


def body_of(step: Step, unit: Unit) -> Body:
    """Return the body that a block runs in this attempt."""
    match step.verb:
        case SwitchVerb() as switch:
            assert unit.branch is not None, f"{unit.path}: no branch taken"
            return switch.body(unit.branch)
        case CallVerb() as call:
            return call.body
        case _:
            raise AssertionError(f"{unit.path}: not a block")


def bindings(state: State, frame: str, now: datetime, flow: Flow) -> JsonObject:
    """Return the names that an expression in the frame can use.

    `input`, `vars` (the instance's, the flow's own first), `workflow`, the flow's params, and
    `steps` with those of the same flow that are over. Source: docs/language.md#values.
    """
    here = state.frames[frame]
    return {
        "input": state.input,
        "vars": {**state.vars, **here.vars},
        "workflow": workflow(state, now),
        "steps": _steps(state, here, flow),
        **here.params,
    }


def workflow(state: State, now: datetime) -> JsonObject:
    """Return the record `workflow`; times are RFC 3339 text that expressions see as times."""
    return {
        "name": state.name,
        "uid": state.uid,
        "namespace": state.namespace,
        "definition": state.definition,
        "revision": None if state.revision is None else state.revision.name,
        "startedAt": time_text(state.started_at or now),
        "now": time_text(now),
        "parent": None,
    }


def _steps(state: State, frame: Frame, flow: Flow) -> JsonObject:
    shown: JsonObject = {}
    for step in flow.steps:
        unit = state.units.get(step_path(frame.path, step.name))
        if unit is not None and unit.stage.is_final:
            shown[step.name] = _ended(unit)
    return shown


def _ended(unit: Unit) -> JsonObject:
    record: JsonObject = {"status": unit.stage.value}
    if unit.stage is Stage.SKIPPED:
        return record
    record["output"] = unit.output
    if unit.failure is not None:
        record["error"] = unit.failure.as_json()
    return record


def is_main(frame: str) -> bool:
    """Return whether the frame is the main flow's."""
    return frame == MAIN


Extra = Mapping[str, Json]
