"""`perdure store`: what is printed, and the exit status."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from itertools import count
from typing import TypeVar

import orjson
import pytest
from tests.contract.memory_transport import MemoryTransport
from tests.contract.worlds import completed, scheduled, started
from tests.kubernetes.instances import ApiServerWorld
from tests.kubernetes.log.bodies import logged_turns
from tests.kubernetes.log.owners import NAMESPACE as TENANTS
from tests.kubernetes.log.owners import Owned, Pen
from typer.testing import CliRunner, Result

from perdure.cli import storekeeping
from perdure.cli.main import app
from perdure.engine.values import JsonObject
from perdure.errors import ObjectForbiddenError, SettingsError
from perdure.kubernetes.client import ApiClient, ClientLimits
from perdure.kubernetes.connection import Connection, FixedToken
from perdure.kubernetes.log.claiming import Claimant, Claimed
from perdure.kubernetes.log.draining import LaneHolder
from perdure.kubernetes.log.opening import Opener
from perdure.kubernetes.log.placing import Placed, Placing
from perdure.kubernetes.log.presence import TIMES
from perdure.kubernetes.log.slots import Generation, Slots
from perdure.kubernetes.objects import ApiObjects
from perdure.kubernetes.presence import LeasePresence
from perdure.lanes import ring
from perdure.lanes.carrying import OwnedRing
from perdure.lanes.entry import EntryKind
from perdure.ports import WORKFLOW_INSTANCES, WORKFLOW_LOGS, Clock
from perdure.runtime.clock import SystemClock
from perdure.testing.apiserver import ApiServer, Request

NAMESPACE = "perdure-system"
WRITER = "perdure-0_0000000000000001"
T = TypeVar("T")


class Cluster:
    """An API server in memory that the command line reaches, with one lane of eight slots."""

    def __init__(self) -> None:
        self.clock, numbers = SystemClock(), count(1)
        self.server = ApiServer(now=self.clock.now, uid=lambda *_: f"uid-{next(numbers)}")
        for name in (NAMESPACE, TENANTS):
            content = orjson.dumps({"metadata": {"name": name}})
            request = Request("POST", "/api/v1/namespaces", {}, content, "application/json", "t")
            assert self.server.handle(request).status == 201

    def client(self, *_: object) -> ApiClient:
        token = FixedToken("tests")
        return ApiClient(MemoryTransport(self.server), token, self.clock, ClientLimits())

    def do(self, work: Callable[[ApiClient], Awaitable[T]]) -> T:
        async def connected() -> T:
            async with self.client() as client:
                return await work(client)

        return asyncio.run(connected())

    def open(self) -> None:
        async def work(client: ApiClient) -> None:
            await Opener(Slots(ApiObjects(client), NAMESPACE), self.clock, 1).open()

        self.do(work)

    def unshown(self, name: str = "order") -> Owned:
        """Return an instance with a turn in the log that its status does not show."""

        async def work(client: ApiClient) -> Owned:
            pen = Pen(ApiServerWorld(client, TENANTS))
            owned = await pen.owned(name)
            owned.commit(started())
            await pen.show(owned)
            owned.commit(scheduled("a"))
            owned.commit(completed(2))
            await logged(client, self.clock, owned)
            return owned

        return self.do(work)

    def body(self, owned: Owned) -> JsonObject:
        return self.do(
            lambda client: ApiObjects(client).get(
                WORKFLOW_INSTANCES, owned.key.namespace, owned.key.name
            )
        )

    def delete(self, name: str) -> None:
        async def work(client: ApiClient) -> None:
            objects = ApiObjects(client)
            body = await objects.get(WORKFLOW_LOGS, NAMESPACE, name)
            metadata = body["metadata"]
            assert isinstance(metadata, dict)
            await objects.delete(WORKFLOW_LOGS, NAMESPACE, name, uid=str(metadata["uid"]))

        self.do(work)


async def logged(client: ApiClient, clock: Clock, owned: Owned) -> None:
    """Claim lane 0, and let the turns of an instance stand in one entry."""
    slots = Slots(ApiObjects(client), NAMESPACE)
    claimant = Claimant(slots, clock, Generation(1, 1), WRITER)
    result = await claimant.claim(await claimant.read(0))
    assert isinstance(result, Claimed)
    lane = OwnedRing(result.view)
    entry = lane.next_entry(EntryKind.TURNS, clock.token(), tuple(logged_turns(owned)))
    with Placing(slots, clock, lane.replaced) as placing:
        assert isinstance(await placing.offer(entry), Placed)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    found = Cluster()
    monkeypatch.setattr(ring, "SLOTS", 8)
    connection = Connection(server="http://memory.invalid")
    monkeypatch.setattr(storekeeping, "log_in", lambda *_, **__: connection)
    monkeypatch.setattr(storekeeping, "connect", found.client)
    found.open()
    return found


def perdure(*args: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(app, ["store", *args], input=answer)


# --- status -----------------------------------------------------------------------------------


def test_status_is_a_table(cluster: Cluster) -> None:
    cluster.unshown()
    result = perdure("status")
    assert result.exit_code == 0
    title, head, row = result.stdout.splitlines()
    assert title == 'log of namespace "perdure-system": generation 1'
    assert " ".join(head.split()) == ("LANE SEQ KIND WRITER OWNER TURNS INSTANCES UNSHOWN BYTES")
    *cells, size = row.split()
    assert cells == ["0", "2", "Turns", WRITER, "-", "2", "1", "1"]
    assert int(size) > 100


def test_status_is_json_for_programs(cluster: Cluster) -> None:
    cluster.unshown()
    result = perdure("status", "-o", "json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    [lane] = document.pop("lanes")
    assert document == {"namespace": NAMESPACE, "generation": 1, "isOpening": False}
    assert lane.pop("bytes") > 100
    assert lane == {
        "lane": 0,
        "seq": 2,
        "kind": "Turns",
        "writer": WRITER,
        "owners": [],
        "turns": 2,
        "instances": 1,
        "unshown": 1,
        "damage": [],
    }


def test_status_names_the_owner_and_whether_it_lives(cluster: Cluster) -> None:
    async def held(client: ApiClient) -> None:
        presence = LeasePresence(
            ApiObjects(client), cluster.clock, identity="perdure-0", namespace=NAMESPACE
        )
        await presence.start()
        await presence.list_lanes([0])

    cluster.do(held)
    [owner] = json.loads(perdure("status", "-o", "json").stdout)["lanes"][0]["owners"]
    assert owner["incarnation"].startswith("perdure-0_")
    assert owner["isLiving"]
    assert perdure("status").stdout.splitlines()[2].split()[4] == "perdure-0"


def test_status_of_damage_says_what_and_what_to_do(cluster: Cluster) -> None:
    cluster.delete("g1-0-5")
    result = perdure("status")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-2:] == [
        "lane 0 is damaged: WorkflowLog g1-0-5 is missing; no entry stood there",
        "what to do: restore etcd from a backup, or accept the loss with `perdure store repair`",
    ]


def test_without_a_log_there_is_nothing_wrong(cluster: Cluster) -> None:
    result = perdure("status", "-n", "default")
    assert result.exit_code == 0
    assert result.stdout == 'there is no log of turns in namespace "default"\n'
    document = json.loads(perdure("status", "-n", "default", "-o", "json").stdout)
    assert document == {"namespace": "default", "generation": None, "lanes": []}


# --- drain ------------------------------------------------------------------------------------


def test_drain_says_what_was_shown(cluster: Cluster) -> None:
    owned = cluster.unshown()
    result = perdure("drain")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "lane 0: 2 turns shown that no status showed; released\n"
    status = cluster.body(owned)["status"]
    assert isinstance(status, dict)
    assert status["rev"] == 3


def test_drain_names_what_could_not_be_shown(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.unshown()

    class Reluctant(ApiObjects):
        async def patch(self, *_: object, **__: object) -> JsonObject:
            raise ObjectForbiddenError("no", status=403, reason="Forbidden")

    monkeypatch.setattr(storekeeping, "ApiObjects", Reluctant)
    result = perdure("drain", "--timeout", "1s")
    assert result.exit_code == 1
    assert result.stderr == (
        "perdure store drain: WorkflowInstance default/order does not show all of its turns: its "
        "status could not be written in time\n"
    )
    assert "lane 0: 0 turns shown" in result.stdout


def test_drain_refuses_beside_a_living_replica(cluster: Cluster) -> None:
    async def renews(client: ApiClient) -> None:
        presence = LeasePresence(
            ApiObjects(client),
            cluster.clock,
            identity="perdure-0",
            namespace=NAMESPACE,
            times=TIMES,
        )
        await presence.start()
        running = asyncio.create_task(presence.run())
        result = await asyncio.to_thread(perdure, "drain")
        running.cancel()
        assert result.exit_code == 1
        assert result.stderr.startswith(
            "perdure store drain: Lease perdure-system/perdure-perdure-0 is renewed by perdure-0_"
        )

    cluster.do(renews)


def test_a_drain_that_the_api_server_holds_up_ends(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: object) -> None:
        await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(LaneHolder, "take", never)
    monkeypatch.setattr(storekeeping, "ENTRY_SECONDS", 0.0)
    result = perdure("drain", "--timeout", "1s")
    assert result.exit_code == 124
    assert "did not let it finish in time: run it again" in result.stderr


# --- resize -----------------------------------------------------------------------------------


def test_resize_says_what_is_open_now(cluster: Cluster) -> None:
    result = perdure("resize", "2")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        "generation 2 of the log is open, with 2 lanes: start the operators with --lanes 2\n"
    )
    assert perdure("resize", "2").stdout == "generation 2 of the log has 2 lanes\n"
    assert perdure("status").exit_code == 0


@pytest.mark.parametrize("lanes", ["0", "65", "two"])
def test_resize_takes_a_number_of_lanes(cluster: Cluster, lanes: str) -> None:
    assert perdure("resize", lanes).exit_code == 2


# --- repair -----------------------------------------------------------------------------------


def test_repair_shows_what_is_lost_and_asks(cluster: Cluster) -> None:
    cluster.unshown()
    cluster.delete("g1-0-2")
    result = perdure("repair", answer="n\n")
    assert result.exit_code == 1
    assert result.stdout.startswith(
        "lane 0: WorkflowLog g1-0-2 is missing; perhaps entry 2 stood there, none otherwise\n"
        "What stood in these slots is lost, "
    )
    assert "whole again" not in result.stdout
    assert perdure("status").exit_code == 1


@pytest.mark.parametrize(("args", "answer"), [(["--yes"], None), ([], "y\n")])
def test_repair_goes_on_when_told(cluster: Cluster, args: list[str], answer: str | None) -> None:
    cluster.delete("g1-0-5")
    result = perdure("repair", *args, answer=answer)
    assert result.exit_code == 0
    assert result.stdout.endswith("lane 0: whole again, and released\n")
    assert perdure("status").exit_code == 0


def test_repair_finds_nothing_to_do(cluster: Cluster) -> None:
    result = perdure("repair")
    assert (result.exit_code, result.stdout) == (0, "nothing is missing\n")


# --- wrong usage ------------------------------------------------------------------------------


def test_a_length_that_is_none_is_wrong_usage(cluster: Cluster) -> None:
    result = perdure("drain", "--timeout", "soon")
    assert result.exit_code == 2
    assert result.stderr.startswith("perdure store: --timeout: ")


def test_without_a_way_to_the_api_server_it_is_wrong_usage(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere(*_: object, **__: object) -> Connection:
        raise SettingsError("there is no kubeconfig")

    monkeypatch.setattr(storekeeping, "log_in", nowhere)
    result = perdure("status")
    assert (result.exit_code, result.stderr) == (
        2,
        "perdure store status: there is no kubeconfig\n",
    )
