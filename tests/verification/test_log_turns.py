"""Turns in the log: none twice, none lost, each in its lane; and what others did to them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.verification.laned import (
    LOGS,
    SLOTS,
    LanedLog,
    calling,
    opened,
    rewritten,
    skipped,
)
from tests.verification.logs import NAMESPACE, USER, call_step, checks_of

from perdure.engine.events import Ending, EndRequested
from perdure.engine.values import JsonObject
from perdure.lanes.entry import EntryKind, LoggedTurn
from perdure.verification.bodies import part
from perdure.verification.entries import lane_of
from perdure.verification.watcher import watch

CLAIM, TURNS, CLOSED = EntryKind.CLAIM, EntryKind.TURNS, EntryKind.CLOSED


# --- turns ----------------------------------------------------------------------------------------


def test_a_turn_that_is_committed_twice_is_reported_once() -> None:
    log = calling()
    turn = log.decided(skipped(1))
    log.enter(TURNS, turn)
    log.enter(TURNS, turn)
    log.enter(TURNS, turn)
    found = log.verdict()
    assert checks_of(found) == ["one_turn_each"]
    assert len(found) == 1


def test_another_turn_for_a_rev_is_reported() -> None:
    log = calling()
    turn = log.decided(skipped(1))
    log.enter(TURNS, turn)
    log.enter(TURNS, rewritten(turn, rev=2))
    assert checks_of(log.verdict()) == ["one_turn_each"]


def test_a_turn_after_a_gap_is_reported() -> None:
    log = calling()
    log.decided(skipped(1))
    log.commit(skipped(2))
    assert checks_of(log.verdict()) == ["one_turn_each"]


def test_a_turn_on_another_digest_is_reported() -> None:
    log = calling()
    log.enter(TURNS, rewritten(log.decided(skipped()), before="0" * 64))
    assert checks_of(log.verdict()) == ["one_turn_each"]


def test_a_turn_of_an_instance_that_never_existed_is_reported() -> None:
    log = calling()
    turn = log.decided(skipped())
    log.enter(TURNS, rewritten(turn, key=replace(turn.key, uid="nobody")))
    assert checks_of(log.verdict()) == ["one_turn_each"]


def test_a_turn_of_an_instance_that_is_gone_is_committed_rightly() -> None:
    log = calling()
    log.delete("workflowinstances", "order-1")
    log.bodies["workflowinstances", "order-1"] = log.writes[-1].before or {}
    log.commit(skipped())
    log.enter(CLOSED, next_lanes=1)
    assert log.verdict() == []


def test_events_that_do_not_make_the_digest_of_their_turn_are_reported() -> None:
    log = calling()
    log.enter(TURNS, rewritten(log.decided(skipped()), after="0" * 64))
    found = log.verdict()
    assert [one.invariant for one in found] == ["I-3"]


def test_events_with_a_gap_are_reported() -> None:
    log = calling()
    turn = log.decided(skipped())
    log.enter(TURNS, rewritten(turn, events=[{**turn.events[0], "id": 9}]))
    assert [one.invariant for one in log.verdict()] == ["I-1"]


def test_a_turn_in_another_lane_than_that_of_its_instance_is_reported() -> None:
    log = opened(call_step(), lanes=2)
    own = lane_of(log.states["order-1"].uid, 2)
    log.enter(TURNS, log.decided(skipped(1)), lane=own)
    assert "in_its_lane" not in checks_of(log.verdict())
    log.enter(TURNS, log.decided(skipped(2)), lane=1 - own)
    assert "in_its_lane" in checks_of(log.verdict())


# --- carried turns --------------------------------------------------------------------------------


def filled() -> tuple[LanedLog, LoggedTurn]:
    """Return a log whose next entry replaces the one that holds the first turn, not yet shown."""
    log = opened(call_step())
    log.turn()
    for _ in range(SLOTS - 1):
        log.claim()
    return log, log.turns["order-1"][0].turn


def test_a_turn_that_is_carried_is_not_lost() -> None:
    log, _ = filled()
    log.claim()
    for _ in range(SLOTS):
        log.claim()
    log.show()
    log.claim()
    assert log.verdict() == []


def test_a_turn_that_no_status_shows_and_nobody_carries_is_reported() -> None:
    log, _ = filled()
    log.enter(CLAIM, carried=())
    assert checks_of(log.verdict()) == ["kept_until_shown"]


def test_a_turn_of_an_instance_that_is_gone_need_not_be_carried() -> None:
    log, _ = filled()
    log.delete("workflowinstances", "order-1")
    log.enter(CLAIM, carried=())
    assert log.verdict() == []


def test_a_turn_that_is_carried_otherwise_than_it_stood_is_reported() -> None:
    log, turn = filled()
    log.enter(CLAIM, carried=(rewritten(turn, generation=7),))
    assert checks_of(log.verdict()) == ["carried_truly"]


def test_a_carried_turn_that_did_not_stand_in_the_slot_is_reported() -> None:
    log = calling()
    log.commit(skipped())
    log.enter(CLAIM, carried=(log.turns["order-1"][1].turn,))
    assert checks_of(log.verdict()) == ["carried_truly"]


# --- what somebody else did to the log ------------------------------------------------------------


def test_a_lane_with_a_deleted_slot_is_judged_no_further_but_for_second_turns() -> None:
    log = calling()
    log.commit(skipped(1))
    log.delete(LOGS, "g1-0-3", actor=USER)
    log.enter(CLAIM, seq=7, slot=0)
    assert log.verdict() == []
    last = log.turns["order-1"].pop()
    log.states["order-1"] = log.turns["order-1"][-1].state
    log.enter(TURNS, log.decided(skipped(2)), slot=1)
    assert last.turn.rev == 2
    assert checks_of(log.verdict()) == ["one_turn_each"]


def test_a_label_on_a_slot_damages_nothing() -> None:
    log = calling()
    labels: JsonObject = {"a": "b"}
    log.put(LOGS, "g1-0-2", lambda b: b.update(metadata={**part(b, "metadata"), "labels": labels}))
    watcher, found = log.watched()
    assert found == []
    assert all(account.is_sound for account in watcher.world.accounts.values())


def test_an_entry_that_a_user_wrote_commits_nothing() -> None:
    log = calling()
    turn = log.decided(skipped())
    log.enter(TURNS, turn)
    log.writes[-1] = replace(log.writes[-1], actor=USER)
    watcher, found = log.watched()
    assert found == []
    account = next(iter(watcher.world.accounts.values()))
    assert (account.rev, account.is_sound) == (1, False)


def test_the_commit_checks_judge_the_turns_of_the_log() -> None:
    log = calling()
    log.commit(EndRequested(ending=Ending.FAILED))
    log.commit(skipped())
    assert "nothing_after_the_end" in checks_of(log.verdict())


def test_a_turn_without_events_has_no_commit_id_and_is_reported() -> None:
    log = calling()
    log.enter(TURNS, log.decided())
    assert checks_of(log.verdict()) == ["own_id"]


@pytest.mark.parametrize("generation", [0, 2])
def test_a_turn_that_has_seen_a_spec_which_was_not_accepted_is_reported(generation: int) -> None:
    log = calling()
    log.enter(TURNS, rewritten(log.decided(skipped()), generation=generation))
    assert checks_of(log.verdict()) == ["accepted_generation"]


def test_a_lane_has_256_slots_where_nothing_else_is_said() -> None:
    log = calling()
    found = watch(log.evidence().writes)[1]
    assert checks_of(found) == ["slots_first"]
    assert f"{256 - SLOTS} slots are missing" in found[0].text
    assert found[0].subject == f"{NAMESPACE}/g1-0-0"
