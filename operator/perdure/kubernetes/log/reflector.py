"""Showing committed turns in statuses: when, in which order, and when again.

Source: docs/log.md#reflecting.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from perdure.kubernetes.backoff import FIRST_SECONDS, jittered
from perdure.kubernetes.log.agenda import TICK, Agenda, Kind, Pace
from perdure.kubernetes.log.reflection import Reflection
from perdure.kubernetes.log.statuses import (
    Gone,
    Later,
    Moved,
    Outcome,
    Refused,
    Shown,
    Statuses,
)
from perdure.ports import Clock, InstanceKey, Objects

logger = logging.getLogger(__name__)

AT_ONCE = 16
"""Writes of each kind that are under way at once: progress takes no place from ends."""

PER_SECOND, BURST = 50.0, 5
"""Of writes that show progress; the burst makes up for a loop that was late."""

MOST_SECONDS = 5.0
"""The longest back-off while the API server has trouble."""

REFUSED_SECONDS, MOST_REFUSED_SECONDS = 1.0, 60.0
"""The back-off of what is refused for what it says: only a later turn, or a person, helps."""


class Shelf(Protocol):
    """Where the reflector finds what is to be shown. Neither method raises or waits."""

    def take(self, uid: str) -> Reflection | None:
        """Return what the status of the instance is to show now; None: nothing, for now."""
        ...

    def told(self, uid: str, outcome: Outcome) -> None:
        """Take note of what became of what was taken last."""
        ...


class Reflector:
    """Writes what is wanted until it is shown, gone, or the shelf has nothing more of it.

    What is wanted at once has the next free place; the rest is written when its deadline comes,
    earliest first and at a bounded rate. What is written is taken from the shelf at that moment.
    There are never two writes of one instance at a time.
    """

    def __init__(self, objects: Objects, clock: Clock, shelf: Shelf) -> None:
        self._statuses, self._clock, self._shelf = Statuses(objects, clock), clock, shelf
        self._agenda = Agenda()
        self._pace = Pace(PER_SECOND, BURST, clock.monotonic())
        self._places = dict.fromkeys(Kind, AT_ONCE)
        self._failures: dict[str, int] = {}
        """Of the writes of an instance, in a row."""
        self._flushes: list[_Flush] = []
        self._changed = asyncio.Event()
        self._wakes_at = math.inf

    def want(self, uid: str, within_seconds: float) -> None:
        """Ask for a write of the instance's status by then; with 0 it takes no turn in the pace.

        An earlier deadline stays. After a failure a write waits for its back-off all the same.
        """
        now = self._clock.monotonic()
        self._agenda.want(uid, now, within_seconds)
        if self._next_start(now) < self._wakes_at - TICK:
            self._changed.set()

    def urge(self, uid: str) -> None:
        """Ask for a write now: the entry that holds its turns is about to be replaced."""
        self.want(uid, 0.0)

    async def flush(self, uids: Iterable[str], limit_seconds: float) -> frozenset[str]:
        """Write these now, and wait until all that is wanted of them is done.

        Return those of which it was not, after so many seconds. `run` has to be running.
        """
        flush = _Flush(set(uids), asyncio.Event())
        if not flush.uids:
            return frozenset()
        for uid in flush.uids:
            self.urge(uid)
        self._flushes.append(flush)
        alarm = asyncio.create_task(self._ring(limit_seconds, flush.over))
        try:
            await flush.over.wait()
        finally:
            alarm.cancel()
            self._flushes.remove(flush)
        return frozenset(flush.uids)

    @property
    def lag_seconds(self) -> float:
        """Return for how long the oldest of what is not shown has been wanted; 0.0 without any."""
        oldest = self._agenda.oldest()
        return 0.0 if oldest is None else self._clock.monotonic() - oldest

    def suspects(self) -> list[InstanceKey]:
        """Return, once, the instances for which segments were created that no status may name."""
        return self._statuses.suspects()

    async def run(self) -> None:
        """Write what is wanted; ends only by cancellation."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._changed.clear()
                self._start_due(group)
                await self._rest(group)

    # --- when -------------------------------------------------------------------------------

    def _start_due(self, group: asyncio.TaskGroup) -> None:
        now = self._clock.monotonic()
        for kind in Kind:
            while self._may_start(kind, now) and (uid := self._agenda.begin(kind, now)) is not None:
                self._start(group, kind, uid)

    def _may_start(self, kind: Kind, now: float) -> bool:
        has_turn = kind is Kind.URGENT or self._pace.next_at(now) <= now + TICK
        return has_turn and self._places[kind] > 0

    def _start(self, group: asyncio.TaskGroup, kind: Kind, uid: str) -> None:
        reflection = self._shelf.take(uid)
        if reflection is None:
            self._end(uid)
            return
        self._places[kind] -= 1
        if kind is Kind.PACED:
            self._pace.take(self._clock.monotonic())
        group.create_task(self._serve(uid, reflection, kind))

    async def _rest(self, group: asyncio.TaskGroup) -> None:
        """Wait until something is due, or has changed."""
        now = self._clock.monotonic()
        self._wakes_at = self._next_start(now)
        alarm = None
        if self._wakes_at < math.inf:
            alarm = group.create_task(self._ring(self._wakes_at - now, self._changed))
        await self._changed.wait()
        if alarm is not None:
            alarm.cancel()

    def _next_start(self, now: float) -> float:
        """Return when the next write may begin, unless one that is under way ends before."""
        return min(self._next_start_of(kind, now) for kind in Kind)

    def _next_start_of(self, kind: Kind, now: float) -> float:
        if self._places[kind] == 0:
            return math.inf
        due = self._agenda.next_at(kind)
        return due if kind is Kind.URGENT else max(due, self._pace.next_at(now))

    async def _ring(self, seconds: float, bell: asyncio.Event) -> None:
        await self._clock.sleep(seconds)
        bell.set()

    # --- one write --------------------------------------------------------------------------

    async def _serve(self, uid: str, reflection: Reflection, kind: Kind) -> None:
        try:
            outcome = await self._statuses.write(reflection)
        except Exception as bug:
            name = reflection.basis.key.name
            logger.exception("a status cannot be planned or written", extra={"instance": name})
            outcome = Refused(f"a bug: {bug!r}", is_too_large=False)
        finally:
            self._places[kind] += 1
        if not isinstance(outcome, Later):
            self._shelf.told(uid, outcome)
        match outcome:
            case Shown() | Gone():
                self._end(uid)
            case Moved() | Refused() | Later():
                self._put_off(uid, outcome)
        self._changed.set()

    def _end(self, uid: str) -> None:
        self._failures.pop(uid, None)
        self._agenda.end(uid)
        if uid in self._agenda:
            return
        for flush in self._flushes:
            flush.done(uid)

    def _put_off(self, uid: str, why: Moved | Refused | Later) -> None:
        failures = self._failures[uid] = self._failures.get(uid, 0) + 1
        match why:
            case Moved() if failures == 1:
                seconds = 0.0  # Mostly a generation that an end has to look at.
            case Refused():
                seconds = self._grown(failures, REFUSED_SECONDS, MOST_REFUSED_SECONDS)
            case Moved():
                seconds = self._grown(failures, FIRST_SECONDS, MOST_SECONDS)
            case Later(retry_after):
                seconds = self._grown(failures, FIRST_SECONDS, MOST_SECONDS)
                seconds = max(seconds, retry_after or 0.0)
        self._agenda.put_off(uid, self._clock.monotonic() + seconds)

    def _grown(self, failures: int, first: float, most: float) -> float:
        return jittered(self._clock, min(first * 2 ** min(failures - 1, 10), most))


@dataclass(frozen=True, slots=True)
class _Flush:
    """Somebody waits until nothing is wanted of these any more."""

    uids: set[str]
    over: asyncio.Event

    def done(self, uid: str) -> None:
        self.uids.discard(uid)
        if not self.uids:
            self.over.set()
