"""Instances that are deleted amid their steps, and stay for a while: a finalizer holds them."""

from __future__ import annotations

from tests.simulation.plan import SMALL_STATUS, Plan
from tests.simulation.situations.situation import Situation
from tests.simulation.workloads.actions import (
    Action,
    Define,
    Delete,
    Edit,
    RaiseAsObject,
    RaiseInSpec,
    Start,
    Tamper,
    in_order,
)
from tests.simulation.workloads.canonical.parts import (
    DEFINITION,
    INSTANCE,
    job,
    recipe,
    step,
)
from tests.simulation.workloads.draws import Draw
from tests.simulation.workloads.services import Script, Temper
from tests.simulation.workloads.workload import Workload

from perdure.engine.values import JsonObject
from perdure.kubernetes.plan import MAX_STATUS
from perdure.testing.simulation.fates import Fault

BACKGROUND = frozenset({Fault.REPLY_LOST, Fault.CONFLICT, Fault.CRASH_APPLIED, Fault.STALE})
TEMPERS = (Temper(), Temper(slow=0.5), Temper(flaky=1.0), Temper(large=1.0))


def held_deletions(seed: int, draw: Draw) -> Plan:
    """Return a plan with one or two instances that are deleted while more steps are to come."""
    names = [INSTANCE, "run-2"][: draw.whole(1, 2)]
    steps = [_step(f"s{number}", draw) for number in range(draw.whole(6, 12))]
    spec = recipe(*steps, vars={"note": ""})
    instance: JsonObject = {"definitionRef": {"name": DEFINITION}}
    actions: list[Action] = [Define(at=0.0, definition=DEFINITION, spec=spec)]
    for name in names:
        actions.append(Start(at=1.0, instance=name, spec=instance))
        actions += _held(name, draw)
    temper = draw.pick(TEMPERS)
    return Plan(
        seed=str(seed),
        workload=Workload(
            name=f"held-deletions-{seed}",
            actions=in_order(actions),
            script=Script(seed=seed, tempers={"stock": temper, "bank": temper}),
        ),
        operators=draw.whole(1, 3),
        storms=(),
        heal_at=draw.seconds(3.0, 20.0),
        rate=draw.pick((0.0, 0.01, 0.05)),
        faults=BACKGROUND,
        status_bytes=draw.pick((MAX_STATUS, SMALL_STATUS)),
    )


def _held(name: str, draw: Draw) -> list[Action]:
    """Return what happens to an instance: held, deleted, asked for more, let go."""
    deleted = draw.seconds(2.0, 6.0)
    freed = deleted + draw.seconds(4.0, 15.0)
    asked = deleted + draw.seconds(0.1, 3.0)
    more: Action = RaiseInSpec(at=asked, user="bert", instance=name, event=_event(name))
    if draw.chance(0.5):
        more = RaiseAsObject(
            at=asked, user="bert", instance=name, object_name=f"{name}-more", event_name="more"
        )
    return [
        Tamper(at=1.2, instance=name, edit=Edit.HOLD),
        Delete(at=deleted, instance=name),
        more,
        Tamper(at=freed, instance=name, edit=Edit.STRIP),
    ]


def _event(name: str) -> JsonObject:
    return {"id": f"{name}-more", "name": "more"}


def _step(name: str, draw: Draw) -> JsonObject:
    kind = draw.pick(("wait", "wait", "call", "call", "job", "set", "event"))
    match kind:
        case "wait":
            return {"name": name, "wait": {"for": f"{draw.whole(100, 900)}ms"}}
        case "call":
            return step(name, service=draw.pick(("stock", "bank")))
        case "job":
            return job(name)
        case "event":
            wait: JsonObject = {"name": "more"}
            return {"name": name, "event": wait, "timeout": "1s", "catch": [{"output": "none"}]}
        case _:
            return {"name": name, "set": {"note": f"{name}"}}


HELD_DELETIONS = Situation(name="held-deletions", bring_about=held_deletions)
