"""Users change their mind while calls are in flight: slow ones, and ones that are polled.

An instance is suspended, resumed, terminated or deleted between the sending of its calls and their
answers, at any distance from either.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.simulation.plan import Plan, names_of
from tests.simulation.situations.situation import Situation
from tests.simulation.workloads.actions import Action, Delete, Resume, Suspend, Terminate
from tests.simulation.workloads.canonical.parts import INSTANCE, job, recipe, step, workload
from tests.simulation.workloads.draws import Draw
from tests.simulation.workloads.services import Script, Temper

from perdure.engine.values import JsonObject
from perdure.testing.simulation.fates import Fault
from perdure.testing.simulation.weather import Storm

SENT, ANSWERED = 1.1, 9.0
"""Between these times nearly all first calls are on their way."""
BROKEN: JsonObject = {
    "output": "${result.body.absent.deeper}",
    "retry": {"attempts": 3, "delay": "500ms", "when": "true"},
}
"""A step whose expression fails when its call has happened, which no policy may repeat."""
SLOW, WILD = Temper(slow=1.0), Temper(slow=0.5, late=0.3, silent=0.2)
BACKGROUND = frozenset({Fault.CONFLICT, Fault.REPLY_LOST, Fault.SERVER_ERROR, Fault.THROTTLED})


def in_flight(seed: int, draw: Draw) -> Plan:
    """Return a plan whose users come between calls and their answers."""
    actions = draw.pick(CHANGES)(draw)
    script = Script(
        seed=seed,
        tempers={"bank": draw.pick((SLOW, SLOW, WILD))},
    )
    last, operators = actions[-1].at, draw.pick((1, 1, 1, 2, 3))
    return Plan(
        seed=str(seed),
        workload=workload(f"in-flight-{seed}", _spec(draw), *actions, script=script),
        operators=operators,
        storms=_deaths(draw, operators, actions[0].at),
        heal_at=last + draw.seconds(0.0, 10.0),
        rate=draw.pick((0.0, 0.0, 0.02)),
        faults=BACKGROUND,
    )


def _spec(draw: Draw) -> JsonObject:
    """Return two or three calls side by side, and mostly one that has seen them all."""
    names = [f"c{number}" for number in range(draw.whole(2, 3))]
    steps = [_call(name, draw) for name in names]
    if draw.chance(0.7):
        called = tuple(name for name, made in zip(names, steps, strict=True) if not _polls(made))
        steps.append(step("join", seen=called, needs=[*names]))
    return recipe(*steps, output="done")


def _call(name: str, draw: Draw) -> JsonObject:
    if draw.chance(0.5):
        return {**job(name, every="1s"), "needs": []}
    made = step(name, service="bank", needs=[])
    return made | BROKEN if draw.chance(0.25) else made


def _polls(made: JsonObject) -> bool:
    return "poll" in str(made)


def _deaths(draw: Draw, operators: int, first: float) -> tuple[Storm, ...]:
    """Let a process die in some cases, mostly while the instance is suspended."""
    if draw.chance(0.7):
        return ()
    at = first + draw.seconds(-0.5, 5.0)
    victim = draw.pick(names_of(operators))
    return (Storm(at=at, kind="crash", victim=victim, seconds=draw.pick((0.1, 2.0))),)


def _suspended(draw: Draw) -> Sequence[Action]:
    """Suspended for ever, or until shortly after, or until all answers have come."""
    at = draw.seconds(SENT, draw.pick((2.0, 2.0, ANSWERED)))
    longer = draw.seconds(3.0, 30.0)
    length = draw.pick((None, None, draw.seconds(0.01, 1.0), longer, longer))
    begin: list[Action] = [Suspend(at=at, instance=INSTANCE)]
    return begin if length is None else [*begin, Resume(at=at + length, instance=INSTANCE)]


def _suspended_often(draw: Draw) -> Sequence[Action]:
    at, found = SENT, list[Action]()
    for _ in range(draw.whole(2, 4)):
        at += draw.seconds(0.02, 3.0)
        found.append(Suspend(at=at, instance=INSTANCE))
        at += draw.seconds(0.02, 3.0)
        found.append(Resume(at=at, instance=INSTANCE))
    return found


def _terminated(draw: Draw) -> Sequence[Action]:
    return [Terminate(at=draw.seconds(SENT, draw.pick((2.0, ANSWERED))), instance=INSTANCE)]


def _deleted(draw: Draw) -> Sequence[Action]:
    return [Delete(at=draw.seconds(SENT, ANSWERED), instance=INSTANCE)]


def _ended_while_suspended(draw: Draw) -> Sequence[Action]:
    at = draw.seconds(SENT, ANSWERED)
    end = at + draw.seconds(0.02, 6.0)
    last: Action = Delete(at=end, instance=INSTANCE)
    if draw.chance(0.7):
        last = Terminate(at=end, instance=INSTANCE)
    return [Suspend(at=at, instance=INSTANCE), last]


CHANGES: tuple[Callable[[Draw], Sequence[Action]], ...] = (
    _suspended,
    _suspended,
    _suspended,
    _suspended,
    _suspended_often,
    _terminated,
    _terminated,
    _deleted,
    _ended_while_suspended,
)

IN_FLIGHT = Situation(name="in-flight", bring_about=in_flight)
