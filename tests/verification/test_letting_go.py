"""Claims of the log's processes: who left a lane may be followed, and makes no calls in it."""

from __future__ import annotations

import pytest
from tests.verification.laned import LanedLog, calling
from tests.verification.logs import ME, OPERATOR, YOU, checks_of, claim

from perdure.engine.events import ActivityClaimed


def taken(*, silence: float = 0.0, lets_go: bool = False) -> LanedLog:
    """Return a log in which YOU took the lane of ME, and then its call.

    ME is silent before it for so long, or lists the lane no more.
    """
    log = calling()
    log.later(1)
    log.request()
    log.lease(YOU)
    if silence:
        log.alive(silence, YOU)
    else:
        log.lease(ME)
    log.claim(YOU)
    if not lets_go:
        log.listed[ME] = {0}
    if not silence:
        log.lease(ME)
    log.later(0.1)
    log.commit(ActivityClaimed(scheduled_id=2, claim=claim(YOU, 2)), by=YOU)
    log.show()
    return log


def test_a_call_of_a_living_process_that_let_go_of_its_lane_may_be_taken_over() -> None:
    assert taken(lets_go=True).verdict() == []


def test_a_call_of_a_living_process_that_lists_its_lane_may_not_be_taken_over() -> None:
    assert checks_of(taken().verdict()) == ["dead_claimants", "repeated_with_cause"]


@pytest.mark.parametrize(("seconds", "is_dead"), [(6, False), (10, True)])
def test_with_the_log_a_process_is_dead_after_eight_seconds(
    seconds: float, *, is_dead: bool
) -> None:
    log = taken(silence=seconds)
    log.disturb("", kind="F16")
    assert ("dead_claimants" not in checks_of(log.verdict())) == is_dead


def test_a_call_in_a_lane_that_a_lease_lists_no_more_is_reported() -> None:
    log = taken(lets_go=True)
    log.alive(4, ME, YOU)
    log.request(actor=OPERATOR)
    assert "listed_senders" not in checks_of(log.verdict())
    log.alive(6, ME, YOU)
    log.request(actor=OPERATOR)
    assert "listed_senders" in checks_of(log.verdict())


@pytest.mark.parametrize(("seconds", "is_mute"), [(8, False), (12, True)])
def test_with_the_log_a_process_is_mute_after_five_seconds(
    seconds: float, *, is_mute: bool
) -> None:
    log = calling()
    log.later(seconds)
    log.request()
    assert ("mute_when_cut_off" in checks_of(log.verdict())) == is_mute


def test_who_lost_its_lane_and_has_it_back_claims_its_calls_anew() -> None:
    log = calling()
    log.later(1)
    log.request()
    log.claim(YOU)
    log.later(1)
    log.claim(ME)
    log.commit(ActivityClaimed(scheduled_id=2, claim=claim(ME, 2)))
    assert "dead_claimants" not in checks_of(log.verdict())


def test_who_never_lost_its_lane_does_not_claim_again_what_is_its_own() -> None:
    log = calling()
    log.later(1)
    log.commit(ActivityClaimed(scheduled_id=2, claim=claim(ME, 2)))
    assert "dead_claimants" in checks_of(log.verdict())
