"""The contract of HistoryStore on the store that keeps it."""

from collections.abc import AsyncIterator

import pytest
from tests.cluster.cluster import Cluster
from tests.contract.history_store import HistoryStoreContract
from tests.contract.worlds import World
from tests.kubernetes.instances import api_server_world


@pytest.mark.cluster
class TestKubernetesStore(HistoryStoreContract):
    @pytest.fixture
    async def world(self, cluster: Cluster, namespace: str) -> AsyncIterator[World]:
        async with api_server_world(cluster, namespace) as world:
            yield world
