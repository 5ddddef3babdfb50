"""What happens to the world by itself: planned for a seed, in the order of the times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random  # noqa: TID251 - seeded

from perdure.testing.simulation.fates import Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Storm:
    """Something that strikes at a time, lasts for `seconds`, and has a size where that matters.

    `kind` is one of KINDS or ON_PURPOSE; `victim` is the name of a host, of a frontend, or "".
    """

    at: float
    kind: str
    victim: str = ""
    seconds: float = 0.0
    amount: float = 0.0


KINDS: dict[str, Fault] = {
    "pause": Fault.PAUSE,
    "stall": Fault.STALL,
    "crash": Fault.CRASH_BEFORE,
    "stop": Fault.CRASH_BEFORE,
    "clock": Fault.CLOCK,
    "clock stands": Fault.CLOCK,
    "outage": Fault.REQUEST_LOST,
    "cut off": Fault.REQUEST_LOST,
    "lag": Fault.STALE,
    "compaction": Fault.WATCH,
    "frontend restart": Fault.WATCH,
    "lease deleted": Fault.USER,
    "lease stolen": Fault.USER,
}
ON_PURPOSE: dict[str, Fault] = {
    "lease cut off": Fault.REQUEST_LOST,
    "policy": Fault.REJECTED,
}
"""Kinds that no forecast has: whoever wants them says so."""
OF_OPERATORS = ("pause", "stall", "crash", "stop", "clock", "clock stands", "cut off")
JUMPS = (1.0, -1.0, 2.5, -2.5, 30.0, -30.0, 3600.0, -3600.0, 86400.0, -31_536_000.0)
LENGTHS = (0.5, 3.0, 12.0, 20.0, 45.0, 300.0)


def forecast(
    random: Random, faults: frozenset[Fault], operators: Sequence[str], until: float, often: float
) -> tuple[Storm, ...]:
    """Return the storms of a seed: about `often` of them before `until`, by these faults only."""
    kinds = [kind for kind, fault in KINDS.items() if fault in faults]
    if not kinds:
        return ()
    count = int(random.random() * 2 * often + 0.5)
    storms = [_storm(random, kinds, operators, until) for _ in range(count)]
    return tuple(sorted(storms, key=lambda storm: storm.at))


def _storm(random: Random, kinds: Sequence[str], operators: Sequence[str], until: float) -> Storm:
    kind = kinds[int(random.random() * len(kinds))]
    victim = ""
    if kind in OF_OPERATORS or kind.startswith("lease"):
        victim = operators[int(random.random() * len(operators))]
    elif kind in ("lag", "frontend restart"):
        victim = str(int(random.random() * 2))
    amount = JUMPS[int(random.random() * len(JUMPS))] if kind == "clock" else random.random()
    length = LENGTHS[int(random.random() * len(LENGTHS))] * (0.8 + 0.4 * random.random())
    return Storm(
        at=round(random.random() * until, 3),
        kind=kind,
        victim=victim,
        seconds=30.0 if kind == "stall" else round(length, 3),
        amount=amount,
    )
