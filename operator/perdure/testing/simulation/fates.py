"""What shall go wrong: decided by chance from a seed, or by a list that is worked off.

Every decision that disturbs something is written down as a `Stroke`: process and the number of
its occasion say where, so that a run can be repeated with fewer of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random  # noqa: TID251 - seeded
from typing import Protocol

from perdure.testing.simulation.points import READ_ONLY, WRITING, Point


class Fault(StrEnum):
    """The kinds of faults; the values are those of docs/proof.md."""

    CRASH_BEFORE = "F1"
    CRASH_APPLIED = "F2"
    CRASH_ANSWERED = "F3"
    REQUEST_LOST = "F4"
    REPLY_LOST = "F5"
    TWICE = "F6"
    CONFLICT = "F7"
    OCCUPIED = "F8"
    RECREATED = "F9"
    THROTTLED = "F10"
    SERVER_ERROR = "F11"
    DENIED = "F12"
    REJECTED = "F13"
    STALE = "F14"
    WATCH = "F15"
    PAUSE = "F16"
    OPERATORS = "F17"
    CLOCK = "F18"
    USER = "F19"
    STALL = "F24"
    SIZES = "F25"
    CORRUPTION = "F26"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What happens to one request. `variant` is one of those of its fault, `seconds` how long."""

    fault: Fault
    variant: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """One request of a process, the `number`th of all it sent since the world began."""

    process: str
    number: int
    point: Point
    at: float
    """Virtual seconds."""
    is_operator: bool
    is_write: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Stroke:
    """A fate that struck, and where."""

    process: str
    number: int
    point: Point
    at: float
    fate: Fate


class Fates(Protocol):
    """Decides on every request."""

    def decide(self, occasion: Occasion) -> Fate | None:
        """Return what shall go wrong, None to let the request pass."""
        ...


EVERYWHERE = (
    Fault.CRASH_BEFORE,
    Fault.CRASH_ANSWERED,
    Fault.REQUEST_LOST,
    Fault.THROTTLED,
    Fault.SERVER_ERROR,
    Fault.DENIED,
    Fault.PAUSE,
    Fault.STALL,
)
OF_WRITES = (Fault.CRASH_APPLIED, Fault.REPLY_LOST, Fault.TWICE)
ELSEWHERE: Mapping[Fault, frozenset[Point]] = {
    Fault.CONFLICT: frozenset({Point.COMMIT, Point.LEASE, Point.RETENTION}),
    Fault.OCCUPIED: frozenset({Point.CREATE_HISTORY}),
    Fault.RECREATED: frozenset({Point.READ_INSTANCE, Point.COMMIT}),
    Fault.REJECTED: frozenset({Point.COMMIT, Point.CREATE_HISTORY, Point.MANAGEMENT, Point.LOG}),
    Fault.WATCH: frozenset({Point.WATCH}),
    Fault.STALE: frozenset({Point.WATCH}),
}
ONLY_OPERATORS = frozenset(
    {
        Fault.CRASH_BEFORE,
        Fault.CRASH_APPLIED,
        Fault.CRASH_ANSWERED,
        Fault.PAUSE,
        Fault.STALL,
        Fault.RECREATED,
        Fault.CONFLICT,
    }
)
VARIANTS: Mapping[Fault, tuple[str, ...]] = {
    Fault.REQUEST_LOST: ("refused", "cut", "silent"),
    Fault.REPLY_LOST: ("cut", "silent"),
    Fault.SERVER_ERROR: ("500", "503", "504", "500 applied", "504 applied"),
    Fault.DENIED: ("401", "403"),
    Fault.REJECTED: ("422", "413", "policy"),
    Fault.PAUSE: ("before", "after"),
    Fault.OCCUPIED: ("foreign", "dying"),
    Fault.RECREATED: ("deleted", "recreated"),
    Fault.WATCH: ("cut", "doubled", "replayed", "expired", "odd", "silent", "slow"),
}
PAUSES = (0.5, 3.0, 12.0, 20.0, 45.0, 300.0)
"""Around the limits of 10 s (mute) and 15 s (dead), and far beyond."""
AT_CALLS = (
    Fault.CRASH_BEFORE,
    Fault.CRASH_APPLIED,
    Fault.CRASH_ANSWERED,
    Fault.REQUEST_LOST,
    Fault.REPLY_LOST,
    Fault.SERVER_ERROR,
    Fault.PAUSE,
    Fault.STALL,
)


