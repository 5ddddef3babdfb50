"""A name has a new owner while somebody still acts on the one before it.

One process stands still between its decision and the request that follows from it. Meanwhile the
instance goes, and another one comes to the same point under its name: same definition, same
counter of commits. Then the process goes on.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.simulation.plan import QUIET_SECONDS, Plan, names_of
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
from tests.simulation.workloads.canonical.parts import DEFINITION, INSTANCE, recipe, step
from tests.simulation.workloads.draws import Draw
from tests.simulation.workloads.services import Script
from tests.simulation.workloads.workload import Workload

from perdure.engine.values import JsonObject
from perdure.testing.simulation.ambushes import Ambush
from perdure.testing.simulation.fates import Fate, Fault
from perdure.testing.simulation.points import Point

SWEEP_SECONDS = 10.0
"""Until a finished instance is purged, at most."""
BACKGROUND = frozenset({Fault.REPLY_LOST, Fault.CONFLICT, Fault.STALE, Fault.THROTTLED})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Turnover:
    """What users do, and what one process does too late. Virtual seconds."""

    actions: tuple[Action, ...]
    point: Point
    since: float
    until: float
    """When the process goes on."""
    is_everybody_late: bool = False
    quiet_seconds: float = QUIET_SECONDS


def successors(seed: int, draw: Draw) -> Plan:
    """Return a plan in which a process acts on an instance whose name another one has."""
    kinds = (_amid_a_wait, _amid_an_acceptance, _amid_a_purge, _amid_a_reprieve)
    turnover = draw.pick(kinds)(draw)
    operators = draw.pick((2, 2, 3))
    names = names_of(operators)
    late = names if turnover.is_everybody_late else [draw.pick(names)]
    pause = Fate(fault=Fault.PAUSE, variant="before", seconds=turnover.until - turnover.since)
    ambushes = [
        Ambush(process=name, point=turnover.point, since=turnover.since, fate=pause)
        for name in late
    ]
    return Plan(
        seed=str(seed),
        workload=Workload(
            name=f"successors-{seed}", actions=turnover.actions, script=Script(seed=seed)
        ),
        operators=operators,
        storms=(),
        heal_at=turnover.until,
        quiet_seconds=turnover.quiet_seconds,
        rate=draw.pick((0.0, 0.0, 0.02)),
        faults=BACKGROUND,
        ambushes=tuple(ambushes),
    )


def _amid_a_wait(draw: Draw) -> _Turnover:
    """The successor waits for the same event, which the late process takes for the one before."""
    spec = recipe(*_before(draw), {"name": "signal", "event": {"name": "go"}}, step("pay"))
    at = draw.seconds(3.0, 6.0)
    again = at + draw.seconds(0.3, 1.0)
    born = again + draw.seconds(0.05, 0.3)
    return _Turnover(
        actions=_acts(
            spec,
            None,
            _raised(at, draw),
            Delete(at=again, instance=INSTANCE),
            Start(at=born, instance=INSTANCE, spec=_instance(None)),
            RaiseInSpec(
                at=born + draw.seconds(6.0, 9.0),
                user="bert",
                instance=INSTANCE,
                event={"id": "last", "name": "go"},
            ),
        ),
        point=Point.COMMIT,
        since=at,
        until=born + draw.seconds(0.5, 5.0),
    )


def _amid_an_acceptance(draw: Draw) -> _Turnover:
    """Neither has a history yet: one is about to start, the other one is to start later."""
    at = draw.seconds(3.0, 6.0)
    again = at + draw.seconds(0.3, 1.0)
    born = again + draw.seconds(0.05, 0.3)
    until = born + draw.seconds(0.5, 5.0)
    spec = recipe(*_before(draw), step("pay"))
    instance = _instance(None)
    return _Turnover(
        actions=(
            Define(at=0.0, definition=DEFINITION, spec=spec),
            Start(at=1.0, instance=INSTANCE, spec=instance, starts_after=at),
            Delete(at=again, instance=INSTANCE),
            Start(at=born, instance=INSTANCE, spec=instance, starts_after=until + 2.0),
        ),
        point=Point.COMMIT,
        since=at - 0.1,
        until=until,
    )


def _amid_a_purge(draw: Draw) -> _Turnover:
    """The one before is purged by somebody else; its successor runs when the late purge comes."""
    spec = recipe(step("pay"), {"name": "pause", "wait": {"for": draw.pick(("1s", "20s"))}})
    kept = draw.whole(1, 3)
    born = 2 * SWEEP_SECONDS + draw.seconds(6.0, 9.0)
    first = recipe(step("pay"))
    return _Turnover(
        actions=_acts(
            first,
            kept,
            Define(at=5.0, definition=DEFINITION, spec=spec),
            Delete(at=born - 0.3, instance=INSTANCE),
            Start(at=born, instance=INSTANCE, spec=_instance(kept)),
        ),
        point=Point.RETENTION,
        since=1.0,
        until=born + draw.seconds(0.5, 5.0),
    )


def _amid_a_reprieve(draw: Draw) -> _Turnover:
    """A user who wants to keep the instance says so after the purge was decided.

    Or a deployment tool takes it as its own: then only its own wish would count.
    """
    kept, edit = draw.whole(1, 3), draw.pick((Edit.KEEP, Edit.ADOPT))
    at = draw.seconds(10.5, 12.0)
    is_own = edit is Edit.KEEP
    policy: JsonObject = {} if is_own else {"retention": {"succeeded": f"{kept}s"}}
    spec = recipe(step("pay"), **policy)
    adopted = Tamper(at=at, instance=INSTANCE, edit=edit)
    return _Turnover(
        actions=_acts(spec, kept if is_own else None, adopted),
        point=Point.RETENTION,
        since=1.0,
        until=at + draw.seconds(1.0, 3.0),
        is_everybody_late=True,
        quiet_seconds=2 * SWEEP_SECONDS,
    )


def _before(draw: Draw) -> list[JsonObject]:
    """Return steps by which the counter of commits is higher."""
    return [{"name": f"w{number}", "wait": {"for": "200ms"}} for number in range(draw.whole(0, 2))]


def _raised(at: float, draw: Draw) -> Action:
    if draw.chance(0.5):
        event: JsonObject = {"id": "first", "name": "go"}
        return RaiseInSpec(at=at, instance=INSTANCE, event=event)
    return RaiseAsObject(
        at=at,
        instance=INSTANCE,
        object_name="first",
        event_name="go",
        is_bound=draw.chance(0.8),
    )


def _acts(spec: JsonObject, kept: int | None, *actions: Action) -> tuple[Action, ...]:
    begin: tuple[Action, ...] = (
        Define(at=0.0, definition=DEFINITION, spec=spec),
        Start(at=1.0, instance=INSTANCE, spec=_instance(kept)),
    )
    return in_order([*begin, *actions])


def _instance(kept: int | None) -> JsonObject:
    spec: JsonObject = {"definitionRef": {"name": DEFINITION}}
    if kept is not None:
        spec["retention"] = {"succeeded": f"{kept}s"}
    return spec


SUCCESSORS = Situation(name="successors", bring_about=successors)
