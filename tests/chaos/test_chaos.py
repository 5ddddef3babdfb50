"""Two minutes of everything going wrong: nothing is lost, and nothing counts twice."""

from collections import Counter

import pytest
from tests.chaos.clocks import missing
from tests.chaos.faults import KINDS
from tests.chaos.plan import plan
from tests.chaos.run import Options, run
from tests.cluster.cluster import Cluster
from tests.e2e.trial import say

SEED = 3144  # two minutes that hold a bit of all: deaths, pauses, both servers, clocks, wires
SECONDS = 120.0
FAULT_EVERY = 6.0
FEWEST_FAULTS, FEWEST_KINDS = 10, 6
FEWEST_INSTANCES = 60


@pytest.mark.cluster
@pytest.mark.timeout(420)
async def test_every_promise_is_kept_while_everything_fails(
    cluster: Cluster, namespace: str
) -> None:
    say(missing() or "clocks can jump")
    kinds = {
        name: kind.span
        for name, kind in KINDS.items()
        if not (missing() is not None and kind.needs_clock)
    }
    strikes = plan(SEED, seconds=SECONDS, mean=FAULT_EVERY, victims=2, kinds=kinds)
    options = Options(
        seconds=SECONDS, seed=SEED, operators=2, interval=0.7, most_open=40, strikes=strikes
    )
    verdict = await run(cluster, namespace, options, say)
    print(verdict.told())
    assert not verdict.violations, verdict.told()
    assert len(strikes) >= FEWEST_FAULTS
    assert len(Counter(strike.kind for strike in strikes)) >= FEWEST_KINDS
    assert int(str(verdict.figures["instances"])) >= FEWEST_INSTANCES
