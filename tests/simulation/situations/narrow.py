"""Faults at one of the rarer points alone, as often as a run can bear, where that point is common.

The workload is dense: large answers that become payloads and are read again after crashes, short
time-outs, events as objects, deletions, and instances that are kept for a moment only.
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.simulation.chance import SWARM
from tests.simulation.plan import SMALL_STATUS, Plan, names_of
from tests.simulation.situations.situation import Situation
from tests.simulation.workloads.actions import (
    Action,
    Define,
    Delete,
    RaiseAsObject,
    Start,
    in_order,
)
from tests.simulation.workloads.canonical.parts import DEFINITION, recipe, step
from tests.simulation.workloads.clients import USERS
from tests.simulation.workloads.draws import Draw
from tests.simulation.workloads.services import Script, Temper
from tests.simulation.workloads.workload import Workload

from perdure.engine.values import Json, JsonObject
from perdure.testing.simulation.points import Point
from perdure.testing.simulation.weather import Storm

POINTS: Mapping[Point, float] = {
    Point.CREATE_HISTORY: 3,
    Point.READ_HISTORY: 4,
    Point.CREATE_EVENT: 1,
    Point.LIST_EVENTS: 4,
    Point.CONSUME_EVENT: 2,
    Point.DELETE_INSTANCE: 4,
    Point.RETENTION: 4,
    Point.READ_SERVICE: 1,
    Point.RECIPE: 1,
}
"""Points by how often they are wanted: the rarer by themselves, the more often."""
RATES = (0.15, 0.3, 0.5)
RATES_OF_FEW = (0.5, 0.8)
"""Where a world has a handful of requests, of which most are disturbed."""
ROUNDS = 4
"""Calls and time-outs of each instance."""
HEAL_SECONDS = 40.0


def narrow(seed: int, draw: Draw) -> Plan:
    """Return a plan whose requests are disturbed at one point, a good part of them."""
    point, operators = draw.weighted(POINTS), draw.whole(1, 3)
    often = draw.whole(2, 5) if point is Point.READ_HISTORY else draw.whole(0, 1)
    return Plan(
        seed=str(seed),
        workload=_dense(draw, deleted=1.0 if point is Point.DELETE_INSTANCE else 0.2),
        operators=operators,
        storms=_crashes(draw, operators, often),
        heal_at=HEAL_SECONDS,
        points=frozenset({point}),
        rate=draw.pick(RATES_OF_FEW if point is Point.RETENTION else RATES),
        faults=frozenset(SWARM),
        status_bytes=SMALL_STATUS,
    )


def _crashes(draw: Draw, operators: int, count: int) -> tuple[Storm, ...]:
    times = sorted(draw.seconds(2, 25) for _ in range(count))
    return tuple(
        Storm(
            at=at,
            kind="crash",
            victim=draw.pick(names_of(operators)),
            seconds=draw.pick((0.1, 0.5)),
        )
        for at in times
    )


def _dense(draw: Draw, *, deleted: float) -> Workload:
    """Return the workload; `deleted` is the share of instances that users delete."""
    actions: list[Action] = [Define(at=0.0, definition=DEFINITION, spec=_spec(draw))]
    for number in range(draw.whole(3, 5)):
        actions += _life(draw, f"run-{number}", deleted)
    tempers = {"stock": Temper(large=0.6, slow=0.2, flaky=0.1)}
    script = Script(seed=draw.whole(0, 999), tempers=tempers)
    return Workload(name="dense", actions=in_order(actions), script=script)


def _spec(draw: Draw) -> JsonObject:
    steps: list[Json] = []
    for number in range(ROUNDS):
        seen = (f"call{number - 1}",) if number else ()
        steps.append(step(f"call{number}", seen=seen))
        wait: JsonObject = {"name": f"go{number}", "onTimeout": "Continue"}
        patience = draw.pick(("500ms", "1s", "2s"))
        steps.append({"name": f"wait{number}", "event": wait, "timeout": patience})
    return recipe(*steps, output=f"${{steps.call{ROUNDS - 1}.output.token}}")


def _life(draw: Draw, name: str, deleted: float) -> list[Action]:
    kept = draw.pick(("1s", "3s"))
    spec: JsonObject = {
        "definitionRef": {"name": DEFINITION},
        "retention": {"succeeded": kept, "failed": kept, "terminated": kept},
    }
    begun = draw.seconds(0.5, 8)
    actions: list[Action] = [Start(at=begun, instance=name, spec=spec)]
    for number in range(ROUNDS):
        if draw.chance(0.6):
            event = RaiseAsObject(
                at=begun + draw.seconds(0, 8),
                user=draw.pick(USERS),
                instance=name,
                object_name=f"{name}-e{number}",
                event_name=f"go{number}",
                data=number,
            )
            actions.append(event)
    if draw.chance(deleted):
        actions.append(Delete(at=begun + draw.seconds(1, 10), user=draw.pick(USERS), instance=name))
    return actions


NARROW = Situation(name="narrow", bring_about=narrow)
