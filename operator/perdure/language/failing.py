"""What follows from a failed attempt: another attempt, a catch entry, or the step's failure."""

from __future__ import annotations

from perdure.engine.events import (
    CatchEntered,
    Failure,
    Purpose,
    StepCaught,
    StepFailed,
    StepSucceeded,
    TimerCreated,
)
from perdure.engine.state import Stage, Unit
from perdure.engine.values import Json
from perdure.engine.work import idempotency_key
from perdure.language.places import Place
from perdure.language.program import Catch, EventVerb
from perdure.language.retrying import delay_before_next, may_repeat
from perdure.language.run import Run, StepFault


def repeat(run: Run, place: Place) -> bool:
    """Set the timer of the next attempt if there is to be one; also while suspended."""
    unit = run.unit(place)
    if unit is None or unit.stage is not Stage.FAILING or unit.failure is None:
        return False
    if not may_repeat(place.step.retry, unit.attempt, unit.failure):
        return False
    if not _wanted(run, place, unit.failure):
        return False
    key = idempotency_key(run.state.uid, place.path)
    delay = delay_before_next(place.step.retry, unit.attempt, unit.failure, key)
    run.add(TimerCreated(path=place.path, purpose=Purpose.RETRY, fire_at=run.now + delay))
    return True


def _wanted(run: Run, place: Place, failure: Failure) -> bool:
    """Return what `retry.when` says; one that fails to evaluate repeats nothing."""
    condition = place.step.retry.when
    if condition is None:
        return failure.retryable
    try:
        return run.holds(place, condition, "retry.when", {"error": failure.as_json()})
    except StepFault:
        return False


def settle(run: Run, place: Place, unit: Unit) -> None:
    """Decide what follows from the unit's failure."""
    assert unit.failure is not None, f"{place.path}: failing without a failure"
    if repeat(run, place):
        return
    if _is_tolerated(place, unit.failure):
        run.add(StepSucceeded(path=place.path, output=None))
        return
    for index, entry in enumerate(place.step.catch):
        if _matches(run, place, entry, unit.failure):
            _catch(run, place, index, entry, unit.failure)
            return
    run.add(StepFailed(path=place.path, error=unit.failure))


def _is_tolerated(place: Place, failure: Failure) -> bool:
    """Return whether this is the time-out of an event wait with `onTimeout: Continue`."""
    verb = place.step.verb
    is_own_timeout = failure.final and failure.type == "Timeout"
    return isinstance(verb, EventVerb) and verb.continues_on_timeout and is_own_timeout


def _matches(run: Run, place: Place, entry: Catch, failure: Failure) -> bool:
    """Return whether the entry's `when` holds; one that fails or is no boolean does not match."""
    if entry.when is None:
        return True
    return run.accepts(entry.when, run.names(place, {"error": failure.as_json()}))


def _catch(run: Run, place: Place, index: int, entry: Catch, failure: Failure) -> None:
    if entry.body.is_empty:
        conclude_catch(run, place, entry, failure, result=None)
    else:
        run.add(CatchEntered(path=place.path, index=index, failure=failure))


def conclude_catch(run: Run, place: Place, entry: Catch, failure: Failure, *, result: Json) -> None:
    """End the step as caught, with the entry's output or its body's."""
    if entry.output is None:
        run.add(StepCaught(path=place.path, output=result))
        return
    try:
        extra = {"error": failure.as_json(), "result": result}
        output = run.render(place, entry.output, "catch.output", extra)
    except StepFault as fault:
        run.add(StepFailed(path=place.path, error=fault.failure))
        return
    run.add(StepCaught(path=place.path, output=output))
