"""Each trick does to a request and to its answer what it says, at a real API server."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
import pytest
from tests.chaos.exchange import Exchange
from tests.chaos.mischief import Dice, Mischief, Trick
from tests.chaos.sightings import Sightings
from tests.cluster.api import Api, Object
from tests.cluster.cluster import Cluster
from tests.cluster.connection import server_tls
from tests.cluster.errors import ApiError

pytestmark = pytest.mark.cluster

LOST = (aiohttp.ClientError, ConnectionError)


@dataclass(frozen=True, slots=True)
class Path:
    """The way of an operator to Leases, which stand for anything that is written."""

    exchange: Exchange
    sightings: Sightings
    through: Api
    beside: Api
    url: str

    async def create(self, name: str) -> Object:
        return await self.through.create(self.url, {"metadata": {"name": name}})

    async def exists(self, name: str) -> bool:
        return await self.beside.find(f"{self.url}/{name}") is not None


@asynccontextmanager
async def path(cluster: Cluster, namespace: str) -> AsyncIterator[Path]:
    sightings = Sightings()
    token = (cluster.layout.root / "token").read_text()
    async with Exchange(cluster, "op", sightings, Dice(1)) as exchange, cluster.api() as beside:
        url = f"https://127.0.0.1:{exchange.port}"
        async with Api(url, server_tls(cluster.layout.pki), token) as through:
            leases = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
            yield Path(exchange, sightings, through, beside, leases)


def always(trick: Trick) -> Mischief:
    return Mischief(trick=trick, is_for_writes=True)


async def test_an_exchange_without_mischief_hands_on_and_knows_who_wrote(
    cluster: Cluster, namespace: str
) -> None:
    async with path(cluster, namespace) as way:
        made = await way.create("a")
        version = made["metadata"]["resourceVersion"]
        assert way.sightings.by_version[version].identity == "op"
        assert way.sightings.by_version[version].place == f"leases/{namespace}/a"


@pytest.mark.parametrize(
    ("trick", "is_done"),
    [(Trick.SWALLOW, True), (Trick.TEAR, True), (Trick.LOSE, False)],
)
async def test_a_connection_breaks_after_the_request_was_done_or_before(
    cluster: Cluster, namespace: str, trick: Trick, is_done: bool
) -> None:
    async with path(cluster, namespace) as way:
        with way.exchange.dice.loaded(always(trick)), pytest.raises(LOST):
            await way.create("a")
        assert await way.exists("a") is is_done


@pytest.mark.parametrize(
    ("trick", "status", "is_done"),
    [
        (Trick.THROTTLE, 429, False),
        (Trick.REFUSE, 503, False),
        (Trick.ESTRANGE, 401, False),
        (Trick.ABANDON, 504, True),
        (Trick.AGAIN, 409, True),
    ],
)
async def test_an_error_is_answered_whether_the_request_was_done_or_not(
    cluster: Cluster, namespace: str, trick: Trick, status: int, is_done: bool
) -> None:
    async with path(cluster, namespace) as way:
        with way.exchange.dice.loaded(always(trick)), pytest.raises(ApiError) as error:
            await way.create("a")
        assert error.value.status == status
        assert await way.exists("a") is is_done


async def test_a_request_that_is_sent_twice_has_one_effect(
    cluster: Cluster, namespace: str
) -> None:
    async with path(cluster, namespace) as way:
        with way.exchange.dice.loaded(always(Trick.TWICE)):
            made = await way.create("a")
        assert made["metadata"]["name"] == "a"
        assert way.exchange.repeats == {"POST 409": 1}


async def test_a_watch_is_cut_replayed_and_given_odd_errors(
    cluster: Cluster, namespace: str
) -> None:
    async with path(cluster, namespace) as way:
        since = (await way.beside.get(way.url))["metadata"]["resourceVersion"]
        for name in ("a", "b"):
            await way.beside.create(way.url, {"metadata": {"name": name}})

        async def watched(trick: Trick) -> list[str]:
            names = []
            with way.exchange.dice.loaded(Mischief(trick=trick)):
                async for event in way.through.watch(way.url, since, timeout_seconds=1):
                    names.append(event["object"]["metadata"]["name"])
            return names

        assert await watched(Trick.WATCH_REPLAY) == ["a", "a", "b", "a", "b"]
        with pytest.raises(ApiError):
            await watched(Trick.WATCH_ERROR)
        with pytest.raises((*LOST, json.JSONDecodeError)):
            await watched(Trick.WATCH_CUT)
        with pytest.raises(json.JSONDecodeError):
            await watched(Trick.WATCH_NOISE)
