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


@pytest.fixture
def filled(space: Space) -> Space:
    """Five instances: i0 to i4, labelled by number and by whether it is odd."""
    for number in range(5):
        labels = {"n": str(number), "parity": "odd" if number % 2 else "even"}
        metadata = {"labels": labels if number < 4 else {"last": ""}}
        space.create(f"i{number}", metadata, suspend=number == 2)
    return space
