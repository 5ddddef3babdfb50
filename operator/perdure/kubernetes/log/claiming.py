"""Taking a lane: reading it to its end, and a claim after its newest entry.

Any process may claim any lane at any time: it either fences the last owner or comes too late.
Source: docs/log.md#claiming.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

from perdure.errors import LogDamagedError, SettingsError, TransientError
from perdure.kubernetes.backoff import Backoff
from perdure.kubernetes.log.placing import Placed, Placing
from perdure.kubernetes.log.slots import Generation, Slots
from perdure.lanes.entry import Entry, EntryKind
from perdure.lanes.ring import (
    BlankSlotError,
    LaneView,
    Slot,
    TornReadError,
    slot_of,
    whole,
)
from perdure.lanes.settling import Damaged, place_of
from perdure.ports import Clock

MOST_READS = 5
"""Of a lane whose slots are not of one moment; its owner writes some ten entries a second."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """The lane is ours; `view` has the claim in it. What was read before proves nothing."""

    view: LaneView


@dataclass(frozen=True, slots=True)
class Overtaken:
    """Somebody has written since the lane was read: it has an owner."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The generation is over; the next one has so many lanes."""

    next_lanes: int


ClaimResult: TypeAlias = Claimed | Overtaken | Closed


class Claimant:
    """Reads and claims the lanes of one generation for one process."""

    def __init__(
        self, slots: Slots, clock: Clock, generation: Generation, incarnation: str
    ) -> None:
        self._slots, self._clock = slots, clock
        self._generation = generation
        self._incarnation = incarnation

    async def read(self, lane: int) -> LaneView:
        """Return a lane as it stood at one moment, which may be long ago.

        Raises TransientError (not of one moment whenever it was read, or still being opened),
        LogDamagedError, NewerLogError, SettingsError (entries of another number of lanes), and
        what `ports.Objects.list` does.
        """
        backoff = Backoff(self._clock)
        while True:
            slots = await self._slots.list(self._generation.number, lane)
            try:
                return self._checked(slots, lane)
            except TornReadError as error:
                if isinstance(error, BlankSlotError):
                    await self._check_blank(error.slot)
                if backoff.failures + 1 >= MOST_READS:
                    text = f"lane {lane} was read {MOST_READS} times, never of one moment: {error}"
                    raise TransientError(text) from error
                await backoff.failed()

    async def _check_blank(self, seen: Slot) -> None:
        """Raise LogDamagedError for a slot that is blank now, after entries were seen."""
        now = await self._slots.get(seen.name)
        if now is not None and now.version == seen.version:
            raise LogDamagedError(
                f"WorkflowLog {seen.name} is {seen.entry.kind}, but its lane has entries: it was "
                f"deleted and made anew. What stood there is lost, if no status shows it; "
                f"`perdure store repair` accepts that"
            )

    def _checked(self, slots: dict[int, Slot], lane: int) -> LaneView:
        kinds = {slot.entry.kind for slot in slots.values()}
        if kinds <= {EntryKind.OPENING, EntryKind.EMPTY} and EntryKind.OPENING in kinds:
            raise TransientError(f"lane {lane}: the log is still being opened")
        view = whole(slots, self._generation.number, lane)
        for slot in view.slots:
            check_lanes(slot.entry.lanes, self._generation.lanes)
        return view

    async def claim(self, view: LaneView) -> ClaimResult:
        """Write a claim into the slot after the newest of `view`, and wait until it is decided.

        Cancelled, it may have been written: the last owner is fenced then, and nobody owns the
        lane. Raises LogDamagedError if the slot is not there any more.
        """
        tail = view.tail
        if tail.kind is EntryKind.CLOSED:
            assert tail.next_lanes is not None, "a rule of the CRD"
            return Closed(tail.next_lanes)
        number = slot_of(tail.seq + 1)
        slot = view.slots[number]
        claim = self._claim_over(slot, tail)
        with Placing(self._slots, self._clock, place_of(slot)) as placing:
            decision = await placing.insist(lambda: claim)
        if isinstance(decision, Damaged):
            raise LogDamagedError(decision.message)
        if not isinstance(decision, Placed):
            return Overtaken()
        slots = [*view.slots]
        slots[number] = replace(slot, version=decision.version, entry=claim)
        return Claimed(LaneView(tuple(slots)))

    def _claim_over(self, slot: Slot, tail: Entry) -> Entry:
        return Entry(
            generation=self._generation.number,
            lanes=self._generation.lanes,
            lane=tail.lane,
            seq=tail.seq + 1,
            kind=EntryKind.CLAIM,
            incarnation=self._incarnation,
            nonce=self._clock.token(),
            carried=(*slot.entry.carried, *slot.entry.turns),
        )


def check_lanes(found: int, wanted: int) -> None:
    """Raise SettingsError where the log has another number of lanes than this process wants."""
    if found != wanted:
        raise SettingsError(
            f"this process was started with {wanted} lanes, but the log has {found}: start it with "
            f"--lanes {found}, or stop all replicas and run `perdure store resize {wanted}`"
        )
