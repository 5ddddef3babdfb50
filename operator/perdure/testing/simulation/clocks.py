"""The clock of one simulated machine: right, or as wrong as the fates want it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random  # noqa: TID251 - seeded

from perdure.runtime.clock import MOST_SKEW_SECONDS
from perdure.testing.simulation.scheduler import Scheduler


class Watch:
    """The wall clock of a machine; it outlives the processes that run there.

    It shows `shift` seconds more than the true time, and may stand still.
    """

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._shift = timedelta()
        self._stopped_at: datetime | None = None
        self.worst_seconds = 0.0
        """The most that it ever was off, either way."""

    def shift(self, seconds: float) -> None:
        """Jump so that it is off by this much."""
        self._shift = timedelta(seconds=seconds)
        self._stopped_at = None
        self.worst_seconds = max(self.worst_seconds, abs(seconds))

    def stand_still(self) -> None:
        """Show the same time from now on."""
        self._stopped_at = self.now()

    def now(self) -> datetime:
        """Return what it shows: aware UTC."""
        if self._stopped_at is not None:
            off = (self._scheduler.time - self._stopped_at).total_seconds()
            self.worst_seconds = max(self.worst_seconds, abs(off))
            return self._stopped_at
        return self._scheduler.time + self._shift


class SimulatedClock:
    """The Clock port of one process."""

    def __init__(
        self,
        scheduler: Scheduler,
        watch: Watch,
        random: Random,
        skew_seconds: Callable[[], float],
    ) -> None:
        self._scheduler = scheduler
        self._watch = watch
        self._random = random
        self._skew_seconds = skew_seconds

    def now(self) -> datetime:
        return self._watch.now()

    def monotonic(self) -> float:
        return self._scheduler.now

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(seconds, 0.0))

    def token(self) -> str:
        return f"{self._random.getrandbits(64):016x}"

    def is_trusted(self) -> bool:
        return self._skew_seconds() <= MOST_SKEW_SECONDS
