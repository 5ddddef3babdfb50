"""A clock that stands still until it is told: the Clock port on virtual time."""

from __future__ import annotations

import asyncio
import heapq
from datetime import UTC, datetime, timedelta

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)


class VirtualClock:
    """Implements `perdure.ports.Clock`. Time moves only by `advance`; tokens count from 0.

    `now` follows `monotonic` until `jump` sets it apart, as the clock of a real machine does.
    """

    def __init__(self, now: datetime = BEGINNING) -> None:
        self._begin = now
        self._passed = timedelta()
        self._jumped = timedelta()
        self._sleepers: list[tuple[timedelta, int, asyncio.Future[None]]] = []
        self._count = 0
        self.trusted = True

    def now(self) -> datetime:
        """Return the time: aware UTC."""
        return self._begin + self._passed + self._jumped

    def monotonic(self) -> float:
        """Return the seconds that have passed; a jump does not show here."""
        return self._passed.total_seconds()

    async def sleep(self, seconds: float) -> None:
        """Wait until so much time has passed; at once, but not without a round of the loop, for
        zero and less.
        """
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        self._count += 1
        waiting = asyncio.get_running_loop().create_future()
        entry = (self._passed + timedelta(seconds=seconds), self._count, waiting)
        heapq.heappush(self._sleepers, entry)
        await waiting

    def token(self) -> str:
        """Return 16 hex digits that no call before has returned."""
        self._count += 1
        return f"{self._count:016x}"

    def is_trusted(self) -> bool:
        """Say what `trusted` says."""
        return self.trusted

    def advance(self, seconds: float) -> None:
        """Let time pass; whoever sleeps until then wakes in the next round of the loop."""
        self._passed += timedelta(seconds=seconds)
        while self._sleepers and self._sleepers[0][0] <= self._passed:
            _, _, waiting = heapq.heappop(self._sleepers)
            if not waiting.done():
                waiting.set_result(None)

    def jump(self, seconds: float) -> None:
        """Set the clock: `now` moves, forth or back, and nobody has waited."""
        self._jumped += timedelta(seconds=seconds)
