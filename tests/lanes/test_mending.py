"""What a lane lacks is found, and what fills it makes it whole."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.lanes.entries import entry, ring, slot, turn

from perdure.errors import LogDamagedError
from perdure.lanes import ring as rings
from perdure.lanes.entry import EntryKind
from perdure.lanes.mending import Loss, losses
from perdure.lanes.ring import BlankSlotError, Slot, TornReadError, slot_of, whole

FEW = 8
NUMBERS = st.sets(st.integers(0, FEW - 1))


@pytest.fixture(autouse=True)
def few_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rings, "SLOTS", FEW)


def lane(newest: int) -> dict[int, Slot]:
    """Return a lane of few slots."""
    seqs = {number: rings.expected_seq(number, newest) for number in range(FEW)}
    return {number: slot(number, entry(seq)) for number, seq in seqs.items()}


def spoiled(slots: dict[int, Slot], missing: Iterable[int], anew: Iterable[int]) -> dict[int, Slot]:
    """Return a lane after slots were deleted, some of them made anew as they are created."""
    found = {number: each for number, each in slots.items() if number not in missing}
    return found | {
        number: Slot(found[number].name, "9000", entry(0)) for number in anew if number in found
    }


def lost(slots: dict[int, Slot]) -> tuple[Loss, ...]:
    return losses(slots, 1, 0, 3, is_opened=True)


def filled(slots: dict[int, Slot], some: Iterable[Loss]) -> dict[int, Slot]:
    mended = {
        loss.number: Slot(loss.name, "9999", loss.entry(3, 1, 0, "store_1", "n")) for loss in some
    }
    return slots | mended


@given(st.integers(0, 4 * FEW), NUMBERS, NUMBERS, NUMBERS)
def test_whatever_is_lost_is_filled_even_if_that_is_cut_off(
    newest: int, missing: set[int], anew: set[int], first: set[int]
) -> None:
    slots = spoiled(lane(newest), missing, anew)
    found = lost(slots)
    begun = filled(slots, [loss for loss in found if loss.number in first])
    rest = lost(begun)
    if len(found) < FEW:
        before = [(loss.number, loss.due) for loss in found if loss.number not in first]
        assert [(loss.number, loss.due) for loss in rest] == before
    mended = filled(begun, rest)
    assert lost(mended) == ()
    whole(mended, 1, 0)


@given(st.integers(0, 4 * FEW), NUMBERS)
def test_the_next_entry_replaces_a_slot_that_was_there_all_the_time(
    newest: int, missing: set[int]
) -> None:
    """What replaces it proves that nobody writes on behind what was lost, or fences who does."""
    slots = spoiled(lane(newest), missing, ())
    if not slots:
        return
    mended = filled(slots, lost(slots))
    tail = whole(mended, 1, 0).tail
    assert tail.seq >= newest
    assert slot_of(tail.seq + 1) in slots


@given(st.integers(0, 4 * FEW), NUMBERS)
def test_what_is_there_is_not_touched(newest: int, missing: set[int]) -> None:
    found = lost(spoiled(lane(newest), missing, ()))
    assert {loss.number for loss in found} == missing
    assert all(loss.blank is None for loss in found)


def test_what_may_have_been_the_newest_entry_counts_as_that() -> None:
    [loss] = lost(spoiled(lane(13), [5], ()))
    assert (loss.name, loss.due, loss.may_be_newest) == ("g1-0-5", 13, True)
    [loss] = lost(spoiled(lane(13), [4], ()))
    assert (loss.name, loss.due, loss.may_be_newest) == ("g1-0-4", 12, False)


def test_a_slot_made_anew_is_named_with_what_stands_there() -> None:
    slots = spoiled(lane(20), (), [7])
    [loss] = lost(slots)
    assert (loss.due, loss.blank) == (15, slots[7])


def test_nothing_was_written_over_a_closed_lane() -> None:
    closed = entry(13, kind=EntryKind.CLOSED, next_lanes=2)
    slots = lane(13) | {5: slot(5, closed)}
    [loss] = lost(spoiled(slots, [6], ()))
    assert (loss.due, loss.may_be_newest) == (6, False)
    assert whole(filled(slots, [loss]), 1, 0).tail == closed


def test_a_lane_of_which_nothing_is_left_begins_anew() -> None:
    found = lost({})
    assert len(found) == FEW
    assert whole(filled({}, found), 1, 0).tail.seq == 0


def test_opening_is_lost_only_where_the_log_was_opened() -> None:
    opening = slot(0, entry(0, kind=EntryKind.OPENING))
    slots = lane(0) | {0: opening}
    assert losses(slots, 1, 0, 3, is_opened=False) == ()
    [loss] = lost(slots)
    assert (loss.due, loss.blank) == (0, opening)
    assert loss.entry(3, 1, 0, "store_1", "n").kind is EntryKind.EMPTY


def test_what_is_not_of_one_moment_is_read_again() -> None:
    torn = lane(20) | {3: lane(11)[3]}
    with pytest.raises(TornReadError, match="g1-0-3 holds entry 11, while the newest is 20"):
        lost(torn)


def test_what_belongs_elsewhere_is_no_loss() -> None:
    slots = lane(20)
    slots[3] = replace(slots[3], entry=replace(slots[3].entry, lane=1))
    with pytest.raises(LogDamagedError, match="g1-0-3 holds an entry of generation 1, lane 1"):
        lost(slots)


def test_what_fills_a_slot_has_no_turns() -> None:
    slots = lane(20) | {3: slot(3, entry(19, turn("a", 1)))}
    [loss] = lost(spoiled(slots, [3], ()))
    content = loss.entry(3, 1, 0, "store_1", "n")
    assert (content.kind, content.seq, content.turns) == (EntryKind.TURNS, 19, ())
    assert (content.incarnation, content.nonce) == ("store_1", "n")


@pytest.mark.parametrize("kind", [EntryKind.EMPTY, EntryKind.OPENING])
def test_a_blank_slot_among_entries_is_told_from_other_torn_reads(kind: EntryKind) -> None:
    blank = slot(0, entry(0, kind=kind))
    with pytest.raises(BlankSlotError, match=f"g1-0-0 is {kind}, while the newest entry is 20"):
        whole(lane(20) | {0: blank}, 1, 0)


def test_a_slot_whose_turn_has_not_come_is_no_damage() -> None:
    assert ring(3)[5].entry.seq == 0
    assert whole(lane(3), 1, 0).tail.seq == 3
