"""What a lane lacks, and what has to stand there for it to be whole again. Pure.

What was lost stays lost: the slots are filled with entries without turns. Source:
docs/log.md#what-an-administrator-may-do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from perdure.lanes import ring
from perdure.lanes.entry import Entry, EntryKind
from perdure.lanes.ring import Slot, TornReadError, check_place, expected_seq, slot_name, slot_of


@dataclass(frozen=True, slots=True)
class Loss:
    """A slot that is missing, or was made anew: `blank` is what stands there then.

    `due` is the number of the entry that stood there; 0: there was none. Where `may_be_newest`
    nobody can say whether that was the newest entry, or the one ring.SLOTS before.
    """

    name: str
    number: int
    due: int
    blank: Slot | None
    may_be_newest: bool = False

    def entry(self, lanes: int, generation: int, lane: int, incarnation: str, nonce: str) -> Entry:
        """Return what makes the lane whole: an entry without turns, or an empty one."""
        return Entry(
            generation=generation,
            lanes=lanes,
            lane=lane,
            seq=self.due,
            kind=EntryKind.TURNS if self.due else EntryKind.EMPTY,
            incarnation=incarnation if self.due else "",
            nonce=nonce if self.due else "",
        )


def losses(
    slots: Mapping[int, Slot], generation: int, lane: int, lanes: int, *, is_opened: bool
) -> tuple[Loss, ...]:
    """Return what is lost of a lane, by number.

    Who fills only a few of them finds the others as they were found before, if any slot was left
    to go by. `is_opened` says that
    some lane of the generation has entries. Raises LogDamagedError where a slot holds what belongs
    elsewhere, TornReadError where those that are there are not of one moment. What is lost may be
    just not seen: a read with a quorum tells.
    """
    for number, slot in slots.items():
        check_place(slot, number, (generation, lane, lanes))
    tail = max((slot.entry for slot in slots.values()), key=lambda each: each.seq, default=None)
    seen = 0 if tail is None else tail.seq
    is_closed = tail is not None and tail.kind is EntryKind.CLOSED
    newest = seen if is_closed else _extended(slots, seen, is_opened)
    return tuple(
        Loss(slot_name(generation, lane, number), number, due, slots.get(number), due > seen)
        for number in range(ring.SLOTS)
        if _is_lost(slots.get(number), due := expected_seq(number, newest), newest, is_opened)
    )


def _extended(slots: Mapping[int, Slot], seen: int, is_opened: bool) -> int:
    """Return what may have been the newest entry: its slot, and those before it, are lost.

    The next one must come after the first slot that is left: only what replaces that one can tell
    that nobody has written there since. Where no slot is left, there is nobody to tell.
    """
    for newest in range(seen, seen + ring.SLOTS):
        number = slot_of(newest + 1)
        slot = slots.get(number)
        if slot is not None and not _is_anew(slot, expected_seq(number, newest), is_opened):
            return newest
    return seen


def _is_anew(slot: Slot, due: int, is_opened: bool) -> bool:
    """Return whether a slot is as slots are created, although it should hold something else."""
    if slot.entry.kind is EntryKind.OPENING:
        return is_opened
    return slot.entry.seq == 0 and due > 0


def _is_lost(slot: Slot | None, due: int, newest: int, is_opened: bool) -> bool:
    """Return whether a slot has to be filled. Raises TornReadError."""
    if slot is None or _is_anew(slot, due, is_opened):
        return True
    if slot.entry.seq != due:
        raise TornReadError(
            f"WorkflowLog {slot.name} holds entry {slot.entry.seq}, while the newest is {newest}"
        )
    return False
