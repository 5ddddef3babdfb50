"""Processes that fall silent amid their calls: they stand still, die, or cannot renew their Lease.

The lengths lie around the limits: mute after 10 s, dead after 15 s, taken for dead some looks
later. Others take over, and those who come back begin again, among others who thought them dead.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.simulation.plan import Plan, names_of
from tests.simulation.situations.situation import Situation
from tests.simulation.workloads.actions import Action, Start
from tests.simulation.workloads.canonical.parts import DEFINITION, job, recipe, step, workload
from tests.simulation.workloads.draws import Draw
from tests.simulation.workloads.services import Script, Temper

from perdure.engine.values import JsonObject
from perdure.testing.simulation.fates import Fault
from perdure.testing.simulation.weather import Storm

BACKGROUND = frozenset({Fault.CONFLICT, Fault.REPLY_LOST, Fault.STALE, Fault.THROTTLED})
DEAD, SETTLED = 15.0, 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Silence:
    """Who is silenced how, and when further instances are started: virtual seconds."""

    storms: tuple[Storm, ...]
    starts: tuple[float, ...]
    operators: int
    heal_at: float


def silences(seed: int, draw: Draw) -> Plan:
    """Return a plan in which a process is silent for a while, between claims of calls."""
    silence = draw.pick(SILENCINGS)(draw)
    script = Script(seed=seed, tempers={"bank": Temper(slow=1.0), "stock": Temper(late=0.2)})
    return Plan(
        seed=str(seed),
        workload=workload(f"silences-{seed}", _spec(draw), *_starts(silence.starts), script=script),
        operators=silence.operators,
        storms=silence.storms,
        heal_at=silence.heal_at,
        rate=draw.pick((0.0, 0.0, 0.0, 0.01)),
        faults=BACKGROUND,
    )


def _spec(draw: Draw) -> JsonObject:
    """Return two slow calls, one after the other or side by side, or one that is polled."""
    first = job("first") if draw.chance(0.2) else step("first", service="bank")
    second = step("second", service=draw.pick(("bank", "stock")))
    assert isinstance(second, dict)
    return recipe(first, second | {"needs": []} if draw.chance(0.5) else second, output="done")


def _starts(times: tuple[float, ...]) -> list[Action]:
    ref: JsonObject = {"definitionRef": {"name": DEFINITION}}
    return [
        Start(at=at, instance=f"more-{number}", spec=ref, user=f"user-{number % 2}")
        for number, at in enumerate(times)
    ]


def _several(draw: Draw, since: float, until: float, count: int) -> tuple[float, ...]:
    return tuple(draw.seconds(since, until) for _ in range(count))


def _comes_back(draw: Draw) -> _Silence:
    """One is taken for dead, comes back and claims calls again, then may stand still again."""
    operators = draw.pick((2, 2, 3))
    victim, at = draw.pick(names_of(operators)), draw.seconds(1.1, 3.0)
    length = DEAD + draw.seconds(3.0, 20.0)
    back = at + length
    storms = [Storm(at=at, kind="pause", victim=victim, seconds=length)]
    if draw.chance(0.4):
        again = back + draw.seconds(2.0, 14.0)
        length = draw.seconds(5.0, 14.0)
        storms.append(Storm(at=again, kind="pause", victim=victim, seconds=length))
    return _Silence(
        storms=tuple(storms),
        starts=_several(draw, 1.0, at, 3) + _several(draw, back, back + 3 * SETTLED, 4),
        operators=operators,
        heal_at=back + 4 * SETTLED,
    )


def _unheard(draw: Draw) -> _Silence:
    """One cannot renew its Lease, and everything else goes well with it."""
    operators = draw.pick((1, 1, 2))
    names, at = names_of(operators), draw.seconds(1.5, 3.0)
    length = draw.pick((draw.seconds(8.0, 14.0), draw.seconds(18.0, 35.0)))
    victims = names if draw.chance(0.5) else [draw.pick(names)]
    return _Silence(
        storms=tuple(
            Storm(at=at, kind="lease cut off", victim=name, seconds=length) for name in victims
        ),
        starts=_several(draw, at + 5.0, at + length, 2)
        + _several(draw, at + length - 4.0, at + length + 6.0, 3),
        operators=operators,
        heal_at=at + length + SETTLED,
    )


def _dies(draw: Draw) -> _Silence:
    """One dies amid its calls and is not started again for long, or is and dies again."""
    operators = draw.pick((2, 2, 3))
    victim, at = draw.pick(names_of(operators)), draw.seconds(1.1, 4.0)
    length = draw.pick((draw.seconds(DEAD - 2.0, DEAD + 4.0), 2 * DEAD + draw.seconds(1.0, 20.0)))
    return _Silence(
        storms=(Storm(at=at, kind="crash", victim=victim, seconds=length),),
        starts=_several(draw, 1.0, at, 3) + _several(draw, at, at + length, 1),
        operators=operators,
        heal_at=at + length + 1.0,
    )


def _stutters(draw: Draw) -> _Silence:
    """Several pauses in a row, each too short, or hardly too long, to be dead of."""
    operators = draw.pick((1, 2, 3))
    at, storms = 1.0, list[Storm]()
    for _ in range(draw.whole(2, 4)):
        at += draw.seconds(0.2, 5.0)
        kind, length = draw.pick(("pause", "pause", "cut off")), draw.seconds(7.0, 17.0)
        victim = draw.pick(names_of(operators))
        storms.append(Storm(at=at, kind=kind, victim=victim, seconds=length))
        at += length
    return _Silence(
        storms=tuple(storms),
        starts=_several(draw, 1.0, at, 5),
        operators=operators,
        heal_at=at + draw.seconds(0.0, 10.0),
    )


def _dies_often(draw: Draw) -> _Silence:
    """One dies again and again, each time before the answer to its call has come."""
    operators, at, storms = draw.pick((1, 1, 2)), 1.5, list[Storm]()
    victims = names_of(operators)
    for _ in range(draw.whole(20, 26)):
        for victim in victims:
            storms.append(Storm(at=at, kind="crash", victim=victim, seconds=0.1))
        at += draw.seconds(0.5, 0.9)
    return _Silence(storms=tuple(storms), starts=(), operators=operators, heal_at=at)


def _stands_still(draw: Draw) -> _Silence:
    """The clock of one stands still, and nothing else goes wrong with it."""
    operators = draw.pick((1, 2))
    victim, at = draw.pick(names_of(operators)), draw.seconds(1.0, 3.0)
    length = DEAD + draw.seconds(3.0, 20.0)
    return _Silence(
        storms=(Storm(at=at, kind="clock stands", victim=victim, seconds=length),),
        starts=_several(draw, at + 5.0, at + length + SETTLED, 4),
        operators=operators,
        heal_at=at + length + SETTLED,
    )


def _robbed(draw: Draw) -> _Silence:
    """The Lease of one is given to somebody else and then deleted, before its next renewal.

    Processes start 0.3 s after each other, and renew every 2 s, and 20 ms for the way.
    """
    operators = draw.pick((2, 2, 3))
    number, turns = draw.whole(0, operators - 1), draw.whole(1, 5)
    victim, renewed = names_of(operators)[number], 0.3 * number + 0.04 + 2.02 * turns
    at = renewed + draw.seconds(0.02, 0.2)
    gone = renewed + draw.seconds(1.6, 1.95)
    return _Silence(
        storms=(
            Storm(at=at, kind="lease stolen", victim=victim),
            Storm(at=gone, kind="lease deleted", victim=victim),
        ),
        starts=_several(draw, 1.0, at, 3) + _several(draw, gone, gone + 2 * SETTLED, 5),
        operators=operators,
        heal_at=at + 3 * SETTLED,
    )


SILENCINGS = (
    _comes_back,
    _comes_back,
    _unheard,
    _unheard,
    _dies,
    _dies_often,
    _robbed,
    _stands_still,
    _stutters,
)

SILENCES = Situation(name="silences", bring_about=silences)
