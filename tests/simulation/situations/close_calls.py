"""Events that are sent in the very moment in which the wait for them times out."""

from __future__ import annotations

from collections.abc import Sequence

from tests.simulation.chance import SWARM
from tests.simulation.plan import Plan, names_of
from tests.simulation.situations.situation import Situation
from tests.simulation.workloads.actions import Action, RaiseAsObject, RaiseInSpec
from tests.simulation.workloads.canonical.parts import INSTANCE, workload
from tests.simulation.workloads.draws import Draw
from tests.simulation.workloads.services import Script

from perdure.engine.values import Json, JsonObject
from perdure.testing.simulation.ambushes import Ambush
from perdure.testing.simulation.fates import Fate, Fault
from perdure.testing.simulation.points import Point
from perdure.testing.simulation.weather import Storm

STARTED = 1.1
"""When an instance that is created after a second has started, about."""
SPREAD = 0.12
"""Seconds around a time-out in which events are sent."""
SENDERS = tuple(f"sender-{number}" for number in range(6))
"""So many at once: each is busy with one event for some 50 ms."""


def close_calls(seed: int, draw: Draw) -> Plan:
    """Return a plan of waits that time out, and of events sent around those very times.

    Either events come while the last look for them is under way, or caches lag, so that no watch
    has brought them when the time is over. What is taken is then often hard to tidy away.
    """
    times = _times(draw)
    is_lagging = draw.chance(0.5)
    actions: list[Action] = []
    for number, at in enumerate(times):
        early = draw.seconds(0.3, 2.0) if is_lagging and draw.chance(0.4) else SPREAD
        actions += _events(draw, number, STARTED + at, early)
    last = times[-1] + STARTED + 2.0
    actions.append(_raised(draw, "last", at=draw.seconds(last, last + 1), user=SENDERS[0]))
    operators = draw.pick((1, 1, 1, 2, 3))
    is_untidy = draw.chance(0.5)
    return Plan(
        seed=str(seed),
        workload=workload(f"close-calls-{seed}", _spec(times), *actions, script=Script(seed=seed)),
        operators=operators,
        storms=_lags(draw, times) if is_lagging else (),
        heal_at=last + draw.seconds(2, 6),
        rate=draw.pick((0.3, 0.6)) if is_untidy else draw.pick((0.0, 0.0, 0.01)),
        faults=frozenset(SWARM),
        points=frozenset({Point.CONSUME_EVENT} if is_untidy else Point),
        ambushes=_long_looks(draw, names_of(operators), times),
    )


def _times(draw: Draw) -> Sequence[float]:
    """Return after how many seconds the waits time out: now and then, two of them nearly at once.

    What comes due while others are looked for needs a look of its own.
    """
    at, found = 1.0, list[float]()
    for _ in range(draw.whole(2, 5)):
        at += draw.seconds(0.005, 0.15) if found and draw.chance(0.6) else draw.whole(1, 3)
        found.append(round(at, 3))
    return found


def _spec(times: Sequence[float]) -> JsonObject:
    """Return a wait for each of these times, and one without a time-out."""
    waits: list[Json] = [
        {
            "name": f"w{number}",
            "needs": [],
            "event": {"name": f"go{number}", "onTimeout": "Continue"},
            "timeout": f"{round(at * 1000)}ms",
        }
        for number, at in enumerate(times)
    ]
    waits.append({"name": "last", "needs": [], "event": {"name": "last"}})
    return {"steps": waits}


def _events(draw: Draw, number: int, due: float, early: float) -> list[Action]:
    """Return the events for one wait; the first that is there in time is the one it takes."""
    name = f"go{number}"
    return [
        _raised(draw, name, at=draw.seconds(due - early, due + SPREAD), user=user, mark=user)
        for user in draw.shuffled(SENDERS)[: draw.whole(2, len(SENDERS))]
    ]


def _raised(draw: Draw, name: str, *, at: float, user: str, mark: str = "x") -> Action:
    event_id = f"{name}-{mark}"
    if draw.chance(0.25):
        event: JsonObject = {"id": event_id, "name": name}
        return RaiseInSpec(at=at, user=user, instance=INSTANCE, event=event)
    return RaiseAsObject(
        at=at,
        user=user,
        instance=INSTANCE,
        object_name=event_id,
        event_name=name,
        is_bound=draw.chance(0.5),
    )


def _long_looks(draw: Draw, operators: Sequence[str], times: Sequence[float]) -> tuple[Ambush, ...]:
    """Return what makes some of the last looks long: the list comes late, or the process pauses."""
    found = []
    for at in times:
        for operator in operators:
            if draw.chance(0.7):
                late = Fate(fault=Fault.REPLY_LOST, variant="late", seconds=draw.seconds(0.05, 0.4))
                pause = Fate(fault=Fault.PAUSE, variant="after", seconds=draw.seconds(0.1, 1.0))
                found.append(
                    Ambush(
                        process=operator,
                        point=Point.LIST_EVENTS,
                        since=round(STARTED + at - 0.2, 3),
                        fate=draw.pick((late, late, pause)),
                    )
                )
    return tuple(found)


def _lags(draw: Draw, times: Sequence[float]) -> tuple[Storm, ...]:
    """Return storms in which one cache, or both, lag by seconds around some of the time-outs."""
    found = []
    for at in times:
        for victim in draw.pick((("0",), ("1",), ("0", "1"), ("0", "1"))):
            begins = round(max(1.3, STARTED + at - draw.seconds(0.5, 2.5)), 3)
            found.append(
                Storm(at=begins, kind="lag", victim=victim, seconds=draw.seconds(1.0, 4.0))
            )
    return tuple(sorted(found, key=lambda storm: storm.at))


CLOSE_CALLS = Situation(name="close-calls", bring_about=close_calls)
