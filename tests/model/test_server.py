"""The API server of the model: what it refuses, and each promise that a write can break."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.model.memory import empty_ring
from tests.model.plan import Plan, Rules
from tests.model.plans import LATE, RESIZE
from tests.model.protocol import FIRST, LaneProtocol
from tests.model.server import lost, patch_landed, put_landed
from tests.model.world import CLAIM, CLOSED, RELEASED, TURNS, Entry, Put, World, replaced

OTHER = 2


def start(plan: Plan = LATE) -> World:
    return LaneProtocol(plan).start()


def put(entry: Entry, plan: Plan = LATE, lane: int = 0) -> Put:
    return Put(lane, entry.seq - plan.ring, entry)


def turns(seq: int, *revs: int, author: int = FIRST) -> Entry:
    return Entry(seq, TURNS, author, tuple((0, rev) for rev in revs), (), 0)


def broken_by(world: World, entry: Entry, plan: Plan = LATE, lane: int = 0) -> str:
    after = put_landed(world, put(entry, plan, lane), plan)
    assert after is not None
    return after.broken


def after(world: World, *entries: Entry, plan: Plan = LATE) -> World:
    for entry in entries:
        landed = put_landed(world, put(entry, plan), plan)
        assert landed is not None
        assert landed.broken == ""
        world = landed
    return world


def test_an_entry_replaces_only_what_its_sender_saw() -> None:
    world = after(start(), turns(3, 1))
    assert put_landed(world, put(turns(3, 1, author=OTHER)), LATE) is None
    assert put_landed(world, Put(0, 0, turns(6, 1)), LATE) is None


def test_an_entry_that_landed_takes_those_off_the_way_that_come_too_late() -> None:
    mine, others = put(turns(3, 1)), put(turns(3, 1, author=OTHER))
    landed = put_landed(start()._replace(puts=(mine, others)), mine, LATE)
    assert landed is not None
    assert landed.puts == ()


def test_without_the_version_the_seq_must_grow() -> None:
    plan = replace(LATE, rules=Rules(tests_version=False))
    world = after(start(), turns(3, 1))
    assert put_landed(world, put(turns(3, 1, author=OTHER)), plan) is None


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (turns(3, 1), ""),
        (Entry(3, CLAIM, OTHER, (), (), 0), ""),
        (turns(4, 1), "entries do not follow each other one by one"),
        (turns(3, 1, author=OTHER), "an entry was written by another than the newest claimant"),
        (turns(3, 2), "a turn was committed without the one before it"),
    ],
)
def test_an_entry_is_judged_where_it_lands(entry: Entry, said: str) -> None:
    assert broken_by(start(), entry) == said


def test_two_turns_for_one_rev_are_seen() -> None:
    world = after(start(), turns(3, 1))
    assert broken_by(world, turns(4, 1)) == "two turns were committed for one rev"


def test_a_turn_after_the_last_is_seen() -> None:
    world = after(start(), turns(3, 1), turns(4, 2), turns(5, 3))
    assert broken_by(world, turns(6, 1)) == "an instance that ended was started again"


def test_who_released_a_lane_owns_it_no_more() -> None:
    world = after(start(), Entry(3, RELEASED, FIRST, (), (), 0))
    said = "an entry was written by another than the newest claimant"
    assert broken_by(world, turns(4, 1)) == said


def test_nothing_is_written_over_closed() -> None:
    world = after(start(), Entry(3, CLOSED, FIRST, (), (), 1))
    claim = Entry(4, CLAIM, OTHER, (), (), 0)
    assert broken_by(world, claim) == "an entry was written over Closed"


def test_lanes_are_closed_for_one_number() -> None:
    world = after(start(RESIZE), Entry(2, CLOSED, FIRST, (), (), 1), plan=RESIZE)
    other = Entry(2, CLOSED, FIRST, (), (), 2)
    said = "lanes were closed for different numbers of lanes"
    assert broken_by(world, other, RESIZE, lane=1) == said


def test_a_generation_waits_for_the_one_before() -> None:
    world = after(start(RESIZE), Entry(2, CLOSED, FIRST, (), (), 1), plan=RESIZE)
    opened = world._replace(lanes=replaced(world.lanes, 2, empty_ring(RESIZE)))
    claim = Entry(2, CLAIM, OTHER, (), (), 0)
    said = "an entry was written in a generation while the one before is open"
    assert broken_by(opened, claim, RESIZE, lane=2) == said


def test_a_status_must_not_run_ahead_of_the_lane() -> None:
    patched = patch_landed(start(), (0, 0, 1), LATE)
    assert patched is not None
    assert patched.broken == "a status shows a turn that is not committed"


def test_a_status_patch_is_refused_over_another_rev() -> None:
    world = after(start(), turns(3, 1), turns(4, 2))
    patched = patch_landed(world, (0, 0, 2), LATE)
    assert patched is not None
    assert patched.broken == ""
    assert patch_landed(patched, (0, 0, 1), LATE) is None


def test_a_turn_is_lost_where_it_is_neither_carried_nor_reflected() -> None:
    world = after(start(), turns(3, 1), turns(4), turns(5))
    assert lost(world, LATE) == ""
    carrying = Entry(6, TURNS, FIRST, (), ((0, 1),), 0)
    assert lost(after(world, carrying), LATE) == ""
    assert lost(after(world, turns(6)), LATE) == "a committed turn is lost"
