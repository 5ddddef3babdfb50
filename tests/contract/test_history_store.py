"""The contract of HistoryStore on the store that keeps it, over both API servers."""

from collections.abc import AsyncIterator
from itertools import count

import orjson
import pytest
from tests.cluster.cluster import Cluster
from tests.contract.history_store import HistoryStoreContract
from tests.contract.memory_transport import MemoryTransport
from tests.contract.worlds import World
from tests.kubernetes.instances import ApiServerWorld, api_server_world

from perdure.kubernetes.client import ApiClient, ClientLimits
from perdure.kubernetes.connection import FixedToken
from perdure.runtime.clock import SystemClock
from perdure.testing.apiserver import ApiServer, Request

NAMESPACE = "default"


@pytest.mark.cluster
class TestKubernetesStore(HistoryStoreContract):
    @pytest.fixture
    async def world(self, cluster: Cluster, namespace: str) -> AsyncIterator[World]:
        async with api_server_world(cluster, namespace) as world:
            yield world


class TestKubernetesStoreInMemory(HistoryStoreContract):
    @pytest.fixture
    async def world(self) -> AsyncIterator[World]:
        clock = SystemClock()
        numbers = count(1)
        server = ApiServer(now=clock.now, uid=lambda *_: f"uid-{next(numbers)}")
        body = orjson.dumps({"metadata": {"name": NAMESPACE}})
        request = Request("POST", "/api/v1/namespaces", {}, body, "application/json", "tests")
        assert server.handle(request).status == 201
        transport, token = MemoryTransport(server), FixedToken("tests")
        async with ApiClient(transport, token, clock, ClientLimits()) as client:
            yield ApiServerWorld(client, NAMESPACE)
