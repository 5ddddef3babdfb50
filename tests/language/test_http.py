"""`http` steps: requests, results, retries, unknown outcomes, claims, polls."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.language.definitions import call_http, flow, http

from perdure.engine.events import ActivityClaimed, ActivityScheduled, TimerCreated
from perdure.engine.values import Json, JsonObject
from perdure.language.run import MAX_VALUE_BYTES
from perdure.testing import Story, failed, ok, started
from perdure.testing.stories import ME

NO_JITTER: JsonObject = {"attempts": 5, "delay": "2s", "jitter": "None"}


def delays(story: Story, path: str, *replies: object) -> list[float]:
    """Fail the step's call again and again; return the seconds before each next attempt."""
    found = []
    for reply in replies:
        before = story.now
        story.reply(path, reply)  # type: ignore[arg-type]  # replies they are
        story.until_wake()
        found.append((story.now - before).total_seconds())
    return found


def test_the_body_of_the_answer_is_the_output() -> None:
    story = started(flow(http("a"), output="${steps.a.output.id}"))
    story.answer("a", {"id": 7})
    assert story.output == 7


def test_output_reshapes_the_whole_result() -> None:
    shape: Json = {"code": "${result.code}", "x": "${result.headers['x-y']}"}
    story = started(flow(http("a", output=shape), output="${steps.a.output}"))
    story.reply("a", ok({"big": 1}, code=201, headers={"x-y": "z"}))
    assert story.output == {"code": 201, "x": "z"}


def test_the_request_is_resolved_when_it_is_scheduled() -> None:
    verb = call_http(
        method="POST",
        path="/orders/${input.id}",
        query={"q": ["a", "${input.n}"], "none": "${null}", "o": "${input.o}"},
        headers={"x-flag": "${true}", "x-json": "${input.o}"},
        body={"n": "${input.n}"},
    )
    story = started(flow({"name": "a", **verb}), {"id": "a/b", "n": 1.5, "o": {"k": 1}})
    request = story.activity("a").request
    assert isinstance(request, dict)
    assert request["path"] == "/orders/a%2Fb"
    assert request["query"] == {"q": ["a", "1.5"], "o": '{"k":1}'}
    assert request["headers"] == {"x-flag": "true", "x-json": '{"k":1}'}
    assert request["body"] == {"n": 1.5}
    assert request["timeoutSeconds"] == 30


def test_attempt_timeout_goes_into_the_request() -> None:
    story = started(flow(http("a", retry={"attemptTimeout": "1m30s"})))
    request = story.activity("a").request
    assert isinstance(request, dict)
    assert request["timeoutSeconds"] == 90


def test_a_service_name_that_is_computed_must_be_one() -> None:
    story = started(flow({"name": "a", **call_http(service="${input.s}")}), {"s": "a.b/c"})
    assert story.error is not None
    assert (story.error.type, story.error.step) == ("ExpressionError", "a")


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (ok({"ok": True}, code=404), None),
        (failed("HttpStatus", code=404, retryable=False, result={"code": 404, "body": {}}), None),
        (ok(code=200), "ExpectFailed"),
        (failed("HttpStatus", code=500, result={"code": 500, "body": {}}), "HttpStatus"),
        (failed("Timeout", unknown=True), "Timeout"),
    ],
)
def test_expect_says_what_a_success_is(reply: object, kind: str | None) -> None:
    story = started(flow({"name": "a", **call_http(expect="result.code == 404")}))
    story.reply("a", reply)  # type: ignore[arg-type]  # a reply
    assert (None if story.error is None else story.error.type) == kind


def test_without_retry_one_failure_fails_the_step_and_the_instance() -> None:
    story = started(flow(http("a"), http("b")))
    assert story.types(story.fail("a", "NoAnswer")) == [
        "ActivityFailed",
        "StepFailed",
        "InstanceEnded",
    ]
    assert story.error is not None
    assert (story.error.type, story.error.step, story.error.attempt) == ("NoAnswer", "a", 1)


def test_delays_grow_by_factor_up_to_max_delay() -> None:
    story = started(flow(http("a", retry={**NO_JITTER, "factor": 3, "maxDelay": "10s"})))
    assert delays(story, "a", failed(), failed(), failed(), failed()) == [2, 6, 10, 10]
    story.fail("a")
    assert story.phase == "Failed"


def test_attempts_minus_one_is_without_limit() -> None:
    story = started(flow(http("a", retry={"attempts": -1, "delay": "1s", "maxDelay": "1s"})))
    delays(story, "a", *[failed()] * 50)
    assert story.activity("a").attempt == 51


