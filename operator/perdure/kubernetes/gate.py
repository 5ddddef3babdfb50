"""Slowing down when the API server asks for it (429), for all requests together.

Retry-After closes the gate for everybody; when it opens, fewer requests are in flight at once:
half as many after each refusal, one more after each round of successes. Source:
https://kubernetes.io/docs/concepts/cluster-administration/flow-control/
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from perdure.errors import ThrottledError
from perdure.ports import Clock


@dataclass(slots=True)
class Pass:
    """One request on its way; `retry_after` (seconds) is set when it was answered 429."""

    entered_at: float
    retry_after: float | None = None


class Gate:
    """Lets at most `most` requests through at once, fewer after refusals."""

    def __init__(self, clock: Clock, most: int) -> None:
        self._clock = clock
        self._most = most
        self._window = float(most)
        self._inside = 0
        self._opens_at = 0.0
        self._narrowed_at = -math.inf
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def window(self) -> int:
        """How many requests may be in flight now."""
        return int(self._window)

    @asynccontextmanager
    async def passage(self, patience: float) -> AsyncIterator[Pass]:
        """Hold a place while a request is made.

        Raises ThrottledError, nothing sent, if none is free within `patience` seconds.
        """
        await self._enter(patience)
        ticket = Pass(self._clock.monotonic())
        try:
            yield ticket
        finally:
            self._settle(ticket)
            self._leave()

    async def opened(self) -> None:
        """Wait while the gate is closed."""
        while (delay := self._opens_at - self._clock.monotonic()) > 0:
            await self._clock.sleep(delay)

    async def _enter(self, patience: float) -> None:
        is_inside = False
        try:
            async with asyncio.timeout(patience):
                await self._take_place()
                is_inside = True
                await self.opened()
        except BaseException as error:
            if is_inside:
                self._leave()
            if not isinstance(error, TimeoutError):
                raise
            delay = max(self._opens_at - self._clock.monotonic(), 1.0)
            raise ThrottledError(
                f"not sent: too many requests, no place within {patience:g} s", retry_after=delay
            ) from error

    async def _take_place(self) -> None:
        while self._inside >= self.window:
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                self._wake()  # whoever was woken and goes away passes it on
                raise
        self._inside += 1

    def _leave(self) -> None:
        self._inside -= 1
        self._wake()

    def _wake(self) -> None:
        free = self.window - self._inside
        while free > 0 and self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                free -= 1

    def _settle(self, ticket: Pass) -> None:
        if ticket.retry_after is None:
            self._window = min(self._window + 1 / self._window, float(self._most))
            return
        now = self._clock.monotonic()
        self._opens_at = max(self._opens_at, now + ticket.retry_after)
        if ticket.entered_at > self._narrowed_at:  # a burst of refusals counts once
            self._window = max(self._window / 2, 1.0)
            self._narrowed_at = now
