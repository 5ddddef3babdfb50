"""Single messages between one operator and the API server; see `mischief.py` for the tricks."""

import asyncio
from collections.abc import Callable

from tests.chaos.faults.kinds import Act, Kind, lasting
from tests.chaos.field import Field
from tests.chaos.mischief import Mischief, Trick
from tests.chaos.plan import Strike

Mischiefs = Callable[[float], Mischief]
"""Makes mischief of a dose."""
LEAST_SHARE = 0.15
LONGEST_DELAY = 6.0
DEFINITIONS = "workflowdefinitions"


def on_messages(make: Mischiefs, *, cuts_watches: bool = False) -> Act:
    """Return what plays a trick on the victim's messages for the strike."""

    async def act(field: Field, strike: Strike) -> None:
        exchange = field.victim(strike).exchange
        with exchange.dice.loaded(make(strike.dose)):
            if cuts_watches:
                exchange.cut_watches()
            await asyncio.sleep(strike.seconds)

    return act


def some_writes(trick: Trick) -> Mischiefs:
    def make(dose: float) -> Mischief:
        share = LEAST_SHARE + (1 - LEAST_SHARE) * dose
        return Mischief(trick=trick, share=share, is_for_writes=True)

    return make


def some(trick: Trick, part: str = "") -> Mischiefs:
    def make(dose: float) -> Mischief:
        share = LEAST_SHARE + (1 - LEAST_SHARE) * dose
        return Mischief(trick=trick, share=share, part=part, seconds=LONGEST_DELAY * dose)

    return make


def everything(trick: Trick) -> Mischiefs:
    return lambda _: Mischief(trick=trick)


KINDS = {
    "request-lost": Kind(code="F4", span=lasting(3, 20), act=on_messages(some(Trick.LOSE))),
    "error-401": Kind(code="F12", span=lasting(1, 10), act=on_messages(some(Trick.ESTRANGE))),
    "reply-lost": Kind(code="F5", span=lasting(3, 20), act=on_messages(some_writes(Trick.SWALLOW))),
    "reply-torn": Kind(code="F5", span=lasting(3, 20), act=on_messages(some(Trick.TEAR))),
    "reply-late": Kind(code="F5", span=lasting(3, 20), act=on_messages(some(Trick.LATE))),
    "sent-twice": Kind(code="F6", span=lasting(3, 25), act=on_messages(some_writes(Trick.TWICE))),
    "sent-again": Kind(code="F6", span=lasting(3, 25), act=on_messages(some_writes(Trick.AGAIN))),
    "storm-429": Kind(code="F10", span=lasting(3, 30), act=on_messages(everything(Trick.THROTTLE))),
    "error-503": Kind(code="F11", span=lasting(3, 20), act=on_messages(some(Trick.REFUSE))),
    "error-504": Kind(code="F11", span=lasting(3, 20), act=on_messages(some_writes(Trick.ABANDON))),
    "watch-cut": Kind(
        code="F15",
        span=lasting(1, 15),
        act=on_messages(some(Trick.WATCH_CUT), cuts_watches=True),
    ),
    "watch-slow": Kind(code="F15", span=lasting(5, 30), act=on_messages(some(Trick.WATCH_SLOW))),
    "watch-replay": Kind(
        code="F15", span=lasting(5, 30), act=on_messages(some(Trick.WATCH_REPLAY))
    ),
    "watch-error": Kind(code="F15", span=lasting(1, 15), act=on_messages(some(Trick.WATCH_ERROR))),
    "watch-noise": Kind(code="F15", span=lasting(1, 15), act=on_messages(some(Trick.WATCH_NOISE))),
    "definitions-deaf": Kind(
        code="F15",
        span=lasting(5, 30),
        act=on_messages(some(Trick.REFUSE, DEFINITIONS), cuts_watches=True),
    ),
}
