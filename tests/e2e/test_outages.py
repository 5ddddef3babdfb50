"""What surrounds the operator fails: nothing is lost, and the same process goes on.

Fifty instances are under way each time. Since no process dies, no call may be made twice.
"""

import asyncio
import http
import os
import socket
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.api import Api, Object
from tests.cluster.cluster import Cluster
from tests.cluster.errors import ApiError
from tests.cluster.identities import OPERATOR_NAMESPACE, OPERATOR_SERVICE_ACCOUNT
from tests.cluster.kubeconfig import token_user, write_kubeconfig
from tests.cluster.waiting import wait_for
from tests.e2e.gateway import Gateway
from tests.e2e.operators import OperatorProcess
from tests.e2e.services import LedgerService, Reply
from tests.e2e.world import World, call, history_of

pytestmark = pytest.mark.cluster

INSTANCES = 50
DEFINITION = "journey"
STEPS = ("leave", "change", "arrive")
# The issue asks for a minute of 429; that long it takes only where somebody wants to see it.
TURNED_AWAY_SECONDS = float(os.environ.get("PERDURE_TURNED_AWAY_SECONDS", "15"))
REFUSED_SECONDS = 60.0  # the API server remembers for 10 s that a token was good
REFUSALS = 30  # a tenth of a second each: the operator meets some of them
FORBIDDEN_SECONDS = 3.0
DAY = timedelta(days=1)
KNOWN_SECONDS = 30.0  # the operator publishes how many instances it knows every 10 s


