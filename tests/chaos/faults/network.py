"""The way between one operator and the API server, byte by byte."""

import asyncio
from collections.abc import Callable

from tests.chaos.faults.kinds import Act, Kind, lasting
from tests.chaos.field import Field
from tests.chaos.plan import Strike
from tests.chaos.wire import Trouble, Way

Troubles = Callable[[float], Trouble]
"""Makes a trouble of a dose."""
BOTH = frozenset(Way)
LONGEST_DELAY = 1.0
FEWEST_BYTES, MOST_BYTES = 500, 40_000
"""A TLS handshake takes about 3,000 each way, a commit 2,000 to 6,000."""


def on_wire(make: Troubles) -> Act:
    """Return what troubles the victim's wire for the strike."""

    async def act(field: Field, strike: Strike) -> None:
        with field.victim(strike).wire.troubled(make(strike.dose)):
            await asyncio.sleep(strike.seconds)

    return act


def refused(_: float) -> Trouble:
    return Trouble(is_refusing=True)


def black_hole(dose: float) -> Trouble:
    return Trouble(held=BOTH, is_forgotten=dose < 0.5)


def half_open(_: float) -> Trouble:
    return Trouble(held=BOTH, is_forgotten=True, is_half_open=True)


def deaf(dose: float) -> Trouble:
    """Requests arrive, answers do not."""
    return Trouble(held=frozenset({Way.BACK}), is_forgotten=dose < 0.5)


def dumb(dose: float) -> Trouble:
    """Answers would arrive, requests do not."""
    return Trouble(held=frozenset({Way.OUT}), is_forgotten=dose < 0.5)


def slow(dose: float) -> Trouble:
    return Trouble(delay=LONGEST_DELAY * dose)


def cut(dose: float) -> Trouble:
    ways = BOTH if dose < 0.5 else frozenset({Way.BACK})
    return Trouble(budget=int(FEWEST_BYTES + dose * (MOST_BYTES - FEWEST_BYTES)), cut_ways=ways)


KINDS = {
    "net-refused": Kind(code="F4", span=lasting(1, 25), act=on_wire(refused)),
    "net-black-hole": Kind(code="F4", span=lasting(1, 30), act=on_wire(black_hole)),
    "net-half-open": Kind(code="F15", span=lasting(5, 60), act=on_wire(half_open)),
    "net-deaf": Kind(code="F5", span=lasting(1, 25), act=on_wire(deaf)),
    "net-dumb": Kind(code="F4", span=lasting(1, 25), act=on_wire(dumb)),
    "net-slow": Kind(code="F4", span=lasting(3, 20), act=on_wire(slow)),
    "net-cut": Kind(code="F5", span=lasting(2, 15), act=on_wire(cut)),
}
