"""Gaps in what is watched: caches lag, then begin anew, and what came meanwhile no watch tells."""

from __future__ import annotations

from collections.abc import Sequence

from tests.simulation.chance import SWARM
from tests.simulation.plan import Plan, names_of
from tests.simulation.situations.situation import Situation
from tests.simulation.workloads.actions import (
    Action,
    Define,
    Delete,
    RaiseAsObject,
    RaiseInSpec,
    Start,
    in_order,
)
from tests.simulation.workloads.canonical.parts import DEFINITION
from tests.simulation.workloads.draws import Draw
from tests.simulation.workloads.services import Script
from tests.simulation.workloads.workload import Workload

from perdure.engine.values import JsonObject
from perdure.testing.simulation.weather import Storm

LATE = "late"
"""A definition that is applied after instances that wait for it."""
FOR_LATER = 900.0
"""When instances start that take no events before they are deleted."""
SENDERS = ("berta", "carl", "dora")


def gaps(seed: int, draw: Draw) -> Plan:
    """Return a plan in which things are created and deleted while nobody hears of it.

    The gap ends with new lists of everything, of one process or of all, in many small pages.
    """
    operators = draw.pick((1, 1, 1, 2))
    begins = draw.seconds(3, 6)
    ends = begins + draw.seconds(1, 6)
    workload = Workload(
        name=f"gaps-{seed}",
        actions=in_order([*_before(draw), *_amid(draw, begins, ends)]),
        script=Script(seed=seed),
    )
    return Plan(
        seed=str(seed),
        workload=workload,
        operators=operators,
        storms=_gap(draw, names_of(operators), begins, ends),
        heal_at=ends + draw.seconds(1, 8),
        rate=draw.pick((0.0, 0.0, 0.01)),
        faults=frozenset(SWARM),
        page_items=draw.pick((1, 1, 2, 5)),
    )


def _gap(draw: Draw, operators: Sequence[str], begins: float, ends: float) -> tuple[Storm, ...]:
    """Return the storms that make a gap: caches that lag and are then lost, or dead processes."""
    if draw.chance(0.5):
        length = round(ends - begins, 3)
        return (
            *(Storm(at=begins, kind="crash", victim=name, seconds=length) for name in operators),
        )
    lags = [Storm(at=begins, kind="lag", victim=name, seconds=60.0) for name in ("0", "1")]
    losses = [Storm(at=ends, kind="frontend restart", victim=name) for name in ("0", "1")]
    return (*lags, *losses)


def _before(draw: Draw) -> list[Action]:
    """Return what stands when the gap begins."""
    count = draw.whole(4, 10)
    waiting: JsonObject = {
        "steps": [{"name": "all", "event": {"name": "go", "count": count}, "timeout": "30s"}],
        "output": "${size(steps.all.output)}",
    }
    return [
        Define(at=0.0, definition=DEFINITION, spec=waiting),
        _started("taking", at=1.0),
        *(_started(f"waiting-{n}", at=1.2, definition=LATE) for n in range(draw.whole(0, 2))),
        *(_started(f"pending-{n}", at=1.4, starts_after=FOR_LATER) for n in range(2)),
    ]


def _amid(draw: Draw, begins: float, ends: float) -> list[Action]:
    """Return what is done while nobody hears of it, and a little of it before or after."""
    late: JsonObject = {"steps": [{"name": "only", "wait": {"for": "100ms"}}]}

    def at() -> float:
        return draw.seconds(begins, ends - 0.1)

    actions: list[Action] = [Define(at=at(), definition=LATE, spec=late)]
    for number in draw.shuffled(range(draw.whole(3, 12))):
        actions.append(_raised(draw, "taking", f"go-{number}", at=at()))
    for number in range(2):
        name, deleted = f"pending-{number}", at()
        sent = draw.seconds(begins - 1, deleted)
        actions.append(_raised(draw, name, f"{name}-go", at=sent))
        actions.append(Delete(at=deleted, user="erna", instance=name))
        if draw.chance(0.3):
            again = draw.seconds(deleted + 0.1, ends + 1)
            actions.append(_started(name, at=again, user="erna"))
    return actions


def _started(
    name: str,
    *,
    at: float,
    definition: str = DEFINITION,
    starts_after: float | None = None,
    user: str = "anna",
) -> Start:
    spec: JsonObject = {"definitionRef": {"name": definition}}
    return Start(at=at, user=user, instance=name, spec=spec, starts_after=starts_after)


def _raised(draw: Draw, instance: str, name: str, *, at: float) -> Action:
    user = draw.pick(SENDERS)
    if draw.chance(0.15):
        event: JsonObject = {"id": name, "name": "go"}
        return RaiseInSpec(at=at, user=user, instance=instance, event=event)
    return RaiseAsObject(
        at=at,
        user=user,
        instance=instance,
        object_name=name,
        event_name="go",
        is_bound=draw.chance(0.6),
    )


GAPS = Situation(name="gaps", bring_about=gaps)
