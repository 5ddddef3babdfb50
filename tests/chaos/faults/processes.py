"""Operators that die, end in good order, hang, and hang for moments."""

import asyncio

from tests.chaos.faults.kinds import Kind, lasting
from tests.chaos.field import Field
from tests.chaos.plan import Strike

LONGEST_STALL = 1.5
GAP = 0.3  # seconds between two stalls


async def kill(field: Field, strike: Strike) -> None:
    """SIGKILL; started again after the strike."""
    station = field.victim(strike)
    async with station.busy:
        await asyncio.to_thread(station.process.kill)
        await asyncio.sleep(strike.seconds)
        station.process.spawn()


async def stop(field: Field, strike: Strike) -> None:
    """SIGTERM, as in a rolling restart; started again after the strike."""
    station = field.victim(strike)
    async with station.busy:
        if station.process.is_running:
            await asyncio.to_thread(station.process.stop)
        await asyncio.sleep(strike.seconds)
        station.process.spawn()


async def pause(field: Field, strike: Strike) -> None:
    """SIGSTOP for the strike: a zombie that goes on where it was."""
    station = field.victim(strike)
    async with station.busy:
        if not station.process.is_running:
            return
        station.process.pause()
        try:
            await asyncio.sleep(strike.seconds)
        finally:
            station.process.resume()


async def stall(field: Field, strike: Strike) -> None:
    """Many short SIGSTOPs: a machine without a processor or memory to spare."""
    station = field.victim(strike)
    left = strike.seconds
    while left > 0:
        length = min(left, GAP + strike.dose * LONGEST_STALL)
        async with station.busy:
            if station.process.is_running:
                station.process.pause()
                try:
                    await asyncio.sleep(length)
                finally:
                    station.process.resume()
        await asyncio.sleep(GAP)
        left -= length + GAP


KINDS = {
    "kill": Kind(code="F1", span=lasting(0, 8), act=kill),
    "stop": Kind(code="F1", span=lasting(0, 5), act=stop),
    "pause": Kind(code="F16", span=lasting(1, 60), act=pause),
    "stall": Kind(code="F24", span=lasting(3, 15), act=stall),
}
