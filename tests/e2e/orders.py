"""A stream of orders: five calls, a timer of 2 s and an external event each, from one seed.

Every answer of the service carries a token; the next call and the output carry it on, so that
what an instance believes can be compared with what the service wrote down.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random  # noqa: TID251 - seeded, so that a run can be repeated
from typing import Any

from tests.cluster.api import JSON_PATCH, Api, Object
from tests.e2e.history import definitions_path, events_path, instances_path
from tests.e2e.services import LedgerService, Reply

DEFINITION = "order"
SERVICE = "ledger"
CALLS = ("reserve", "charge", "pack", "ship", "notify")
CALL_BEFORE = dict(zip(CALLS[1:], CALLS, strict=False))
RETRIED = "charge"
WAIT_SECONDS = 2
AFTER_WAIT = "pack"
EVENT = "approved"
LONGEST_HESITATION = 6.0
SHARE_BEFORE = 0.4  # of the WorkflowEvents: made before their instance
SHARE_DOUBLED = 0.1  # of all events: sent by both doors under one id
SERVICE_DELAY = 0.02
SERVICE_SPREAD = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One instance, and how its event comes: by `spec.events` or as an object, and when."""

    number: int
    name: str
    event_id: str
    by_object: bool
    is_early: bool
    names_uid: bool
    is_doubled: bool
    hesitation: float


def plan_orders(count: int, seed: int) -> list[Order]:
    """Return the orders; half of the events by each door."""
    random = Random(seed)
    orders = []
    for number in range(count):
        by_object = number % 2 == 1
        order = Order(
            number=number,
            name=f"order-{number:04}",
            event_id=f"approval-{number}-{random.randrange(16**6):06x}",
            by_object=by_object,
            is_early=by_object and random.random() < SHARE_BEFORE,
            names_uid=random.random() < 0.5,
            is_doubled=random.random() < SHARE_DOUBLED,
            hesitation=random.uniform(0, LONGEST_HESITATION),
        )
        orders.append(order)
    return orders


# --- the definition -------------------------------------------------------------------------


def definition() -> Object:
    steps = [
        call("reserve"),
        call("charge"),
        {"name": "cool", "wait": {"for": f"{WAIT_SECONDS}s"}},
        call("pack"),
        {"name": EVENT, "event": {"name": EVENT}},
        call("ship", by=f"${{steps.{EVENT}.output.data.by}}"),
        call("notify"),
    ]
    output: dict[str, str] = {name: f"${{steps.{name}.output.token}}" for name in CALLS}
    output[EVENT] = f"${{steps.{EVENT}.output.id}}"
    return resource("WorkflowDefinition", DEFINITION, {"steps": steps, "output": output})


def call(name: str, **more: str) -> Object:
    body = {"uid": "${workflow.uid}", "step": name, "order": "${input.order}", **more}
    before = CALL_BEFORE.get(name)
    if before is not None:
        body["after"] = f"${{steps.{before}.output.token}}"
    http = {"method": "POST", "service": SERVICE, "path": f"/{name}", "body": body}
    step: Object = {"name": name, "http": http}
    if name == RETRIED:
        step["retry"] = {"attempts": 3, "delay": "200ms"}
    return step


def resource(kind: str, name: str, spec: Any) -> Object:
    return {
        "apiVersion": "perdure.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    }


def script_service(service: LedgerService) -> None:
    """Let calls take up to half a second, and the first attempt of one step fail."""
    usual = Reply(delay=SERVICE_DELAY, spread=SERVICE_SPREAD)
    service.script("/*", usual)
    failing = Reply(status=503, times=1, delay=SERVICE_DELAY, spread=SERVICE_SPREAD)
    service.script(f"/{RETRIED}", failing, usual, per_key=True)


# --- the client -----------------------------------------------------------------------------


class Client:
    """Creates the instances and raises their events, as a user."""

    def __init__(self, api: Api, namespace: str, orders: Sequence[Order]) -> None:
        self._api, self._namespace, self._orders = api, namespace, orders
        self.created = 0
        self.raised = 0
        """Events, one that is sent by both doors counted once."""

    async def define(self) -> None:
        """Create the definition and wait until it is Ready."""
        path = definitions_path(self._namespace)
        await self._api.create(path, definition())
        await self._api.wait_for(f"{path}/{DEFINITION}", is_ready, "the definition to be Ready")

    async def run(self, permits: asyncio.Semaphore) -> None:
        """Send all orders, each for one permit; return with the last event."""
        async with asyncio.TaskGroup() as group:
            for order in self._orders:
                await permits.acquire()
                if order.is_early:
                    await self._raise(order, None)
                uid = await self._create(order)
                if not order.is_early:
                    group.create_task(self._raise_later(order, uid))

    async def _create(self, order: Order) -> str:
        spec = {"definitionRef": {"name": DEFINITION}, "input": {"order": order.number}}
        body = resource("WorkflowInstance", order.name, spec)
        made = await self._api.create(instances_path(self._namespace), body)
        self.created += 1
        return str(made["metadata"]["uid"])

    async def _raise_later(self, order: Order, uid: str) -> None:
        await asyncio.sleep(order.hesitation)
        await self._raise(order, uid)

    async def _raise(self, order: Order, uid: str | None) -> None:
        by_both = order.is_doubled and uid is not None
        if order.by_object or by_both:
            await self._raise_by_object(order, uid)
        if not order.by_object or by_both:
            await self._raise_by_patch(order)
        self.raised += 1

    async def _raise_by_patch(self, order: Order) -> None:
        value = {"id": order.event_id, "name": EVENT, "data": {"by": approver(order)}}
        operations = [{"op": "add", "path": "/spec/events/-", "value": value}]
        path = f"{instances_path(self._namespace)}/{order.name}"
        await self._api.patch(path, operations, JSON_PATCH)

    async def _raise_by_object(self, order: Order, uid: str | None) -> None:
        spec = {
            "instance": order.name,
            "name": EVENT,
            "id": order.event_id,
            "data": {"by": approver(order)},
        }
        if uid is not None and order.names_uid:
            spec["instanceUid"] = uid
        name = f"{order.name}-{hashlib.sha256(order.event_id.encode()).hexdigest()[:10]}"
        body = resource("WorkflowEvent", name, spec)
        await self._api.create(events_path(self._namespace), body)


def approver(order: Order) -> str:
    return f"person-{order.number}"


def is_ready(found: Object | None) -> bool:
    conditions = (found or {}).get("status", {}).get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
