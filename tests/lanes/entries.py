"""Turns and entries that tests of the log put together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from perdure.lanes.entry import Entry, EntryKind, LoggedTurn, logged
from perdure.lanes.ring import SLOTS, Slot, expected_seq, slot_name
from perdure.ports import InstanceKey


def turn(uid: str, rev: int, *, text: str = "", type_: str = "VariablesSet") -> LoggedTurn:
    """Return a turn with one event; digests as they would follow from each other."""
    return logged(
        InstanceKey("shop", f"order-{uid}", uid),
        rev=rev,
        generation=1,
        before=f"{uid}/{rev - 1}",
        after=f"{uid}/{rev}",
        events=[{"id": rev, "type": type_, "text": text}],
    )


def entry(seq: int, *turns: LoggedTurn, **fields: Any) -> Entry:
    """Return an entry of lane 0 of 3: an empty one for 0, with turns for all others."""
    kind = EntryKind.TURNS if seq else EntryKind.EMPTY
    values = {"generation": 1, "lanes": 3, "lane": 0, "kind": kind, "incarnation": "a_1"}
    return Entry(**{**values, "seq": seq, "nonce": f"n{seq}", "turns": turns, **fields})


def slot(number: int, content: Entry) -> Slot:
    return Slot(slot_name(1, 0, number), str(1000 + number), content)


def ring(newest: int, entries: Mapping[int, Entry] | None = None) -> dict[int, Slot]:
    """Return the slots of lane 0 when `newest` was the newest; `entries` are those by seq."""
    known = entries or {}
    seqs = {number: expected_seq(number, newest) for number in range(SLOTS)}
    return {number: slot(number, known.get(seq) or entry(seq)) for number, seq in seqs.items()}
