"""The lane protocol as it is written, in worlds where every request may go wrong.

What tests/model proves of the rules is tried here on the code. Source: docs/model.md.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterator

import pytest
from tests.kubernetes.log.planted import FAULTS, Fault, planted
from tests.kubernetes.log.processes import World

from perdure.lanes.entry import EntryKind

SEEDS = int(os.environ.get("PERDURE_LANE_SEEDS", "300"))
MOST_SEEDS = 300
"""In which a planted fault has to be found."""


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """What goes wrong on purpose is no news."""
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.timeout(3600)
def test_no_seed_breaks_a_promise() -> None:
    seen: Counter[str] = Counter()
    for seed in range(SEEDS):
        world = World(seed)
        assert world.run() == [], f"seed {seed}"
        seen += world.judge.seen
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
    first = FAULTS[fault]
    with planted(fault):
        for seed in range(first, first + MOST_SEEDS):
            if World(seed).run():
                return
    pytest.fail(f"{MOST_SEEDS} seeds have not found it")
