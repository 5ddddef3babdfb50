"""The harness itself: an operator starts, is measured, paused, stopped and killed."""

import signal
import time
from collections.abc import Mapping

import pytest
from tests.cluster.api import Api
from tests.cluster.cluster import Cluster
from tests.cluster.errors import ClusterError
from tests.cluster.waiting import wait_for
from tests.e2e.conftest import Operators
from tests.e2e.operators import OperatorProcess
from tests.e2e.services import LedgerService, Reply, fails_then

pytestmark = pytest.mark.cluster

GRACEFUL_SECONDS = 5.0
GROUP = "/apis/perdure.dev/v1alpha1"


def test_an_operator_shows_itself_and_stops_gracefully(operators: Operators) -> None:
    operator = operators("shown")
    assert operator.rss_bytes > 10_000_000
    assert operator.cpu_seconds > 0
    assert operator.metrics()["perdure_instances_live"] >= 0

    code, seconds = operator.stop()
    assert (code, operator.exit_code) == (0, 0)
    assert seconds < GRACEFUL_SECONDS


def test_a_paused_operator_does_not_answer_and_a_resumed_one_does(operators: Operators) -> None:
    operator = operators("paused")
    operator.pause()
    began = time.monotonic()
    assert operator.probe("/healthz")[0] == 0
    assert time.monotonic() - began > 1
    operator.resume()
    wait_for(operator.is_ready, "the operator to answer again", 30)


def test_a_killed_operator_starts_again_on_the_same_ports(operators: Operators) -> None:
    operator = operators("killed")
    pid = operator.pid
    operator.kill()
    assert operator.exit_code == -signal.SIGKILL
    operator.start()
    assert operator.pid != pid


def test_an_operator_that_cannot_start_is_told_with_its_log(cluster: Cluster) -> None:
    wrong = OperatorProcess(cluster, "wrong", args=["--storage-budget", "much"])
    with pytest.raises(ClusterError, match=r"(?s)exit code 2.*--storage-budget"):
        wrong.start()


async def test_an_instance_calls_the_ledger_until_it_answers_well(
    operators: Operators, ledger: LedgerService, namespace: str, api: Api
) -> None:
    # Given a service that fails once, and a definition that tries again,
    ledger.script("/orders", *fails_then(1, Reply()))
    step = {
        "name": "order",
        "retry": {"attempts": 2, "delay": "100ms"},
        "http": {
            "method": "POST",
            "service": "shop",
            "path": "/orders",
            "body": {"uid": "${workflow.uid}", "step": "order"},
        },
    }
    path = f"{GROUP}/namespaces/{namespace}"
    spec = {"steps": [step], "output": "${steps.order.output.token}"}
    await api.create(f"{path}/workflowdefinitions", resource("WorkflowDefinition", spec))

    # when an instance runs,
    operators(services={"shop": ledger.url})
    run = {"definitionRef": {"name": "it"}}
    made = await api.create(f"{path}/workflowinstances", resource("WorkflowInstance", run))
    ended = await api.wait_for(
        f"{path}/workflowinstances/it",
        lambda found: bool(found and found.get("status", {}).get("completedAt")),
        "the end",
    )

    # then the ledger has both attempts under one key, and the output is what it answered last.
    assert ended is not None
    first, second = ledger.requests("/orders")
    assert (first.attempt, first.status, second.attempt, second.status) == (1, 503, 2, 200)
    assert first.key == second.key != ""
    assert second.uid == made["metadata"]["uid"]
    assert ended["status"]["output"] == second.token


def resource(kind: str, spec: Mapping[str, object]) -> dict[str, object]:
    return {
        "apiVersion": "perdure.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": "it"},
        "spec": spec,
    }
