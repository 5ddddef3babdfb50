"""Wall clocks that jump and go wrong; monotonic ones never do."""

import asyncio

from tests.chaos.faults.kinds import Kind, lasting
from tests.chaos.field import Field
from tests.chaos.plan import Strike

MOST_AHEAD = 20.0
"""Seconds. A timer that is set by such a clock is due that much late, so this bounds the end."""
MOST_BEHIND = 3600.0
MOST_TRUSTED = 2.0
"""Closer than this to the API server's clock an operator fires timers by its own."""


async def ahead(field: Field, strike: Strike) -> None:
    """The clock jumps ahead, and back after the strike."""
    await off(field, strike, MOST_TRUSTED + strike.dose * (MOST_AHEAD - MOST_TRUSTED))


async def behind(field: Field, strike: Strike) -> None:
    """The clock jumps back by up to an hour, and ahead again after the strike."""
    await off(field, strike, -MOST_TRUSTED - strike.dose**3 * (MOST_BEHIND - MOST_TRUSTED))


async def skew(field: Field, strike: Strike) -> None:
    """The clock is off by so little that it counts as right."""
    await off(field, strike, MOST_TRUSTED * (2 * strike.dose - 1))


async def off(field: Field, strike: Strike, seconds: float) -> None:
    clock = field.victim(strike).clock
    clock.set(seconds)
    try:
        await asyncio.sleep(strike.seconds)
    finally:
        clock.set(0.0)


async def restart(field: Field, strike: Strike) -> None:
    """Killed, and started again with a clock that is wrong from the first moment on."""
    station = field.victim(strike)
    station.clock.set(MOST_AHEAD * (2 * strike.dose - 1))
    try:
        async with station.busy:
            await asyncio.to_thread(station.process.kill)
            station.process.spawn()
        await asyncio.sleep(strike.seconds)
    finally:
        station.clock.set(0.0)


KINDS = {
    "clock-ahead": Kind(code="F18", span=lasting(1, 20), act=ahead, needs_clock=True),
    "clock-behind": Kind(code="F18", span=lasting(1, 20), act=behind, needs_clock=True),
    "clock-skew": Kind(code="F18", span=lasting(5, 40), act=skew, needs_clock=True),
    "clock-restart": Kind(code="F18", span=lasting(3, 20), act=restart, needs_clock=True),
}
