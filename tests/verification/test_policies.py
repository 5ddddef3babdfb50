"""Attempts, recipes and retention are as recipes and specs ask for."""

from __future__ import annotations

from datetime import timedelta

from tests.verification.logs import (
    ME,
    OPERATOR,
    USER,
    Log,
    call_step,
    calling,
    checks_of,
    claim,
    waiting,
)

from perdure.definitions import revision_name, spec_digest
from perdure.engine.events import (
    ActivityFailed,
    ActivityScheduled,
    Ending,
    Failure,
    InstanceEnded,
    Purpose,
    Revision,
    TimerCreated,
    TimerFired,
)
from perdure.engine.orchestrator import Acceptance
from perdure.engine.values import JsonObject

FAILED = Failure(type="NoAnswer", message="", retryable=True)


def tried_twice(*, attempts: int = 3, request_of: int | None = 2) -> list[str]:
    """Return what is reported of a call's second attempt."""
    log = calling(retry={"attempts": attempts, "delay": "1s"})
    log.commit(ActivityFailed(scheduled_id=2, failure=FAILED))
    fire_at = log.now + timedelta(seconds=1)
    log.commit(TimerCreated(path="charge", purpose=Purpose.RETRY, fire_at=fire_at))
    log.later(1)
    log.commit(TimerFired(timer_id=4))
    log.commit(
        ActivityScheduled(
            path="charge", kind="http", attempt=2, claim=claim(ME, 1, "own"), request_of=request_of
        )
    )
    return checks_of(log.verdict())


def test_an_attempt_that_the_policy_allows_breaks_nothing() -> None:
    assert tried_twice() == []
    assert tried_twice(attempts=-1) == []


def test_one_attempt_too_many_is_reported() -> None:
    assert tried_twice(attempts=1) == ["within_attempts"]


def test_an_attempt_that_makes_a_request_of_its_own_is_reported() -> None:
    assert tried_twice(request_of=None) == ["first_request"]


def test_an_attempt_that_is_given_up_after_one_delivery_is_reported() -> None:
    log = calling()
    failure = Failure(type="Abandoned", message="", retryable=True)
    log.commit(ActivityFailed(scheduled_id=2, failure=failure))
    assert checks_of(log.verdict()) == ["abandoned_last"]


OLD: JsonObject = {"steps": [{"name": "wait", "event": {"name": "go"}}]}
NEW: JsonObject = {"steps": [call_step("new")]}


def started_on_old(*, changed_after: float) -> list[str]:
    """Return what is reported of a start on the old recipe, 2 s after the instance was created."""
    log = Log()
    log.lease()
    log.define(*OLD["steps"])  # type: ignore[misc]  # a list of steps
    digest = spec_digest(OLD)
    if changed_after < 0:
        log.put("workflowdefinitions", "order", lambda b: b.update(spec=NEW))
        log.later(1)
    log.start()
    if changed_after > 0:
        log.later(changed_after)
        log.put("workflowdefinitions", "order", lambda b: b.update(spec=NEW))
    log.later(1)
    revision = Revision(name=revision_name("order", digest), digest=digest)
    log.turn(acceptance=Acceptance(definition="order", revision=revision, input=None))
    return checks_of(log.verdict())


def test_an_instance_may_start_on_what_was_current_when_it_was_created() -> None:
    assert started_on_old(changed_after=0) == []
    assert started_on_old(changed_after=1) == []


def test_an_instance_that_starts_on_what_was_replaced_before_is_reported() -> None:
    assert started_on_old(changed_after=-1) == ["started_on_current"]


def purged_after(seconds: float, actor: str = OPERATOR, **retention: str) -> list[str]:
    log = waiting()
    log.edit(retention=dict(retention))
    log.commit(InstanceEnded(ending=Ending.SUCCEEDED))
    log.later(seconds)
    log.delete("workflowinstances", "order-1", actor=actor)
    return checks_of(log.verdict())


def test_an_instance_that_is_purged_in_its_time_breaks_nothing() -> None:
    assert purged_after(60, succeeded="1m") == []
    assert purged_after(7 * 86_400) == []
    assert purged_after(1, USER, succeeded="1m") == []


def test_an_instance_that_is_purged_early_is_reported() -> None:
    assert purged_after(50, succeeded="1m") == ["kept_long_enough"]
    assert purged_after(3600, failed="1m") == ["kept_long_enough"]
