"""What is asked of the API server after a refusal, and when it asked to slow down."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tests.verification.logs import BEGINNING, OPERATOR, Log, calling, checks_of

from perdure.verification.evidence import Exchange

PATH = "/apis/perdure.dev/v1alpha1/namespaces/shop/workflowinstances/order-1/status"
ASKED = Exchange(
    actor=OPERATOR,
    start=1,
    sent=BEGINNING,
    answered=BEGINNING,
    method="PATCH",
    path=PATH,
    code=422,
    revision=1000,
)


def commit(log: Log, rev: int, after: float, code: int = 422) -> Exchange:
    """Return a commit on a base, sent so many seconds after the beginning."""
    at = BEGINNING + timedelta(seconds=after)
    uid = log.states["order-1"].uid
    tests = (("/metadata/uid", uid), ("/status/rev", rev))
    return replace(ASKED, sent=at, answered=at + timedelta(seconds=0.01), code=code, tests=tests)


def found(log: Log, *exchanges: Exchange) -> list[str]:
    return checks_of(log.verdict(exchanges=exchanges))


def test_a_base_that_lost_is_not_committed_on_again() -> None:
    log = calling()
    assert found(log, commit(log, 0, 0), commit(log, 1, 1, code=200)) == []
    assert found(log, commit(log, 0, 0), commit(log, 0, 1)) == ["decided_anew"]


def test_a_base_that_stands_again_because_an_edit_was_taken_back_may_be_committed_on() -> None:
    log = calling()
    assert found(log, replace(commit(log, 1, 0), revision=0), commit(log, 1, 1, code=200)) == []


def test_an_instance_that_is_gone_may_be_heard_of_once_more() -> None:
    log = calling()
    tests = (("/metadata/uid", "of-one-before"), ("/status/rev", 1))
    gone = [replace(commit(log, 1, after), tests=tests) for after in (0, 1)]
    assert found(log, *gone) == []


def test_what_was_refused_for_what_it_says_may_be_tried_again_on_its_base() -> None:
    log = calling()
    assert found(log, commit(log, 1, 0), commit(log, 1, 1)) == []


def test_another_process_knows_nothing_of_a_base_that_lost() -> None:
    log = calling()
    assert found(log, commit(log, 0, 0), replace(commit(log, 0, 1), start=2)) == []


def test_what_was_on_its_way_already_is_no_repeat() -> None:
    log = calling()
    assert found(log, commit(log, 0, 0), commit(log, 0, 0.005)) == []


def test_refusals_in_a_row_without_back_off_are_reported() -> None:
    log = calling()
    assert found(log, *(commit(log, 1, 0.6 * n) for n in range(40))) == []
    assert found(log, *(commit(log, 1, 0.4 * n) for n in range(40))) == ["backs_off"]


def test_a_request_before_retry_after_is_over_is_reported() -> None:
    log = calling()
    slow = replace(ASKED, code=429, retry_after=3.0)
    early, late = commit(log, 1, 2.5, code=200), commit(log, 1, 3.5, code=200)
    assert found(log, slow, late) == []
    assert found(log, slow, replace(early, is_urgent=True)) == []
    assert found(log, slow, replace(early, start=2)) == []
    assert found(log, slow, early) == ["waits_as_asked"]
