"""Every order of the first deliveries leads to the end, whoever is quicker."""

from __future__ import annotations

import pytest
from tests.simulation.exhaustive import explore, faults_of
from tests.simulation.guard import real_world_refused


@pytest.mark.parametrize(("depth", "crashes", "states"), [(14, False, 150), (7, True, 40)])
def test_no_order_of_deliveries_breaks_a_promise(depth: int, crashes: bool, states: int) -> None:
    with real_world_refused():
        found = explore(depth, crashes=crashes, say=print)
    assert [(choices, faults_of(outcome)) for choices, outcome in found.failures] == []
    assert len(found.states) >= states
