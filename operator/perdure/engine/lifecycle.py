"""Arms of the fold: the life of the instance itself."""

from __future__ import annotations

from perdure.engine.events import (
    EndRequested,
    InstanceEnded,
    InstanceStarted,
    InstanceSuspended,
)
from perdure.engine.paths import MAIN
from perdure.engine.state import Frame, Outcome, State
from perdure.engine.update import changed


def start(state: State, event: InstanceStarted) -> State:
    """Accept the instance: its main frame is open, no step has begun."""
    return changed(
        state,
        definition=event.definition,
        revision=event.revision,
        started_at=event.at,
        steps=event.steps,
        input=event.input,
        vars=dict(event.vars),
        frames={MAIN: Frame(path=MAIN, flow=None)},
    )


def suspend(state: State, event: InstanceSuspended) -> State:
    """Hold everything that would begin."""
    return changed(state, is_suspended=True, suspend_reason=event.reason)


def resume(state: State) -> State:
    """Let things begin again."""
    return changed(state, is_suspended=False, suspend_reason=None)


def request_end(state: State, event: EndRequested) -> State:
    """Cancel all open work; the final event follows when that is known elsewhere."""
    outcome = Outcome(ending=event.ending, output=event.output, error=event.error, at=event.at)
    return changed(_silenced(state), ending=outcome)


def end(state: State, event: InstanceEnded) -> State:
    """End the instance for ever."""
    outcome = Outcome(ending=event.ending, output=event.output, error=event.error, at=event.at)
    return changed(_silenced(state), ended=outcome, inbox=(), inbox_bytes=0)


def _silenced(state: State) -> State:
    return changed(state, activities={}, timers={}, waits={})
