"""A lane is read as a whole, or not at all."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.lanes.entries import entry, ring, slot, turn

from perdure.errors import LogDamagedError
from perdure.lanes.entry import EntryKind
from perdure.lanes.ring import (
    SLOTS,
    LaneView,
    Slot,
    TornReadError,
    expected_seq,
    lane_of,
    slot_name,
    slot_of,
    whole,
)

# --- names and places -----------------------------------------------------------------------


def test_a_slot_is_named_after_its_place() -> None:
    assert slot_name(1, 0, 255) == "g1-0-255"


def test_an_entry_stands_where_the_ring_comes_round() -> None:
    assert [slot_of(seq) for seq in (1, 255, 256, 257, 512)] == [1, 255, 0, 1, 0]


def written(newest: int) -> list[int]:
    """Return what stands in each slot after entries 1 to `newest` were written one by one."""
    slots = [0] * SLOTS
    for seq in range(1, newest + 1):
        slots[slot_of(seq)] = seq
    return slots


@pytest.mark.parametrize("newest", [0, 1, 2, 254, 255, 256, 257, 511, 512, 513, 1000])
def test_the_expected_entry_is_the_last_one_written_to_a_slot(newest: int) -> None:
    assert [expected_seq(number, newest) for number in range(SLOTS)] == written(newest)


def test_the_lane_of_an_instance_is_the_same_for_ever() -> None:
    """Instances are found by it in what older versions wrote."""
    uid = "0b6d9d3e-6d0a-4b57-9a39-4c4f1b0e7a11"
    assert [lane_of(uid, lanes) for lanes in (1, 2, 3, 5, 64)] == [0, 1, 1, 1, 59]


@pytest.mark.parametrize("lanes", [2, 3, 7, 64])
def test_instances_spread_evenly_over_the_lanes(lanes: int) -> None:
    found = Counter(lane_of(f"uid-{number}", lanes) for number in range(1000 * lanes))
    assert set(found) == set(range(lanes))
    # Some 32 is the standard deviation; five of them are past chance.
    assert all(abs(count - 1000) < 160 for count in found.values())


# --- what is whole --------------------------------------------------------------------------


@pytest.mark.parametrize("newest", [0, 1, 255, 256, 300, 1000])
def test_a_lane_of_one_moment_is_whole(newest: int) -> None:
    view = whole(ring(newest), 1, 0)
    assert view.tail.seq == newest
    assert [each.entry.seq for each in view.slots] == written(newest)


def test_the_newest_entry_is_the_tail() -> None:
    claim = entry(300, kind=EntryKind.CLAIM, incarnation="b_2")
    assert whole(ring(300, {300: claim}), 1, 0).tail == claim


def test_a_lane_that_nobody_has_claimed_ends_with_an_empty_slot() -> None:
    tail = whole(ring(0), 1, 0).tail
    assert (tail.seq, tail.kind) == (0, EntryKind.EMPTY)


@given(st.integers(0, 3 * SLOTS), st.integers(0, 3 * SLOTS), st.sets(st.integers(0, SLOTS - 1)))
def test_slots_of_two_moments_are_whole_only_if_one_moment_shows_the_same(
    one: int, other: int, later: set[int]
) -> None:
    """Nothing else is known of a read: each slot may come from a page of its own time."""
    older, newer = ring(min(one, other)), ring(max(one, other))
    mixed = {number: (newer if number in later else older)[number] for number in range(SLOTS)}
    seqs = [mixed[number].entry.seq for number in range(SLOTS)]
    if seqs == written(max(seqs)):
        assert whole(mixed, 1, 0).tail.seq == max(seqs)
    else:
        with pytest.raises(TornReadError):
            whole(mixed, 1, 0)


def test_a_torn_read_says_where() -> None:
    mixed = ring(300) | {45: ring(301)[45]} | {43: ring(298)[43]}
    with pytest.raises(TornReadError, match="g1-0-43 holds entry 43, while the newest is 301"):
        whole(mixed, 1, 0)


def test_a_slot_of_before_the_opening_is_read_again() -> None:
    slots = ring(0) | {0: slot(0, entry(0, kind=EntryKind.OPENING))}
    with pytest.raises(TornReadError, match="g1-0-0 is as it was before its lane was opened"):
        whole(slots, 1, 0)


# --- damage ---------------------------------------------------------------------------------


@pytest.mark.parametrize("newest", [0, 3, 300])
def test_a_missing_slot_is_damage_even_if_nothing_was_written_there(newest: int) -> None:
    slots = ring(newest)
    del slots[200]
    with pytest.raises(LogDamagedError, match="the log lacks g1-0-200: ") as caught:
        whole(slots, 1, 0)
    assert "perdure store repair" in str(caught.value)


def test_many_missing_slots_are_told_in_few_words() -> None:
    some = {number: each for number, each in ring(3).items() if number >= 100}
    expected = "the log lacks g1-0-0, g1-0-1, g1-0-2, g1-0-3, g1-0-4 and 95 more: "
    with pytest.raises(LogDamagedError, match=expected):
        whole(some, 1, 0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"generation": 2}, "of generation 2, lane 0 of 3; it is a slot of generation 1, lane 0"),
        ({"lane": 1}, "of generation 1, lane 1 of 3; it is a slot of generation 1, lane 0 of 3"),
        ({"lanes": 5}, "of generation 1, lane 0 of 5; it is a slot of generation 1, lane 0 of 3"),
        ({"seq": 45}, "g1-0-44 holds entry 45, whose slot is g1-0-45"),
    ],
)
def test_what_belongs_elsewhere_is_damage_and_not_a_torn_read(
    change: dict[str, Any], words: str
) -> None:
    """Reading again would never help."""
    slots = ring(600)
    slots[44] = replace(slots[44], entry=replace(slots[44].entry, **change))
    torn = slots | {3: ring(3)[3]}
    for read in (slots, torn):
        with pytest.raises(LogDamagedError, match=words):
            whole(read, 1, 0)


def test_the_slots_of_another_lane_are_damage() -> None:
    with pytest.raises(LogDamagedError, match="it is a slot of generation 1, lane 2 of 3"):
        whole(ring(300), 1, 2)
    with pytest.raises(LogDamagedError, match="it is a slot of generation 2, lane 0 of 3"):
        whole(ring(300), 2, 0)


# --- turns ----------------------------------------------------------------------------------

A1, A2, A3, B1, C7 = turn("a", 1), turn("a", 2), turn("a", 3), turn("b", 1), turn("c", 7)


def view(*entries: Slot) -> LaneView:
    return LaneView(entries)


def test_every_turn_is_there_once_and_in_order_of_its_instance() -> None:
    # Given turns that were written, carried on, and written after those that carry them,
    lane = view(
        slot(0, entry(256, A3, B1, carried=(A1,))),
        slot(1, entry(1, A1)),
        slot(2, entry(2, A2, C7)),
        slot(3, entry(3, carried=(A1, A2), kind=EntryKind.CLAIM)),
    )
    assert list(lane.turns()) == [A1, A2, A3, B1, C7]


def test_the_order_of_an_instance_is_that_of_numbers() -> None:
    turns = [turn("a", rev) for rev in range(1, 13)]
    slots = [slot(rev, entry(rev, turns[rev - 1])) for rev in range(12, 0, -1)]
    assert list(view(*slots).turns()) == turns


def test_turns_that_are_only_carried_are_found() -> None:
    assert list(view(slot(0, entry(256, carried=(A2,)))).turns()) == [A2]


def test_an_empty_lane_has_no_turns() -> None:
    assert list(whole(ring(0), 1, 0).turns()) == []


def test_two_different_turns_for_one_rev_are_damage() -> None:
    other = turn("a", 1, text="another decision")
    lane = view(slot(1, entry(1, A1)), slot(2, entry(2, B1, carried=(other,))))
    expected = r"g1-0-2 holds another turn 1 of the instance shop/order-a \(a\)"
    with pytest.raises(LogDamagedError, match=expected):
        list(lane.turns())
