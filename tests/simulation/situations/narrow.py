"""Faults at one of the rarer points alone, as often as a run can bear."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tests.simulation.chance import SWARM, whatever_comes
from tests.simulation.plan import SMALL_STATUS, Plan, names_of
from tests.simulation.situations.situation import Situation
from tests.simulation.workloads.actions import Action, Delete, Start, Subject, in_order
from tests.simulation.workloads.clients import USERS
from tests.simulation.workloads.draws import Draw

from perdure.engine.values import JsonObject
from perdure.testing.simulation.points import Point
from perdure.testing.simulation.weather import Storm

RARE: Mapping[Point, float] = {
    Point.CREATE_HISTORY: 3,
    Point.READ_HISTORY: 4,
    Point.CREATE_EVENT: 2,
    Point.CONSUME_EVENT: 1,
    Point.DELETE_INSTANCE: 3,
    Point.RETENTION: 3,
    Point.READ_SERVICE: 1,
    Point.RECIPE: 1,
    Point.LIST: 1,
}
"""Points by how often they are wanted: the rarer by themselves, the more often."""


def narrow(seed: int, draw: Draw) -> Plan:
    """Return a plan of chance whose requests are disturbed at one point, every third of them."""
    plan = whatever_comes(seed)
    point = draw.weighted(RARE)
    crashes = tuple(
        Storm(
            at=draw.seconds(1, plan.heal_at),
            kind="crash",
            victim=draw.pick(names_of(plan.operators)),
            seconds=draw.pick((0.1, 2.0)),
        )
        for _ in range(draw.whole(1, 4) if point is Point.READ_HISTORY else 0)
    )
    actions = plan.workload.actions
    if point is Point.RETENTION:
        actions = tuple(_shortly_kept(action) for action in actions)
    if point is Point.DELETE_INSTANCE:
        deletions = [_deleted(subject, plan.heal_at, draw) for subject in plan.workload.instances]
        actions = in_order([*actions, *deletions])
    return replace(
        plan,
        workload=replace(plan.workload, actions=actions),
        storms=tuple(sorted((*plan.storms, *crashes), key=lambda storm: storm.at)),
        points=frozenset({point}),
        rate=0.3,
        faults=frozenset(SWARM),
        status_bytes=SMALL_STATUS,
    )


def _shortly_kept(action: Action) -> Action:
    if not isinstance(action, Start):
        return action
    kept: JsonObject = {"succeeded": "2s", "failed": "2s", "terminated": "2s"}
    return replace(action, spec={**action.spec, "retention": kept})


def _deleted(subject: Subject, heal_at: float, draw: Draw) -> Delete:
    at, user = draw.seconds(0.5, max(1.0, heal_at)), draw.pick(USERS)
    return Delete(at=at, user=user, namespace=subject.namespace, instance=subject.name)


NARROW = Situation(name="narrow", bring_about=narrow)
