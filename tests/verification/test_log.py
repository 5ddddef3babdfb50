"""The log of turns: entries one by one, by their owner, and no turn twice or lost."""

from __future__ import annotations

import base64
import zlib
from dataclasses import replace

import pytest
from tests.verification.laned import LOGS, SLOTS, LanedLog, calling, opened, skipped
from tests.verification.logs import ME, OPERATOR, OTHER, YOU, call_step, checks_of

from perdure.engine.values import Json
from perdure.lanes.entry import EntryKind
from perdure.verification.bodies import part

CLAIM, TURNS, RELEASED, CLOSED = (
    EntryKind.CLAIM,
    EntryKind.TURNS,
    EntryKind.RELEASED,
    EntryKind.CLOSED,
)


def test_a_run_by_the_log_over_rounds_of_the_ring_breaks_nothing() -> None:
    log = opened(
        call_step("reserve"),
        {"name": "approval", "event": {"name": "go"}, "timeout": "1h"},
        call_step("charge", retry={"attempts": 3, "delay": "2s"}),
        {"name": "pause", "wait": {"for": "5s"}},
    )
    log.turn()
    log.exchange("reserve", {"n": 1})
    log.show()
    log.send("e1", data={"ok": True})
    log.later(1)
    log.turn(events=(log.external("e1"),))
    log.show()
    log.delete("workflowevents", "e1", actor=OPERATOR)
    log.exchange("charge", code=503)
    log.until_wake()
    log.exchange("charge", {"n": 2})
    log.show()
    log.until_wake()
    log.show()
    assert log.phase == "Succeeded"
    assert log.tails[0] > SLOTS
    assert log.verdict() == []


def test_turns_are_carried_over_a_change_of_owner_and_shown_by_either() -> None:
    log = opened(call_step())
    log.turn()
    log.lease(YOU)
    log.claim(YOU)
    for number in range(SLOTS):
        log.commit(skipped(number), by=YOU)
    log.show(by=OPERATOR, rev=2)
    log.show(by=OTHER)
    assert log.verdict() == []


# --- slots ----------------------------------------------------------------------------------------


def test_a_slot_that_an_operator_deletes_is_reported() -> None:
    log = calling()
    log.delete(LOGS, "g1-0-3", actor=OPERATOR)
    assert checks_of(log.verdict()) == ["slots_stay"]


def test_a_slot_that_is_created_when_the_log_is_open_is_reported() -> None:
    log = calling()
    log.slot(log.blank(EntryKind.EMPTY), SLOTS)
    assert checks_of(log.verdict()) == ["slots_first"]


def test_a_slot_that_is_created_with_an_entry_is_reported() -> None:
    log = LanedLog()
    log.lease()
    log.slot(replace(log.blank(EntryKind.OPENING), seq=1), 0)
    assert checks_of(log.verdict()) == ["slots_first"]


def test_a_log_that_is_opened_without_all_its_slots_is_reported() -> None:
    log = LanedLog()
    log.lease()
    log.slot(log.blank(EntryKind.OPENING), 0)
    log.slot(log.blank(EntryKind.EMPTY), 1)
    log.slot(log.blank(EntryKind.EMPTY), 0)
    assert checks_of(log.verdict()) == ["slots_first"]


def test_an_entry_in_a_log_that_is_being_opened_is_reported() -> None:
    log = LanedLog()
    log.lease()
    log.slot(log.blank(EntryKind.OPENING), 0)
    log.slot(log.blank(EntryKind.EMPTY), 1)
    log.claim()
    assert checks_of(log.verdict()) == ["slots_first"]


# --- entries --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes", [{"seq": 7}, {"slot": 0}, {"generation": 2}, {"lanes": 2}, {"nonce": ""}]
)
def test_an_entry_that_does_not_follow_the_newest_is_reported(changes: dict[str, object]) -> None:
    log = calling()
    log.enter(CLAIM, **changes)  # type: ignore[arg-type]  # a slot, or fields of the entry
    assert checks_of(log.verdict()) == ["one_by_one"]


def test_a_nonce_that_is_used_twice_is_reported() -> None:
    log = calling()
    log.enter(TURNS, log.decided(skipped(1)), nonce="n")
    log.enter(TURNS, log.decided(skipped(2)), nonce="n")
    assert checks_of(log.verdict()) == ["one_by_one"]


DEEP = b'{"turns":' + b"[" * 100_000


