"""A lane as a ring of slots: which entry belongs where, and whether what was read is all of it.

Pages of one list may come from different times and caches. What counts is that the slots hold
just the numbers up to the newest. Source: docs/log.md#reading.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from perdure.errors import LogDamagedError
from perdure.lanes.entry import Entry, EntryKind, LoggedTurn

SLOTS = 256
"""Slots of a lane; entry n stands in slot n mod SLOTS until entry n + SLOTS replaces it."""


class TornReadError(Exception):
    """The slots are not of one moment: read them again."""


@dataclass(frozen=True, slots=True)
class Slot:
    """What stands in a slot, and the resourceVersion that a write replacing it has to name."""

    name: str
    version: str
    entry: Entry


class BlankSlotError(TornReadError):
    """A slot is blank where an entry is due. A page may be as old as that; if a read of this slot
    with a quorum shows the same version, the slot was deleted and made anew."""

    def __init__(self, message: str, slot: Slot) -> None:
        super().__init__(message)
        self.slot = slot


@dataclass(frozen=True, slots=True)
class LaneView:
    """All slots of a lane, as they stood when the newest entry was the newest."""

    slots: tuple[Slot, ...]

    @property
    def tail(self) -> Entry:
        """Return the newest entry; an empty one (seq 0) in a lane that was never claimed."""
        return max((slot.entry for slot in self.slots), key=lambda entry: entry.seq)

    def turns(self) -> Iterator[LoggedTurn]:
        """Yield each turn that stands in the lane once; those of an instance in order of rev.

        Raises LogDamagedError where two different ones stand for one rev.
        """
        found: dict[tuple[str, int], LoggedTurn] = {}
        for slot in self.slots:
            for turn in (*slot.entry.carried, *slot.entry.turns):
                first = found.setdefault((turn.key.uid, turn.rev), turn)
                if first.wire != turn.wire:
                    raise LogDamagedError(
                        f"WorkflowLog {slot.name} holds another turn {turn.rev} of the instance "
                        f"{turn.key.namespace}/{turn.key.name} ({turn.key.uid}) than another slot"
                    )
        yield from sorted(found.values(), key=lambda turn: (turn.key.uid, turn.rev))


def slot_name(generation: int, lane: int, slot: int) -> str:
    """Return the name of the WorkflowLog of a slot."""
    return f"g{generation}-{lane}-{slot}"


def slot_of(seq: int) -> int:
    """Return the number of the slot in which an entry stands."""
    return seq % SLOTS


def lane_of(uid: str, lanes: int) -> int:
    """Return the lane of an instance: the same in every process, whatever its hash seed."""
    return int.from_bytes(hashlib.sha256(uid.encode()).digest()[:8]) % lanes


def whole(slots: Mapping[int, Slot], generation: int, lane: int) -> LaneView:
    """Return the lane that these slots, by number, are; its generation has been opened.

    Raises LogDamagedError where a slot is missing or holds what belongs elsewhere: reading again
    does not help. Raises TornReadError where they are not of one moment, BlankSlotError where only
    another read can tell whether it is that.
    """
    missing = [slot_name(generation, lane, n) for n in range(SLOTS) if n not in slots]
    if missing:
        raise LogDamagedError(
            f"the log lacks {_some(missing)}: what stood there is lost, if no status shows it; "
            f"`perdure store repair` accepts that"
        )
    view = LaneView(tuple(slots[number] for number in range(SLOTS)))
    lanes = view.tail.lanes
    for number, slot in enumerate(view.slots):
        check_place(slot, number, (generation, lane, lanes))
    for number, slot in enumerate(view.slots):
        _check_moment(slot, number, view.tail.seq)
    return view


def check_place(slot: Slot, number: int, place: tuple[int, int, int]) -> None:
    """Raise LogDamagedError if the entry can never have been written to that slot."""
    entry, (generation, lane, lanes) = slot.entry, place
    if (entry.generation, entry.lane, entry.lanes) != place:
        raise LogDamagedError(
            f"WorkflowLog {slot.name} holds an entry of generation {entry.generation}, lane "
            f"{entry.lane} of {entry.lanes}; it is a slot of generation {generation}, lane {lane} "
            f"of {lanes}"
        )
    if entry.seq and slot_of(entry.seq) != number:
        raise LogDamagedError(
            f"WorkflowLog {slot.name} holds entry {entry.seq}, whose slot is "
            f"{slot_name(generation, lane, slot_of(entry.seq))}"
        )


def _check_moment(slot: Slot, number: int, newest: int) -> None:
    """Raise TornReadError if something else stood in that slot when `newest` was the newest."""
    due = expected_seq(number, newest)
    if is_blank_among_entries(slot.entry, due, newest):
        raise BlankSlotError(
            f"WorkflowLog {slot.name} is {slot.entry.kind}, while the newest entry is {newest}",
            slot,
        )
    if slot.entry.seq != due:
        raise TornReadError(
            f"WorkflowLog {slot.name} holds entry {slot.entry.seq}, while the newest is {newest}"
        )
    if slot.entry.kind is EntryKind.OPENING:
        raise TornReadError(f"WorkflowLog {slot.name} is as it was before its lane was opened")


def is_blank_among_entries(entry: Entry, due: int, newest: int) -> bool:
    """Return whether a slot is as it was created, although entries up to `newest` were written and
    `due` is the number of the one that it should hold."""
    if entry.kind is EntryKind.OPENING:
        return newest > 0
    return entry.seq == 0 and due > 0


def expected_seq(slot: int, newest: int) -> int:
    """Return the number of the entry in a slot when entry `newest` is the newest; 0: empty."""
    seq = newest - (newest - slot) % SLOTS
    return max(seq, 0)


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"
