"""Waiting between tries that fail."""

from __future__ import annotations

from perdure.ports import Clock

FIRST_SECONDS = 0.2
MOST_SECONDS = 10.0
TOKEN_RANGE = 16.0**16


def fraction(clock: Clock) -> float:
    """Return a random number in [0, 1)."""
    return int(clock.token(), 16) / TOKEN_RANGE


def jittered(clock: Clock, seconds: float) -> float:
    """Return a random time in [seconds / 2, seconds): many clients shall not come at once."""
    return seconds * (0.5 + 0.5 * fraction(clock))


class Backoff:
    """Doubles from 0.2 s to 10 s, jittered, while tries fail in a row."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.failures = 0

    def succeeded(self) -> None:
        self.failures = 0

    async def failed(self, at_least: float | None = None) -> None:
        """Count a failure and wait, no less than `at_least` seconds (a Retry-After)."""
        self.failures += 1
        # Capped before it is a float: 2.0**1024 does not exist.
        seconds = min(FIRST_SECONDS * 2 ** min(self.failures - 1, 10), MOST_SECONDS)
        await self._clock.sleep(max(jittered(self._clock, seconds), at_least or 0.0))
