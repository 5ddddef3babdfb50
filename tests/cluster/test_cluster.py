"""The test cluster itself: it starts, knows its identities, logs, and survives its faults."""

import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import pytest
from tests.cluster.api import Api, Object
from tests.cluster.audit import AuditRecord
from tests.cluster.cluster import Cluster
from tests.cluster.control_plane import ROOT, remove
from tests.cluster.errors import ApiError, ClusterError
from tests.cluster.fixtures import report
from tests.cluster.identities import OPERATOR, SERVICE_ACCOUNT_USER, USER
from tests.cluster.processes import ProcessId
from tests.cluster.waiting import wait_for

pytestmark = pytest.mark.cluster

START_LIMIT_SECONDS = 60.0  # a guard against hanging, not a measurement; about 4 s is usual
AUDIT_SECONDS = 10.0


@pytest.fixture
def second(cluster: Cluster) -> Iterator[Cluster]:
    """Another cluster beside the session's, not started yet."""
    second = Cluster(f"{cluster.name}-second", report)
    yield second
    second.down()
    remove(second.layout.root)


@pytest.fixture
async def operator(cluster: Cluster) -> AsyncIterator[Api]:
    async with cluster.api("operator") as api:
        yield api


def config_maps(namespace: str, name: str = "") -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps/{name}".rstrip("/")


def leases(namespace: str) -> str:
    return f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"


def named(name: str, **fields: object) -> Object:
    return {"metadata": {"name": name}, **fields}


def processes_of(cluster: Cluster) -> list[ProcessId]:
    pids = [pid for pid in cluster.status().values() if pid is not None]
    return [found for found in map(ProcessId.of, pids) if found is not None]


def command(*args: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "tests.cluster", *args],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def can(cluster: Cluster, identity: str, verb: str, resource: str, namespace: str) -> bool:
    """Ask the API server, as `identity`, whether it may; `resource` may name a subresource."""
    resource, _, subresource = resource.partition("/")
    arguments = ["auth", "can-i", verb, resource, "--namespace", namespace, "--quiet"]
    if subresource:
        arguments += ["--subresource", subresource]
    return cluster.kubectl(*arguments, identity=identity, check=False).returncode == 0


# --- life ---------------------------------------------------------------------------------


def test_a_second_cluster_starts_beside_the_first_and_leaves_no_process(
    cluster: Cluster, second: Cluster
) -> None:
    started = time.monotonic()
    second.up()
    assert time.monotonic() - started < START_LIMIT_SECONDS

    second.create_namespace("only-here")
    assert second.server != cluster.server
    with pytest.raises(ApiError, match="only-here"):
        cluster.connection.call("GET", "/api/v1/namespaces/only-here")

    processes = processes_of(second)
    assert len(processes) == 3
    second.down()
    assert not any(each.is_alive() for each in processes)
    assert set(second.status().values()) == {None}
    assert all(cluster.status().values())


def test_up_changes_nothing_where_all_runs_and_starts_what_is_missing(cluster: Cluster) -> None:
    before = cluster.status()
    cluster.up()
    assert cluster.status() == before

    cluster.kill("controller-manager")
    assert cluster.status()["controller-manager"] is None
    cluster.up()

    after = cluster.status()
    assert all(after.values())
    assert after["apiserver"] == before["apiserver"]


def test_the_command_speaks_of_the_cluster_of_that_name(cluster: Cluster) -> None:
    status = command("status", "--name", cluster.name)
    assert status.returncode == 0, status.stdout
    assert f"pid {cluster.status()['etcd']}" in status.stdout

    path = command("kubeconfig", "operator", "--name", cluster.name).stdout.strip()
    assert path == str(cluster.kubeconfig("operator"))

    assert command("status", "--name", "no-such-cluster").returncode == 1
    assert "up --name no-such-cluster" in command("kubeconfig", "--name", "no-such-cluster").stderr


