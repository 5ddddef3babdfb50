"""What tests of the adapters share."""

from collections.abc import AsyncIterator

import pytest
from tests.kubernetes.scripted import ScriptedServer, scripted_server


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with scripted_server() as server:
        yield server
