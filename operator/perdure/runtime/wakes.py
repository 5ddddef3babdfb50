"""One heap of wake-ups for all instances: at most one per key, the earliest that counts.

The heap is rebuilt from the hints at start and corrected by every turn; a stale entry is skipped.
It sleeps at most a second at a time, so a jump of the clock delays nothing for long.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Hashable
from datetime import datetime
from typing import Generic, TypeVar

from perdure.ports import Clock

Key = TypeVar("Key", bound=Hashable)

LONGEST_SLEEP = 1.0


class Wakes(Generic[Key]):
    """Call `due(key)` when a key's time has come; never before it by this clock."""

    def __init__(self, clock: Clock, due: Callable[[Key], None]) -> None:
        self._clock = clock
        self._due = due
        self._times: dict[Key, float] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._count = 0
        self._changed = asyncio.Event()

    def set(self, key: Key, at: datetime | None) -> None:
        """Wake the key at this time instead of any other; None: not at all."""
        if at is None:
            self._times.pop(key, None)
            return
        seconds = at.timestamp()
        if self._times.get(key) == seconds:
            return
        self._times[key] = seconds
        self._count += 1
        heapq.heappush(self._heap, (seconds, self._count, key))
        if self._heap[0][1] == self._count:
            self._changed.set()
        self._compact()

    def _compact(self) -> None:
        """Drop stale entries once they are the greater part."""
        if len(self._heap) > 64 and len(self._heap) > 2 * len(self._times):
            self._heap = [e for e in self._heap if self._times.get(e[2]) == e[0]]
            heapq.heapify(self._heap)

    def __len__(self) -> int:
        return len(self._times)

    async def run(self) -> None:
        """Serve until cancelled."""
        while True:
            self._changed.clear()
            delay = self._serve()
            try:
                async with asyncio.timeout(delay):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def _serve(self) -> float:
        """Report what is due; return how long to sleep."""
        now = self._clock.now().timestamp()
        while self._heap and self._heap[0][0] <= now:
            seconds, _, key = heapq.heappop(self._heap)
            if self._times.get(key) == seconds:
                del self._times[key]
                self._due(key)
        if not self._heap:
            return LONGEST_SLEEP
        return min(LONGEST_SLEEP, max(0.0005, self._heap[0][0] - now))
