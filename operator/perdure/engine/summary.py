"""summarise(state): how an instance is told to people; decides nothing.

What the status shows follows from the history alone, so it can be lost and made again. Source:
docs/architecture.md#history.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from perdure.engine.events import Failure, Purpose
from perdure.engine.external import time_text
from perdure.engine.paths import name_of
from perdure.engine.state import OpenActivity, OpenTimer, OpenWait, Outcome, State
from perdure.engine.values import Json
from perdure.engine.work import next_wake

MAX_WAITING = 10
"""A status is read by people; what is open beyond that is in the history."""

MAX_MESSAGE = 1024
"""Characters of a message; answers of servers end up in them."""


class Phase(StrEnum):
    """One word on where an instance stands. The last three are final."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUSPENDED = "Suspended"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    TERMINATED = "Terminated"


class What(StrEnum):
    """What an instance waits for."""

    ACTIVITY = "Activity"
    EVENT = "Event"
    RETRY = "Retry"
    TIMER = "Timer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One thing an instance waits for; `until` is when it ends the wait itself, if ever."""

    what: What
    name: str
    path: str
    since: datetime
    until: datetime | None = None
    attempt: int | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a status shows of a history.

    `progress` is "ended/all" steps of the main flow, None before the start and where their number
    is not known. `waiting_for` has at most MAX_WAITING entries, activities first. `wake_at` is
    when the earliest timer that can act comes due. `output` and `error` are those of the end.
    """

    phase: Phase
    message: str
    progress: str | None = None
    waiting_for: tuple[Waiting, ...] = ()
    started_at: datetime | None = None
    completed_at: datetime | None = None
    wake_at: datetime | None = None
    output: Json = None
    error: Failure | None = None


def summarise(state: State) -> Summary:
    """Return what to tell about the instance. Total and deterministic."""
    waiting = waiting_for(state)
    ended = state.ended
    return Summary(
        phase=phase_of(state),
        message=_shortened(_message(state, waiting)),
        progress=_progress(state),
        waiting_for=waiting,
        started_at=state.started_at,
        completed_at=None if ended is None else ended.at,
        wake_at=next_wake(state),
        output=None if ended is None else ended.output,
        error=None if ended is None else ended.error,
    )


def phase_of(state: State) -> Phase:
    """Return the phase word; an instance whose end is only requested still runs."""
    if state.ended is not None:
        return Phase(state.ended.ending.value)
    if not state.is_started:
        return Phase.PENDING
    if state.is_suspended and state.ending is None:
        return Phase.SUSPENDED
    return Phase.RUNNING


def waiting_for(state: State) -> tuple[Waiting, ...]:
    """Return what the instance waits for: activities, events, retries, timers, each by age."""
    if state.ended is not None:
        return ()
    deadlines = {t.path: t.fire_at for t in _timers(state, Purpose.STEP_TIMEOUT)}
    found = [
        *(_activity(state, state.activities[i], deadlines) for i in sorted(state.activities)),
        *(_event(state.waits[i], deadlines) for i in sorted(state.waits)),
        *(_retry(state, timer) for timer in _timers(state, Purpose.RETRY)),
        *(_timer(timer) for timer in _timers(state, Purpose.WAIT)),
    ]
    return tuple(found[:MAX_WAITING])


def _timers(state: State, purpose: Purpose) -> list[OpenTimer]:
    return [state.timers[i] for i in sorted(state.timers) if state.timers[i].purpose is purpose]


def _activity(state: State, activity: OpenActivity, deadlines: dict[str, datetime]) -> Waiting:
    failure = state.units[activity.path].failure
    return Waiting(
        what=What.ACTIVITY,
        name=name_of(activity.path),
        path=activity.path,
        since=activity.since,
        until=deadlines.get(activity.path),
        attempt=activity.attempt,
        message=None if failure is None else _shortened(_told(failure)),
    )


def _event(wait: OpenWait, deadlines: dict[str, datetime]) -> Waiting:
    return Waiting(
        what=What.EVENT,
        name=wait.name,
        path=wait.path,
        since=wait.since,
        until=deadlines.get(wait.path),
    )


def _retry(state: State, timer: OpenTimer) -> Waiting:
    unit = state.units[timer.path]
    return Waiting(
        what=What.RETRY,
        name=name_of(timer.path),
        path=timer.path,
        since=timer.since,
        until=timer.fire_at,
        attempt=unit.attempt + 1,
        message=None if unit.failure is None else _shortened(_told(unit.failure)),
    )


def _timer(timer: OpenTimer) -> Waiting:
    return Waiting(
        what=What.TIMER,
        name=name_of(timer.path),
        path=timer.path,
        since=timer.since,
        until=timer.fire_at,
    )


def _progress(state: State) -> str | None:
    if not state.is_started or state.steps == 0:
        return None
    ended = sum(unit.stage.is_final for path, unit in state.units.items() if _is_main(path))
    return f"{ended}/{state.steps}"


def _is_main(path: str) -> bool:
    """Return whether the unit is a step of the main flow, not of a body below one."""
    return not any(mark in path for mark in ".~[")


def _message(state: State, waiting: tuple[Waiting, ...]) -> str:
    if state.ended is not None:
        return _end_message(state.ended)
    if not state.is_started:
        return "not started yet"
    if state.ending is not None:
        return f"ending: {_end_message(state.ending)}; open work is being cancelled"
    if state.is_suspended:
        return "suspended" + (f": {state.suspend_reason}" if state.suspend_reason else "")
    if not waiting:
        return "running"
    more = len(state.activities) + len(state.waits) + _sleeping(state) - 1
    return _sentence(waiting[0]) + (f", and {more} more" if more else "")


def _sleeping(state: State) -> int:
    return sum(t.purpose in (Purpose.WAIT, Purpose.RETRY) for t in state.timers.values())


def _end_message(outcome: Outcome) -> str:
    word = outcome.ending.value.lower()
    if outcome.error is None:
        return word
    where = "" if outcome.error.step is None else f" at {outcome.error.step}"
    return f"{word}{where}: {_told(outcome.error)}"


def _sentence(waiting: Waiting) -> str:
    """Return one sentence, such as `waiting for event "approved" until 2026-01-01T00:00:00Z`."""
    until = "" if waiting.until is None else f" until {_moment(waiting.until)}"
    match waiting.what:
        case What.ACTIVITY:
            attempt = "" if waiting.attempt == 1 else f" (attempt {waiting.attempt})"
            return f"waiting for {waiting.path}{attempt}{until}"
        case What.EVENT:
            return f'waiting for event "{waiting.name}"{until}'
        case What.RETRY:
            assert waiting.until is not None
            when = _moment(waiting.until)
            why = "" if waiting.message is None else f" after {waiting.message}"
            return f"attempt {waiting.attempt} of {waiting.path} at {when}{why}"
        case What.TIMER:
            return f"waiting at {waiting.path}{until}"


def _told(failure: Failure) -> str:
    return f"{failure.type}: {failure.message}" if failure.message else failure.type


def _moment(time: datetime) -> str:
    return time_text(time.replace(microsecond=0))


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_MESSAGE else f"{text[: MAX_MESSAGE - 1]}…"
