"""Administrators damage what an instance stands on: it is parked, and all others go on.

Sometimes the caches lag just then, so that operators hear of the edit after several more commits.
"""

from __future__ import annotations

from tests.simulation.plan import SMALL_STATUS, Plan, names_of
from tests.simulation.situations.situation import Situation
from tests.simulation.workloads.actions import (
    Action,
    Define,
    Delete,
    Edit,
    Spoil,
    Spoilt,
    Start,
    Tamper,
    in_order,
)
from tests.simulation.workloads.canonical.parts import DEFINITION, INSTANCE, recipe, step
from tests.simulation.workloads.draws import Draw
from tests.simulation.workloads.services import Script
from tests.simulation.workloads.workload import Workload

from perdure.engine.values import JsonObject
from perdure.testing.simulation.fates import Fault
from perdure.testing.simulation.weather import Storm

BACKGROUND = frozenset({Fault.REPLY_LOST, Fault.CONFLICT, Fault.STALE, Fault.PAUSE})
EDITS = (Edit.STATUS_HISTORY, Edit.STATUS_EVENT, Edit.STATUS_EVENT, Edit.STATUS_FORM)
SPOILT = (*Spoilt, Spoilt.RECIPE_REPLACED)
OTHER = "other"
"""An instance that nobody harms, and its definition."""


def damage(seed: int, draw: Draw) -> Plan:
    """Return a plan in which one of two instances is damaged amid its steps."""
    steps = [_step(f"s{number}", draw) for number in range(draw.whole(12, 20))]
    spec = recipe(*steps, vars={"note": ""})
    at = draw.seconds(2.0, 5.0)
    harm = _harm(at, draw)
    actions: list[Action] = [
        *_begun(INSTANCE, DEFINITION, spec),
        *_begun(OTHER, OTHER, {**spec, "output": "unharmed"}),
        harm,
        Delete(at=at + draw.seconds(10.0, 20.0), instance=INSTANCE),
    ]
    operators = draw.whole(1, 3)
    heal_at = at + draw.seconds(4.0, 9.0)
    return Plan(
        seed=str(seed),
        workload=Workload(
            name=f"damage-{seed}", actions=in_order(actions), script=Script(seed=seed)
        ),
        operators=operators,
        storms=_storms(harm, operators, draw),
        heal_at=heal_at,
        rate=draw.pick((0.0, 0.0, 0.02)),
        faults=BACKGROUND,
        status_bytes=SMALL_STATUS,
    )


def _begun(name: str, definition: str, spec: JsonObject) -> tuple[Action, ...]:
    instance: JsonObject = {"definitionRef": {"name": definition}}
    return (
        Define(at=0.0, definition=definition, spec=spec),
        Start(at=1.0, instance=name, spec=instance),
    )


def _harm(at: float, draw: Draw) -> Action:
    if draw.chance(0.6):
        return Tamper(at=at, user="bert", instance=INSTANCE, edit=draw.pick(EDITS))
    other = recipe(*(step(f"x{number}") for number in range(3)))
    return Spoil(at=at, user="bert", instance=INSTANCE, what=draw.pick(SPOILT), recipe=other)


def _storms(harm: Action, operators: int, draw: Draw) -> tuple[Storm, ...]:
    """Return caches that lag while an object is edited, or ends of all who remember the rest."""
    if isinstance(harm, Spoil):
        return tuple(
            Storm(at=harm.at + 0.3, kind="crash", victim=name, seconds=draw.seconds(0.1, 2.0))
            for name in names_of(operators)
        )
    if draw.chance(0.15):
        return ()
    seconds = draw.seconds(2.0, 8.0)
    return tuple(
        Storm(at=harm.at - 0.1, kind="lag", victim=str(number), seconds=seconds)
        for number in range(2)
    )


def _step(name: str, draw: Draw) -> JsonObject:
    match draw.pick(("wait", "set", "call")):
        case "wait":
            return {"name": name, "wait": {"for": f"{draw.whole(100, 700)}ms"}}
        case "set":
            return {"name": name, "set": {"note": name * draw.whole(100, 500)}}
        case _:
            return step(name)


DAMAGE = Situation(name="damage", bring_about=damage)
