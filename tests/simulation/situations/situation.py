"""A situation: something rare, brought about on purpose, in as many variations as can be drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.simulation.plan import Plan
from tests.simulation.workloads.draws import Draw

FIRST_DRAW = 1 << 40
"""Added to seeds, so that a situation does not draw what a generated workload draws."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """`bring_about` returns the plan of a seed; its choices come from the draw."""

    name: str
    bring_about: Callable[[int, Draw], Plan]

    def plan(self, seed: int) -> Plan:
        """Return the variation of a seed."""
        return self.bring_about(seed, Draw(FIRST_DRAW + seed))
