"""Run-time faults: each ends as documented, and none holds up what has nothing to do with it.

The rows of the table run side by side against one operator; each is reported as a test of its own.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest
from tests.cluster.api import Api
from tests.cluster.cluster import Cluster
from tests.e2e.canaries import Canaries
from tests.e2e.fault_rows import CLOSED_PORT, OTHER_ADDRESS, ROWS, Row
from tests.e2e.operators import OperatorProcess
from tests.e2e.services import LedgerService
from tests.e2e.world import World

pytestmark = pytest.mark.cluster

FAULTS, CANARIES = "faults", "canaries"
PROMISED_SECONDS = 1.0
AT_ONCE = 12  # rows; more would measure how fast the machine creates objects
HUNG_SECONDS = 5.0  # what fails the test: the machine may have other work


@dataclass(frozen=True, slots=True)
class Play:
    """What runs: the tasks of all rows, and the canaries beside them."""

    world: World
    operator: OperatorProcess
    rows: dict[str, asyncio.Task[None]]
    canaries: Canaries


@pytest.fixture(scope="module")
def service() -> Iterator[LedgerService]:
    with LedgerService("faults") as service:
        yield service


@pytest.fixture(scope="module")
def operator(cluster: Cluster, service: LedgerService) -> Iterator[OperatorProcess]:
    for namespace in (FAULTS, CANARIES):
        cluster.create_namespace(namespace)
    services = {
        "shop": service.url,
        "closed": f"http://127.0.0.1:{CLOSED_PORT}",
        "plain-as-tls": service.url.replace("http:", "https:"),
    }
    # The API server's own address is allowed too, in vain.
    addresses = ("nowhere.invalid", OTHER_ADDRESS, "127.0.0.1")
    allowed = [f"--http-allow={address}" for address in addresses]
    operator = OperatorProcess(
        cluster, FAULTS, namespaces=[FAULTS, CANARIES], services=services, args=allowed
    )
    with operator:
        yield operator
    for namespace in (FAULTS, CANARIES):
        cluster.delete_namespace(namespace)


@pytest.fixture(scope="module")
async def play(
    cluster: Cluster, service: LedgerService, operator: OperatorProcess
) -> AsyncIterator[Play]:
    async with cluster.api() as api:
        world, canaries = worlds(api, cluster, service)
        await canaries.start()
        room = asyncio.Semaphore(AT_ONCE)
        rows = {name: asyncio.create_task(run(row, world, room)) for name, row in ROWS.items()}
        yield Play(world, operator, rows, canaries)
        for task in rows.values():
            task.cancel()
        await asyncio.gather(*rows.values(), return_exceptions=True)


async def run(row: Row, world: World, room: asyncio.Semaphore) -> None:
    async with room:
        await row(world)


def worlds(api: Api, cluster: Cluster, service: LedgerService) -> tuple[World, Canaries]:
    return (
        World(api, cluster, FAULTS, service),
        Canaries(World(api, cluster, CANARIES, service)),
    )


@pytest.mark.parametrize("name", ROWS)
async def test_the_fault_ends_as_documented(name: str, play: Play) -> None:
    await play.rows[name]


async def test_kubectl_tells_how_each_instance_ended(play: Play) -> None:
    listed = (await play.world.kubectl("get", "wfi")).splitlines()
    described = await play.world.kubectl("describe", "wfi")
    texts = {
        text.split(maxsplit=1)[0]: " ".join(text.split())
        for text in f"\n{described}".split("\nName:")[1:]
    }
    rows = {line.split()[0]: line.split() for line in listed[1:]}
    for name, words in play.world.told.items():
        phase = words[0].removeprefix("Phase: ")
        assert phase in rows[name], rows[name]
        for word in words:
            assert " ".join(word.split()) in texts[name], f"{name}: {word}"


async def test_no_fault_held_up_the_canaries(play: Play) -> None:
    await asyncio.gather(*play.rows.values(), return_exceptions=True)
    delays = await play.canaries.stop()
    print(f"\n{delays}; promised {PROMISED_SECONDS:g} s")
    assert len(delays.seconds) >= 10
    assert delays.seconds[-1] < HUNG_SECONDS
    assert play.operator.exit_code is None
