"""How soon a status has to show what a turn led to. Pure. Source: docs/log.md#reflecting."""

from __future__ import annotations

from datetime import timedelta

from perdure.engine.events import Purpose
from perdure.engine.state import OpenTimer, State
from perdure.ports import Observed

AT_ONCE = 0.0
STARTED_SECONDS = 1.0
PROGRESS_SECONDS = 5.0

LONG_WAIT = timedelta(seconds=PROGRESS_SECONDS)
"""A wait that is over sooner is over before its status would have been written."""


def urgency(before: State, after: State, seen: Observed, observed: Observed) -> float:
    """Return within how many seconds a status has to show `after` and `observed`.

    `before` and `seen` are what the turn was based on. At once is shown what somebody may act
    upon, and what will stay for a while:

    - the end, and that the instance is suspended or resumed;
    - a wait for an external event that begins, whatever else runs: who is to raise it looks here;
    - that the instance has come to rest: no activity is open, and all that it sleeps for, a timer
      or the delay before a retry, takes LONG_WAIT and more from now on;
    - another reason why it cannot start or go on.

    A start is shown after a second, so that a short instance is written once. Everything else is
    progress: its messages, a time-out, a request to end whose work is being cancelled, and short
    waits. Those lie between two states that are shown.
    """
    if _is_over_or_held(after) != _is_over_or_held(before):
        return AT_ONCE
    if (seen.pending, seen.stalled) != (observed.pending, observed.stalled):
        return AT_ONCE
    if after.waits.keys() - before.waits.keys() or _has_come_to_rest(before, after):
        return AT_ONCE
    return STARTED_SECONDS if after.is_started and not before.is_started else PROGRESS_SECONDS


def _is_over_or_held(state: State) -> tuple[bool, bool, str | None]:
    return state.ended is not None, state.is_suspended, state.suspend_reason


def _has_come_to_rest(before: State, after: State) -> bool:
    """Return whether it rests, and did not before or for something else."""
    return _rests(after) and (not _rests(before) or _sleeps(after) != _sleeps(before))


def _rests(state: State) -> bool:
    """Return whether nothing runs, and nothing will for a while.

    One that only waits for an event rests, too; one with nothing to wait for is about to go on.
    """
    if state.last_at is None or not state.is_running or state.activities:
        return False
    dues = [timer.fire_at for timer in _sleeps(state).values()]
    return bool(dues or state.waits) and all(due - state.last_at >= LONG_WAIT for due in dues)


def _sleeps(state: State) -> dict[int, OpenTimer]:
    return {
        timer_id: timer
        for timer_id, timer in state.timers.items()
        if timer.purpose in (Purpose.WAIT, Purpose.RETRY)
    }