def test_a_pid_given_to_another_process_is_not_ours(cluster: Cluster, second: Cluster) -> None:
    # Given a pid file that names a live process but an older start,
    own = ProcessId.of(os.getpid())
    assert own is not None
    second.layout.pids.mkdir(parents=True)
    (second.layout.pids / "etcd").write_text(f"{own.pid} {own.started - 1}\n")

    # then it counts as gone, and stopping it touches nobody.
    assert second.status()["etcd"] is None
    second.kill("etcd")
    assert own.is_alive()


# --- identities ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("identity", "verb", "resource", "allowed"),
    [
        ("admin", "delete", "nodes", True),
        ("operator", "patch", "workflowinstances.perdure.dev/status", True),
        ("operator-2", "patch", "workflowinstances.perdure.dev/status", True),
        ("service-account", "patch", "workflowinstances.perdure.dev/status", True),
        ("service-account", "create", "pods", True),
        ("operator", "get", "secrets", False),
        ("service-account", "get", "secrets", False),
        ("operator", "create", "clusterroles", False),
        ("user", "create", "workflowinstances.perdure.dev", True),
        ("user", "create", "workflowevents.perdure.dev", True),
        ("user", "patch", "workflowinstances.perdure.dev/status", False),
        ("user", "create", "workflowhistories.perdure.dev", False),
        ("user", "get", "workflowlogs.perdure.dev", False),
        ("user", "create", "pods", False),
    ],
)
def test_an_identity_may_do_what_its_role_says(
    cluster: Cluster, namespace: str, identity: str, verb: str, resource: str, allowed: bool
) -> None:
    assert can(cluster, identity, verb, resource, namespace) is allowed


@pytest.mark.parametrize("identity", ["operator", "operator-2", "service-account"])
def test_an_operator_keeps_its_log_in_its_own_namespace_and_deletes_none_of_it(
    cluster: Cluster, namespace: str, identity: str
) -> None:
    logs = "workflowlogs.perdure.dev"
    for verb in ("get", "list", "create", "update"):
        assert can(cluster, identity, verb, logs, "perdure-system")
        assert not can(cluster, identity, verb, logs, namespace)
    for verb in ("delete", "deletecollection", "patch"):
        assert not can(cluster, identity, verb, logs, "perdure-system")


def test_a_user_has_no_rights_in_a_namespace_that_was_not_given_to_them(cluster: Cluster) -> None:
    assert can(cluster, "user", "get", "workflowinstances.perdure.dev", "default")
    assert not can(cluster, "user", "get", "workflowinstances.perdure.dev", "perdure-system")


async def test_a_token_acts_as_its_service_account(cluster: Cluster, namespace: str) -> None:
    token = cluster.token("default", namespace, timedelta(minutes=10))
    async with cluster.token_api(token) as api:
        with pytest.raises(ApiError) as refused:
            await api.list(config_maps(namespace))
    assert refused.value.status == 403
    assert f"system:serviceaccount:{namespace}:default" in refused.value.message


def test_a_failing_kubectl_says_as_whom_and_why(cluster: Cluster, namespace: str) -> None:
    with pytest.raises(ClusterError, match=r"as user: kubectl get secrets .*\n.*Forbidden"):
        cluster.kubectl("get", "secrets", "--namespace", namespace, identity="user")


def test_kubectl_and_helm_are_new_enough_for_the_server(cluster: Cluster) -> None:
    versions = json.loads(cluster.kubectl("version", "--output", "json").stdout)
    assert versions["serverVersion"]["gitVersion"] == "v1.35.4"
    assert versions["clientVersion"]["minor"] == "35"
    assert cluster.helm("list", "--all-namespaces", "--output", "json").stdout.strip() == "[]"


# --- audit --------------------------------------------------------------------------------