@dataclass(slots=True)
class Journeys:
    """Fifty instances of three calls, a timer and an event, in one namespace."""

    world: World
    operator: OperatorProcess
    names: list[str] = field(default_factory=list)
    approved: int = 0

    async def define(self) -> None:
        usual = Reply(delay=0.05, spread=0.5)
        await self.world.script("/*", usual)
        leave, change, arrive = (call(name, f"/{name}") for name in STEPS)
        rest: Object = {"name": "rest", "wait": {"for": "1s"}}
        go: Object = {"name": "go", "event": {"name": "go"}}
        output = {name: f"${{steps.{name}.output.token}}" for name in STEPS}
        await self.world.define(DEFINITION, leave, rest, change, go, arrive, output=output)

    async def start(self, count: int = INSTANCES) -> None:
        """Start some more, one after the other."""
        for _ in range(count):
            name = f"journey-{len(self.names)}"
            self.names.append(name)
            await self.world.start(name, DEFINITION)

    async def approve(self, count: int) -> None:
        """Raise the event of the next instances, by both doors in turn."""
        for name in self.names[self.approved : self.approved + count]:
            if self.approved % 2:
                await self.world.raise_object(f"{name}-go", name)
            else:
                await self.world.raise_in_spec(name, {"id": "go", "name": "go"})
            self.approved += 1

    async def under_way(self, requests: int = INSTANCES // 2) -> None:
        """Wait until so many calls were made: some instances call, some rest, some wait."""

        def look() -> bool:
            return len(self.world.ledger.requests()) >= requests

        await asyncio.to_thread(wait_for, look, f"{requests} requests", 60.0)

    async def arrive(self) -> None:
        """Raise what was not raised yet; check that all ended well and nothing happened twice."""
        await self.approve(len(self.names))
        requests = await asyncio.to_thread(self.world.ledger.requests)
        for name in self.names:
            found = await self.world.succeeded(name)
            assert_gapless(found)
            made = [each for each in requests if each.uid == found["metadata"]["uid"]]
            if len(made) < len(STEPS):
                requests = await asyncio.to_thread(self.world.ledger.requests)
                made = [each for each in requests if each.uid == found["metadata"]["uid"]]
            assert Counter(each.step for each in made) == Counter(STEPS), name
            assert found["status"]["output"] == {each.step: each.token for each in made}
        path = self.world.path("WorkflowEvent")
        await self._consumed(path)
        assert self.operator.exit_code is None

    async def _consumed(self, path: str) -> None:
        """Wait until no event object is left: each was taken, none refused."""

        def look(found: Object | None) -> bool:
            return found is not None and found["items"] == []

        await self.world.api.wait_for(path, look, "all events to be consumed")


def assert_gapless(found: Object) -> None:
    segments = found["status"]["history"]["segments"]
    assert segments["count"] == 0, "so short a history stays in the status"
    ids = [event["id"] for event in history_of(found)]
    assert ids == list(range(1, found["status"]["history"]["length"] + 1))


# --- what runs --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def service() -> Iterator[LedgerService]:
    with LedgerService("outages") as service:
        yield service


@asynccontextmanager
async def journeys(
    cluster: Cluster, namespace: str, service: LedgerService, **options: Any
) -> AsyncIterator[Journeys]:
    """Run an operator, and fifty instances that are under way; afterwards it is the same one."""
    services = {"shop": service.url}
    operator = OperatorProcess(
        cluster, namespace, namespaces=[namespace], services=services, **options
    )
    async with cluster.api() as api:
        try:
            await asyncio.to_thread(operator.start)
            pid = operator.pid
            running = Journeys(World(api, cluster, namespace, service), operator)
            before = len(await asyncio.to_thread(service.requests))
            await running.define()
            await running.start()
            await running.under_way(before + INSTANCES // 2)
            await running.approve(INSTANCES // 2)
            yield running
            await running.arrive()
            assert operator.pid == pid
        finally:
            operator.kill()


# --- outages ----------------------------------------------------------------------------------


async def test_the_api_server_is_killed_and_comes_back(
    cluster: Cluster, namespace: str, service: LedgerService
) -> None:
    async with journeys(cluster, namespace, service):
        await asyncio.to_thread(cluster.restart, "apiserver")


async def test_etcd_is_killed_and_comes_back(
    cluster: Cluster, namespace: str, service: LedgerService
) -> None:
    async with journeys(cluster, namespace, service):
        await asyncio.to_thread(cluster.restart, "etcd")
        await asyncio.to_thread(wait_for, cluster.connection.is_ready, "the API server", 60.0)


async def test_the_past_is_forgotten_while_the_operator_is_paused(
    cluster: Cluster, namespace: str, service: LedgerService
) -> None:
    async with journeys(cluster, namespace, service) as running:
        # Given an operator that misses deletions, creations and events,
        world, gone = running.world, running.names[-5:]
        running.operator.pause()
        for name in gone:
            running.names.remove(name)
            await world.delete("WorkflowInstance", name)
        await running.start(5)
        await running.approve(5)

        # when it goes on after the API server has forgotten them,
        await asyncio.to_thread(cluster.forget_history)
        running.operator.resume()

        # then it lists anew, and forgets what is gone.
        await running.arrive()
        await asyncio.to_thread(
            wait_for, lambda: live(running.operator) == 0, "nobody to be left", KNOWN_SECONDS
        )


def live(operator: OperatorProcess) -> float:
    return operator.metrics()["perdure_instances_live"]


async def test_the_token_expires_and_is_renewed_late(
    cluster: Cluster, namespace: str, service: LedgerService
) -> None:
    # Given an operator whose token lasts as long as a Secret,
    token_file = cluster.layout.root / "outages-token"
    token_file.touch(mode=0o600)
    token_file.write_text(await asyncio.to_thread(bound_token, cluster, namespace))
    own_kubeconfig(cluster, "outages-token", cluster.server, token_file)
    options = {"kubeconfig_identity": "outages-token"}
    async with journeys(cluster, namespace, service, **options) as running:
        # when the Secret is gone, and the API server refuses the token,
        secrets = f"/api/v1/namespaces/{OPERATOR_NAMESPACE}/secrets"
        await running.world.api.delete(f"{secrets}/{namespace}")
        await refused(cluster, token_file.read_text(), namespace)
        assert running.operator.exit_code is None

        # then the next one in its file is all it needs.
        token_file.write_text(cluster.token(OPERATOR_SERVICE_ACCOUNT, OPERATOR_NAMESPACE, DAY))
    token_file.unlink()


def bound_token(cluster: Cluster, name: str) -> str:
    """Return a token that is good as long as a Secret of this name exists."""
    secrets = f"/api/v1/namespaces/{OPERATOR_NAMESPACE}/secrets"
    body = {"metadata": {"name": name}}
    uid = cluster.connection.call("POST", secrets, body)["metadata"]["uid"]
    bound = {"apiVersion": "v1", "kind": "Secret", "name": name, "uid": uid}
    accounts = f"/api/v1/namespaces/{OPERATOR_NAMESPACE}/serviceaccounts"
    path = f"{accounts}/{OPERATOR_SERVICE_ACCOUNT}/token"
    made = cluster.connection.call("POST", path, {"spec": {"boundObjectRef": bound}})
    token: str = made["status"]["token"]
    return token


async def refused(cluster: Cluster, token: str, namespace: str) -> None:
    """Wait until the API server has answered 401 to the holder of the token for a while."""
    path = f"/apis/perdure.dev/v1alpha1/namespaces/{namespace}/workflowinstances"
    refusals = 0
    async with asyncio.timeout(REFUSED_SECONDS), cluster.token_api(token) as api:
        while refusals < REFUSALS:
            refusals += await status_of(api, path) == http.HTTPStatus.UNAUTHORIZED
            await asyncio.sleep(0.1)


async def status_of(api: Api, path: str) -> int:
    try:
        await api.get(path, limit="1")
    except ApiError as error:
        return error.status
    return http.HTTPStatus.OK


def own_kubeconfig(cluster: Cluster, identity: str, server: str, token_file: Path) -> None:
    path, pki = cluster.layout.kubeconfig(identity), cluster.layout.pki
    write_kubeconfig(path, server, pki, token_user(token_file))


async def test_everybody_is_turned_away_with_429(
    cluster: Cluster, namespace: str, service: LedgerService
) -> None:
    async with Gateway(cluster) as gateway:
        token_file = cluster.layout.root / "token"
        own_kubeconfig(cluster, "outages-gateway", gateway.url, token_file)
        options = {"kubeconfig_identity": "outages-gateway"}
        async with journeys(cluster, namespace, service, **options):
            gateway.close(TURNED_AWAY_SECONDS)
            await asyncio.sleep(TURNED_AWAY_SECONDS)  # it is a length that is asked for
            refused = gateway.refused
        print(f"\n429 for {TURNED_AWAY_SECONDS:g} s: {refused} requests were turned away")
        assert 0 < refused < 100 * TURNED_AWAY_SECONDS, "asked now and then, not all the time"


async def test_the_operator_may_not_see_definitions_for_a_while(
    cluster: Cluster, namespace: str, service: LedgerService
) -> None:
    async with Gateway(cluster) as gateway:
        # Given an operator that starts before it may read definitions,
        own_kubeconfig(cluster, "outages-gateway", gateway.url, cluster.layout.root / "token")
        gateway.close(FORBIDDEN_SECONDS, http.HTTPStatus.FORBIDDEN, "workflowdefinitions")
        options = {"kubeconfig_identity": "outages-gateway"}
        async with journeys(cluster, namespace, service, **options) as running:
            # when it may not again, although it has watched them,
            before = gateway.refused
            gateway.close(FORBIDDEN_SECONDS, http.HTTPStatus.FORBIDDEN, "workflowdefinitions")
            await asyncio.to_thread(
                wait_for, lambda: gateway.refused > before, "a refusal", KNOWN_SECONDS
            )

            # then it sees the next definition all the same, once it may.
            await running.world.define("next", call("leave", "/next"))


async def test_an_operator_that_waits_for_the_api_server_is_healthy_and_not_ready(
    cluster: Cluster, namespace: str
) -> None:
    # Given an API server that takes connections and does not answer,
    with socket.create_server(("127.0.0.1", 0)) as mute:
        server = f"https://127.0.0.1:{mute.getsockname()[1]}"
        own_kubeconfig(cluster, "outages-mute", server, cluster.layout.root / "token")
        operator = OperatorProcess(cluster, namespace, "outages-mute", [namespace])
        try:
            # when an operator starts, then nobody starts it again for that.
            operator.spawn()
            await asyncio.to_thread(
                wait_for, lambda: operator.probe("/readyz")[0] == 503, "an answer", 30.0
            )
            assert operator.probe("/healthz") == (200, "ok\n")
        finally:
            await asyncio.to_thread(operator.kill)


async def test_the_watch_of_definitions_starts_again_after_what_ends_it(
    cluster: Cluster, namespace: str, service: LedgerService
) -> None:
    # Given an operator to which the API server once answers what nobody repeats,
    async with Gateway(cluster) as gateway, cluster.api() as api:
        own_kubeconfig(cluster, "outages-gateway", gateway.url, cluster.layout.root / "token")
        gateway.close(FORBIDDEN_SECONDS, http.HTTPStatus.BAD_REQUEST, "admissionregistration")
        operator = OperatorProcess(cluster, namespace, "outages-gateway", [namespace])
        try:
            await asyncio.to_thread(operator.start)
            await asyncio.to_thread(wait_for, lambda: gateway.refused > 0, "one", KNOWN_SECONDS)

            # when a definition is applied, then it is checked all the same.
            await World(api, cluster, namespace, service).define("late", call("a", "/a"))
        finally:
            await asyncio.to_thread(operator.kill)
