"""Plans by chance alone: anything may meet anything."""

from __future__ import annotations

from dataclasses import replace
from random import Random  # noqa: TID251 - seeded

from tests.simulation.plan import QUIET_SECONDS, SMALL_STATUS, Plan, names_of
from tests.simulation.workloads.actions import in_order
from tests.simulation.workloads.generator import generated
from tests.simulation.workloads.workload import Workload

from perdure.kubernetes.plan import MAX_STATUS
from perdure.testing.simulation.fates import Fault
from perdure.testing.simulation.weather import forecast

HEAL_SECONDS = 25.0
LONGEST_WORK = 120.0
"""Actions after this time still happen, but no fault does."""
LONG_QUIET_SECONDS = 600.0
LONG_QUIET_EVERY = 100
LONG_LIVES_EVERY = 250
HURRIED_SECONDS = 120.0
RATES = (0.0, 0.002, 0.01, 0.03, 0.1, 0.2)
"""Shares of requests that are disturbed: from calm seeds to brutal ones."""
SHARE_SMALL = 0.3
SWARM = tuple(fault for fault in Fault if fault not in (Fault.OPERATORS, Fault.SIZES))


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


def whatever_comes(seed: int) -> Plan:
    """Return a plan in which everything is drawn on its own."""
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
