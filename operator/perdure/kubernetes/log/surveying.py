"""Looking at the log without taking any of it: which lanes there are, and what they lack.

It reads what may be damaged, so that it can say how. Source:
docs/log.md#what-an-administrator-may-do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from perdure.engine.values import Json, JsonObject
from perdure.errors import LogDamagedError, NewerLogError, TransientError
from perdure.kubernetes.backoff import Backoff
from perdure.kubernetes.log.claiming import MOST_READS
from perdure.kubernetes.log.slots import Generation, Slots, number_of, slot_in
from perdure.kubernetes.versions import metadata_of
from perdure.lanes.entry import Entry, EntryKind
from perdure.lanes.mending import Loss, losses
from perdure.lanes.ring import LaneView, Slot, TornReadError
from perdure.ports import Clock

NAME = re.compile(r"g([1-9]\d*)-(\d+)-(\d+)")


@dataclass(frozen=True, slots=True)
class LaneSurvey:
    """A lane as it was found.

    `slots` are those that can be read, by number; `faults` say in words what no repair mends;
    `size` is how many characters of turns stand in all of them.
    """

    lane: int
    slots: Mapping[int, Slot]
    losses: tuple[Loss, ...]
    faults: tuple[str, ...]
    size: int

    @property
    def tail(self) -> Entry | None:
        """Return the newest entry; None where none can be read."""
        entries = [slot.entry for slot in self.slots.values()]
        return max(entries, key=lambda entry: entry.seq, default=None)

    @property
    def view(self) -> LaneView:
        """Return what can be read; only where nothing is lost it is all of the lane."""
        return LaneView(tuple(self.slots[number] for number in sorted(self.slots)))


@dataclass(frozen=True, slots=True)
class Survey:
    """The newest generation, and its lanes in order. `is_opening`: its slots are being created."""

    generation: Generation
    is_opening: bool
    lanes: tuple[LaneSurvey, ...]


class Surveyor:
    """Reads the log of one namespace. All methods raise what `ports.Objects.list` does."""

    def __init__(self, slots: Slots, clock: Clock) -> None:
        self._slots, self._clock = slots, clock

    async def survey(self) -> Survey | None:
        """Return all lanes; None where there is no log.

        Raises LogDamagedError where it cannot be told which lanes there should be, TransientError
        where a lane is written faster than it can be read.
        """
        generation = await self.generation()
        if generation is None:
            return None
        bodies = [
            await self._slots.bodies(generation.number, lane) for lane in range(generation.lanes)
        ]
        is_opened = any(_has_entries(each) for each in bodies)
        lanes = [
            await self._lane(generation, lane, found, is_opened)
            for lane, found in enumerate(bodies)
        ]
        return Survey(generation, not is_opened and _is_opening(bodies[0]), tuple(lanes))

    async def generation(self) -> Generation | None:
        """Return the newest generation of which anything is there; None where there is no log.

        Raises LogDamagedError where it cannot be told.
        """
        found = await self._slots.samples()
        if not found:
            return None
        newest = max(_generation_of(body) for body in found)
        while later := await self._slots.bodies(newest + 1, 0):
            found, newest = later, newest + 1
        counts = {_lanes_of(body) for body in found if _generation_of(body) == newest}
        known = {count for count in counts if count is not None}
        if len(known) != 1:
            raise LogDamagedError(
                f"the slots of generation {newest} of the log say that it has "
                f"{' or '.join(map(str, sorted(known))) or 'an unknown number of'} lanes: restore "
                f"them from a backup of etcd"
            )
        return Generation(newest, known.pop())

    async def _lane(
        self, generation: Generation, lane: int, bodies: Sequence[JsonObject], is_opened: bool
    ) -> LaneSurvey:
        backoff = Backoff(self._clock)
        while True:
            try:
                survey = surveyed(bodies, generation, lane, is_opened)
                await self._confirm(survey.losses)
                return survey
            except TornReadError as error:
                if backoff.failures + 1 >= MOST_READS:
                    text = f"lane {lane} was read {MOST_READS} times, never of one moment: {error}"
                    raise TransientError(text) from error
                await backoff.failed()
            bodies = await self._slots.bodies(generation.number, lane)

    async def _confirm(self, lost: Iterable[Loss]) -> None:
        """Raise TornReadError where what seemed lost is there: the list came from an old cache."""
        for loss in lost:
            try:
                now = await self._slots.get(loss.name)
            except (LogDamagedError, NewerLogError) as error:
                raise TornReadError(f"WorkflowLog {loss.name} is there, but {error}") from error
            before = None if loss.blank is None else loss.blank.version
            if (None if now is None else now.version) != before:
                raise TornReadError(f"WorkflowLog {loss.name} was written meanwhile")


def surveyed(
    bodies: Sequence[JsonObject], generation: Generation, lane: int, is_opened: bool
) -> LaneSurvey:
    """Return what a list of a lane shows. Raises TornReadError."""
    slots, faults = _readable(bodies)
    size = sum(len(_data_of(body)) for body in bodies)
    if faults:  # What stands in those slots is not known, so neither is what is due in others.
        return LaneSurvey(lane, slots, (), tuple(faults), size)
    try:
        lost = losses(slots, generation.number, lane, generation.lanes, is_opened=is_opened)
        for _ in LaneView(tuple(slots.values())).turns():
            pass
    except LogDamagedError as error:
        return LaneSurvey(lane, slots, (), (str(error),), size)
    return LaneSurvey(lane, slots, lost, (), size)


def _readable(bodies: Iterable[JsonObject]) -> tuple[dict[int, Slot], list[str]]:
    slots, faults = dict[int, Slot](), list[str]()
    for body in bodies:
        try:
            slots[number_of(body)] = slot_in(body)
        except (LogDamagedError, NewerLogError) as error:
            faults.append(str(error))
    return slots, faults


def _has_entries(bodies: Iterable[JsonObject]) -> bool:
    return any(_field(body, "seq") not in (0, None) for body in bodies)


def _is_opening(bodies: Iterable[JsonObject]) -> bool:
    return any(_field(body, "kind") == EntryKind.OPENING for body in bodies)


def _field(body: JsonObject, field: str) -> Json:
    spec = body.get("spec")
    return spec.get(field) if isinstance(spec, dict) else None


def _data_of(body: JsonObject) -> str:
    data = _field(body, "data")
    return data if isinstance(data, str) else ""


def _lanes_of(body: JsonObject) -> int | None:
    lanes = _field(body, "lanes")
    return lanes if isinstance(lanes, int) else None


def _generation_of(body: JsonObject) -> int:
    name = str(metadata_of(body)["name"])
    match = NAME.fullmatch(name)
    if match is None:
        raise LogDamagedError(
            f"WorkflowLog {name} is no slot, for names are g<generation>-<lane>-<slot>: delete it"
        )
    return int(match[1])