async def test_the_audit_log_tells_the_writes_of_each_identity_apart(
    cluster: Cluster, namespace: str, operator: Api
) -> None:
    # Given a moment before,
    start = cluster.audit.end()

    # when the operator writes once, is refused once and reads, while a user writes too,
    await operator.create(leases(namespace), named("beat", spec={}))
    with pytest.raises(ApiError, match="configmaps"):
        await operator.create(config_maps(namespace), named("refused"))
    await operator.get(f"{leases(namespace)}/beat")
    cluster.kubectl("auth", "can-i", "get", "pods", identity="user", check=False)

    # then the log holds the operator's two writes, and nothing of others among them.
    def writes() -> list[AuditRecord] | None:
        found = cluster.audit.writes(OPERATOR.user, start)
        return found if len(found) >= 2 else None

    created, refused = wait_for(writes, "two audit records", AUDIT_SECONDS)
    assert (created.verb, created.resource, created.group) == (
        "create",
        "leases",
        "coordination.k8s.io",
    )
    assert (created.namespace, created.name, created.status) == (namespace, "beat", 201)
    assert created.user_agent == "perdure-tests"
    assert created.time.tzinfo is not None
    assert (refused.resource, refused.status) == ("configmaps", 403)
    users = {each.user for each in cluster.audit.records(start)}
    assert USER.user in users
    assert cluster.audit.writes(OPERATOR.user, cluster.audit.end()) == []


def test_the_operators_token_file_shows_as_the_service_account(cluster: Cluster) -> None:
    start = cluster.audit.end()
    cluster.kubectl("get", "namespaces", identity="service-account")
    wait_for(
        lambda: SERVICE_ACCOUNT_USER in {each.user for each in cluster.audit.records(start)},
        "an audit record of the service account",
        AUDIT_SECONDS,
    )


# --- faults -------------------------------------------------------------------------------


async def test_data_outlives_the_crash_of_etcd_and_of_the_api_server(
    cluster: Cluster, namespace: str
) -> None:
    async with cluster.api() as api:
        await api.create(config_maps(namespace), named("kept", data={"key": "value"}))

    server = cluster.server
    cluster.kill("etcd")
    cluster.start("etcd")
    cluster.restart("apiserver")

    assert cluster.server == server
    async with cluster.api() as api:
        assert (await api.get(config_maps(namespace, "kept")))["data"] == {"key": "value"}
        await api.create(config_maps(namespace), named("after"))


async def test_an_api_server_without_etcd_fails_and_recovers(
    cluster: Cluster, namespace: str, api: Api
) -> None:
    cluster.kill("etcd")
    with pytest.raises(ApiError) as failed:
        await api.create(config_maps(namespace), named("early"), timeout="1s")
    assert failed.value.status >= 500

    cluster.start("etcd")
    wait_for(cluster.connection.is_ready, "the API server to be ready again", AUDIT_SECONDS)
    await api.create(config_maps(namespace), named("late"))


async def test_an_old_watch_expires_once_history_is_forgotten(
    cluster: Cluster, namespace: str
) -> None:
    # Given a resource version from which a watch can start,
    path = config_maps(namespace)
    async with cluster.api() as api:
        old = (await api.create(path, named("first")))["metadata"]["resourceVersion"]
        await api.create(path, named("second"))
        seen = [event async for event in api.watch(path, old, timeout_seconds=1)]
        assert [event["object"]["metadata"]["name"] for event in seen] == ["second"]

    # when the cluster forgets everything older than now,
    assert cluster.forget_history() > int(old)

    # then that watch is refused as expired.
    async with cluster.api() as api:
        with pytest.raises(ApiError) as expired:
            _ = [event async for event in api.watch(path, old, timeout_seconds=1)]
    assert expired.value.status == 410


async def test_a_continue_token_expires_once_history_is_forgotten(
    cluster: Cluster, namespace: str
) -> None:
    # Given the first page of a list,
    path = config_maps(namespace)
    async with cluster.api() as api:
        for name in ("first", "second", "third"):
            await api.create(path, named(name))
        page = await api.get(path, limit="1")
        await api.delete(config_maps(namespace, "third"))

    # when the cluster forgets what the list was like,
    cluster.forget_history()

    # then its second page is refused as expired.
    async with cluster.api() as api:
        with pytest.raises(ApiError) as expired:
            await api.get(path, limit="1", **{"continue": page["metadata"]["continue"]})
    assert (expired.value.status, expired.value.reason) == (410, "Expired")
