"""Running frames and steps: from the top of a flow to its bottom, as far as it goes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import assert_never

from perdure.engine.events import (
    Failure,
    FlowEntered,
    Purpose,
    StepFailed,
    StepSkipped,
    StepSucceeded,
    TimerCreated,
)
from perdure.engine.paths import body_path, catch_path, leaf_path, step_path
from perdure.engine.state import Stage, Unit
from perdure.engine.values import Json
from perdure.language import failing
from perdure.language.durations import parse_delay
from perdure.language.places import Extra, Place, body_of
from perdure.language.program import (
    Body,
    CallVerb,
    EventVerb,
    Flow,
    HttpVerb,
    RaiseVerb,
    ReturnVerb,
    SetVerb,
    Step,
    SwitchVerb,
    WaitVerb,
)
from perdure.language.run import NO_EXTRA, Run, StepFault
from perdure.language.verbs import event, http, raising, returning, switch, variables, wait


@dataclass(frozen=True, slots=True)
class Done:
    """A flow or body that is over: with an output, or with the failure of one of its steps."""

    output: Json = None
    failure: Failure | None = None


def run_frame(run: Run, path: str) -> Done | None:
    """Take a frame as far as it goes; None while it is still going."""
    flow = run.program.flow(run.state.frames[path].flow)
    failed = _failure_in(run, path, flow)
    if failed is not None:
        return failed
    for step in flow.steps:
        if run.is_full:
            return None
        place = Place(step_path(path, step.name), step, path)
        if run.unit(place) is None and not _is_ready(run, path, step):
            continue
        run_step(run, place)
        if run.state.frames[path].returned:
            return Done(run.state.frames[path].output)
        unit = run.unit(place)
        if unit is not None and unit.stage is Stage.FAILED:
            return Done(failure=unit.failure)
    return _output(run, path, flow)


def _failure_in(run: Run, path: str, flow: Flow) -> Done | None:
    if run.state.frames[path].returned:
        return Done(run.state.frames[path].output)
    for step in flow.steps:
        unit = run.state.units.get(step_path(path, step.name))
        if unit is not None and unit.stage is Stage.FAILED:
            return Done(failure=unit.failure)
    return None


def _is_ready(run: Run, path: str, step: Step) -> bool:
    return all(_is_over(run, path, name) for name in step.needs)


def _is_over(run: Run, path: str, name: str) -> bool:
    unit = run.state.units.get(step_path(path, name))
    return unit is not None and unit.stage.is_final


def _output(run: Run, path: str, flow: Flow) -> Done | None:
    if not all(_is_over(run, path, step.name) for step in flow.steps):
        return None
    if flow.output is None:
        return Done()
    where = Place(path or "the main flow", flow.steps[-1], path)
    try:
        return Done(run.render(where, flow.output, "output"))
    except StepFault as fault:
        return Done(failure=replace(fault.failure, step=path or None, attempt=None))


def run_step(run: Run, place: Place) -> None:
    """Take a step as far as it goes."""
    while not run.is_full:
        before = run.unit(place)
        if before is not None and before.stage.is_final:
            return
        run.begin_move()
        try:
            _move(run, place, before)
        except StepFault as fault:
            attempt = _attempt_in(run, place, before)
            run.fail_attempt(place, replace(fault.failure, attempt=attempt), attempt)
        if run.unit(place) == before or run.state.frames[place.frame].returned:
            return


def _attempt_in(run: Run, place: Place, unit: Unit | None) -> int:
    """Return the attempt that a fault belongs to: the one that was to begin, or the current."""
    if unit is None or unit.stage is Stage.READY:
        return run.attempt_of(place)
    return unit.attempt


def _move(run: Run, place: Place, unit: Unit | None) -> None:
    if unit is None:
        _open(run, place)
        return
    match unit.stage:
        case Stage.READY:
            _begin(run, place)
        case Stage.WORKING:
            _go_on(run, place, unit)
        case Stage.RESULT:
            run.add(StepSucceeded(path=place.path, output=run.shaped(place, None, None)))
        case Stage.FAILING:
            failing.settle(run, place, unit)
        case Stage.CATCHING:
            _go_on_catching(run, place, unit)
        case Stage.BACKOFF | Stage.SUCCEEDED | Stage.CAUGHT | Stage.SKIPPED | Stage.FAILED:
            return


def _open(run: Run, place: Place) -> None:
    """Ask `when`, set the step's time-out, begin the first attempt."""
    step = place.step
    if step.when is not None and not run.holds(place, step.when, "when"):
        run.add(StepSkipped(path=place.path))
        return
    if step.timeout is not None:
        text = run.render(place, step.timeout, "timeout")
        try:
            fire_at = run.now + parse_delay(str(text))
        except ValueError as error:
            raise StepFault(run.broken(place, "timeout", str(error))) from error
        run.add(TimerCreated(path=place.path, purpose=Purpose.STEP_TIMEOUT, fire_at=fire_at))
    _begin(run, place)


