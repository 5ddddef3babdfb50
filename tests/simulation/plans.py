"""Plans: everything that determines a run, as plain data. Equal plans give equal runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random  # noqa: TID251 - seeded

from tests.simulation.workloads.actions import in_order
from tests.simulation.workloads.generator import generated
from tests.simulation.workloads.workload import Workload

from perdure.kubernetes.plan import MAX_STATUS
from perdure.testing.simulation.fates import (
    Calm,
    Fates,
    Fault,
    ListedFates,
    RandomFates,
    Stroke,
)
from perdure.testing.simulation.weather import Storm, forecast

HEAL_SECONDS = 25.0
LONGEST_WORK = 120.0
"""Actions after this time still happen, but no fault does."""
QUIET_SECONDS = 8.0
LONG_QUIET_SECONDS = 600.0
LONG_QUIET_EVERY = 100
LONG_LIVES_EVERY = 250
HURRIED_SECONDS = 120.0
RATES = (0.0, 0.002, 0.01, 0.03, 0.1, 0.2)
"""Shares of requests that are disturbed: from calm seeds to brutal ones."""
SMALL_STATUS = 6 * 1024
SHARE_SMALL = 0.3
SWARM = tuple(fault for fault in Fault if fault not in (Fault.OPERATORS, Fault.SIZES))


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
    strokes: tuple[Stroke, ...] | None = None
    status_bytes: int = MAX_STATUS
    """Past so many bytes of a status events move to segments; less than in the product, so that
    small workflows have long histories."""

    def fates(self) -> Fates:
        """Return what decides on the requests of the run."""
        if self.strokes is not None:
            return ListedFates(self.strokes)
        if self.rate == 0.0:
            return Calm()
        return RandomFates(Random(f"fates {self.seed}"), self.rate, self.faults)


def names_of(operators: int) -> Sequence[str]:
    """Return the identities of the operators."""
    return [f"perdure-{number}" for number in range(operators)]


def hurried(workload: Workload) -> Workload:
    """Return the workload without hours in which nothing happens but renewals of Leases."""
    if workload.last_at <= HURRIED_SECONDS:
        return workload
    half = HURRIED_SECONDS / 2
    actions = [
        action if action.at <= half else replace(action, at=half + action.at % half)
        for action in workload.actions
    ]
    return replace(workload, actions=in_order(actions))


def plan_of(seed: int) -> Plan:
    """Return the plan of a seed."""
    random = Random(f"plan {seed}")
    workload = generated(seed)
    if seed % LONG_LIVES_EVERY:
        workload = hurried(workload)
    operators = (1, 1, 2, 2, 2, 3)[int(random.random() * 6)]
    rate = RATES[int(random.random() * len(RATES))]
    share = (0.15, 0.4, 1.0)[int(random.random() * 3)]
    faults = frozenset(fault for fault in SWARM if random.random() < share)
    heal_at = min(LONGEST_WORK, max(HEAL_SECONDS * random.random(), workload.last_at + 5))
    often = (0.0, 0.5, 2.0, 6.0)[int(random.random() * 4)]
    return Plan(
        seed=str(seed),
        workload=workload,
        operators=operators,
        storms=forecast(random, faults, names_of(operators), heal_at, often),
        heal_at=heal_at,
        quiet_seconds=QUIET_SECONDS if seed % LONG_QUIET_EVERY else LONG_QUIET_SECONDS,
        rate=rate,
        faults=faults,
        status_bytes=_status_bytes(seed),
    )


def _status_bytes(seed: int) -> int:
    is_small = Random(f"bounds {seed}").random() < SHARE_SMALL
    return SMALL_STATUS if is_small else MAX_STATUS
