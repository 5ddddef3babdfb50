"""What tests of the adapters share."""

from collections.abc import AsyncIterator

import pytest
from tests.cluster.cluster import Cluster
from tests.kubernetes.instances import ApiServerWorld, api_server_world
from tests.kubernetes.scripted import ScriptedServer, scripted_server


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with scripted_server() as server:
        yield server


@pytest.fixture
async def world(cluster: Cluster, namespace: str) -> AsyncIterator[ApiServerWorld]:
    """Instances in a namespace of the real API server."""
    async with api_server_world(cluster, namespace) as world:
        yield world
