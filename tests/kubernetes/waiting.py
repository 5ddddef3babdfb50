"""Waiting for a condition, with a deadline, on the loop."""

import asyncio
from collections.abc import Callable


async def until(
    condition: Callable[[], object], *, seconds: float = 5.0, tick: Callable[[], object] = int
) -> None:
    """Return as soon as `condition` holds, calling `tick` before each look.

    Raises TimeoutError after `seconds`.
    """
    async with asyncio.timeout(seconds):
        while not condition():
            tick()
            await asyncio.sleep(0.005)
