"""The lanes of the log as they were written: what stands in each slot, and who may write next.

Source: docs/log.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from perdure.verification.entries import (
    CLAIM,
    CLOSED,
    OPENING,
    RELEASED,
    Entry,
    LoggedTurn,
    Slot,
    entry_of,
    lane_of,
    slot_of,
)
from perdure.verification.evidence import Write


@dataclass(slots=True)
class Lane:
    """One lane of a generation. `entries` are by slot, `nonces` those of all entries so far.

    `tail` is the number of its newest entry, `owner` the incarnation whose claim is the newest, ""
    where nobody's counts; `closed` is the entry that closed it. `standing` counts in how many slots
    a turn stands. `damage` says why it is judged no further.
    """

    place: tuple[str, int, int]
    """Namespace, generation, number."""
    entries: dict[int, Entry] = field(default_factory=dict)
    nonces: set[str] = field(default_factory=set)
    tail: int = 0
    owner: str = ""
    closed: Entry | None = None
    claims: dict[str, datetime] = field(default_factory=dict)
    """When each incarnation claimed it last."""
    standing: Counter[tuple[str, int]] = field(default_factory=Counter)
    damage: str | None = None

    def leave(self, entry: Entry | None) -> None:
        """Take the turns of an entry out of those that stand."""
        for key in set() if entry is None else {turn.key for turn in entry.standing}:
            self.standing[key] -= 1
            if not self.standing[key]:
                del self.standing[key]


@dataclass(frozen=True, slots=True)
class Replacement:
    """One write of a slot: the entry `new` in the place of `old`; None where it is created."""

    write: Write
    lane: Lane
    slot: Slot
    old: Entry | None
    new: Entry

    @property
    def is_opening(self) -> bool:
        """Return whether it creates a slot, or says that all of them stand."""
        return self.old is None or (self.old.kind == OPENING and not self.new.seq)

    def leaving(self) -> Iterator[LoggedTurn]:
        """Yield the turns that stand in no slot any more when this is written."""
        kept = {turn.key for turn in self.new.standing}
        for turn in () if self.old is None else self.old.standing:
            if self.lane.standing[turn.key] == 1 and turn.key not in kept:
                yield turn


class Lanes:
    """All lanes, by namespace, generation and number."""

    def __init__(self) -> None:
        self._lanes: dict[tuple[str, int, int], Lane] = {}
        self._lanes_of: dict[tuple[str, int], int] = {}
        self.is_used = False
        """Whether an entry was ever written: from then on turns are committed by the log."""

    def replacement(self, write: Write) -> Replacement | None:
        """Return what a write of a slot replaces; None for a deletion, and what is no slot."""
        slot = slot_of(write.name)
        if slot is None or write.after is None:
            return None
        lane = self._at(write, slot)
        old = lane.entries.get(slot.number) if write.before is not None else None
        return Replacement(write, lane, slot, old, entry_of(write.after))

    def note(self, replacement: Replacement) -> None:
        """Enter what was written."""
        lane, old, new = replacement.lane, replacement.old, replacement.new
        lane.entries[replacement.slot.number] = new
        lane.leave(old)
        lane.standing.update({turn.key for turn in new.standing})
        namespace, generation, _ = lane.place
        self._lanes_of.setdefault((namespace, generation), new.lanes)
        if not new.seq:
            return
        self.is_used = True
        lane.tail = max(lane.tail, new.seq)
        lane.nonces.add(new.nonce)
        if new.kind == CLAIM:
            lane.owner = new.incarnation
            lane.claims[new.incarnation] = replacement.write.at
        elif new.kind in (RELEASED, CLOSED):
            lane.owner = ""
        if new.kind == CLOSED:
            lane.closed = new

    def remove(self, write: Write) -> None:
        """Enter that a slot is gone."""
        slot = slot_of(write.name)
        if slot is None:
            return
        lane = self._at(write, slot)
        lane.leave(lane.entries.pop(slot.number, None))
        lane.damage = f"{write.actor} deleted {write.name}"

    def lane_of(self, uid: str) -> int | None:
        """Return the lane of an instance in the newest generation, None where there is none."""
        newest = max(self._lanes_of, key=lambda place: place[1], default=None)
        lanes = 0 if newest is None else self._lanes_of[newest]
        return lane_of(uid, lanes) if self.is_used and lanes > 0 else None

    def claimed_at(self, uid: str, incarnation: str) -> datetime | None:
        """Return when a process last claimed the lane of an instance, None if it never did."""
        newest = max(self._lanes_of, key=lambda place: place[1], default=None)
        number = self.lane_of(uid)
        if newest is None or number is None or (*newest, number) not in self._lanes:
            return None
        return self._lanes[*newest, number].claims.get(incarnation)

    def lanes_of(self, namespace: str, generation: int) -> int:
        """Return how many lanes a generation has, 0 where none was ever created."""
        return self._lanes_of.get((namespace, generation), 0)

    def of_generation(self, namespace: str, generation: int) -> list[Lane]:
        """Return the lanes of a generation as far as they exist, in order of their number."""
        places = sorted(place for place in self._lanes if place[:2] == (namespace, generation))
        return [self._lanes[place] for place in places]

    def is_opening(self, namespace: str, generation: int) -> bool:
        """Return whether the slots of a generation are still being created."""
        first = self._lanes.get((namespace, generation, 0))
        entry = None if first is None else first.entries.get(0)
        return entry is not None and entry.kind == OPENING

    def damage_of(self, uid: str) -> str | None:
        """Return what is wrong with a lane that the instance belongs to."""
        for (namespace, generation, number), lane in self._lanes.items():
            lanes = self.lanes_of(namespace, generation)
            if lane.damage is not None and lanes and lane_of(uid, lanes) == number:
                return lane.damage
        return None

    def _at(self, write: Write, slot: Slot) -> Lane:
        place = (write.namespace, slot.generation, slot.lane)
        if place not in self._lanes:
            self._lanes[place] = Lane(place)
        return self._lanes[place]
