"""Arms of the fold: steps, blocks and flows."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from perdure.engine.events import (
    AttemptFailed,
    BranchTaken,
    CatchEntered,
    FlowEntered,
    FlowReturned,
    StepCaught,
    StepFailed,
    StepSkipped,
    VariablesSet,
)
from perdure.engine.paths import is_below, owner_of
from perdure.engine.state import Frame, Stage, State
from perdure.engine.update import begun, changed, closed, put, with_unit, without_body
from perdure.engine.values import Json


def enter_flow(state: State, event: FlowEntered) -> State:
    """Open a frame; the step that owns it is working (or catching)."""
    frame = Frame(
        path=event.path, flow=event.flow, params=dict(event.params), vars=dict(event.vars)
    )
    state = changed(state, frames=put(state.frames, event.path, frame))
    owner = owner_of(event.path)
    unit = state.units.get(owner)
    if unit is not None and unit.stage is Stage.CATCHING:
        return state
    return with_unit(state, owner, at=event.at, stage=Stage.WORKING, attempt=event.attempt)


def return_from_flow(state: State, event: FlowReturned) -> State:
    """End the frame with a value: what is open in it is cancelled, the step itself succeeded.

    What is open in the main flow stays so until the instance ends: calls in flight make its end
    take two commits.
    """
    for path in [path for path in state.units if is_below(path, event.path)]:
        state = closed(state, path)
    state = with_unit(state, event.step, at=event.at, stage=Stage.SUCCEEDED, output=None)
    frame = replace(state.frames[event.path], returned=True, output=event.value)
    return changed(state, frames=put(state.frames, event.path, frame))


def take_branch(state: State, event: BranchTaken) -> State:
    """Remember which case a switch took."""
    return with_unit(
        state,
        event.path,
        at=event.at,
        stage=Stage.WORKING,
        branch=event.index,
        attempt=event.attempt,
    )


def set_variables(state: State, event: VariablesSet) -> State:
    """Give variables new values; the step's end is an event of its own."""
    state = changed(state, vars={**state.vars, **event.instance})
    if event.own:
        frame = state.frames[event.frame]
        frame = replace(frame, vars={**frame.vars, **event.own})
        state = changed(state, frames=put(state.frames, event.frame, frame))
    return begun(state, event.path, at=event.at, stage=Stage.RESULT)


def skip(state: State, event: StepSkipped) -> State:
    """The step does not run."""
    return with_unit(state, event.path, at=event.at, stage=Stage.SKIPPED)


def succeed(state: State, path: str, output: Json, *, at: datetime) -> State:
    """End the unit with an output; nothing of it stays open."""
    state = closed(state, path)
    return with_unit(
        state, path, at=at, stage=Stage.SUCCEEDED, output=output, failure=None, request=None
    )


def catch(state: State, event: StepCaught) -> State:
    """End the unit by a catch entry; the failure stays readable."""
    state = closed(state, event.path)
    return with_unit(
        state,
        event.path,
        at=event.at,
        stage=Stage.CAUGHT,
        output=event.output,
        catching=None,
        request=None,
    )


def fail(state: State, event: StepFailed) -> State:
    """End the unit as failed."""
    state = closed(state, event.path)
    return with_unit(
        state, event.path, at=event.at, stage=Stage.FAILED, failure=event.error, request=None
    )


def fail_attempt(state: State, event: AttemptFailed) -> State:
    """Close the attempt's body; what follows from the failure is decided separately."""
    state = without_body(state, event.path)
    return with_unit(
        state,
        event.path,
        at=event.at,
        stage=Stage.FAILING,
        attempt=event.attempt,
        failure=event.failure,
    )


def enter_catch(state: State, event: CatchEntered) -> State:
    """Run a catch entry's body; the step's time-out no longer applies."""
    state = closed(state, event.path)
    return with_unit(
        state,
        event.path,
        at=event.at,
        stage=Stage.CATCHING,
        catching=event.index,
        failure=event.failure,
    )
