"""fold(state, event): the only place that says what an event means.

Read this file first. The arms live beside it by subject: lifecycle, steps, activities, timers and
external events.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from perdure.engine import activities, external, lifecycle, steps, timers
from perdure.engine.events import (
    ActivityAccepted,
    ActivityClaimed,
    ActivityCompleted,
    ActivityFailed,
    ActivityScheduled,
    AttemptFailed,
    BranchTaken,
    CatchEntered,
    EndRequested,
    EventAwaited,
    EventReceived,
    EventRefused,
    EventsMatched,
    FlowEntered,
    FlowReturned,
    HistoryEvent,
    InstanceEnded,
    InstanceResumed,
    InstanceStarted,
    InstanceSuspended,
    StepCaught,
    StepFailed,
    StepSkipped,
    StepSucceeded,
    TimerCreated,
    TimerFired,
    VariablesSet,
)
from perdure.engine.state import State
from perdure.engine.update import changed


def fold(state: State, event: HistoryEvent) -> State:
    """Return the state after one more history event.

    Total and deterministic: equal arguments give equal results, on any machine, on any day. No
    expression is evaluated and no definition is read: an event carries the values that were
    decided, so an old history folds alike on every later version. Raises AssertionError when the
    event's id does not follow the state's: that is a bug of the caller or a damaged history.
    """
    assert event.id == state.last_id + 1, f"event {event.id} does not follow {state.last_id}"
    return apply(changed(state, last_id=event.id, last_at=event.at), event)


def replay(state: State, events: Iterable[HistoryEvent]) -> State:
    """Return the state after all the events, in order."""
    for event in events:
        state = fold(state, event)
    return state


def apply(state: State, event: HistoryEvent) -> State:
    """Return what the event changes; the arms have names."""
    match event:
        case InstanceStarted():
            return lifecycle.start(state, event)
        case InstanceSuspended():
            return lifecycle.suspend(state, event)
        case InstanceResumed():
            return lifecycle.resume(state)
        case EndRequested():
            return lifecycle.request_end(state, event)
        case InstanceEnded():
            return lifecycle.end(state, event)
        case FlowEntered():
            return steps.enter_flow(state, event)
        case FlowReturned():
            return steps.return_from_flow(state, event)
        case BranchTaken():
            return steps.take_branch(state, event)
        case VariablesSet():
            return steps.set_variables(state, event)
        case StepSkipped():
            return steps.skip(state, event)
        case StepSucceeded():
            return steps.succeed(state, event.path, event.output, at=event.at)
        case StepCaught():
            return steps.catch(state, event)
        case StepFailed():
            return steps.fail(state, event)
        case AttemptFailed():
            return steps.fail_attempt(state, event)
        case CatchEntered():
            return steps.enter_catch(state, event)
        case ActivityScheduled():
            return activities.schedule(state, event)
        case ActivityClaimed():
            return activities.claim(state, event)
        case ActivityAccepted():
            return activities.accept(state, event)
        case ActivityCompleted():
            return activities.complete(state, event)
        case ActivityFailed():
            return activities.fail(state, event)
        case TimerCreated():
            return timers.create(state, event)
        case TimerFired():
            return timers.fire(state, event)
        case EventAwaited():
            return external.await_event(state, event)
        case EventReceived():
            return external.receive(state, event)
        case EventRefused():
            return external.refuse(state, event)
        case EventsMatched():
            return external.match(state, event)
        case _:
            assert_never(event)
