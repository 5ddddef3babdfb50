"""One write under way per process, its lanes in rotation. Source: docs/log.md#writing.

What lanes write side by side costs the API server as much as if nothing were gathered.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from perdure.ports import Clock

SLOW_SECONDS = 0.05
"""After so long without an answer the other lanes go on: only this one waits for it."""


class Turnstile:
    """Lets lanes pass one by one, in the order in which they came."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def passage(self) -> AsyncIterator[None]:
        """Hold the turnstile while an entry is written, but not for longer than SLOW_SECONDS."""
        await self._lock.acquire()
        passage = _Passage(self._lock)
        timer = asyncio.ensure_future(self._open(passage))
        try:
            yield
        finally:
            timer.cancel()
            passage.end()

    async def _open(self, passage: _Passage) -> None:
        await self._clock.sleep(SLOW_SECONDS)
        passage.end()


class _Passage:
    """Holds the lock until it is ended, the first time."""

    def __init__(self, lock: asyncio.Lock) -> None:
        self._lock: asyncio.Lock | None = lock

    def end(self) -> None:
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.release()
