"""The only place that asks the machine for time and random values."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime

MOST_SKEW_SECONDS = 2.0
"""Timers are promised to the second; a clock further off than this must not fire them."""


def no_skew() -> float:
    """Say that this clock agrees with the API server's: where nothing compares them."""
    return 0.0


class SystemClock:
    """The machine's clock and the kernel's random source: the Clock port in production.

    `skew_seconds` says how far this clock is from the API server's, see
    `perdure.kubernetes.skew`.
    """

    def __init__(self, skew_seconds: Callable[[], float] = no_skew) -> None:
        self._skew_seconds = skew_seconds

    def now(self) -> datetime:
        """Return the time: aware UTC, to the microsecond. It may jump, also back."""
        return datetime.now(UTC)  # noqa: TID251 - this is the one place

    def monotonic(self) -> float:
        """Return seconds that never go back; they stand still while the machine sleeps."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait; at once, but not without a round of the loop, for zero and less."""
        await asyncio.sleep(max(seconds, 0.0))

    def token(self) -> str:
        """Return 16 random hex digits."""
        return secrets.token_hex(8)

    def is_trusted(self) -> bool:
        """Say whether timers may fire by this clock. Source: docs/architecture.md#time."""
        return self._skew_seconds() <= MOST_SKEW_SECONDS
