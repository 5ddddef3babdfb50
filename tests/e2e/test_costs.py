"""What the engine writes to the API server, counted in its audit log."""

from __future__ import annotations

import asyncio

import pytest
from tests.bench.workflows import (
    STEPS,
    Endings,
    definition_of_calls,
    definition_of_waiting,
    instance,
    path_of,
)
from tests.cluster.api import JSON_PATCH, Api, Object
from tests.cluster.audit import AuditRecord
from tests.cluster.cluster import Cluster
from tests.cluster.identities import SERVICE_ACCOUNT_USER
from tests.cluster.waiting import wait_for
from tests.e2e.conftest import Operators
from tests.e2e.services import LedgerService

pytestmark = pytest.mark.cluster

WAITING = 1_000
QUIET_SECONDS = 60.0


def is_ready(body: Object | None) -> bool:
    conditions = (body or {}).get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


async def define(api: Api, namespace: str, definition: Object) -> None:
    await api.create(path_of(namespace, "workflowdefinitions"), definition)
    path = path_of(namespace, "workflowdefinitions", definition["metadata"]["name"])
    await api.wait_for(path, is_ready, "the definition to be ready")


async def marked(cluster: Cluster, api: Api, namespace: str) -> int:
    """Return an offset of the audit log behind everything that was answered before."""
    offset = cluster.audit.end()
    name = f"marker-{offset}"
    body = {"metadata": {"name": name}, "data": {}}
    await api.create(f"/api/v1/namespaces/{namespace}/configmaps", body)

    def look() -> bool:
        return any(record.name == name for record in cluster.audit.records(offset))

    await asyncio.to_thread(wait_for, look, "the marker in the audit log", 30)
    return cluster.audit.end()


def operator_writes(cluster: Cluster, start: int) -> list[AuditRecord]:
    return cluster.audit.writes(SERVICE_ACCOUNT_USER, start)


async def test_five_calls_in_a_row_cost_at_most_seven_status_patches_and_nothing_else(
    cluster: Cluster, api: Api, namespace: str, operators: Operators, ledger: LedgerService
) -> None:
    operators(services={"bench": ledger.url})
    await define(api, namespace, definition_of_calls("calls"))
    start = await marked(cluster, api, namespace)
    async with Endings(api, namespace) as endings:
        for number in range(5):
            await api.create(
                path_of(namespace, "workflowinstances"), instance(f"i{number}", "calls")
            )
            await endings.wait_for(number + 1, 60)
    await marked(cluster, api, namespace)
    writes = [w for w in operator_writes(cluster, start) if w.resource != "leases"]
    assert {(w.verb, w.resource, w.subresource, w.status) for w in writes} == {
        ("patch", "workflowinstances", "status", 200)
    }
    for number in range(5):
        assert sum(w.name == f"i{number}" for w in writes) <= STEPS + 2
    assert len(ledger.requests()) == 5 * STEPS


@pytest.mark.timeout(600)
async def test_what_waits_writes_nothing(
    cluster: Cluster, api: Api, namespace: str, operators: Operators
) -> None:
    process = operators()
    await define(api, namespace, definition_of_waiting("waits"))
    async with Endings(api, namespace) as endings:
        numbers = iter(range(WAITING))

        async def create() -> None:
            for number in numbers:
                body = instance(f"w{number}", "waits")
                await api.create(path_of(namespace, "workflowinstances"), body)

        await asyncio.gather(*(create() for _ in range(16)))
        await endings.wait_running(WAITING, 180)
        start = await marked(cluster, api, namespace)
        await asyncio.sleep(QUIET_SECONDS)  # the measurement itself
        await marked(cluster, api, namespace)
        writes = operator_writes(cluster, start)
        assert {(w.verb, w.resource) for w in writes} == {("update", "leases")}

        # And it has not fallen asleep: an event is acted on, before and after a restart.
        await _raise(api, namespace, "w0")
        await endings.wait_for(1, 30)
        process.kill()
        process.start()
        await _raise(api, namespace, "w1")
        await endings.wait_for(2, 100)


async def _raise(api: Api, namespace: str, name: str) -> None:
    event = {"id": "e", "name": "GO", "data": {"by": "test"}}
    operations = [{"op": "add", "path": "/spec/events/-", "value": event}]
    await api.patch(path_of(namespace, "workflowinstances", name), operations, JSON_PATCH)
