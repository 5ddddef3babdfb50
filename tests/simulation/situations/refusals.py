"""The API server refuses, or does not say what it did, and nobody else asks for the next turn.

A policy forbids all commits, or those with events, for a while; a commit is lost together with the
look that should say what became of it; a turn fails at a read. The instance is otherwise idle.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.simulation.plan import Plan, names_of
from tests.simulation.situations.situation import Situation
from tests.simulation.workloads.actions import Action, Edit, RaiseAsObject, RaiseInSpec, Tamper
from tests.simulation.workloads.canonical.parts import INSTANCE, recipe, step, workload
from tests.simulation.workloads.draws import Draw
from tests.simulation.workloads.services import Script, Temper

from perdure.engine.values import Json
from perdure.testing.simulation.ambushes import Ambush
from perdure.testing.simulation.fates import Fate, Fault
from perdure.testing.simulation.points import Point
from perdure.testing.simulation.weather import Storm

LOST = (
    Fate(fault=Fault.REQUEST_LOST, variant="cut", seconds=0.1),
    Fate(fault=Fault.REQUEST_LOST, variant="silent"),
    Fate(fault=Fault.SERVER_ERROR, variant="504"),
    Fate(fault=Fault.SERVER_ERROR, variant="500"),
)
"""Commits of which nobody hears, and which have not happened."""
UNREADABLE = (
    Fate(fault=Fault.REQUEST_LOST, variant="cut", seconds=0.1),
    Fate(fault=Fault.SERVER_ERROR, variant="503"),
    Fate(fault=Fault.DENIED, variant="403"),
)
STARTED = 1.0
"""When the instance is created."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trouble:
    """What goes wrong, and until when: virtual seconds."""

    until: float
    operators: int = 1
    ambushes: tuple[Ambush, ...] = ()
    storms: tuple[Storm, ...] = ()
    rate: float = 0.0
    faults: frozenset[Fault] = frozenset()


def refusals(seed: int, draw: Draw) -> Plan:
    """Return a plan in which an instance has to go on by itself after it was refused something."""
    raised = draw.seconds(1.5, 6.0)
    kinds = (_lost, _lost, _lost, _unread, _forbidden, _forbidden, _beaten)
    trouble = draw.pick(kinds)(draw, raised)
    script = Script(seed=seed, tempers={"bank": Temper(slow=1.0)})
    actions = _actions(draw, raised, trouble.until)
    return Plan(
        seed=str(seed),
        workload=workload(f"refusals-{seed}", recipe(*_steps(draw)), *actions, script=script),
        operators=trouble.operators,
        storms=trouble.storms,
        heal_at=trouble.until,
        rate=trouble.rate,
        faults=trouble.faults,
        points=frozenset({Point.COMMIT}),
        ambushes=trouble.ambushes,
    )


def _steps(draw: Draw) -> list[Json]:
    """Return an event and other steps, each of another kind, so that what is lost varies."""
    pause: Json = {"name": "pause", "wait": {"for": draw.pick(("1s", "3s"))}}
    signal: Json = {"name": "signal", "event": {"name": "go"}}
    slow, quick = step("slow", service="bank"), step("quick")
    others = draw.shuffled([pause, slow, quick])[: draw.whole(0, 2)]
    return draw.shuffled([signal, *others])


def _actions(draw: Draw, raised: float, until: float) -> list[Action]:
    raising: Action = RaiseInSpec(at=raised, instance=INSTANCE, event={"id": "e", "name": "go"})
    if draw.chance(0.5):
        raising = RaiseAsObject(at=raised, instance=INSTANCE, object_name="e", event_name="go")
    if draw.chance(0.8):
        return [raising]
    at = draw.seconds(raised, until)
    return [raising, Tamper(at=at, user="bert", instance=INSTANCE, edit=Edit.LABEL)]


def _lost(draw: Draw, raised: float) -> _Trouble:
    """One commit gets lost, and so do the looks after it."""
    process, since = names_of(1)[0], raised + draw.pick((0.0, 0.0, draw.seconds(0.0, 5.0)))
    looks = tuple(
        Ambush(
            process=process,
            point=Point.READ_INSTANCE,
            since=since,
            number=number + 1,
            fate=draw.pick(UNREADABLE),
        )
        for number in range(draw.whole(1, 2))
    )
    lost = Ambush(process=process, point=Point.COMMIT, since=since, fate=draw.pick(LOST))
    return _Trouble(until=since + draw.seconds(15.0, 25.0), ambushes=(lost, *looks))


def _unread(draw: Draw, raised: float) -> _Trouble:
    """A turn fails at what it reads: the definition, the instance, its events, its service."""
    point = draw.pick((Point.RECIPE, Point.RECIPE, Point.LIST_EVENTS, Point.READ_INSTANCE))
    since = draw.pick((STARTED, draw.seconds(1.0, 1.1), raised))
    ambushes = tuple(
        Ambush(
            process=name,
            point=point,
            since=since,
            number=number + 1,
            fate=draw.pick(UNREADABLE),
            is_write=False,
        )
        for name in names_of(1)
        for number in range(draw.whole(1, 3))
    )
    return _Trouble(until=since + draw.seconds(5.0, 15.0), ambushes=ambushes)


def _forbidden(draw: Draw, raised: float) -> _Trouble:
    """An administrator's policy stands for a while, lenient or strict."""
    at, length = draw.pick((0.8, draw.seconds(1.0, 1.3), raised)), draw.seconds(5.0, 30.0)
    policy = Storm(at=at, kind="policy", seconds=length, amount=draw.share())
    return _Trouble(until=at + length, operators=draw.pick((1, 1, 2)), storms=(policy,))


def _beaten(draw: Draw, raised: float) -> _Trouble:
    """Somebody is quicker most of the time, or the server fails most of the time."""
    return _Trouble(
        until=raised + draw.seconds(4.0, 15.0),
        operators=draw.pick((1, 2, 3)),
        rate=draw.pick((0.4, 0.8)),
        faults=frozenset({draw.pick((Fault.CONFLICT, Fault.SERVER_ERROR, Fault.REJECTED))}),
    )


REFUSALS = Situation(name="refusals", bring_about=refusals)
