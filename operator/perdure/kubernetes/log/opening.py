"""Opening the log: a generation of lanes, and finding the newest one that there is.

Slot 0 of lane 0 is created first, as `Opening`, and says how many lanes there will be; it becomes
an empty slot when all others exist. Whoever finds it helps. A generation whose lanes are all closed
is followed by one with as many lanes as they were closed for. Source: docs/log.md#opening.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

from perdure.errors import (
    LogDamagedError,
    ObjectConflictError,
    ObjectError,
    ObjectNotFoundError,
    TransientError,
    UnknownOutcomeError,
)
from perdure.kubernetes.backoff import Backoff
from perdure.kubernetes.log.claiming import check_lanes
from perdure.kubernetes.log.slots import Generation, Slots
from perdure.lanes import ring
from perdure.lanes.entry import Entry, EntryKind
from perdure.lanes.ring import Slot, slot_name
from perdure.lanes.settling import place_of
from perdure.ports import Clock

LOG = logging.getLogger(__name__)

FIRST = 1
"""The number of the first generation."""
MOST_CREATES = 8
"""Slots that are created at once: others use the API server, too."""


class Opener:
    """Finds the lanes, and opens them where there are none; `lanes` is how many are wanted."""

    def __init__(self, slots: Slots, clock: Clock, lanes: int) -> None:
        self._slots, self._clock, self._lanes = slots, clock, lanes

    async def open(self) -> Generation:
        """Return the newest generation, once all of its slots were created.

        Goes on trying while the API server does not answer, and while somebody closes the lanes for
        as many as are wanted here. Raises SettingsError where there is
        another number of lanes; LogDamagedError where the slot that says so is missing while others
        are there; NewerLogError; ObjectError: it may not be opened, or the kind is not installed.
        """
        backoff = Backoff(self._clock)
        while True:
            try:
                generation = await self._look()
            except ObjectConflictError:
                await backoff.failed()  # Somebody was faster: see what there is now.
                continue
            except (TransientError, UnknownOutcomeError) as error:
                LOG.warning("log could not be opened", extra={"error": str(error)})
                await backoff.failed(getattr(error, "retry_after", None))
                continue
            if generation is not None:
                return generation

    async def _look(self) -> Generation | None:
        """Do the next thing, and return the generation if there was nothing to do."""
        firsts = await self._slots.firsts()
        if not firsts:
            await self._begin(Generation(FIRST, self._lanes))
            return None
        number = max(generation for generation, _ in firsts)
        deciding = firsts.get((number, 0))
        if deciding is None:
            raise LogDamagedError(missing(slot_name(number, 0, 0)))
        generation = Generation(number, deciding.entry.lanes)
        if deciding.entry.kind is EntryKind.OPENING:
            check_lanes(generation.lanes, self._lanes)
            await self._finish(generation, deciding)
            return None
        closed_for = await self._closed_for(generation, 0)
        check_lanes(generation.lanes if closed_for is None else closed_for, self._lanes)
        if closed_for is None:
            return generation
        await self._follow(generation)
        return None

    async def _closed_for(self, generation: Generation, lane: int) -> int | None:
        """Return for how many lanes a lane is closed; None while it is not. Closed stays."""
        slots = await self._slots.list(generation.number, lane)
        closed = [slot.entry for slot in slots.values() if slot.entry.kind is EntryKind.CLOSED]
        return closed[0].next_lanes if closed else None

    async def _follow(self, closed: Generation) -> None:
        """Begin the next generation, once each lane of the last one is closed."""
        for lane in range(1, closed.lanes):
            if await self._closed_for(closed, lane) is None:
                raise TransientError(
                    f"lane 0 of {closed.lanes} is closed for {self._lanes} lanes, but lane {lane} "
                    f"is not yet: `perdure store resize {self._lanes}` closes the others, and was "
                    f"cut off if it does not run now"
                )
        await self._begin(Generation(closed.number + 1, self._lanes))

    async def _begin(self, generation: Generation) -> None:
        """Decide on the number of lanes."""
        others = await self._slots.list(generation.number, 0)
        if not others:
            await self._slots.create(blank(generation, 0, EntryKind.OPENING), 0)
        elif 0 not in others:
            raise LogDamagedError(missing(slot_name(generation.number, 0, 0)))

    async def _finish(self, generation: Generation, deciding: Slot) -> None:
        """Create what is missing, then say that all is there."""
        wanted = set(places(generation))
        for lane in range(generation.lanes):
            for number, slot in (await self._slots.list(generation.number, lane)).items():
                if slot.entry.seq:
                    await self._check_opened(slot, deciding)
                    return
                wanted.discard((lane, number))
        await self._create_all(generation, sorted(wanted))
        opened = blank(generation, 0, EntryKind.EMPTY)
        try:
            await self._slots.replace(self._slots.written(place_of(deciding), opened, 0))
        except ObjectNotFoundError as error:
            raise LogDamagedError(missing(deciding.name)) from error

    async def _check_opened(self, slot: Slot, deciding: Slot) -> None:
        """Raise LogDamagedError for an entry in a log that is still being opened."""
        now = await self._slots.get(deciding.name)
        if now is not None and now.version == deciding.version:
            raise LogDamagedError(
                f"WorkflowLog {slot.name} holds entry {slot.entry.seq}, but {deciding.name} says "
                f"that the log is still being opened: it was deleted and made anew; "
                f"`perdure store repair` accepts what was lost"
            )

    async def _create_all(self, generation: Generation, wanted: list[tuple[int, int]]) -> None:
        queue = iter(wanted)
        creators = [self._create_each(generation, queue) for _ in range(MOST_CREATES)]
        failures = await asyncio.gather(*creators, return_exceptions=True)
        for failure in failures:
            if failure is not None:
                raise failure

    async def _create_each(self, generation: Generation, queue: Iterator[tuple[int, int]]) -> None:
        for lane, number in queue:
            try:
                await self._slots.create(blank(generation, lane, EntryKind.EMPTY), number)
            except ObjectConflictError as error:
                if not is_there(error):
                    raise


def places(generation: Generation) -> Iterator[tuple[int, int]]:
    """Yield lane and number of every slot."""
    for lane in range(generation.lanes):
        for number in range(ring.SLOTS):
            yield lane, number


def blank(generation: Generation, lane: int, kind: EntryKind) -> Entry:
    return Entry(generation=generation.number, lanes=generation.lanes, lane=lane, seq=0, kind=kind)


def missing(name: str) -> str:
    return (
        f"the log lacks {name}, but other slots of it exist: what stood there is lost, if no "
        f"status shows it; `perdure store repair` accepts that"
    )


def is_there(error: ObjectError) -> bool:
    """Return whether a creation was refused because there is such an object already."""
    return error.reason == "AlreadyExists"
