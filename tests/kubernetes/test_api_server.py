"""Client, objects, informer and presence against a real API server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.cluster.cluster import Cluster
from tests.cluster.identities import OPERATOR_NAMESPACE
from tests.kubernetes.clocks import ManualClock
from tests.kubernetes.waiting import until

from perdure.engine.values import JsonObject
from perdure.errors import (
    ObjectConflictError,
    ObjectForbiddenError,
    ObjectNotFoundError,
    ObjectRejectedError,
    TransientError,
)
from perdure.kubernetes.client import ApiClient, connect
from perdure.kubernetes.connection import Connection, TokenFile
from perdure.kubernetes.informer import Change, ChangeKind, Informer
from perdure.kubernetes.leases import holder_of, lease_name, new_lease
from perdure.kubernetes.login import log_in
from perdure.kubernetes.objects import ApiObjects
from perdure.kubernetes.presence import LeasePresence, PresenceTimes
from perdure.kubernetes.versions import metadata_of
from perdure.ports import CONTROLLER_REVISIONS, LEASES, Clock, Resource
from perdure.runtime.clock import SystemClock
from perdure.runtime.marks import is_marked, marking, unmarking, unneeded_since

pytestmark = pytest.mark.cluster

CONFIG_MAPS = Resource(group="", version="v1", plural="configmaps", kind="ConfigMap")


@asynccontextmanager
async def acting_as(
    cluster: Cluster, identity: str = "admin", clock: Clock | None = None
) -> AsyncIterator[ApiClient]:
    clock = clock or SystemClock()
    connection = log_in(clock, kubeconfig=str(cluster.kubeconfig(identity)))
    async with connect(connection, clock) as client:
        yield client


def config_map(name: str, **data: str) -> JsonObject:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name},
        "data": dict(data),
    }


def uid_of(item: JsonObject) -> str:
    return str(metadata_of(item)["uid"])


class Followed:
    """The objects that an informer has told, by name, as they were last seen."""

    def __init__(self, client: ApiClient, namespace: str, clock: Clock) -> None:
        self.changes: list[Change] = []
        self.live: dict[str, int] = {}
        self.informer = Informer(
            client,
            CONFIG_MAPS,
            namespaces=[namespace],
            fields="metadata.name!=kube-root-ca.crt",
            on_change=self._take,
            on_synced=lambda: None,
            clock=clock,
        )

    def _take(self, change: Change) -> None:
        self.changes.append(change)
        name = str(metadata_of(change.object)["name"])
        if change.kind is ChangeKind.DELETED:
            del self.live[name]
        else:
            self.live[name] = change.version


@asynccontextmanager
async def following(client: ApiClient, namespace: str, clock: Clock) -> AsyncIterator[Followed]:
    followed = Followed(client, namespace, clock)
    task = asyncio.create_task(followed.informer.run())
    try:
        await until(lambda: followed.informer.is_synced)
        yield followed
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_objects_are_created_read_replaced_patched_and_deleted(
    cluster: Cluster, namespace: str
) -> None:
    async with acting_as(cluster) as client:
        objects = ApiObjects(client)
        made = await objects.create(CONFIG_MAPS, namespace, config_map("a", key="1"))
        assert await objects.get(CONFIG_MAPS, namespace, "a") == made
        with pytest.raises(ObjectConflictError):
            await objects.create(CONFIG_MAPS, namespace, config_map("a"))

        replaced = await objects.replace(CONFIG_MAPS, namespace, {**made, "data": {"key": "2"}})
        with pytest.raises(ObjectConflictError):
            await objects.replace(CONFIG_MAPS, namespace, {**made, "data": {"key": "3"}})
        with pytest.raises(ObjectNotFoundError):
            await objects.replace(CONFIG_MAPS, namespace, config_map("b"))

        raised: JsonObject = {"op": "replace", "path": "/data/key", "value": "4"}
        patched = await objects.patch(CONFIG_MAPS, namespace, "a", [raised])
        assert patched["data"] == {"key": "4"}
        stale: JsonObject = {"op": "test", "path": "/data/key", "value": "2"}
        with pytest.raises(ObjectRejectedError) as rejected:
            await objects.patch(CONFIG_MAPS, namespace, "a", [stale, raised])
        assert rejected.value.status == 422

        version = str(metadata_of(replaced)["resourceVersion"])
        with pytest.raises(ObjectConflictError):
            await objects.delete(CONFIG_MAPS, namespace, "a", uid="another")
        with pytest.raises(ObjectConflictError):
            await objects.delete(CONFIG_MAPS, namespace, "a", uid=uid_of(made), version=version)
        await objects.delete(CONFIG_MAPS, namespace, "a", uid=uid_of(made))
        await objects.delete(CONFIG_MAPS, namespace, "a", uid=uid_of(made))
        with pytest.raises(ObjectNotFoundError):
            await objects.get(CONFIG_MAPS, namespace, "a")
        assert client.skew_seconds == 0


async def test_a_revision_whose_recipe_compares_can_be_marked_and_unmarked(
    cluster: Cluster, namespace: str
) -> None:
    async with acting_as(cluster, "operator") as client:
        objects = ApiObjects(client)
        body: JsonObject = {
            "apiVersion": "apps/v1",
            "kind": "ControllerRevision",
            "metadata": {"name": "order-1"},
            "revision": 1,
            "data": {"spec": {"when": "a < 1 && b > 2", "text": "é", "number": 1.5}},
        }
        made = await objects.create(CONTROLLER_REVISIONS, namespace, body)
        now = SystemClock().now()
        place = (CONTROLLER_REVISIONS, namespace, "order-1")
        await objects.patch(*place, marking(made, now))
        found = await objects.get(*place)
        assert unneeded_since(found) == now.replace(microsecond=0)
        with pytest.raises(ObjectRejectedError):
            await objects.patch(*place, unmarking(made))
        await objects.patch(*place, unmarking(found))
        found = await objects.get(*place)
        assert not is_marked(found)
        assert found["data"] == body["data"]


async def test_what_is_not_allowed_is_forbidden(cluster: Cluster, namespace: str) -> None:
    async with acting_as(cluster, "operator") as client:
        with pytest.raises(ObjectForbiddenError) as forbidden:
            await ApiObjects(client).get(CONFIG_MAPS, namespace, "a")
    assert (forbidden.value.status, forbidden.value.reason) == (403, "Forbidden")


async def test_an_object_beyond_the_limit_of_etcd_is_rejected(
    cluster: Cluster, namespace: str
) -> None:
    async with acting_as(cluster) as client:
        objects = ApiObjects(client)
        lease = new_lease("a", namespace)
        for size in (1_800_000, 4_000_000):  # refused by etcd, by the API server
            with pytest.raises(ObjectRejectedError) as rejected:
                await objects.create(
                    LEASES, namespace, {**lease, "spec": {"holderIdentity": "x" * size}}
                )
            assert rejected.value.status == 413


async def test_a_long_list_is_read_in_pages(cluster: Cluster, namespace: str) -> None:
    async with acting_as(cluster) as client:
        objects = ApiObjects(client)
        names = [f"m-{number:03d}" for number in range(130)]
        await asyncio.gather(
            *(objects.create(CONFIG_MAPS, namespace, config_map(name)) for name in names)
        )
        items = await objects.list(CONFIG_MAPS, namespace, fields="metadata.name!=kube-root-ca.crt")
    assert [metadata_of(item)["name"] for item in items] == names
    assert {item["kind"] for item in items} == {"ConfigMap"}


async def test_a_token_that_has_expired_is_read_again(
    cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    clock = SystemClock()
    login = log_in(clock, kubeconfig=str(cluster.kubeconfig("service-account")))
    good = await login.credentials.token()
    assert good is not None
    file = tmp_path / "token"
    file.write_text("expired")
    connection = Connection(server=login.server, tls=login.tls, credentials=TokenFile(file, clock))
    async with connect(connection, clock) as client:
        objects = ApiObjects(client)
        with pytest.raises(TransientError, match="401"):
            await objects.list(LEASES, namespace)
        file.write_text(good)
        assert await objects.list(LEASES, namespace) == []


async def test_changes_are_told_and_the_informer_outlives_the_api_server(
    cluster: Cluster, namespace: str
) -> None:
    clock = SystemClock()
    async with acting_as(cluster) as client, following(client, namespace, clock) as followed:
        objects = ApiObjects(client)
        a = await objects.create(CONFIG_MAPS, namespace, config_map("a"))
        await until(lambda: [*followed.live] == ["a"])
        await asyncio.to_thread(cluster.restart, "apiserver")
        await objects.create(CONFIG_MAPS, namespace, config_map("b"))
        await objects.delete(CONFIG_MAPS, namespace, "a", uid=uid_of(a))
        await until(lambda: [*followed.live] == ["b"], seconds=30)
        assert followed.informer.age_seconds < 30


async def test_deletions_in_a_gap_that_etcd_has_forgotten_are_concluded(
    cluster: Cluster, namespace: str
) -> None:
    clock = ManualClock()  # holds the informer in its back-off while the gap opens
    async with (
        acting_as(cluster) as writer,
        acting_as(cluster, clock=clock) as client,
        following(client, namespace, clock) as followed,
    ):
        objects = ApiObjects(writer)
        a = await objects.create(CONFIG_MAPS, namespace, config_map("a"))
        await objects.create(CONFIG_MAPS, namespace, config_map("b"))
        await until(lambda: len(followed.live) == 2)
        await asyncio.to_thread(cluster.restart, "apiserver")
        await until(lambda: clock.sleepers == 1)

        await objects.delete(CONFIG_MAPS, namespace, "a", uid=uid_of(a))
        b = await objects.get(CONFIG_MAPS, namespace, "b")
        await objects.delete(CONFIG_MAPS, namespace, "b", uid=uid_of(b))
        again = await objects.create(CONFIG_MAPS, namespace, config_map("b"))
        await asyncio.to_thread(cluster.forget_history)

        before = len(followed.changes)
        await until(
            lambda: len(followed.changes) == before + 3,
            seconds=30,
            tick=lambda: clock.advance(0.1),
        )
    told = {(change.kind, change.uid) for change in followed.changes[before:]}
    assert told == {
        (ChangeKind.ADDED, uid_of(again)),
        (ChangeKind.DELETED, uid_of(a)),
        (ChangeKind.DELETED, uid_of(b)),
    }


TIMES = PresenceTimes(renew_seconds=0.05, look_seconds=0.05, mute_seconds=0.5, dead_seconds=0.8)


def presence_of(client: ApiClient, identity: str) -> LeasePresence:
    return LeasePresence(
        ApiObjects(client, is_urgent=True, timeout=3),
        SystemClock(),
        identity=identity,
        namespace=OPERATOR_NAMESPACE,
        times=TIMES,
    )


async def test_one_of_two_presences_is_killed_and_the_other_sees_it_die(cluster: Cluster) -> None:
    async with (
        acting_as(cluster, "operator") as client,
        acting_as(cluster, "operator-2") as client_2,
    ):
        ours, other = presence_of(client, "Host_A"), presence_of(client_2, "host-b")
        await ours.start()
        await other.start()
        task, other_task = (asyncio.create_task(each.run()) for each in (ours, other))
        ours.watch(other.incarnation)
        deaths = aiter(ours.deaths())
        await renewed(client, "host-b")
        assert other.may_send
        assert not ours.is_dead(other.incarnation)

        other_task.cancel()
        assert await asyncio.wait_for(anext(deaths), 10) == other.incarnation
        assert ours.is_dead(other.incarnation)
        assert not other.may_send, "it fell silent before anybody took it for dead"
        assert ours.may_send
        task.cancel()
        await asyncio.gather(task, other_task, return_exceptions=True)
        await ours.release()
        lease = await ApiObjects(client).get(LEASES, OPERATOR_NAMESPACE, lease_name("Host_A"))
        assert holder_of(lease) == ""


async def test_a_second_process_of_one_identity_displaces_the_first(cluster: Cluster) -> None:
    async with acting_as(cluster, "operator") as client:
        first, second = presence_of(client, "twin"), presence_of(client, "twin")
        await first.start()
        task = asyncio.create_task(first.run())
        await second.start()
        await asyncio.wait_for(first.lost.wait(), 10)
        assert not first.may_send
        assert second.may_send
        assert second.is_dead(first.incarnation)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def renewed(client: ApiClient, identity: str) -> None:
    """Return when a Lease has changed."""
    versions: set[object] = set()
    async with asyncio.timeout(10):
        while len(versions) < 2:
            lease = await ApiObjects(client).get(LEASES, OPERATOR_NAMESPACE, lease_name(identity))
            versions.add(metadata_of(lease)["resourceVersion"])
