"""Attempts and claims: one end each, in sequence, and taken over from the dead alone."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.verification.logs import (
    AGAIN,
    ME,
    OPERATOR,
    OTHER,
    YOU,
    Log,
    calling,
    checks_of,
    claim,
    newest,
    resealed,
)

from perdure.engine.events import (
    ActivityAccepted,
    ActivityClaimed,
    ActivityCompleted,
    ActivityFailed,
    ActivityScheduled,
    Claim,
    Failure,
    Purpose,
    TimerCreated,
    TimerFired,
)


def live(log: Log, **fields: object) -> list[str]:
    """Return the checks that spoke, but those that want to know what services saw."""
    return [one for one in checks_of(log.verdict(**fields)) if one not in ("true_results",)]


def test_a_second_end_of_an_attempt_is_reported() -> None:
    log = calling()
    log.exchange()
    log = calling()
    log.commit(ActivityCompleted(scheduled_id=2))
    log.commit(ActivityFailed(scheduled_id=2, failure=Failure(type="No", message="")))
    assert live(log) == ["one_end", "open_still"]


def test_an_end_of_what_was_never_scheduled_is_reported() -> None:
    log = calling()
    log.commit(ActivityCompleted(scheduled_id=1))
    assert live(log) == ["one_end", "open_still"]


def test_a_result_after_its_step_timed_out_is_reported() -> None:
    log = calling(timeout="1s")
    log.until_wake()
    late = calling(timeout="1s")
    late.later(1)
    late.commit(TimerFired(timer_id=2))
    late.commit(ActivityCompleted(scheduled_id=3))
    assert live(late) == ["open_still"]


def failing() -> Log:
    """Return the log of a call whose first attempt failed; its retry timer is event 4."""
    log = calling(retry={"attempts": 3, "delay": "2s", "jitter": "None"})
    log.exchange(code=503)
    return log


def again(log: Log, attempt: int = 2, **fields: object) -> None:
    given = {"path": "charge", "kind": "http", "attempt": attempt, "request_of": 2}
    new = {**given, "claim": claim(ME, claim_id=f"again-{attempt}"), **fields}
    log.commit(ActivityScheduled(**new))  # type: ignore[arg-type]  # its fields


def test_an_attempt_after_its_back_off_breaks_nothing() -> None:
    log = failing()
    log.until_wake()
    assert log.verdict() == []


def test_an_attempt_before_its_back_off_is_over_is_reported() -> None:
    log = failing()
    again(log)
    assert live(log) == ["after_back_off"]


def test_an_attempt_that_leaves_out_a_number_is_reported() -> None:
    log = failing()
    log.later(2)
    log.commit(TimerFired(timer_id=4))
    again(log, attempt=3)
    assert live(log) == ["in_sequence"]


def test_an_attempt_while_the_one_before_is_open_is_reported() -> None:
    log = calling(retry={"attempts": 3})
    log.commit(
        TimerCreated(path="charge", purpose=Purpose.RETRY, fire_at=log.now.replace(second=2))
    )
    log.later(2)
    log.commit(TimerFired(timer_id=3))
    again(log)
    assert live(log) == ["in_sequence"]


def test_a_retry_that_is_due_at_once_is_reported() -> None:
    log = failing()
    log.commit(TimerCreated(path="other", purpose=Purpose.RETRY, fire_at=log.now))
    assert live(log) == ["set_ahead"]


@pytest.mark.parametrize(("seconds", "found"), [(2.0, ["set_ahead"]), (3.0, [])])
def test_a_retry_that_is_due_already_is_excused_by_clocks_that_may_be_so_far_apart(
    seconds: float, found: list[str]
) -> None:
    log = failing()
    due = log.now - timedelta(seconds=5)
    log.commit(TimerCreated(path="other", purpose=Purpose.RETRY, fire_at=due))
    assert live(log, clocks={OPERATOR: seconds}) == found


def test_an_attempt_with_the_request_of_another_step_is_reported() -> None:
    log = failing()
    log.later(2)
    log.commit(TimerFired(timer_id=4))
    again(log)
    assert live(log) == []
    newest(requestOf=1)(log.bodies["workflowinstances", "order-1"])
    assert live(log) == ["same_request", "foldable"]


def taking(claim: Claim, *, dead_seconds: float = 0.0, **around: object) -> Log:
    """Return the log of a takeover, after the claimant was silent for so long."""
    log = calling(**around)  # type: ignore[arg-type]  # JSON
    log.lease(YOU)
    log.alive(dead_seconds, YOU)
    log.disturb(OPERATOR)
    log.commit(ActivityClaimed(scheduled_id=2, claim=claim), by=claim.incarnation)
    return log


def test_a_takeover_from_a_process_that_was_silent_for_15_s_breaks_nothing() -> None:
    assert live(taking(claim(YOU, 2), dead_seconds=16)) == []


@pytest.mark.parametrize("seconds", [0, 14])
def test_a_takeover_from_a_living_process_is_reported(seconds: float) -> None:
    assert live(taking(claim(YOU, 2), dead_seconds=seconds)) == ["dead_claimants"]


def test_a_takeover_from_a_process_that_renews_is_reported_however_old_its_claim_is() -> None:
    log = calling()
    log.lease(YOU)
    log.alive(60, ME, YOU)
    log.disturb(OPERATOR)
    log.commit(ActivityClaimed(scheduled_id=2, claim=claim(YOU, 2)), by=YOU)
    assert live(log) == ["dead_claimants"]


def test_a_takeover_after_a_restart_under_the_same_identity_breaks_nothing() -> None:
    log = calling()
    log.later(1)
    log.lease(AGAIN)
    log.commit(ActivityClaimed(scheduled_id=2, claim=claim(AGAIN, 2)), by=AGAIN)
    assert live(log) == []


def test_a_takeover_after_a_release_breaks_nothing() -> None:
    log = calling()
    log.lease(YOU)
    log.lease(ME, holder="")
    log.commit(ActivityClaimed(scheduled_id=2, claim=claim(YOU, 2)), by=YOU)
    assert live(log) == []


@pytest.mark.parametrize(("seconds", "found"), [(0, ["dead_claimants"]), (16, [])])
def test_a_process_whose_lease_was_deleted_is_dead_when_it_has_been_absent_for_15_s(
    seconds: float, found: list[str]
) -> None:
    log = calling()
    log.lease(YOU)
    log.delete("leases", "perdure-perdure-0")
    log.alive(seconds, YOU)
    log.disturb(OPERATOR)
    log.commit(ActivityClaimed(scheduled_id=2, claim=claim(YOU, 2)), by=YOU)
    assert live(log) == found


def test_a_takeover_to_which_nothing_led_is_reported_at_the_end() -> None:
    log = taking(claim(YOU, 2), dead_seconds=16)
    log.disturbances.clear()
    assert live(log) == ["repeated_with_cause"]


def test_a_process_that_claims_its_own_claim_again_is_reported() -> None:
    log = calling()
    log.commit(ActivityClaimed(scheduled_id=2, claim=claim(ME, 2, "another")))
    assert live(log) == ["dead_claimants", "repeated_with_cause"]


def test_a_delivery_that_leaves_out_a_number_is_reported() -> None:
    assert live(taking(claim(YOU, 3), dead_seconds=16)) == ["numbered_claims"]


def test_a_twenty_first_delivery_is_reported() -> None:
    log = calling()
    for delivery in range(2, 22):
        incarnation = f"{OTHER}_{delivery:016x}"
        log.lease(ME, holder="")
        log.lease(incarnation)
        log.lease(incarnation, holder="")
        claimed = ActivityClaimed(scheduled_id=2, claim=claim(incarnation, delivery))
        log.commit(claimed, by=incarnation)
        assert live(log) == ([] if delivery <= 20 else ["numbered_claims"])


def test_a_claim_for_another_process_is_reported() -> None:
    log = taking(claim(YOU, 2), dead_seconds=16)
    newest(claim={"delivery": 2, "incarnation": AGAIN, "claimId": "c"})(
        log.bodies["workflowinstances", "order-1"]
    )
    assert "own_claims" in live(log)


def test_a_claim_id_that_is_used_twice_is_reported() -> None:
    first = calling().states["order-1"].activities[2].claim.claim_id
    assert live(taking(claim(YOU, 2, first), dead_seconds=16)) == ["own_claims"]


def test_a_claim_by_a_process_that_never_showed_a_lease_is_reported() -> None:
    log = calling()
    log.writes = [w for w in log.writes if w.resource != "leases"]
    log.lease(AGAIN)
    log.writes.insert(0, log.writes.pop())
    assert "shown_alive" in live(log)


def test_a_blind_repeat_is_reported_unless_the_start_was_accepted() -> None:
    log = taking(claim(YOU, 2), dead_seconds=16, onUnknown="Fail")
    assert live(log) == ["no_blind_repeat"]
    log = calling(onUnknown="Fail")
    log.lease(YOU)
    log.commit(ActivityAccepted(scheduled_id=2, answer={"code": 202}))
    log.lease(ME, holder="")
    log.commit(ActivityClaimed(scheduled_id=2, claim=claim(YOU, 2)), by=YOU)
    assert live(log) == []


def test_an_attempt_after_an_unknown_outcome_is_reported_where_it_must_not_be() -> None:
    for around, expected in (({}, []), ({"onUnknown": "Fail"}, ["no_attempt_after_unknown"])):
        log = calling(retry={"attempts": 3}, **around)
        failure = Failure(type="Timeout", message="", unknown=True, retryable=True)
        due = log.now.replace(second=2)
        log.commit(
            ActivityFailed(scheduled_id=2, failure=failure),
            TimerCreated(path="charge", purpose=Purpose.RETRY, fire_at=due),
        )
        log.later(2)
        log.commit(TimerFired(timer_id=4))
        again(log)
        assert live(log) == expected


def test_an_attempt_after_an_expression_that_failed_is_reported() -> None:
    for kind, expected in (("HttpStatus", []), ("ExpressionError", ["no_attempt_after_a_fault"])):
        log = calling(retry={"attempts": 3})
        due = log.now.replace(second=2)
        log.commit(
            ActivityFailed(scheduled_id=2, failure=Failure(type=kind, message="")),
            TimerCreated(path="charge", purpose=Purpose.RETRY, fire_at=due),
        )
        log.later(2)
        log.commit(TimerFired(timer_id=4))
        again(log)
        assert live(log) == expected


def test_a_history_met_as_it_stands_is_judged_without_the_leases() -> None:
    log = taking(claim(YOU, 2))
    log.writes = [w for w in log.writes if w.name != "order-1"] + [log.writes[-1]]
    assert live(log, is_complete=False) == []
    resealed(lambda events: events[-1].update(claim={"delivery": 7}))(
        log.bodies["workflowinstances", "order-1"]
    )
    assert live(log, is_complete=False) == ["numbered_claims", "foldable"]
