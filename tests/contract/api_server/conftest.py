"""The two servers that every case runs against, unchanged."""

from collections.abc import Iterator
from itertools import count

import pytest
from tests.contract.api_server.memory import MemoryServer
from tests.contract.api_server.port import Server
from tests.contract.api_server.real import RealServer
from tests.contract.api_server.space import Space

NUMBERS = count(1)


@pytest.fixture(
    scope="session",
    params=["memory", pytest.param("real", marks=pytest.mark.cluster)],
)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """One server for all cases; each works in a namespace of its own."""
    if request.param == "memory":
        yield MemoryServer()
        return
    real = RealServer(request.getfixturevalue("cluster"))
    yield real
    real.close()


@pytest.fixture
def space(server: Server) -> Space:
    """A fresh namespace."""
    space = Space(server, f"case-{next(NUMBERS)}")
    result = server.call("POST", "/api/v1/namespaces", {"metadata": {"name": space.name}})
    assert result.status == 201, result.text
    return space
