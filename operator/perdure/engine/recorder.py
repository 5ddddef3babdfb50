"""The Recorder: how an orchestrator writes down decisions, one by one, seeing each at once."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from perdure.engine.events import HistoryEvent
from perdure.engine.fold import fold
from perdure.engine.state import State

MAX_EVENTS = 500
"""One turn decides at most this many events; the rest follows in the next turn."""
LONGEST_DECISION = 4
"""So many events at most are recorded between two looks at `is_full`."""


def is_full(count: int) -> bool:
    """Return whether a turn with so many events stopped for their number: there may be more."""
    return count > MAX_EVENTS - LONGEST_DECISION


class Recorder:
    """Number, date and fold events as they are decided.

    `at` is the later of `now` and the last event's time, so history never goes back in time.
    """

    def __init__(self, state: State, now: datetime) -> None:
        self.state = state
        self.now = now
        self.events: list[HistoryEvent] = []
        self._at = now if state.last_at is None else max(now, state.last_at)

    @property
    def is_full(self) -> bool:
        """Return whether this turn has decided as much as it may."""
        return is_full(len(self.events))

    def add(self, event: HistoryEvent) -> int:
        """Record one decision and return its id."""
        numbered = replace(event, id=self.state.last_id + 1, at=self._at)
        self.state = fold(self.state, numbered)
        self.events.append(numbered)
        return numbered.id