def test_what_is_not_retryable_is_not_repeated_unless_when_says_so() -> None:
    spec = flow(http("a", retry=NO_JITTER))
    story = started(spec)
    story.fail("a", "HttpStatus", code=400, retryable=False)
    assert story.phase == "Failed"
    story = started(flow(http("a", retry={**NO_JITTER, "when": "error.code == 400"})))
    story.fail("a", "HttpStatus", code=400, retryable=False)
    assert story.phase == "Running"
    story.until_wake()
    story.fail("a", "HttpStatus", code=500, retryable=True)
    assert story.phase == "Failed"


def test_a_retry_condition_that_fails_repeats_nothing() -> None:
    story = started(flow(http("a", retry={**NO_JITTER, "when": "error.details.x == 1"})))
    story.fail("a", "HttpStatus", code=500)
    assert story.error is not None
    assert story.error.type == "HttpStatus"


def test_jitter_depends_on_key_and_attempt_alone() -> None:
    spec = flow(http("a", retry={"attempts": 4, "delay": "10s", "factor": 1}))
    first, second = started(spec), started(spec)
    seen = delays(first, "a", failed(), failed(), failed())
    assert delays(second, "a", failed(), failed(), failed()) == seen
    assert len(set(seen)) == 3
    assert all(0.1 <= delay <= 10 for delay in seen)


@pytest.mark.parametrize(
    ("wish", "delay"), [(7, 7), (0, 0.1), (86_400, 3600), (1e300, 3600), (-5, 0.1)]
)
def test_retry_after_wins_up_to_an_hour(wish: float, delay: float) -> None:
    story = started(flow(http("a", retry=NO_JITTER)))
    assert delays(story, "a", failed(retry_after_seconds=wish)) == [delay]


def test_later_attempts_send_the_request_of_the_first() -> None:
    spec = flow({"name": "a", **call_http(body="${workflow.now}"), "retry": NO_JITTER})
    story = started(spec)
    request = story.activity("a").request
    story.fail("a")
    story.until_wake()
    again = story.activity("a")
    assert (again.request, again.attempt) == (request, 2)
    scheduled = [e for e in story.events if isinstance(e, ActivityScheduled)]
    assert (scheduled[1].request, scheduled[1].request_of) == (None, scheduled[0].id)


def test_a_failing_output_is_never_repeated_because_the_call_has_happened() -> None:
    story = started(flow(http("a", retry={**NO_JITTER, "when": "true"}, output="${result.body.x}")))
    story.answer("a", {})
    assert story.error is not None
    assert (story.error.type, story.error.attempt) == ("ExpressionError", 1)


def test_an_output_that_is_too_large_fails_the_step() -> None:
    story = started(flow(http("a")))
    story.answer("a", "x" * (1024 * 1024 - 2))
    assert story.phase == "Succeeded"
    story = started(flow(http("a")))
    story.answer("a", "x" * (1024 * 1024 - 1))
    assert story.error is not None
    assert story.error.type == "TooLarge"


# --- unknown outcomes and claims ------------------------------------------------------------------


def test_an_unknown_outcome_is_repeated_or_fails_as_the_step_says() -> None:
    story = started(flow(http("a", retry=NO_JITTER)))
    story.fail("a", "Timeout", unknown=True)
    assert story.phase == "Running"
    story = started(flow(http("a", retry=NO_JITTER, onUnknown="Fail")))
    story.fail("a", "Timeout", unknown=True)
    assert story.error is not None
    assert story.error.type == "OutcomeUnknown"
    assert story.error.cause is not None
    assert story.error.cause.type == "Timeout"


def test_on_unknown_fail_still_repeats_what_surely_did_not_happen() -> None:
    story = started(flow(http("a", retry=NO_JITTER, onUnknown="Fail")))
    story.fail("a", "NoAnswer")
    assert story.phase == "Running"


def test_only_a_dead_claimant_loses_its_claim() -> None:
    story = started(flow(http("a")))
    first = story.activity("a").claim
    story.incarnation = "perdure-1-1"
    assert story.turn(dead=frozenset({"perdure-7-7"})) == []
    (event,) = story.turn(dead=frozenset({ME}))
    assert isinstance(event, ActivityClaimed)
    claim = story.activity("a").claim
    assert (claim.incarnation, claim.delivery) == ("perdure-1-1", 2)
    assert claim.claim_id != first.claim_id


def test_a_result_of_the_dead_one_still_counts() -> None:
    story = started(flow(http("a"), output="${steps.a.output}"))
    scheduled = story.activity("a").scheduled_id
    story.incarnation = "perdure-1-1"
    story.turn(dead=frozenset({ME}))
    story.facts_answers(ok("late").to(scheduled))
    assert story.output == "late"


