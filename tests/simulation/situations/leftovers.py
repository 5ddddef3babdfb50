"""Objects that are created for commits, and what becomes of those that no commit refers to.

Several processes want to write the same, die between object and commit, find names occupied, or
are refused for so long that others tidy up meanwhile.
"""

from __future__ import annotations

from tests.simulation.plan import QUIET_SECONDS, SMALL_STATUS, Plan, names_of
from tests.simulation.situations.situation import Situation
from tests.simulation.workloads.actions import (
    Action,
    Define,
    RaiseInSpec,
    Resume,
    Start,
    Suspend,
    in_order,
)
from tests.simulation.workloads.canonical.parts import DEFINITION, INSTANCE, recipe, step
from tests.simulation.workloads.draws import Draw
from tests.simulation.workloads.services import Script, Temper
from tests.simulation.workloads.workload import Workload

from perdure.engine.values import JsonObject
from perdure.testing.simulation.ambushes import Ambush
from perdure.testing.simulation.fates import Fate, Fault
from perdure.testing.simulation.points import Point

BACKGROUND = frozenset({Fault.REPLY_LOST, Fault.CONFLICT, Fault.TWICE})
LONG_QUIET_SECONDS = 150.0
"""Longer than it takes to tidy up."""
SWEEP_SECONDS = 10.0
IN_A_ROW = 8
KINDS = ("wait", "set", "call", "call")
CALLS = ("call", "call", "call", "set")


def leftovers(seed: int, draw: Draw) -> Plan:
    """Return a plan whose instance moves many values out of its status, amid such troubles."""
    trouble = draw.pick(TROUBLES)
    kinds = CALLS if trouble in (_refused, _deaths) else KINDS
    steps = [_step(f"s{number}", draw.pick(kinds), draw) for number in range(draw.whole(10, 16))]
    start = draw.seconds(7.0, 8.5) if trouble is _refused else draw.seconds(1.0, 5.0)
    operators = draw.pick((1, 2, 2, 3))
    return Plan(
        seed=str(seed),
        workload=Workload(
            name=f"leftovers-{seed}",
            actions=_actions(recipe(*steps, vars={"note": ""}), start, draw),
            script=Script(seed=seed, tempers={"stock": Temper(large=draw.pick((0.8, 1.0)))}),
        ),
        operators=operators,
        storms=(),
        heal_at=draw.seconds(11.0, 16.0),
        quiet_seconds=draw.pick((QUIET_SECONDS, LONG_QUIET_SECONDS, LONG_QUIET_SECONDS)),
        rate=draw.pick((0.0, 0.0, 0.02)),
        faults=BACKGROUND,
        ambushes=trouble(operators, draw),
        status_bytes=SMALL_STATUS,
    )


def _actions(spec: JsonObject, start: float, draw: Draw) -> tuple[Action, ...]:
    """Return a start, and what makes the next event another one than was decided."""
    actions: list[Action] = [
        Define(at=0.0, definition=DEFINITION, spec=spec),
        Start(
            at=start,
            instance=INSTANCE,
            spec={"definitionRef": {"name": DEFINITION}},
        ),
    ]
    for number in range(draw.whole(0, 6)):
        event: JsonObject = {"id": f"e{number}", "name": "news"}
        actions.append(RaiseInSpec(at=draw.seconds(5.0, 15.0), instance=INSTANCE, event=event))
    if draw.chance(0.3):
        at = draw.seconds(5.0, 12.0)
        actions += [
            Suspend(at=at, user="bert", instance=INSTANCE),
            Resume(at=at + 1.0, user="bert", instance=INSTANCE),
        ]
    return in_order(actions)


def _occupied(operators: int, draw: Draw) -> tuple[Ambush, ...]:
    return _at_creation(Fate(fault=Fault.OCCUPIED, variant="foreign"), operators, draw)


def _dying(operators: int, draw: Draw) -> tuple[Ambush, ...]:
    return _at_creation(Fate(fault=Fault.OCCUPIED, variant="dying"), operators, draw)


def _overtaken(operators: int, draw: Draw) -> tuple[Ambush, ...]:
    """A process stands still between the object and its commit."""
    seconds = draw.seconds(1.0, 4.0)
    fate = Fate(fault=Fault.PAUSE, variant="after", seconds=seconds)
    return _at_creation(fate, operators, draw)


def _deaths(operators: int, draw: Draw) -> tuple[Ambush, ...]:
    """A process dies between the object and its commit; its calls are taken over."""
    fault = draw.pick((Fault.CRASH_APPLIED, Fault.CRASH_ANSWERED))
    found = _at_creation(Fate(fault=fault, seconds=draw.pick((0.1, 2.0))), operators, draw)
    return (draw.pick(found),)


def _at_creation(fate: Fate, operators: int, draw: Draw) -> tuple[Ambush, ...]:
    return tuple(
        Ambush(
            process=name,
            point=Point.CREATE_HISTORY,
            since=draw.seconds(1.0, 9.0),
            number=draw.whole(1, 3),
            fate=fate,
        )
        for name in names_of(operators)
    )


def _refused(operators: int, draw: Draw) -> tuple[Ambush, ...]:
    """Commits are put off for seconds, just when it is time to tidy up."""
    fate = Fate(fault=Fault.SERVER_ERROR, variant="503")
    since = SWEEP_SECONDS - draw.seconds(0.2, 1.5)
    return tuple(
        Ambush(process=name, point=Point.COMMIT, since=since + number / 1000, fate=fate)
        for name in names_of(operators)
        for number in range(IN_A_ROW)
    )


def _step(name: str, kind: str, draw: Draw) -> JsonObject:
    match kind:
        case "wait":
            return {"name": name, "wait": {"for": f"{draw.whole(300, 1500)}ms"}}
        case "set":
            return {"name": name, "set": {"note": name * draw.whole(100, 900)}}
        case _:
            return step(name)


TROUBLES = (_occupied, _dying, _refused, _refused, _refused, _overtaken, _deaths, _deaths)
LEFTOVERS = Situation(name="leftovers", bring_about=leftovers)
