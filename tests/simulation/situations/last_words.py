"""Users ask for something just when an end is decided: that has to be seen first."""

from __future__ import annotations

from tests.simulation.plan import Plan, names_of
from tests.simulation.situations.situation import Situation
from tests.simulation.workloads.actions import (
    Action,
    RaiseInSpec,
    Resume,
    Suspend,
    Terminate,
)
from tests.simulation.workloads.canonical.parts import INSTANCE, recipe, step, workload
from tests.simulation.workloads.draws import Draw
from tests.simulation.workloads.services import Script, Temper

from perdure.engine.values import JsonObject
from perdure.testing.simulation.ambushes import Ambush
from perdure.testing.simulation.fates import Fate, Fault
from perdure.testing.simulation.points import Point

STARTED = 1.0
"""When the instance is created."""
ENDS: tuple[JsonObject, ...] = (
    {"raise": {"type": "Broken", "message": "on purpose"}},
    {"return": {"value": "early"}},
)


def last_words(seed: int, draw: Draw) -> Plan:
    """Return a plan in which all processes stand still before the commit that decides the end."""
    seconds = draw.whole(2, 4)
    due = STARTED + seconds
    since, until = due - 0.2, due + draw.seconds(1.0, 2.5)
    operators = draw.whole(1, 3)
    pause = Fate(fault=Fault.PAUSE, variant="before", seconds=until - since)
    spec, asked = _spec(seconds, draw), _asked(due + draw.seconds(0.3, 0.9), draw)
    script = Script(seed=seed, tempers={"bank": Temper(slow=1.0)})
    return Plan(
        seed=str(seed),
        workload=workload(f"last-words-{seed}", spec, *asked, script=script),
        operators=operators,
        storms=(),
        heal_at=until,
        ambushes=tuple(
            Ambush(process=name, point=Point.COMMIT, since=since, fate=pause)
            for name in names_of(operators)
        ),
    )


def _spec(seconds: int, draw: Draw) -> JsonObject:
    """Return steps that end after so many seconds, perhaps while a slow call is in flight."""
    steps: list[JsonObject] = [
        {"name": "pause", "needs": [], "wait": {"for": f"{seconds}s"}},
        {"name": "end", "needs": ["pause"], **draw.pick(ENDS)},
    ]
    if draw.chance(0.7):
        steps.append(step("slow", service="bank", needs=[]))
    return recipe(*steps)


def _asked(at: float, draw: Draw) -> tuple[Action, ...]:
    stop = Terminate(at=at, instance=INSTANCE, reason="not needed any more")
    hold = (Suspend(at=at, instance=INSTANCE), Resume(at=at + 6.0, instance=INSTANCE))
    more = RaiseInSpec(at=at, instance=INSTANCE, event={"id": "more", "name": "go"})
    return draw.pick(((stop,), (stop,), hold, (more,)))


LAST_WORDS = Situation(name="last-words", bring_about=last_words)
