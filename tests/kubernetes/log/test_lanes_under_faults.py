"""The lane protocol as it is written, in worlds where every request may go wrong.

What tests/model proves of the rules is tried here on the code. Source: docs/model.md.
"""

from __future__ import annotations

import os

import pytest
from tests.kubernetes.log.alone import alone, finds, run
from tests.kubernetes.log.planted import FAULTS, Fault
from tests.kubernetes.log.processes import World

from perdure.lanes.entry import EntryKind

SEEDS = int(os.environ.get("PERDURE_LANE_SEEDS", "300"))
MOST_SEEDS = 300
"""In which a planted fault has to be found."""


@pytest.mark.timeout(3600)
def test_no_seed_breaks_a_promise() -> None:
    broken, seen = alone(run, SEEDS)
    assert broken == []
    # A run in which nothing happens proves nothing.
    often = ("turns", "carried", "owners", "fenced", EntryKind.RELEASED, "Refused", "due")
    assert not [what for what in often if seen[what] < SEEDS // 10], seen
    assert seen["turns"] > 10 * SEEDS


def test_equal_seeds_have_equal_traces() -> None:
    for seed in range(5):
        first, second = World(seed), World(seed)
        first.run()
        second.run()
        assert first.scheduler.trace_hash == second.scheduler.trace_hash


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_planted_fault_is_found(fault: Fault) -> None:
    assert alone(finds, fault.__name__, MOST_SEEDS)
