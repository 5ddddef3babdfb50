"""What an owned ring has to carry."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.lanes.entries import entry, turn
from tests.lanes.entries import ring as slots_of

from perdure.lanes.carrying import OwnedRing
from perdure.lanes.entry import Entry, EntryKind, LoggedTurn
from perdure.lanes.ring import SLOTS, LaneView, whole
from perdure.lanes.settling import Place

CLAIM = 300


def view(*entries: Entry) -> LaneView:
    """Return a lane whose newest entry is a claim; `entries` stand in it, others are empty."""
    claim = entry(CLAIM, kind=EntryKind.CLAIM, incarnation="me")
    return whole(slots_of(CLAIM, {each.seq: each for each in (*entries, claim)}), 1, 0)


def owned(*entries: Entry) -> OwnedRing:
    return OwnedRing(view(*entries))


def revs(turns: tuple[LoggedTurn, ...]) -> list[tuple[str, int]]:
    return [(each.key.uid, each.rev) for each in turns]


def write(ring: OwnedRing, *turns: LoggedTurn) -> Entry:
    """Let an entry with these turns stand."""
    content = ring.next_entry(EntryKind.TURNS, f"n{ring.next_seq}", turns)
    ring.stands(content, f"v{content.seq}")
    return content


def write_until(ring: OwnedRing, seq: int) -> None:
    """Let entries without new turns stand up to the one before `seq`."""
    while ring.next_seq < seq:
        write(ring)


def test_who_claimed_goes_on_after_the_claim() -> None:
    ring = owned()
    assert ring.next_seq == CLAIM + 1
    assert ring.replaced == Place("g1-0-45", "1045", 45)
    content = ring.next_entry(EntryKind.RELEASED, "nonce", heir="perdure-1")
    assert (content.generation, content.lanes, content.lane) == (1, 3, 0)
    assert (content.seq, content.incarnation, content.nonce) == (CLAIM + 1, "me", "nonce")
    assert content.heir == "perdure-1"


def test_a_lane_without_a_claim_is_not_owned() -> None:
    with pytest.raises(AssertionError):
        OwnedRing(whole(slots_of(7), 1, 0))


def test_an_entry_carries_what_it_replaces_new_or_carried_before() -> None:
    ring = owned(entry(45, turn("a", 5), turn("b", 1), carried=(turn("a", 2),)))
    assert revs(ring.carried_by(CLAIM + 1)) == [("a", 2), ("a", 5), ("b", 1)]
    assert revs(write(ring, turn("c", 1)).carried) == [("a", 2), ("a", 5), ("b", 1)]
    assert ring.next_seq == CLAIM + 2
    again = CLAIM + 1 + SLOTS
    write_until(ring, again)
    assert ring.replaced == Place("g1-0-45", f"v{CLAIM + 1}", CLAIM + 1)
    assert revs(ring.carried_by(again)) == [("a", 2), ("a", 5), ("b", 1), ("c", 1)]


def test_what_is_shown_is_carried_no_more_up_to_that_rev() -> None:
    ring = owned(entry(45, turn("a", 2)), entry(46, turn("a", 3)), entry(47, turn("a", 4)))
    ring.shown("a", 3)
    carried = [revs(ring.carried_by(CLAIM + ahead)) for ahead in (1, 2, 3)]
    assert carried == [[], [], [("a", 4)]]


def test_nothing_of_what_is_gone_is_carried() -> None:
    ring = owned(entry(45, turn("a", 2), turn("b", 1)), entry(46, turn("a", 3)))
    ring.gone("a")
    assert revs(ring.carried_by(CLAIM + 1)) == [("b", 1)]
    assert ring.carried_by(CLAIM + 2) == ()
    ring.gone("nobody")
    ring.shown("nobody", 3)


def test_what_is_shown_while_an_entry_is_under_way_is_not_carried_again() -> None:
    ring = owned(entry(45, turn("a", 2), turn("b", 1)))
    content = ring.next_entry(EntryKind.TURNS, "n", (turn("c", 1),))
    ring.shown("a", 2)
    assert revs(content.carried) == [("a", 2), ("b", 1)]
    ring.stands(content, "v")
    assert revs(ring.carried_by(CLAIM + 1 + SLOTS)) == [("b", 1), ("c", 1)]


def test_bytes_that_would_be_carried() -> None:
    ring = owned(entry(45, turn("a", 2), turn("b", 1)))
    assert ring.carried_bytes(CLAIM + 1) == len(turn("a", 2).wire) + len(turn("b", 1).wire)
    assert ring.carried_bytes(CLAIM + 2) == 0


def test_due_are_those_whose_slots_come_round_the_soonest_first() -> None:
    ring = owned(
        entry(45, turn("a", 1)),
        entry(47, turn("b", 1), turn("a", 2)),
        entry(48, turn("c", 1)),
        entry(300 - 1, turn("d", 1)),
    )
    assert ring.due(CLAIM + 1, 1) == ["a"]
    assert ring.due(CLAIM + 1, 3) == ["a", "b"]
    assert ring.due(CLAIM + 4, 1) == ["c"]
    assert ring.due(CLAIM + 1, 10 * SLOTS) == ["a", "b", "c", "d"]


def test_entries_follow_each_other() -> None:
    ring = owned()
    content = ring.next_entry(EntryKind.TURNS, "n")
    ring.stands(content, "v")
    with pytest.raises(AssertionError):
        ring.stands(content, "v")


@settings(deadline=None)  # on a busy machine the ring alone may take long to build
@given(st.data())
def test_every_turn_that_is_not_shown_is_carried_for_ever(data: st.DataObject) -> None:
    ring = owned()
    revs_of: dict[str, int] = {}
    shown: dict[str, int] = {}
    home: dict[tuple[str, int], int] = {}
    for _ in range(data.draw(st.integers(0, 12))):
        uid = data.draw(st.sampled_from("abc"))
        if data.draw(st.booleans()):
            revs_of[uid] = revs_of.get(uid, 0) + 1
            content = write(ring, turn(uid, revs_of[uid]))
            home[uid, revs_of[uid]] = content.seq % SLOTS
        else:
            rev = data.draw(st.integers(0, revs_of.get(uid, 0)))
            ring.shown(uid, rev)
            shown[uid] = max(rev, shown.get(uid, 0))
    for (uid, rev), number in home.items():
        is_carried = (uid, rev) in revs(ring.carried_by(SLOTS + number))
        assert is_carried == (rev > shown.get(uid, 0))
