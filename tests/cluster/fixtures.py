"""Pytest fixtures: a cluster per test session, a namespace per test.

A test that uses them carries `@pytest.mark.cluster`. Without Go such tests are skipped,
loudly; where the environment says CI they fail.
"""

import os
import re
import sys
from collections.abc import AsyncIterator, Iterator
from itertools import count

import pytest
from tests.cluster.api import Api
from tests.cluster.clients import fetch_clients
from tests.cluster.cluster import Cluster
from tests.cluster.control_plane import CLUSTERS, remove
from tests.cluster.errors import ClusterError, MissingToolError
from tests.cluster.processes import ProcessId
from tests.cluster.programs import build_programs

SESSION_CLUSTER = "test-{pid}-{started}"
NUMBERS = count(1)
NOT_BUILT = pytest.StashKey[ClusterError]()


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Build what the collected tests need, before any of them has a time limit."""
    config = session.config
    if config.option.collectonly or not any(map(needs_cluster, session.items)):
        return
    capture = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        try:
            build_programs(report)
            fetch_clients(report)
        except ClusterError as error:
            report(f"tests of the cluster cannot run: {error}")
            config.stash[NOT_BUILT] = error


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A control plane of this session's own, with the CRDs of `crds/` applied."""
    error = request.config.stash.get(NOT_BUILT, None)
    if error is not None:
        give_up(error)
    remove_orphans()
    cluster = Cluster(session_name(), report)
    try:
        cluster.up()
        cluster.apply_crds()
        yield cluster
    finally:
        cluster.down()


@pytest.fixture
def namespace(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """A fresh namespace in which `user` may edit workflows; its deletion is not awaited."""
    words = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower().removeprefix("test_"))
    name = f"t{next(NUMBERS)}-{words}"[:50].rstrip("-")
    cluster.create_namespace(name)
    yield name
    cluster.delete_namespace(name)


@pytest.fixture
async def api(cluster: Cluster) -> AsyncIterator[Api]:
    """The API server as the admin."""
    async with cluster.api() as api:
        yield api


def report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def needs_cluster(item: pytest.Item) -> bool:
    """Say whether a test names the cluster, or is marked as one whose fixtures ask for it."""
    names = item.fixturenames if isinstance(item, pytest.Function) else []
    return "cluster" in names or item.get_closest_marker("cluster") is not None


def give_up(error: ClusterError) -> None:
    """Skip where a missing Go may be excused, fail everywhere else."""
    if isinstance(error, MissingToolError) and not os.environ.get("CI"):
        pytest.skip(str(error))
    pytest.fail(str(error), pytrace=False)


def session_name() -> str:
    own = ProcessId.of(os.getpid())
    assert own is not None, "this process runs"
    return SESSION_CLUSTER.format(pid=own.pid, started=own.started)


def remove_orphans() -> None:
    """Stop and delete the clusters of sessions that have ended, killed ones included."""
    for directory in CLUSTERS.glob("test-*-*"):
        _, pid, started = directory.name.split("-")[:3]
        if not ProcessId(int(pid), int(started)).is_alive():
            Cluster(directory.name, report).down()
            remove(directory)
