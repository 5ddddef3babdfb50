"""The log of turns over real processes and a real API server: the same ends, far fewer writes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from tests.bench.workflows import (
    STEPS,
    Endings,
    definition_of_calls,
    instance,
    path_of,
)
from tests.cluster.api import Api
from tests.cluster.cluster import Cluster
from tests.cluster.identities import SERVICE_ACCOUNT_USER
from tests.e2e.history import dumps_of, history_of
from tests.e2e.operators import OperatorProcess
from tests.e2e.refold import refold
from tests.e2e.services import LedgerService
from tests.e2e.test_costs import define, marked

pytestmark = pytest.mark.cluster

LANES = 3
COUNT = 40


@pytest.fixture
def pair(
    cluster: Cluster, namespace: str, ledger: LedgerService
) -> Iterator[tuple[OperatorProcess, OperatorProcess]]:
    """Two operators that keep their turns in one log."""
    services = {"bench": ledger.url}
    first, second = (
        OperatorProcess(cluster, name, namespaces=[namespace], services=services, lanes=LANES)
        for name in ("logged-0", "logged-1")
    )
    with first, second:
        yield first, second


async def create(api: Api, namespace: str, count: int) -> None:
    await asyncio.gather(
        *(
            api.create(path_of(namespace, "workflowinstances"), instance(f"i{number}", "calls"))
            for number in range(count)
        )
    )


async def is_whole(api: Api, namespace: str) -> None:
    """Check that every status is what its history folds to, and that the history is whole."""
    for dump in await dumps_of(api, namespace):
        events = history_of(dump).events
        assert events[-1]["type"] == "InstanceEnded"
        _, differences = refold(dump)
        assert differences == []


async def test_many_turns_share_a_write_and_every_status_is_what_its_history_folds_to(
    cluster: Cluster,
    api: Api,
    namespace: str,
    pair: tuple[OperatorProcess, OperatorProcess],
    ledger: LedgerService,
) -> None:
    await define(api, namespace, definition_of_calls("calls"))
    start = await marked(cluster, api, namespace)
    async with Endings(api, namespace) as endings:
        await create(api, namespace, COUNT)
        await endings.wait_for(COUNT, 120)
    await marked(cluster, api, namespace)
    writes = [w for w in cluster.audit.writes(SERVICE_ACCOUNT_USER, start) if w.status == 200]
    assert {w.verb for w in writes} <= {"patch", "update", "create"}
    statuses = sum(w.resource == "workflowinstances" for w in writes)
    entries = sum(w.resource == "workflowlogs" for w in writes)
    assert statuses <= 2 * COUNT
    assert entries <= 2.5 * COUNT
    assert len(ledger.requests()) == COUNT * STEPS
    await is_whole(api, namespace)


async def test_another_operator_takes_over_the_lanes_of_one_that_was_killed(
    api: Api,
    namespace: str,
    pair: tuple[OperatorProcess, OperatorProcess],
    ledger: LedgerService,
) -> None:
    await define(api, namespace, definition_of_calls("calls"))
    first, _ = pair
    async with Endings(api, namespace) as endings:
        await create(api, namespace, COUNT)
        await endings.wait_for(1, 60)
        await asyncio.to_thread(first.kill)
        await endings.wait_for(COUNT, 120)
    keys = {request.headers["idempotency-key"] for request in ledger.requests()}
    assert len(keys) == COUNT * STEPS
    await is_whole(api, namespace)
