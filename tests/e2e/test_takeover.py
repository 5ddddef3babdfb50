"""What a dead operator leaves behind, in the cases that no stream of orders meets."""

import asyncio
import time

import pytest
from tests.cluster.api import Api, Object
from tests.cluster.identities import OPERATOR, OPERATOR_2
from tests.cluster.waiting import wait_for
from tests.e2e.conftest import Operators
from tests.e2e.history import definitions_path, dump_of, history_of, instances_path
from tests.e2e.services import LedgerService, Reply

pytestmark = pytest.mark.cluster

DEAD_SECONDS = 60.0  # a guard; 15 s and two looks are promised
QUIET_SECONDS = 3.0
QUIET_CPU_SECONDS = 1.0


async def start_call(api: Api, namespace: str) -> str:
    """Create an instance of one call; return its path."""
    body = {"uid": "${workflow.uid}", "step": "call"}
    http = {"method": "POST", "service": "slow", "path": "/call", "body": body}
    steps = [{"name": "call", "http": http}]
    await api.create(definitions_path(namespace), resource("WorkflowDefinition", {"steps": steps}))
    spec = {"definitionRef": {"name": "it"}}
    await api.create(instances_path(namespace), resource("WorkflowInstance", spec))
    return f"{instances_path(namespace)}/it"


def resource(kind: str, spec: object) -> Object:
    return {
        "apiVersion": "perdure.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": "it"},
        "spec": spec,
    }


def phase_of(found: Object | None) -> str:
    return str((found or {}).get("status", {}).get("phase"))


def is_over(found: Object | None) -> bool:
    return bool(found and "completedAt" in found.get("status", {}))


async def test_a_suspended_instance_keeps_the_claim_of_the_dead_until_it_resumes(
    operators: Operators, ledger: LedgerService, namespace: str, api: Api
) -> None:
    # Given a suspended instance with a call whose claimant was killed,
    ledger.script("/call", Reply(delay=60, times=1), Reply())
    operator = operators(services={"slow": ledger.url})
    path = await start_call(api, namespace)
    await asyncio.to_thread(wait_for, lambda: ledger.in_flight() > 0, "the call", 30)
    await api.patch(path, {"spec": {"suspend": True}})
    await api.wait_for(path, lambda found: phase_of(found) == "Suspended", "Suspended")
    operator.kill()

    # when the operator starts again, then it does not repeat the call, and has nothing to do.
    await asyncio.to_thread(operator.start)
    began, used = time.monotonic(), operator.cpu_seconds
    while time.monotonic() - began < QUIET_SECONDS:  # absence cannot be waited for
        assert len(ledger.requests()) == 1
    assert operator.cpu_seconds - used < QUIET_CPU_SECONDS

    # When the instance is resumed, then the call is repeated, under the same key.
    await api.patch(path, {"spec": {"suspend": False}})
    await api.wait_for(path, is_over, "the end")
    first, second = ledger.requests()
    assert first.key == second.key
    claims = list(history_of(await dump_of(api, namespace, "it")).of("ActivityClaimed"))
    assert [event["claim"]["delivery"] for event in claims] == [2]


async def test_who_starts_after_a_death_takes_over_from_one_never_seen_alive(
    operators: Operators, ledger: LedgerService, namespace: str, api: Api
) -> None:
    # Given a call whose claimant was killed while it was alone,
    ledger.script("/call", Reply(delay=60, times=1), Reply())
    services = {"slow": ledger.url}
    alone = operators(OPERATOR.name, OPERATOR.name, services)
    path = await start_call(api, namespace)
    await asyncio.to_thread(wait_for, lambda: ledger.in_flight() > 0, "the call", 30)
    alone.kill()

    # when another operator starts, then it ends the instance.
    await asyncio.to_thread(operators, OPERATOR_2.name, OPERATOR_2.name, services)
    await api.wait_for(path, is_over, "the end", DEAD_SECONDS)
    assert [request.status for request in ledger.requests()] == [0, 200]
