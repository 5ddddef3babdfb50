"""Arms of the fold: activity attempts, their claims and results.

A result for an attempt that is not open any more changes nothing: deduplication is by what is
open, so a late or doubled result is harmless wherever it comes from.
"""

from __future__ import annotations

from dataclasses import replace

from perdure.engine.events import (
    ActivityAccepted,
    ActivityClaimed,
    ActivityCompleted,
    ActivityFailed,
    ActivityScheduled,
)
from perdure.engine.state import OpenActivity, Stage, State
from perdure.engine.steps import succeed
from perdure.engine.update import changed, drop, put, with_unit


def schedule(state: State, event: ActivityScheduled) -> State:
    """Open an attempt. Later attempts use the request that the first one recorded."""
    request, request_id = event.request, event.id
    if event.request_of is not None:
        unit = state.units[event.path]
        assert unit.request_id == event.request_of, f"event {event.id}: no such request"
        request, request_id = unit.request, event.request_of
    activity = OpenActivity(
        scheduled_id=event.id,
        path=event.path,
        kind=event.kind,
        attempt=event.attempt,
        request=request,
        claim=event.claim,
        since=event.at,
    )
    state = changed(state, activities=put(state.activities, event.id, activity))
    return with_unit(
        state,
        event.path,
        at=event.at,
        stage=Stage.WORKING,
        attempt=event.attempt,
        request=request,
        request_id=request_id,
    )


def claim(state: State, event: ActivityClaimed) -> State:
    """Hand the attempt to another process."""
    activity = state.activities.get(event.scheduled_id)
    if activity is None:
        return state
    return _put(state, replace(activity, claim=event.claim))


def accept(state: State, event: ActivityAccepted) -> State:
    """Remember the answer that names what to poll."""
    activity = state.activities.get(event.scheduled_id)
    if activity is None:
        return state
    return _put(state, replace(activity, is_accepted=True, answer=event.answer))


def complete(state: State, event: ActivityCompleted) -> State:
    """Close the attempt, and with it its step."""
    activity = state.activities.get(event.scheduled_id)
    if activity is None:
        return state
    return succeed(state, activity.path, event.output, at=event.at)


def fail(state: State, event: ActivityFailed) -> State:
    """Close the attempt; retry, catch or failure is decided separately."""
    activity = state.activities.get(event.scheduled_id)
    if activity is None:
        return state
    state = changed(state, activities=drop(state.activities, event.scheduled_id))
    return with_unit(state, activity.path, at=event.at, stage=Stage.FAILING, failure=event.failure)


def _put(state: State, activity: OpenActivity) -> State:
    return changed(state, activities=put(state.activities, activity.scheduled_id, activity))
