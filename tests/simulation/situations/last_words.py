"""Users ask for something just when an end is decided: that has to be seen first."""

from __future__ import annotations

from tests.simulation.plan import QUIET_SECONDS, Plan, names_of
from tests.simulation.situations.situation import Situation
from tests.simulation.workloads.actions import (
    Action,
    Define,
    RaiseInSpec,
    Resume,
    Start,
    Suspend,
    Terminate,
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

START = 1.0
ENDS: tuple[JsonObject, ...] = (
    {"raise": {"type": "Broken", "message": "on purpose"}},
    {"return": {"value": "early"}},
)


def last_words(seed: int, draw: Draw) -> Plan:
    """Return a plan in which all processes stand still before the commit that decides the end."""
    seconds = draw.whole(2, 4)
    due = START + seconds
    since, until = due - 0.2, due + draw.seconds(1.0, 2.5)
    operators = draw.whole(1, 3)
    pause = Fate(fault=Fault.PAUSE, variant="before", seconds=until - since)
    actions = (
        Define(at=0.0, definition=DEFINITION, spec=_spec(seconds, draw)),
        Start(at=START, instance=INSTANCE, spec={"definitionRef": {"name": DEFINITION}}),
        *_asked(due + draw.seconds(0.3, 0.9), draw),
    )
    return Plan(
        seed=str(seed),
        workload=Workload(
            name=f"last-words-{seed}",
            actions=in_order(actions),
            script=Script(seed=seed, tempers={"bank": Temper(slow=1.0)}),
        ),
        operators=operators,
        storms=(),
        heal_at=until,
        quiet_seconds=QUIET_SECONDS,
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
        slow = step("slow", service="bank", needs=[])
        assert isinstance(slow, dict), "a step is an object"
        steps.append(slow)
    return recipe(*steps)


def _asked(at: float, draw: Draw) -> tuple[Action, ...]:
    stop = Terminate(at=at, instance=INSTANCE, reason="not needed any more")
    hold = (Suspend(at=at, instance=INSTANCE), Resume(at=at + 6.0, instance=INSTANCE))
    more = RaiseInSpec(at=at, instance=INSTANCE, event={"id": "more", "name": "go"})
    return draw.pick(((stop,), (stop,), hold, (more,)))


LAST_WORDS = Situation(name="last-words", bring_about=last_words)