def test_after_twenty_deliveries_an_attempt_is_abandoned_and_may_be_repeated() -> None:
    story = started(flow(http("a", retry=NO_JITTER)))
    for number in range(1, 20):
        dead, story.incarnation = story.incarnation, f"perdure-0-{number + 1}"
        story.turn(dead=frozenset({dead}))
    assert story.activity("a").claim.delivery == 20
    dead, story.incarnation = story.incarnation, "perdure-0-21"
    events = story.turn(dead=frozenset({dead}))
    assert story.types(events) == ["ActivityFailed", "TimerCreated"]
    story.until_wake()
    assert (story.activity("a").attempt, story.activity("a").claim.delivery) == (2, 1)


def test_on_unknown_fail_forbids_a_takeover_unless_the_call_only_polls() -> None:
    story = started(flow(http("a", onUnknown="Fail")))
    story.incarnation = "perdure-1-1"
    story.turn(dead=frozenset({ME}))
    assert story.error is not None
    assert story.error.type == "OutcomeUnknown"
    poll: JsonObject = {"every": "5s", "until": "result.body.done"}
    story = started(flow({"name": "a", **call_http(poll=poll), "onUnknown": "Fail"}))
    story.reply("a", ok(code=202, accepted=True))
    story.incarnation = "perdure-1-1"
    story.turn(dead=frozenset({ME}))
    assert story.activity("a").claim.delivery == 2


def test_an_accepted_call_stays_open_and_keeps_its_answer() -> None:
    poll: JsonObject = {"every": "5s", "until": "result.body.done", "path": "/jobs/${input.job}"}
    story = started(
        flow({"name": "a", **call_http(poll=poll)}, output="${steps.a.output.n}"), {"job": "1"}
    )
    answer = ok({"job": 1}, code=202, accepted=True)
    assert story.types(story.reply("a", answer)) == ["ActivityAccepted"]
    assert story.reply("a", answer) == []
    (work,) = story.open
    assert work.is_accepted
    assert work.answer == {"code": 202, "headers": {}, "body": {"job": 1}}
    request = work.request
    assert isinstance(request, dict)
    assert request["poll"] == {"everySeconds": 5, "attempts": 1, "path": "/jobs/1"}
    story.answer("a", {"n": 3})
    assert story.output == 3


# --- the time-out of the step ---------------------------------------------------------------------


def test_the_time_out_covers_all_attempts_and_is_never_repeated() -> None:
    story = started(flow(http("a", retry={**NO_JITTER, "factor": 1}, timeout="3s")))
    story.fail("a")
    story.later(seconds=2)
    assert story.activity("a").attempt == 2
    story.later(seconds=1)
    assert story.error is not None
    assert (story.error.type, story.error.step) == ("Timeout", "a")


def test_a_result_in_hand_beats_the_time_out_of_its_step() -> None:
    story = started(flow(http("a", timeout="3s")))
    scheduled = story.activity("a").scheduled_id
    story.now += timedelta(minutes=1)
    story.facts_answers(ok().to(scheduled))
    assert story.phase == "Succeeded"


def test_a_result_that_comes_after_the_time_out_changes_nothing() -> None:
    story = started(flow(http("a", timeout="3s", catch=[{"output": "late"}]), http("b")))
    scheduled = story.activity("a").scheduled_id
    story.later(seconds=3)
    assert story.facts_answers(ok().to(scheduled)) == []
    assert [work.path for work in story.open] == ["b"]


def test_a_computed_time_out_below_the_smallest_delay_is_raised() -> None:
    story = started(flow(http("a", timeout="${input.t}")), {"t": "1ms"})
    timer = next(e for e in story.events if isinstance(e, TimerCreated))
    assert timer.fire_at - story.now == timedelta(milliseconds=100)


def test_a_time_out_that_is_none_fails_the_step() -> None:
    story = started(flow(http("a", timeout="${input.t}")), {"t": "soon"})
    assert story.error is not None
    assert '"soon" is not a duration' in story.error.message


def test_defaults_apply_to_calls_field_by_field() -> None:
    spec = flow(
        http("a", retry={"delay": "5s"}),
        defaults={"retry": {"attempts": 2, "delay": "1s", "jitter": "None"}, "timeout": "1h"},
    )
    story = started(spec)
    assert delays(story, "a", failed()) == [5]
    story.fail("a")
    assert story.phase == "Failed"


def test_a_start_whose_answer_is_too_large_to_keep_fails_its_attempt() -> None:
    poll: JsonObject = {"every": "5s", "until": "result.body.done", "path": "/"}
    story = started(flow({"name": "a", **call_http(poll=poll)}))
    # The body alone would fit; code and headers are kept with it.
    story.reply("a", ok("x" * (MAX_VALUE_BYTES - 10), code=202, accepted=True))
    assert story.error is not None
    assert story.error.type == "TooLarge"
    assert "the answer of step a" in story.error.message
