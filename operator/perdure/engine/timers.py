"""Arms of the fold: timers."""

from __future__ import annotations

from perdure.engine.events import Failure, Purpose, TimerCreated, TimerFired
from perdure.engine.paths import MAIN
from perdure.engine.state import OpenTimer, Stage, State
from perdure.engine.update import begun, changed, closed, drop, put, with_unit, without_body


def create(state: State, event: TimerCreated) -> State:
    """Set a timer; one for a retry also closes the body of the attempt before it."""
    timer = OpenTimer(
        timer_id=event.id,
        path=event.path,
        purpose=event.purpose,
        fire_at=event.fire_at,
        since=event.at,
    )
    if event.purpose is Purpose.RETRY:
        state = with_unit(
            without_body(state, event.path), event.path, at=event.at, stage=Stage.BACKOFF
        )
    elif event.purpose is Purpose.WAIT:
        state = begun(state, event.path, at=event.at, stage=Stage.WORKING)
    elif event.purpose is Purpose.STEP_TIMEOUT:
        state = with_unit(state, event.path, at=event.at)
    return changed(state, timers=put(state.timers, event.id, timer))


def fire(state: State, event: TimerFired) -> State:
    """Close the timer and move its step on; a timer that is not open changes nothing."""
    timer = state.timers.get(event.timer_id)
    if timer is None:
        return state
    state = changed(state, timers=drop(state.timers, event.timer_id))
    match timer.purpose:
        case Purpose.WAIT:
            return with_unit(state, timer.path, at=event.at, stage=Stage.RESULT)
        case Purpose.RETRY:
            return with_unit(state, timer.path, at=event.at, stage=Stage.READY)
        case Purpose.STEP_TIMEOUT:
            return _time_out(state, timer, event)
        case Purpose.INSTANCE_TIMEOUT:
            assert timer.path == MAIN
            return state  # the orchestrator ends the instance in the same turn


def _time_out(state: State, timer: OpenTimer, event: TimerFired) -> State:
    failure = Failure(
        type="Timeout",
        message=f"the step did not end within its time-out ({timer.fire_at - timer.since})",
        step=timer.path,
        attempt=state.units[timer.path].attempt or None,
        final=True,
    )
    state = closed(state, timer.path)
    return with_unit(state, timer.path, at=event.at, stage=Stage.FAILING, failure=failure)
