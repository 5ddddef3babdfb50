"""From a seed to a plan: a situation, or whatever comes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random  # noqa: TID251 - seeded

from tests.simulation.chance import whatever_comes
from tests.simulation.plan import Plan
from tests.simulation.situations import SITUATIONS
from tests.simulation.situations.situation import Situation

SHARE_OF_SITUATIONS = 0.3


def plan_of(seed: int) -> Plan:
    """Return the plan of a seed."""
    situation = situation_of(seed)
    return whatever_comes(seed) if situation is None else situation.plan(seed)


def logged_plan_of(seed: int) -> Plan:
    """Return the plan of a seed with its turns in a log: few lanes, which soon come round."""
    draw = Random(f"log {seed}")
    lanes, slots = draw.choice((1, 2, 2, 3)), draw.choice((4, 8, 8, 16))
    return replace(plan_of(seed), lanes=lanes, slots=slots)


def situation_of(seed: int) -> Situation | None:
    """Return the situation that a seed brings about, None for most seeds."""
    number = Random(f"situation {seed}").random() / SHARE_OF_SITUATIONS
    return SITUATIONS[int(number * len(SITUATIONS))] if number < 1 else None


def seeds_of(names: Sequence[str], seeds: range) -> Sequence[int]:
    """Return those of the seeds that bring about one of the named situations; all without names.

    Raises ValueError for a name that no situation has.
    """
    known = {situation.name for situation in SITUATIONS}
    if not known.issuperset(names):
        raise ValueError(f"situations are {', '.join(sorted(known))}; asked for {names}")
    return [seed for seed in seeds if not names or _name_of(seed) in names]


def _name_of(seed: int) -> str | None:
    situation = situation_of(seed)
    return None if situation is None else situation.name
