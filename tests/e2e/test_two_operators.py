"""Two operators at once, and the death of one of them."""

import argparse

import pytest
from tests.cluster.cluster import Cluster
from tests.e2e.trial import say, told
from tests.e2e.two_operators import trial


@pytest.mark.cluster
@pytest.mark.timeout(900)
async def test_two_operators_never_commit_twice_and_one_survives_the_other(
    cluster: Cluster, namespace: str
) -> None:
    arguments = argparse.Namespace(instances=200, seed=1)
    verdict = await trial(cluster, namespace, arguments, say)
    print(told(verdict))
    assert not verdict.faults, told(verdict)
    assert verdict.takeovers, "nothing was torn by the kill"