def _begin(run: Run, place: Place) -> None:
    match place.step.verb:
        case HttpVerb() as verb:
            http.begin(run, place, verb)
        case WaitVerb() as verb:
            wait.begin(run, place, verb)
        case EventVerb() as verb:
            event.begin(run, place, verb)
        case SetVerb() as verb:
            variables.begin(run, place, verb)
        case RaiseVerb() as verb:
            raising.begin(run, place, verb)
        case ReturnVerb() as verb:
            returning.begin(run, place, verb)
        case SwitchVerb() as verb:
            switch.begin(run, place, verb)
        case CallVerb() as verb:
            attempt = run.attempt_of(place)
            _enter(run, place, verb.body, body_path(place.path, attempt), attempt)
        case _ as verb:
            assert_never(verb)


def _go_on(run: Run, place: Place, unit: Unit) -> None:
    """Go on with what is in flight: match events, run a block's body."""
    match place.step.verb:
        case EventVerb() as verb:
            event.go_on(run, place, verb)
        case SwitchVerb() | CallVerb():
            _run_block(run, place, unit)
        case _:
            return


def _run_block(run: Run, place: Place, unit: Unit) -> None:
    body = body_of(place.step, unit)
    frame = body_path(place.path, unit.attempt)
    leaf = leaf_path(place.path, unit.attempt)
    done = _run_body(run, place, body, frame, leaf, attempt=unit.attempt)
    if done is None or run.recorder.is_full or run.state.frames[place.frame].returned:
        return
    if done.failure is not None:
        run.fail_attempt(place, done.failure, unit.attempt)
        return
    try:
        output = run.shaped(place, done.output, done.output)
    except StepFault as fault:
        run.fail_attempt(place, replace(fault.failure, attempt=unit.attempt), unit.attempt)
        return
    run.add(StepSucceeded(path=place.path, output=output))


def _go_on_catching(run: Run, place: Place, unit: Unit) -> None:
    assert unit.catching is not None, f"{place.path}: catching nothing"
    assert unit.failure is not None, f"{place.path}: catching no failure"
    entry = place.step.catch[unit.catching]
    path = catch_path(place.path, unit.catching)
    extra = {"error": unit.failure.as_json()}
    try:
        done = _run_body(run, place, entry.body, path, path, attempt=unit.attempt, extra=extra)
    except StepFault as fault:
        done = Done(failure=fault.failure)
    if done is None or run.recorder.is_full or run.state.frames[place.frame].returned:
        return
    if done.failure is not None:
        run.add(StepFailed(path=place.path, error=done.failure))
    else:
        failing.conclude_catch(run, place, entry, unit.failure, result=done.output)


def _run_body(
    run: Run,
    place: Place,
    body: Body,
    frame: str,
    leaf: str,
    *,
    attempt: int,
    extra: Extra = NO_EXTRA,
) -> Done | None:
    """Take a body as far as it goes; an empty one is over at once."""
    if body.do is not None:
        return _run_leaf(run, Place(leaf, body.do, place.frame))
    if body.flow is None:
        return Done()
    if frame not in run.state.frames:
        _enter(run, place, body, frame, attempt, extra)
    return run_frame(run, frame)


def _run_leaf(run: Run, place: Place) -> Done | None:
    run_step(run, place)
    unit = run.unit(place)
    if unit is None or not unit.stage.is_final:
        return None
    if unit.stage is Stage.FAILED:
        return Done(failure=unit.failure)
    return Done(unit.output)


def _enter(
    run: Run, place: Place, body: Body, frame: str, attempt: int, extra: Extra = NO_EXTRA
) -> None:
    """Open a frame for a named flow: parameters in the caller's scope, variables in its own."""
    assert body.flow is not None, f"{place.path}: no flow to enter"
    flow = run.program.flows[body.flow]
    params = run.render_all(place, body.params, "with", extra)
    run.add(
        FlowEntered(
            path=frame,
            flow=body.flow,
            params=params,
            vars=_flow_vars(run, place, flow, params),
            attempt=attempt,
        )
    )


def _flow_vars(run: Run, place: Place, flow: Flow, params: Extra) -> dict[str, Json]:
    if not flow.vars:
        return {}
    names = run.names(place)
    seen = {"input": names["input"], "vars": dict(run.state.vars), "workflow": names["workflow"]}
    values = {
        name: run.render_with(place, template, f"vars.{name}", {**seen, **params})
        for name, template in flow.vars.items()
    }
    run.bounded(place, dict(values), "vars")
    return values
