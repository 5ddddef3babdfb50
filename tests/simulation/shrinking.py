"""From a failing run to the smallest one that still fails: first fewer faults, then less work."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from tests.simulation.plan import Plan
from tests.simulation.workloads.reductions import reductions
from tests.simulation.world import Outcome, World

Item = TypeVar("Item")
Say = Callable[[str], None]

MOST_RUNS = 2000


class Shrinker:
    """Tries simpler plans and keeps those by which the same invariant is broken."""

    def __init__(self, outcome: Outcome, say: Say) -> None:
        self._wanted = {violation.invariant for violation in outcome.violations}
        self._say = say
        self._runs = 0
        self.best = outcome

    def shrink(self) -> Outcome:
        """Return the simplest failing run that was found."""
        listed = replace(self.best.plan, strokes=self.best.strokes)
        if not self._try(listed):
            self._say("the run does not repeat by its list of faults; kept as it is")
            return self.best
        while True:
            before = self._runs, self._size
            self._drop_strokes()
            self._drop_storms()
            self._reduce()
            if self._size == before[1] or self._runs >= MOST_RUNS:
                return self.best

    @property
    def _size(self) -> tuple[int, int, int, int]:
        plan = self.best.plan
        return (
            len(plan.strokes or ()),
            len(plan.storms),
            plan.operators,
            len(str(plan.workload)),
        )

    def _try(self, plan: Plan) -> bool:
        """Run a plan; keep it if it fails alike."""
        self._runs += 1
        outcome = World(plan).run()
        fails = bool(self._wanted & {violation.invariant for violation in outcome.violations})
        if fails:
            self.best = outcome
            self._say(f"run {self._runs}: {self._size}")
        return fails

    def _drop_strokes(self) -> None:
        for fewer in halvings(self.best.plan.strokes or ()):
            if self._runs < MOST_RUNS and set(fewer) < set(self.best.plan.strokes or ()):
                self._try(replace(self.best.plan, strokes=tuple(fewer)))

    def _drop_storms(self) -> None:
        for fewer in halvings(self.best.plan.storms):
            if self._runs < MOST_RUNS and set(fewer) < set(self.best.plan.storms):
                self._try(replace(self.best.plan, storms=tuple(fewer)))

    def _reduce(self) -> None:
        if self.best.plan.operators > 1:
            self._try(replace(self.best.plan, operators=self.best.plan.operators - 1))
        is_better = True
        while is_better and self._runs < MOST_RUNS:
            is_better = any(
                self._try(replace(self.best.plan, workload=smaller))
                for smaller in reductions(self.best.plan.workload)
            )


def halvings(items: Sequence[Item]) -> Iterator[list[Item]]:
    """Yield the items without a part of them: first large parts, at last single ones."""
    size = len(items)
    while size >= 1:
        for start in range(0, len(items), size):
            yield [*items[:start], *items[start + size :]]
        size //= 2
