"""The service that workflows call, and the ways to it, of all operators at once."""

import asyncio
from contextlib import ExitStack

from tests.chaos.faults.kinds import Act, Kind, lasting
from tests.chaos.field import Field
from tests.chaos.plan import Strike
from tests.chaos.wire import Trouble, Way

BACK = frozenset({Way.BACK})
LONGEST_DELAY = 1.5
FEWEST_BYTES, MOST_BYTES = 10, 260
"""An answer has about 230 bytes, so that nearly all are cut."""


def on_wire(trouble: Trouble) -> Act:
    async def act(field: Field, strike: Strike) -> None:
        await troubled(field, trouble, strike.seconds)

    return act


async def troubled(field: Field, trouble: Trouble, seconds: float) -> None:
    with ExitStack() as wires:
        for wire in field.service_wires:
            wires.enter_context(wire.troubled(trouble))
        await asyncio.sleep(seconds)


async def slow(field: Field, strike: Strike) -> None:
    """Requests and answers take a while."""
    await troubled(field, Trouble(delay=LONGEST_DELAY * strike.dose), strike.seconds)


async def cut(field: Field, strike: Strike) -> None:
    """The service does its work, and its answer is cut off."""
    budget = int(FEWEST_BYTES + strike.dose * (MOST_BYTES - FEWEST_BYTES))
    await troubled(field, Trouble(budget=budget, cut_ways=BACK), strike.seconds)


async def hang(field: Field, strike: Strike) -> None:
    """The process hangs: it takes connections and answers later, if anybody still waits."""
    field.service.pause()
    try:
        await asyncio.sleep(strike.seconds)
    finally:
        field.service.resume()


KINDS = {
    "service-down": Kind(
        code="F4",
        span=lasting(1, 15),
        act=on_wire(Trouble(is_refusing=True)),
        is_of_world=True,
    ),
    "service-deaf": Kind(
        code="F5",
        span=lasting(1, 15),
        act=on_wire(Trouble(held=BACK, is_forgotten=True)),
        is_of_world=True,
    ),
    "service-slow": Kind(code="F5", span=lasting(3, 20), act=slow, is_of_world=True),
    "service-cut": Kind(code="F5", span=lasting(1, 12), act=cut, is_of_world=True),
    "service-hang": Kind(code="F5", span=lasting(1, 12), act=hang, is_of_world=True),
}
