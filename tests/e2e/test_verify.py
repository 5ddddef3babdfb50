"""`perdure verify` on a real API server, as somebody who may only read."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tests.cluster.api import JSON_PATCH, Api
from tests.cluster.cluster import Cluster
from tests.cluster.kubeconfig import write_kubeconfig
from tests.e2e.conftest import Operators
from tests.e2e.services import LedgerService
from tests.e2e.world import World, call

pytestmark = pytest.mark.cluster

KINDS = "workflowinstances.perdure.dev,workflowhistories.perdure.dev,workflowevents.perdure.dev"
Verify = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def verify(cluster: Cluster, namespace: str, tmp_path: Path) -> Verify:
    """Runs the command as a reader of the four kinds of things in the test's namespace."""
    inside = ("--namespace", namespace)
    cluster.kubectl("create", "serviceaccount", "reader", *inside)
    resources = f"--resource={KINDS},controllerrevisions.apps"
    cluster.kubectl("create", "role", "reader", "--verb=get,list", resources, *inside)
    account = f"--serviceaccount={namespace}:reader"
    cluster.kubectl("create", "rolebinding", "reader", "--role=reader", account, *inside)
    file = tmp_path / "kubeconfig"
    token = cluster.token("reader", namespace, timedelta(minutes=10))
    write_kubeconfig(file, cluster.server, cluster.layout.pki, {"token": token})

    def run(*args: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "perdure", "verify", "--kubeconfig", str(file), *args]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    return run


@pytest.fixture
async def world(cluster: Cluster, api: Api, namespace: str, ledger: LedgerService) -> World:
    return World(api, cluster, namespace, ledger)


async def test_what_the_operator_wrote_is_all_good_and_what_an_admin_damaged_is_named(
    world: World, operators: Operators, verify: Verify
) -> None:
    operator = operators(services={"shop": world.ledger.url})
    await world.run("done", call("one", "/one"))
    await world.run("waits", {"name": "go", "event": {"name": "go"}})
    await world.run("large", {"name": "go", "event": {"name": "go", "count": 6}})
    for number in range(6):
        data = {"text": str(number) * 9000}
        await world.raise_object(f"e{number}", "large", data=data)
    await world.waits("waits", "Event")
    await world.end("done")
    await world.end("large")
    await asyncio.to_thread(operator.stop)

    good = await asyncio.to_thread(verify, "-n", world.namespace)
    assert (good.returncode, good.stderr) == (0, "")
    assert good.stdout.startswith("3 instances, ")
    assert good.stdout.endswith(": all good\n")

    event = {"op": "replace", "path": "/status/history/events/1/name", "value": "gone"}
    path = world.path("WorkflowInstance", "waits") + "/status"
    await world.api.patch(path, [event], JSON_PATCH)
    bad = await asyncio.to_thread(verify, "-n", world.namespace)
    assert bad.returncode == 1
    (line,) = bad.stdout.splitlines()
    assert line.startswith(f"I-3 {world.namespace}/waits")
    assert "restore" in line
    assert bad.stderr.endswith(": 1 violation\n")
    other = await asyncio.to_thread(verify, "-n", world.namespace, "done")
    assert (other.returncode, other.stdout[:11]) == (0, "1 instance,")


async def test_what_cannot_be_read_is_said_kindly(
    world: World, cluster: Cluster, verify: Verify
) -> None:
    for args, words in (
        (("-n", world.namespace, "nobody"), 'there is no WorkflowInstance "nobody"'),
        (("-n", "default"), "you may not read what is in namespace"),
        (("-A",), "you may not read what is in any namespace"),
    ):
        done = await asyncio.to_thread(verify, *args)
        assert (done.returncode, done.stdout) == (1, "")
        assert words in done.stderr
        assert len(done.stderr.splitlines()) == 1


async def test_a_kind_that_may_not_be_read_is_a_note_and_not_a_violation(
    world: World, operators: Operators, cluster: Cluster, verify: Verify
) -> None:
    operators()
    await world.run("waits", {"name": "go", "event": {"name": "go"}})
    await world.waits("waits", "Event")
    inside = ("--namespace", world.namespace)
    cluster.kubectl("delete", "role", "reader", *inside)
    cluster.kubectl("create", "role", "reader", "--verb=get,list", f"--resource={KINDS}", *inside)
    done = await asyncio.to_thread(verify, "-n", world.namespace)
    assert done.returncode == 0
    assert "controllerrevisions may not be listed" in done.stderr
