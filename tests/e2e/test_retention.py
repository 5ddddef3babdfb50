"""Finished instances go when their time is over, and nothing else does."""

from __future__ import annotations

import pytest
from tests.bench.workflows import Endings, instance, path_of
from tests.cluster.api import Api, Object
from tests.e2e.conftest import Operators
from tests.e2e.test_costs import define

pytestmark = pytest.mark.cluster

NOTHING: Object = {
    "apiVersion": "perdure.dev/v1alpha1",
    "kind": "WorkflowDefinition",
    "metadata": {"name": "nothing"},
    "spec": {"vars": {"a": 1}, "steps": [{"name": "once", "set": {"a": 2}}]},
}


def kept(name: str, seconds: int | None = None, **annotations: str) -> Object:
    body = instance(name, "nothing")
    body["metadata"]["annotations"] = annotations
    if seconds is not None:
        body["spec"]["retention"] = {"succeeded": f"{seconds}s"}
    return body


async def names(api: Api, namespace: str) -> set[str]:
    found = await api.get(path_of(namespace, "workflowinstances"))
    return {body["metadata"]["name"] for body in found["items"]}


async def test_finished_instances_go_by_age_and_by_count_but_not_those_of_a_tool(
    api: Api, namespace: str, operators: Operators
) -> None:
    operators(args=["--retention-count", "3"])
    await define(api, namespace, NOTHING)
    path = path_of(namespace, "workflowinstances")
    owned = {"meta.helm.sh/release-name": "orders"}
    async with Endings(api, namespace) as endings:
        bodies = (
            kept("brief", 1),
            kept("owned", None, **owned),
            kept("owned-but-brief", 1, **owned),
            kept("oldest"),
            kept("older"),
            kept("newer"),
            kept("newest"),
        )
        for count, body in enumerate(bodies, start=1):
            await api.create(path, body)
            await endings.wait_for(count, 30)

    # Three are kept: the tool's own counts, and is never the one to go.
    gone = {"brief", "owned-but-brief", "oldest", "older"}
    for name in sorted(gone):
        await api.wait_for(f"{path}/{name}", lambda body: body is None, f"{name} to be purged")
    assert await names(api, namespace) == {"owned", "newer", "newest"}


async def test_a_namespace_over_its_budget_starts_nothing_until_there_is_room(
    api: Api, namespace: str, operators: Operators
) -> None:
    operators(args=["--storage-budget", "6Ki"])
    await define(api, namespace, NOTHING)
    path = path_of(namespace, "workflowinstances")
    big = kept("big")
    big["spec"]["input"] = {"text": "x" * 8_000}
    async with Endings(api, namespace) as endings:
        await api.create(path, big)
        await api.wait_for(f"{path}/big", lambda body: pending(body) == "StorageBudget", "Pending")
        await api.create(path, kept("small"))
        await api.wait_for(
            f"{path}/small", lambda body: pending(body) == "StorageBudget", "Pending"
        )
        await api.delete(f"{path}/big")
        await endings.wait_for(1, 60)
        assert set(endings.ended) == {"small"}


def pending(body: Object | None) -> str:
    conditions = (body or {}).get("status", {}).get("conditions", [])
    return next((str(c["reason"]) for c in conditions if c["type"] == "Reconciling"), "")
