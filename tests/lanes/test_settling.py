"""What a read of a slot says of the tries to write there."""

import pytest
from tests.lanes.entries import entry

from perdure.lanes.entry import Entry, EntryKind
from perdure.lanes.ring import Slot
from perdure.lanes.settling import (
    Damaged,
    Fenced,
    Place,
    SendAgain,
    Stands,
    Verdict,
    place_of,
    settle,
)

OLD = Place("g1-0-7", "1007", 7)
NONCES = {"first", "second"}


def seen(version: str, content: Entry) -> Slot:
    return Slot("g1-0-7", version, content)


@pytest.mark.parametrize(
    ("slot", "verdict"),
    [
        (seen("1007", entry(7, nonce="old")), SendAgain()),
        (seen("2000", entry(263, nonce="first")), Stands("first")),
        (seen("2000", entry(263, nonce="second")), Stands("second")),
        (seen("2000", entry(263, nonce="third")), Fenced()),
        (seen("2000", entry(519, nonce="third")), Fenced()),
        (seen("2000", entry(263, nonce="third", kind=EntryKind.CLAIM)), Fenced()),
        (seen("2000", entry(7, nonce="old")), Fenced()),
    ],
    ids=["untouched", "first try", "later try", "another's", "a round on", "claim", "touched"],
)
def test_what_stands_in_the_slot_decides(slot: Slot, verdict: Verdict) -> None:
    assert settle(slot, OLD, NONCES) == verdict


def test_a_label_that_was_set_after_our_entry_does_not_hide_it() -> None:
    assert settle(seen("2001", entry(263, nonce="first")), OLD, NONCES) == Stands("first")


def test_a_slot_that_is_not_there_is_damage() -> None:
    verdict = settle(None, OLD, NONCES)
    assert isinstance(verdict, Damaged)
    assert "g1-0-7" in verdict.message


def test_a_slot_that_went_back_is_damage() -> None:
    verdict = settle(seen("2000", entry(0)), OLD, NONCES)
    assert isinstance(verdict, Damaged)
    assert "holds entry 0, but has held 7" in verdict.message


def test_a_place_is_what_its_slot_shows() -> None:
    assert place_of(seen("1007", entry(7))) == OLD