def applicable(point: Point, *, is_operator: bool, is_write: bool) -> tuple[Fault, ...]:
    """Return the faults that can strike at such a request."""
    if point is Point.CALL:
        return AT_CALLS
    if point is Point.WATCH:
        found = [Fault.CRASH_BEFORE, Fault.REQUEST_LOST, Fault.THROTTLED, Fault.SERVER_ERROR]
        found += [Fault.DENIED, Fault.WATCH, Fault.STALE, Fault.PAUSE]
    else:
        found = [*EVERYWHERE]
        if point in WRITING or (point not in READ_ONLY and is_write):
            found += OF_WRITES
        found += [fault for fault, points in ELSEWHERE.items() if point in points]
    if not is_operator:
        found = [fault for fault in found if fault not in ONLY_OPERATORS]
    if not is_write:
        found = [fault for fault in found if fault is not Fault.REJECTED]
    return tuple(found)


def chosen(fault: Fault, point: Point, random: Random) -> Fate:
    """Return one of the fates of a fault."""
    variants = VARIANTS.get(fault, ("",))
    if point is Point.WATCH and fault is Fault.SERVER_ERROR:
        variants = ("500", "503", "504")
    variant = variants[int(random.random() * len(variants))]
    match fault:
        case Fault.PAUSE:
            seconds = PAUSES[int(random.random() * len(PAUSES))] * (0.8 + 0.4 * random.random())
        case Fault.STALL:
            seconds = 30.0
        case Fault.THROTTLED:
            seconds = float(1 + int(random.random() * 5))
        case Fault.CRASH_BEFORE | Fault.CRASH_APPLIED | Fault.CRASH_ANSWERED:
            # Until it is started again: at once, before and after others hold it for dead.
            seconds = (0.1, 2.0, 8.0, 30.0)[int(random.random() * 4)]
        case Fault.WATCH | Fault.STALE:
            seconds = 0.5 + 9.5 * random.random()
        case _:
            seconds = 0.05 + 2.0 * random.random()
    return Fate(fault=fault, variant=variant, seconds=round(seconds, 3))


@dataclass(slots=True)
class Record:
    """What was decided: the strokes, and how often each fault struck at each point."""

    strokes: list[Stroke] = field(default_factory=list)
    cells: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, occasion: Occasion, fate: Fate) -> None:
        """Write a stroke down."""
        stroke = Stroke(
            process=occasion.process,
            number=occasion.number,
            point=occasion.point,
            at=occasion.at,
            fate=fate,
        )
        self.strokes.append(stroke)
        self.cells[fate.fault.value, occasion.point.value] += 1

    def count(self, fault: Fault, point: Point) -> None:
        """Count what struck without a request."""
        self.cells[fault.value, point.value] += 1


class RandomFates:
    """Each request at `points` is disturbed with probability `rate`, by one of `faults`.

    A seed uses only some kinds of faults, so that now and then each has the world to itself.
    """

    def __init__(
        self,
        random: Random,
        rate: float,
        faults: frozenset[Fault],
        points: frozenset[Point] = frozenset(Point),
    ) -> None:
        self._random = random
        self._rate = rate
        self._faults = faults
        self._points = points

    def decide(self, occasion: Occasion) -> Fate | None:
        if occasion.point not in self._points:
            return None
        if self._random.random() >= self._rate:
            return None
        found = applicable(
            occasion.point, is_operator=occasion.is_operator, is_write=occasion.is_write
        )
        found = tuple(fault for fault in found if fault in self._faults)
        if not found:
            return None
        fault = found[int(self._random.random() * len(found))]
        return chosen(fault, occasion.point, self._random)


class ListedFates:
    """Only what is on the list happens."""

    def __init__(self, strokes: Sequence[Stroke]) -> None:
        self._strokes = {(stroke.process, stroke.number): stroke.fate for stroke in strokes}

    def decide(self, occasion: Occasion) -> Fate | None:
        return self._strokes.get((occasion.process, occasion.number))


class OneFate:
    """The `number`th request that `concerns` says yes to meets this fate, and no other one."""

    def __init__(self, number: int, fate: Fate, concerns: Callable[[Occasion], bool]) -> None:
        self._left = number
        self._fate = fate
        self._concerns = concerns

    def decide(self, occasion: Occasion) -> Fate | None:
        if not self._concerns(occasion):
            return None
        self._left -= 1
        return self._fate if self._left == 0 else None


class Calm:
    """Nothing goes wrong."""

    def decide(self, occasion: Occasion) -> Fate | None:
        return None
