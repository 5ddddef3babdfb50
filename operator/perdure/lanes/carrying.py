"""What the owner of a lane keeps of its ring: versions, and the turns that no status shows. Pure.

A turn stays in the slot of its entry for as long as it is in the log: entry n carries what it
replaces in slot n mod SLOTS. Source: docs/log.md#entries.
"""

from __future__ import annotations

from collections import defaultdict

from perdure.lanes import ring
from perdure.lanes.entry import Entry, EntryKind, LoggedTurn
from perdure.lanes.ring import LaneView
from perdure.lanes.settling import Place, place_of


class OwnedRing:
    """A lane after a claim of ours: what its next entry replaces, and has to carry."""

    def __init__(self, view: LaneView) -> None:
        """`view` has our claim in it. Of its turns none is known to be shown."""
        claim = view.tail
        assert claim.kind is EntryKind.CLAIM, "who has claimed a lane owns it"
        self.generation, self.lanes, self.lane = claim.generation, claim.lanes, claim.lane
        self.incarnation = claim.incarnation
        self._newest = claim.seq
        self._places = [place_of(slot) for slot in view.slots]
        self._slots: list[dict[tuple[str, int], LoggedTurn]] = [{} for _ in view.slots]
        self._homes: defaultdict[str, dict[int, int]] = defaultdict(dict)
        """Of each instance: in which slot its turns stand, by rev."""
        for number, slot in enumerate(view.slots):
            self._fill(number, (*slot.entry.carried, *slot.entry.turns))

    @property
    def next_seq(self) -> int:
        """The number of the next entry."""
        return self._newest + 1

    @property
    def replaced(self) -> Place:
        """What the next entry replaces."""
        return self._places[ring.slot_of(self.next_seq)]

    def next_entry(
        self,
        kind: EntryKind,
        nonce: str,
        turns: tuple[LoggedTurn, ...] = (),
        heir: str | None = None,
        next_lanes: int | None = None,
    ) -> Entry:
        """Return an entry that may come next; it carries what it has to."""
        return Entry(
            generation=self.generation,
            lanes=self.lanes,
            lane=self.lane,
            seq=self.next_seq,
            kind=kind,
            incarnation=self.incarnation,
            nonce=nonce,
            turns=turns,
            carried=self.carried_by(self.next_seq),
            heir=heir,
            next_lanes=next_lanes,
        )

    def stands(self, entry: Entry, version: str) -> None:
        """Go on after an entry of ours that stands at this version."""
        assert entry.seq == self.next_seq, "entries follow each other one by one"
        number = ring.slot_of(entry.seq)
        # What was shown since the entry was made stands there, but need not be carried again.
        missing = self._slots[number]
        kept = [turn for turn in entry.carried if (turn.key.uid, turn.rev) in missing]
        for turn in [*missing.values()]:
            self._forget(turn.key.uid, turn.rev)
        self._fill(number, (*kept, *entry.turns))
        self._places[number] = Place(self._places[number].name, version, entry.seq)
        self._newest = entry.seq

    def _fill(self, number: int, turns: tuple[LoggedTurn, ...]) -> None:
        for turn in turns:
            self._forget(turn.key.uid, turn.rev)
            self._slots[number][turn.key.uid, turn.rev] = turn
            self._homes[turn.key.uid][turn.rev] = number

    def _forget(self, uid: str, rev: int) -> None:
        homes = self._homes.get(uid, {})
        number = homes.pop(rev, None)
        if number is not None:
            del self._slots[number][uid, rev]
        if not homes:
            self._homes.pop(uid, None)

    def shown(self, uid: str, rev: int) -> None:
        """Carry the turns of an instance up to `rev` no more: a status shows them."""
        for each in [each for each in self._homes.get(uid, ()) if each <= rev]:
            self._forget(uid, each)

    def gone(self, uid: str) -> None:
        """Carry nothing of an instance any more: it does not exist."""
        for rev in [*self._homes.get(uid, ())]:
            self._forget(uid, rev)

    @property
    def is_shown(self) -> bool:
        """Return whether no turn in the lane is one that no status is known to show."""
        return not self._homes

    def carried_by(self, seq: int) -> tuple[LoggedTurn, ...]:
        """Return the turns that entry `seq` has to carry, as things stand now."""
        return tuple(self._slots[ring.slot_of(seq)].values())

    def carried_bytes(self, seq: int) -> int:
        """Return how many bytes of `wire` those are."""
        return sum(len(turn.wire) for turn in self._slots[ring.slot_of(seq)].values())

    def due(self, seq: int, ahead: int) -> list[str]:
        """Return the uids whose turns entries `seq` … `seq + ahead - 1` would have to carry.

        The soonest first, each once.
        """
        uids: dict[str, None] = {}
        for each in range(seq, seq + min(ahead, ring.SLOTS)):
            uids |= {uid: None for uid, _ in self._slots[ring.slot_of(each)]}
        return list(uids)
