"""The witness sees every accepted write once and in order, whatever is killed."""

import asyncio
from pathlib import Path

import pytest
from tests.chaos.witness import Witness, accepted
from tests.cluster.cluster import Cluster
from tests.cluster.waiting import wait_for

pytestmark = pytest.mark.cluster


async def test_no_write_is_missed_while_servers_are_killed_and_the_past_is_forgotten(
    cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    url = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
    versions = []

    async def write(holder: str) -> None:
        async with cluster.api() as api:
            patch = {"spec": {"holderIdentity": holder}}
            made = await api.patch(f"{url}/perdure-a", patch)
            versions.append(int(made["metadata"]["resourceVersion"]))

    async with Witness(cluster, tmp_path / "writes.jsonl") as witness:
        async with cluster.api() as api:
            made = await api.create(url, {"metadata": {"name": "perdure-a"}})
            versions.append(int(made["metadata"]["resourceVersion"]))
        await asyncio.to_thread(cluster.restart, "etcd")
        await asyncio.to_thread(wait_for, cluster.connection.is_ready, "the API server", 60.0)
        await write("one")
        await witness.caught_up()
        await asyncio.to_thread(cluster.forget_history)
        await write("two")
        async with cluster.api() as api:
            await api.delete(f"{url}/perdure-a")
        await witness.caught_up()
    place = f"leases/{namespace}/perdure-a"
    seen = [each for each in accepted(tmp_path / "writes.jsonl") if each.place == place]
    assert [each.revision for each in seen[:-1]] == versions
    assert seen[-1].value is None
    holders = [(each.value or {}).get("spec", {}).get("holderIdentity") for each in seen]
    assert holders == [None, "one", "two", None]
