"""Who is late to renew its Lease claims and sends nothing; whose Lease is old is followed."""

from __future__ import annotations

from tests.verification.logs import AGAIN, ME, OPERATOR, OTHER, YOU, Log, calling, checks_of, claim

from perdure.engine.events import ActivityClaimed, InstanceResumed, InstanceSuspended


def late() -> Log:
    """Return the log of a claim that a process made 16 s after its last renewal."""
    log = Log()
    log.lease()
    log.define({"name": "charge", "http": {"method": "POST", "service": "pay", "path": "/"}})
    log.start()
    log.later(16)
    log.turn()
    return log


def test_a_claim_by_a_process_that_could_not_renew_is_reported() -> None:
    assert checks_of(late().verdict()) == ["heard_claimants"]


def test_a_claim_is_excused_where_its_commit_may_have_been_on_its_way() -> None:
    log = late()
    log.disturb(OPERATOR, 1, kind="F4", point="C22")
    assert checks_of(log.verdict()) == ["heard_claimants"], "it knew that its Lease was late"
    log.disturb(OPERATOR, 1, kind="F16", point="C4")
    assert log.verdict() == []


def test_a_request_soon_after_a_silence_is_reported() -> None:
    log = calling()
    log.later(16)
    log.lease()
    log.later(1)
    log.request()
    assert checks_of(log.verdict()) == ["settled_senders"]
    log.disturb(OPERATOR, 1, kind="F16")
    assert log.verdict() == []


def test_a_request_well_after_a_silence_breaks_nothing() -> None:
    log = calling()
    log.later(16)
    log.lease()
    log.alive(6, ME)
    log.request()
    assert log.verdict() == []


def test_a_process_that_was_started_again_sends_at_once() -> None:
    log = calling()
    log.later(16)
    log.lease(AGAIN)
    log.later(0.1)
    log.commit(ActivityClaimed(scheduled_id=2, claim=claim(AGAIN, 2)))
    log.request()
    assert log.verdict() == []


def left(seconds: float, *disturbed: str) -> Log:
    """Return the log of a call whose claimant dies at once, beside another one that lives."""
    log = calling()
    log.request(code=None)
    for one in (OPERATOR, *disturbed):
        log.disturb(one, seconds)
    log.lease(YOU)
    log.alive(seconds, YOU)
    return log


def test_a_call_that_nobody_takes_over_is_reported() -> None:
    log = left(30)
    assert checks_of(log.verdict(ended_at=log.now)) == ["prompt_takeovers"]


def test_a_call_that_was_taken_over_in_time_breaks_nothing() -> None:
    log = left(20)
    log.commit(ActivityClaimed(scheduled_id=2, claim=claim(YOU, 2)), by=YOU)
    log.alive(20, YOU)
    assert log.verdict(ended_at=log.now) == []


def test_a_call_is_left_while_nobody_is_there_to_take_it_over_or_may() -> None:
    log = calling()
    log.later(60)
    assert log.verdict(ended_at=log.now) == [], "nobody is there"
    log = left(30, OTHER)
    assert log.verdict(ended_at=log.now) == [], "the other one was disturbed"
    log = calling()
    log.lease(YOU)
    log.commit(InstanceSuspended())
    log.alive(30, YOU)
    log.commit(InstanceResumed(), by=YOU)
    assert log.verdict(ended_at=log.now) == [], "it was suspended"
