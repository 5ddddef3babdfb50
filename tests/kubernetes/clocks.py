"""Clocks that tests move."""

import asyncio
import itertools
from datetime import UTC, datetime, timedelta

START = datetime(2026, 1, 1, tzinfo=UTC)


class ManualClock:
    """Stands still; `advance` moves it and wakes those whose time has come."""

    def __init__(self) -> None:
        self._seconds = 1000.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []
        self._numbers = itertools.count(1)

    @property
    def sleepers(self) -> int:
        """How many wait for `advance`."""
        return len(self._sleepers)

    def now(self) -> datetime:
        return START + timedelta(seconds=self._seconds)

    def monotonic(self) -> float:
        return self._seconds

    async def sleep(self, seconds: float) -> None:
        entry = (self._seconds + seconds, asyncio.get_running_loop().create_future())
        self._sleepers.append(entry)
        try:
            await entry[1]
        finally:
            if entry in self._sleepers:
                self._sleepers.remove(entry)

    def advance(self, seconds: float) -> None:
        self._seconds += seconds
        for due, future in self._sleepers[:]:
            if due <= self._seconds and not future.done():
                future.set_result(None)

    def token(self) -> str:
        return f"{next(self._numbers):016x}"

    def is_trusted(self) -> bool:
        return True


class InstantClock(ManualClock):
    """Jumps ahead instead of waiting; `slept` is what it was asked to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(max(seconds, 0.0))
        await asyncio.sleep(0)
