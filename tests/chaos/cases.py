"""The instances of a run: orders of three calls, a timer and an event, and the fate of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from random import Random  # noqa: TID251 - seeded, so that a run can be repeated

from tests.cluster.api import Object
from tests.e2e.orders import EVENT, Order, plan_orders, resource
from tests.e2e.services import LedgerService, Reply

DEFINITION = "order"
SERVICE = "ledger"
CALLS = ("reserve", "charge", "ship")
RETRIED = "charge"
WAIT_SECONDS = 2
# As long as it takes: a service that is away for a minute fails no order.
RETRY: Object = {"attempts": -1, "delay": "200ms", "maxDelay": "3s", "attemptTimeout": "6s"}
SERVICE_DELAY, SERVICE_SPREAD = 0.02, 0.4
LONGEST_MOMENT = 8.0


class Fate(Enum):
    """What its user does to an instance beside raising its event."""

    PLAIN = "plain"
    SUSPENDED = "suspended"
    TERMINATED = "terminated"
    DELETED = "deleted"
    RECREATED = "recreated"
    EDITED = "edited"


SHARES = {
    Fate.PLAIN: 0.58,
    Fate.SUSPENDED: 0.14,
    Fate.TERMINATED: 0.07,
    Fate.DELETED: 0.05,
    Fate.RECREATED: 0.06,
    Fate.EDITED: 0.10,
}
SMOOTH = frozenset({Fate.PLAIN, Fate.SUSPENDED, Fate.EDITED, Fate.RECREATED})
"""Instances that have to succeed; of a re-created one the second."""


@dataclass(frozen=True, slots=True)
class Case:
    """An order, its fate, and how many seconds after its start that strikes."""

    order: Order
    fate: Fate
    moment: float

    @property
    def name(self) -> str:
        return self.order.name


def plan_cases(count: int, seed: int) -> list[Case]:
    """Return cases of all fates, half of the events by each door."""
    random = Random(seed)
    fates, weights = list(SHARES), list(SHARES.values())
    return [
        Case(order, random.choices(fates, weights)[0], random.uniform(0, LONGEST_MOMENT))
        for order in plan_orders(count, seed)
    ]


def names_of(cases: Sequence[Case], *fates: Fate) -> frozenset[str]:
    """Return the names of the instances with these fates."""
    return frozenset(case.name for case in cases if case.fate in fates)


def definition() -> Object:
    """Return the recipe: each call carries on the token of the one before."""
    steps = [
        call("reserve"),
        {"name": "cool", "wait": {"for": f"{WAIT_SECONDS}s"}},
        call("charge", after="${steps.reserve.output.token}"),
        {"name": EVENT, "event": {"name": EVENT}},
        call("ship", after="${steps.charge.output.token}", by=f"${{steps.{EVENT}.output.data.by}}"),
    ]
    output: Object = {name: f"${{steps.{name}.output.token}}" for name in CALLS}
    return resource("WorkflowDefinition", DEFINITION, {"steps": steps, "output": output})


def call(name: str, **more: str) -> Object:
    body = {"uid": "${workflow.uid}", "step": name, "order": "${input.order}", **more}
    http = {"method": "POST", "service": SERVICE, "path": f"/{name}", "body": body}
    return {"name": name, "http": http, "retry": RETRY}


def script_service(service: LedgerService) -> None:
    """Let calls take up to half a second, and the first attempt of one step fail."""
    usual = Reply(delay=SERVICE_DELAY, spread=SERVICE_SPREAD)
    failing = Reply(status=503, times=1, delay=SERVICE_DELAY, spread=SERVICE_SPREAD)
    service.script("/*", usual)
    service.script(f"/{RETRIED}", failing, usual, per_key=True)
