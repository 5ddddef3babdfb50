"""Events whose instance is not there yet, is another one by now, or is not known of everywhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from tests.simulation.chance import SWARM
from tests.simulation.plan import Plan
from tests.simulation.situations.situation import Situation
from tests.simulation.workloads.actions import (
    Action,
    Define,
    Delete,
    RaiseAsObject,
    Start,
    in_order,
)
from tests.simulation.workloads.canonical.parts import DEFINITION, INSTANCE
from tests.simulation.workloads.draws import Draw
from tests.simulation.workloads.services import Script
from tests.simulation.workloads.workload import Workload

from perdure.engine.values import JsonObject
from perdure.testing.simulation.weather import Storm

SWEEP = 10.0
"""Seconds within which operators look for events that nobody takes."""
FIRST = 1.0
"""When the first instance is created that there is, at the earliest."""

Course: TypeAlias = Callable[[Draw], tuple[Sequence[Action], Sequence[Storm]]]


def wrong_address(seed: int, draw: Draw) -> Plan:
    """Return a plan in which events are sent to a name under which there is nobody, or another."""
    course = draw.pick((_early, _inherited, _inherited, _unknown))
    actions, storms = course(draw)
    spec: JsonObject = {
        "steps": [{"name": "one", "event": {"name": "go"}, "timeout": "40s"}],
        "output": "${steps.one.output.data}",
    }
    workload = Workload(
        name=f"wrong-address-{seed}",
        actions=in_order((Define(at=0.0, definition=DEFINITION, spec=spec), *actions)),
        script=Script(seed=seed),
    )
    return Plan(
        seed=str(seed),
        workload=workload,
        operators=draw.pick((1, 1, 2, 3)),
        storms=tuple(storms),
        heal_at=workload.last_at + draw.seconds(1, 15),
        rate=draw.pick((0.0, 0.0, 0.0, 0.01, 0.03)),
        faults=frozenset(SWARM),
    )


def _early(draw: Draw) -> tuple[Sequence[Action], Sequence[Storm]]:
    """Events that wait for their instance, through at least one look for events in vain."""
    created = draw.seconds(SWEEP + 3, 3 * SWEEP)
    actions = [
        _raised(draw, number, at=draw.seconds(FIRST, created - SWEEP - 1))
        for number in range(draw.whole(1, 3))
    ]
    return [*actions, _started(created)], ()


def _inherited(draw: Draw) -> tuple[Sequence[Action], Sequence[Storm]]:
    """Events for an instance that takes none yet, whose name another one has a moment later."""
    sent = [draw.seconds(FIRST + 0.3, FIRST + 3) for _ in range(draw.whole(1, 3))]
    deleted = max(sent) + draw.seconds(0.3, 2)
    again = deleted + draw.pick((0.02, 0.3, draw.seconds(0.0, 15)))
    actions: list[Action] = [_started(FIRST, starts_after=600.0)]
    actions += [_raised(draw, number, at=at) for number, at in enumerate(sent)]
    actions += [Delete(at=deleted, instance=INSTANCE), _started(again)]
    late = draw.seconds(again, again + 5)
    actions.append(_raised(draw, 9, at=late))
    storms = []
    if draw.chance(0.4):
        begins = draw.seconds(max(0.0, deleted - 2), deleted)
        storms = [_lag(draw, begins, draw.seconds(0.5, 8))]
    return actions, storms


def _unknown(draw: Draw) -> tuple[Sequence[Action], Sequence[Storm]]:
    """Events for an instance of which those that watch will hear only later."""
    lag = draw.seconds(SWEEP, 1.5 * SWEEP)
    actions = [_raised(draw, number, at=2.0 + 0.4 * number) for number in range(draw.whole(1, 3))]
    return [_started(1.5), *actions], [_lag(draw, 1.2, lag)]


def _started(at: float, starts_after: float | None = None) -> Start:
    spec: JsonObject = {"definitionRef": {"name": DEFINITION}}
    return Start(at=at, instance=INSTANCE, spec=spec, starts_after=starts_after)


def _raised(draw: Draw, number: int, *, at: float) -> RaiseAsObject:
    """Return an event, mostly one that names the uid of the instance that is there by then."""
    return RaiseAsObject(
        at=at,
        user=draw.pick(("berta", "carl")),
        instance=INSTANCE,
        object_name=f"go-{number}",
        event_name="go",
        data=number,
        is_bound=draw.chance(0.7),
    )


def _lag(draw: Draw, at: float, seconds: float) -> Storm:
    """Let the cache of one frontend lag: watches of instances may be behind those of events."""
    return Storm(at=round(at, 3), kind="lag", victim=draw.pick(("0", "1")), seconds=seconds)


WRONG_ADDRESS = Situation(name="wrong-address", bring_about=wrong_address)
