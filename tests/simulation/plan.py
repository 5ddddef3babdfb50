"""A plan: everything that determines a run, as plain data. Equal plans give equal runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random  # noqa: TID251 - seeded

from tests.simulation.workloads.workload import Workload

from perdure.kubernetes.paging import FIRST_ITEMS
from perdure.kubernetes.plan import MAX_STATUS
from perdure.lanes.ring import SLOTS
from perdure.language.flow import MAX_HISTORY
from perdure.runtime.recipes import COLLECT_SECONDS
from perdure.testing.simulation.ambushes import Ambush, Ambushed
from perdure.testing.simulation.fates import (
    Calm,
    Fates,
    Fault,
    ListedFates,
    RandomFates,
    Stroke,
)
from perdure.testing.simulation.points import Point
from perdure.testing.simulation.weather import Storm

QUIET_SECONDS = 8.0
SMALL_STATUS = 6 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One run. `strokes` None: what requests meet is drawn by `rate` and `faults` from the seed.

    `operators` counts the identities that are at work at once. Faults end at `heal_at` (virtual
    seconds); the run is over when all has come to rest and `quiet_seconds` have passed.
    """

    seed: str
    workload: Workload
    operators: int
    storms: tuple[Storm, ...]
    heal_at: float
    quiet_seconds: float = QUIET_SECONDS
    rate: float = 0.0
    faults: frozenset[Fault] = frozenset()
    points: frozenset[Point] = frozenset(Point)
    """Where requests are disturbed; all others pass."""
    ambushes: tuple[Ambush, ...] = ()
    strokes: tuple[Stroke, ...] | None = None
    status_bytes: int = MAX_STATUS
    """Past so many bytes of a status events move to segments; less than in the product, so that
    small workflows have long histories."""
    history_events: int = MAX_HISTORY
    """An instance with so many events fails."""
    collect_seconds: float = COLLECT_SECONDS
    """Between two rounds of the collector of revisions, which are kept for six of them."""
    page_items: int = FIRST_ITEMS
    """So many objects are on one page of a list; few, so that small worlds have long lists."""
    lanes: int | None = None
    """Of the log; None: every turn is a status patch of its own."""
    slots: int = SLOTS
    """Of a lane; few, so that it soon comes round."""

    def fates(self) -> Fates:
        """Return what decides on the requests of the run."""
        if self.strokes is not None:
            return ListedFates(self.strokes)
        return Ambushed(self.ambushes, self._by_chance()) if self.ambushes else self._by_chance()

    def _by_chance(self) -> Fates:
        if self.rate == 0.0:
            return Calm()
        return RandomFates(Random(f"fates {self.seed}"), self.rate, self.faults, self.points)


def names_of(operators: int) -> Sequence[str]:
    """Return the identities of the operators."""
    return [f"perdure-{number}" for number in range(operators)]
