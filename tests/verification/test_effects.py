"""What services saw has to have been intended, claimed, keyed and truly reported."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.verification.logs import (
    ME,
    OPERATOR,
    OTHER,
    YOU,
    Log,
    call_step,
    calling,
    checks_of,
    claim,
    key_of,
)

from perdure.engine.events import (
    ActivityAccepted,
    ActivityClaimed,
    ActivityCompleted,
    ActivityFailed,
    Ending,
    EndRequested,
    Failure,
    InstanceResumed,
    InstanceSuspended,
)
from perdure.engine.values import Json, JsonObject


def test_a_request_that_was_scheduled_and_claimed_breaks_nothing() -> None:
    log = calling()
    log.exchange(body={"n": 1})
    assert log.verdict() == []


def test_a_request_that_nobody_intended_is_reported() -> None:
    for fields in ({"attempt": 2}, {"path": "other"}, {"uid": "another"}):
        log = calling()
        log.request(**fields)
        assert checks_of(log.verdict())[0] == "intended"


def test_a_request_before_the_commit_that_intends_it_is_reported() -> None:
    log = calling()
    log.request(at=log.now - timedelta(seconds=1))
    assert checks_of(log.verdict()) == ["intended", "claimed"]


def test_a_second_request_for_one_claim_is_reported() -> None:
    log = calling()
    log.request()
    log.request()
    assert checks_of(log.verdict()) == ["claimed"]


def taken_over() -> Log:
    log = calling()
    log.request(code=None)
    log.disturb(OPERATOR, 30)
    log.lease(YOU)
    log.alive(16, YOU)
    log.commit(ActivityClaimed(scheduled_id=2, claim=claim(YOU, 2)), by=YOU)
    return log


def test_a_request_per_claim_breaks_nothing() -> None:
    log = taken_over()
    log.request(actor=OTHER)
    assert log.verdict() == []


def test_a_request_by_who_has_not_claimed_it_is_reported() -> None:
    log = taken_over()
    log.request(actor="perdure-2")
    assert checks_of(log.verdict()) == ["claimed"]


def test_a_request_before_the_own_claim_is_reported() -> None:
    log = taken_over()
    log.request(actor=OTHER, at=log.now - timedelta(seconds=1))
    assert checks_of(log.verdict()) == ["claimed"]


def test_a_request_under_another_key_is_reported() -> None:
    log = calling()
    log.request(key=key_of("another", "charge"))
    assert checks_of(log.verdict()) == ["one_key"]


def test_a_key_of_the_users_own_is_no_fault_but_two_effects_with_one_key_are() -> None:
    log = Log()
    log.lease()
    http: JsonObject = {"method": "POST", "service": "pay", "headers": {"Idempotency-Key": "k"}}
    log.define({"name": "a", "http": http}, {"name": "b", "http": http})
    log.start()
    log.turn()
    log.request("a", key="k")
    assert log.verdict() == []
    log.exchange("a")
    log.effects.pop(0)
    log.request("b", key=key_of(log.states["order-1"].uid, "a"))
    assert checks_of(log.verdict()) == ["keys_apart"]


def repeated_block() -> Log:
    """Return the log of a block in its second run: `pay~2.charge` is event 9."""
    log = Log()
    log.lease()
    log.define(
        {"name": "pay", "call": {"flow": "paying"}, "retry": {"attempts": 2, "when": "true"}},
        flows=[{"name": "paying", "steps": [call_step()]}],
    )
    log.start()
    log.turn()
    log.exchange("pay.charge", code=400)
    log.until_wake()
    assert [a.path for a in log.states["order-1"].activities.values()] == ["pay~2.charge"]
    return log


def test_a_request_of_a_repeated_block_is_told_apart_by_its_key() -> None:
    log = repeated_block()
    uid = log.states["order-1"].uid
    log.request("pay.charge", key=key_of(uid, "pay~2.charge"))
    assert log.verdict() == []
    log.request("pay.charge", key=key_of(uid, "pay.charge"))
    assert checks_of(log.verdict()) == ["claimed"]


def test_a_request_of_a_repeated_block_without_a_key_is_of_the_newest_run() -> None:
    log = repeated_block()
    log.request("pay.charge", key="")
    assert checks_of(log.verdict()) == ["one_key"]


def test_a_result_that_no_service_gave_is_reported() -> None:
    log = calling()
    log.commit(ActivityCompleted(scheduled_id=2, output={"n": 1}))
    assert checks_of(log.verdict()) == ["true_results"]
    for body, expected in (({"n": 1}, []), ({"n": 2}, ["true_results"])):
        log = calling()
        log.request(body=body)
        log.commit(ActivityCompleted(scheduled_id=2, output={"n": 1}))
        assert checks_of(log.verdict()) == expected


def test_an_output_that_is_text_may_be_an_answer_that_was_no_json() -> None:
    given: list[tuple[Json, list[str]]] = [("all is well", []), ({"n": 1}, ["true_results"])]
    for output, expected in given:
        log = calling()
        log.request(body=None)
        log.commit(ActivityCompleted(scheduled_id=2, output=output))
        assert checks_of(log.verdict()) == expected


def test_a_result_before_its_answer_is_reported() -> None:
    log = calling()
    log.commit(ActivityCompleted(scheduled_id=2, output={"n": 1}))
    log.later(1)
    log.request(body={"n": 1})
    assert checks_of(log.verdict()) == ["true_results"]


def test_an_output_that_its_step_shapes_is_not_compared_with_the_body() -> None:
    log = calling(output="${result.body.n}")
    log.exchange(body={"n": 1})
    assert log.verdict() == []


@pytest.mark.parametrize(("code", "expected"), [(503, []), (500, ["true_results"])])
def test_a_failure_with_a_code_that_no_service_answered_is_reported(
    code: int, expected: list[str]
) -> None:
    log = calling()
    log.request(code=503)
    failure = Failure(type="HttpStatus", message="", code=code)
    log.commit(ActivityFailed(scheduled_id=2, failure=failure))
    assert checks_of(log.verdict()) == expected


def polled() -> Log:
    """Return the log of a call that was accepted and is polled."""
    log = Log()
    log.lease()
    poll: JsonObject = {"path": "/state", "every": "1s", "until": "result.code == 200"}
    http: JsonObject = {"method": "POST", "service": "pay", "path": "/", "poll": poll}
    log.define({"name": "charge", "http": http})
    log.start()
    log.turn()
    key = key_of(log.states["order-1"].uid, "charge/start")
    log.request(key=key, code=202, body={"n": 1})
    return log


def accept(log: Log, body: Json) -> None:
    answer: JsonObject = {"code": 202, "headers": {}, "body": body}
    log.commit(ActivityAccepted(scheduled_id=2, answer=answer))


def test_polls_after_the_start_was_accepted_are_no_repeats() -> None:
    log = polled()
    accept(log, {"n": 1})
    for _ in range(3):
        log.later(1)
        log.request(key="", method="GET")
    assert log.verdict() == []


def test_a_request_that_is_kept_in_a_payload_is_read_from_there() -> None:
    log = Log()
    log.lease()
    poll: JsonObject = {"path": "/state", "every": "1s", "until": "result.code == 200"}
    http: JsonObject = {"method": "POST", "service": "pay", "body": "x" * 9000, "poll": poll}
    log.define({"name": "charge", "http": http})
    log.start()
    log.turn()
    log.request(key=key_of(log.states["order-1"].uid, "charge/start"), code=202, body={"n": 1})
    accept(log, {"n": 1})
    log.request(key="", method="GET")
    assert log.verdict() == []


def test_a_poll_before_the_start_was_accepted_counts_as_a_call() -> None:
    log = polled()
    log.request(key="", method="GET")
    assert checks_of(log.verdict()) == ["claimed", "one_key"]


def test_a_poll_by_who_has_not_claimed_the_call_is_reported() -> None:
    log = polled()
    accept(log, {"n": 1})
    log.request(key="", method="GET", actor=OTHER)
    assert checks_of(log.verdict()) == ["polled_by_claim"]


def test_a_poll_while_suspended_is_reported_unless_its_process_was_disturbed() -> None:
    log = polled()
    accept(log, {"n": 1})
    log.commit(InstanceSuspended())
    log.alive(6, ME)
    log.request(key="", method="GET")
    assert checks_of(log.verdict()) == ["unpolled_while_suspended"]
    log.disturb(OPERATOR, 1)
    assert log.verdict() == []


def test_a_poll_right_before_or_after_a_suspension_breaks_nothing() -> None:
    log = polled()
    accept(log, {"n": 1})
    log.request(key="", method="GET")
    log.commit(InstanceSuspended())
    log.request(key="", method="GET")
    log.alive(6, ME)
    log.commit(InstanceResumed())
    log.request(key="", method="GET")
    assert log.verdict() == []


def test_an_acceptance_that_no_service_gave_is_reported() -> None:
    log = polled()
    accept(log, {"n": 2})
    assert checks_of(log.verdict()) == ["accepted_starts"]


def test_a_request_after_the_end_is_reported_unless_its_process_was_disturbed() -> None:
    log = calling()
    log.commit(EndRequested(ending=Ending.FAILED))
    log.alive(6, "perdure-0_00000000000000a1")
    log.request()
    assert checks_of(log.verdict()) == ["silent_after_the_end"]
    log.disturb(OPERATOR, 1)
    assert log.verdict() == []


def test_a_request_by_a_process_that_could_not_renew_is_reported() -> None:
    log = calling()
    log.later(16)
    log.disturb(OPERATOR, 1, kind="F4", point="C22")
    log.request()
    assert checks_of(log.verdict()) == ["mute_when_cut_off"], "it knew that its Lease was late"
    log.disturb(OPERATOR, 1, kind="F16")
    assert log.verdict() == []


@pytest.mark.parametrize(("point", "expected"), [("C14", []), ("C4", ["mute_when_cut_off"])])
def test_a_process_that_slept_is_excused_only_after_its_look_at_the_lease(
    point: str, expected: list[str]
) -> None:
    log = calling()
    log.disturb(OPERATOR, 20, kind="F16", point=point)
    log.later(20)
    log.request()
    assert checks_of(log.verdict()) == expected