@pytest.mark.parametrize(
    "plain",
    [
        b"",
        b"[]",
        b"{}",
        b'{"turns":[],"carried":7}',
        b'{"turns":[7],"carried":[]}',
        b'{"turns":[{"events":[7]}],"carried":[]}',
        b'{"turns":[{"uid":"\\ud800","events":[]}],"carried":[]}',
        DEEP,
    ],
)
def test_whatever_an_entry_holds_it_is_reported_and_nothing_else_happens(plain: bytes) -> None:
    log = calling()
    log.commit(skipped())
    spec = part(log.bodies[LOGS, "g1-0-3"], "spec")
    data = base64.b64encode(zlib.compress(plain)).decode()
    log.enter(CLAIM)
    name = log.writes[-1].name
    log.bodies[LOGS, name]["spec"] = {**spec, "seq": 4, "nonce": "n", "data": data}
    assert "readable" in checks_of(log.verdict())


@pytest.mark.parametrize(
    "spec", [None, [], {}, {"kind": 7, "seq": "1", "data": {}}, {"kind": "Turns", "lanes": -1}]
)
def test_what_is_no_entry_is_reported(spec: Json) -> None:
    log = calling()
    log.put(LOGS, "g1-0-3", lambda body: body.update(spec=spec), actor=OPERATOR, verb="update")
    assert {"readable", "one_by_one", "own_lane"} <= set(checks_of(log.verdict()))


def test_an_entry_over_256_KiB_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: N802 - a unit
    log = calling()
    assert log.verdict() == []
    monkeypatch.setattr("perdure.verification.log.MAX_DATA", 100)
    assert checks_of(log.verdict()) == ["readable"]


def test_new_turns_in_an_entry_that_claims_are_reported() -> None:
    log = calling()
    log.enter(CLAIM, log.decided(skipped()))
    assert checks_of(log.verdict()) == ["readable"]


def test_an_operator_may_open_the_log_before_it_has_a_lease() -> None:
    log = LanedLog()
    log.open()
    log.lease()
    log.claim()
    watcher, found = log.watched()
    assert found == []
    assert watcher.world.lanes.damage_of("any") is None


# --- owners ---------------------------------------------------------------------------------------


def test_an_entry_of_another_than_the_newest_claimant_is_reported() -> None:
    log = calling()
    log.lease(YOU)
    log.claim(YOU)
    log.commit(skipped(1), by=YOU)
    assert log.verdict() == []
    log.commit(skipped(2), by=ME)
    assert checks_of(log.verdict()) == ["own_lane"]


def test_an_entry_after_released_is_reported_until_somebody_claims() -> None:
    log = calling()
    log.enter(RELEASED, heir=YOU)
    log.claim()
    assert log.verdict() == []
    log.enter(RELEASED)
    log.commit(skipped())
    assert checks_of(log.verdict()) == ["own_lane"]


def test_an_entry_in_the_name_of_another_process_is_reported() -> None:
    log = calling()
    log.lease(YOU)
    log.enter(CLAIM, incarnation=YOU)
    assert checks_of(log.verdict()) == ["own_lane"]


def test_a_claim_of_a_process_without_a_lease_is_reported() -> None:
    log = calling()
    log.lease(YOU)
    log.claim(f"{OTHER}_00000000000000b2")
    assert checks_of(log.verdict()) == ["own_lane"]


# --- generations ----------------------------------------------------------------------------------


def test_an_entry_after_closed_is_reported() -> None:
    log = calling()
    log.enter(CLOSED, next_lanes=2)
    assert log.verdict() == []
    log.claim()
    assert checks_of(log.verdict()) == ["nothing_over_closed"]


def closing(*next_lanes: int, first: int = 0) -> LanedLog:
    """Return a log of two lanes that are closed in order, `first` first."""
    log = opened(call_step(), lanes=2)
    for number, lanes in enumerate(next_lanes):
        log.enter(CLOSED, lane=(first + number) % 2, next_lanes=lanes)
    return log


def test_lanes_are_closed_and_the_next_generation_begins() -> None:
    log = closing(3, 3)
    log.lanes = 3
    log.open(generation=2)
    assert log.verdict() == []


def test_lanes_that_are_closed_for_different_numbers_are_reported() -> None:
    assert checks_of(closing(3, 4).verdict()) == ["closed_alike"]


def test_lanes_that_are_closed_in_another_order_are_reported() -> None:
    assert checks_of(closing(3, first=1).verdict()) == ["closed_alike"]


@pytest.mark.parametrize(("closed", "lanes"), [((3,), 3), ((3, 3), 2)])
def test_a_generation_that_begins_too_early_or_otherwise_is_reported(
    closed: tuple[int, ...], lanes: int
) -> None:
    log = closing(*closed)
    log.lanes = lanes
    log.open(generation=2)
    assert checks_of(log.verdict()) == ["closed_alike"]


def test_a_lane_that_is_closed_before_all_is_shown_is_reported() -> None:
    log = calling()
    log.commit(skipped())
    log.enter(CLOSED, next_lanes=1)
    assert checks_of(log.verdict()) == ["kept_until_shown"]
