"""A keyed queue: one worker per key at a time, urgent lanes first.

A key that is marked while a worker has it runs again afterwards; marks never pile up. So a turn
sees everything that was known when it began, and nothing that comes later is lost.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from enum import IntEnum
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Lane(IntEnum):
    """What is served first: controls and events, then timers, then insurance."""

    CONTROL = 0
    TIMER = 1
    RESYNC = 2


_URGENT = (Lane.CONTROL, Lane.TIMER, Lane.RESYNC)
_ORDERS = (
    (Lane.RESYNC, Lane.TIMER, Lane.CONTROL),
    *(_URGENT,) * 3,
    (Lane.TIMER, Lane.CONTROL, Lane.RESYNC),
    *(_URGENT,) * 3,
)
"""Which lane a pick begins with: three of four times the most urgent one."""


class KeyedQueue(Generic[Key]):
    """Run `process(key)` for marked keys, at most `workers` at a time and one per key.

    `process` must not raise; what it raises all the same ends the queue, loudly.
    """

    def __init__(self, process: Callable[[Key], Awaitable[None]], *, workers: int) -> None:
        self._process = process
        self._lanes: dict[Lane, deque[Key]] = {lane: deque() for lane in Lane}
        self._waiting: dict[Key, Lane] = {}
        self._running: set[Key] = set()
        self._again: dict[Key, Lane] = {}
        self._ready = asyncio.Semaphore(0)
        self._workers = workers
        self._picks = 0
        self._tasks: list[asyncio.Task[None]] = []

    def mark(self, key: Key, lane: Lane = Lane.CONTROL) -> None:
        """Ask for a run of the key; a mark in a more urgent lane overtakes an earlier one."""
        if key in self._running:
            self._again[key] = min(lane, self._again.get(key, lane))
            return
        waiting = self._waiting.get(key)
        if waiting is not None and waiting <= lane:
            return
        self._waiting[key] = lane
        self._lanes[lane].append(key)
        self._ready.release()

    def start(self) -> None:
        """Begin to work."""
        self._tasks = [asyncio.create_task(self._work()) for _ in range(self._workers)]

    async def stop(self) -> None:
        """Start nothing more; cancel what runs and wait for it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def failed(self) -> BaseException | None:
        """Return what ended a worker, None while all is well."""
        for task in self._tasks:
            if task.done() and not task.cancelled() and task.exception() is not None:
                return task.exception()
        return None

    @property
    def depth(self) -> int:
        """Return how many keys wait."""
        return len(self._waiting)

    @property
    def is_idle(self) -> bool:
        """Return whether nothing waits and nothing runs."""
        return not self._waiting and not self._running

    async def _work(self) -> None:
        while True:
            await self._ready.acquire()
            key = self._next()
            if key is None:
                continue
            self._running.add(key)
            try:
                await self._process(key)
            finally:
                self._running.discard(key)
                lane = self._again.pop(key, None)
                if lane is not None:
                    self.mark(key, lane)

    def _next(self) -> Key | None:
        """Return the most urgent key; None for a mark that was overtaken.

        Now and then another lane goes first, so that a flood of events makes timers late by
        backlog over rate, and not for ever.
        """
        self._picks += 1
        for lane in _ORDERS[self._picks % len(_ORDERS)]:
            keys = self._lanes[lane]
            while keys:
                key = keys.popleft()
                if self._waiting.get(key) is lane:
                    del self._waiting[key]
                    return key
        return None
