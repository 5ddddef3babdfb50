"""Calls that start something long and are then polled."""

from __future__ import annotations

import asyncio

import pytest
from tests.executors.ledger import (
    DEADLINE,
    Ledger,
    Script,
    ScriptedNames,
    SteppingClock,
    answers,
    answers_bytes,
    answers_json,
    call,
    executing,
    failure_of,
    mapped,
    result_of,
    serving,
    work_of,
)

from perdure.engine.events import Failure
from perdure.engine.orchestrator import Answer
from perdure.engine.values import Json, JsonObject
from perdure.engine.work import ActivityWork
from perdure.executors.policy import CallPolicy

START: JsonObject = {
    "method": "POST",
    "service": "inventory",
    "path": "/jobs/",
    "timeoutSeconds": 5.0,
    "headers": {"authorization": "Bearer x"},
}
BUSY, DONE = answers_json(b'{"state": "busy"}'), answers_json(b'{"state": "done"}')


def is_done(work: ActivityWork, result: Json) -> bool | Failure:
    assert isinstance(result, dict)
    body = result["body"]
    if not isinstance(body, dict):
        return Failure(type="ExpressionError", message="no body", final=True)
    return body["state"] == "done"


def start(**poll: Json) -> JsonObject:
    return {**START, "poll": {"everySeconds": 5.0, "untilIsExpression": True, **poll}}


def accepted(location: str | None = "/jobs/7", **headers: Json) -> JsonObject:
    found: JsonObject = {} if location is None else {"location": location}
    return {"code": 202, "headers": {**found, **headers}, "body": None}


async def polled(
    *script: Script, request: JsonObject | None = None, answer: JsonObject | None = None
) -> tuple[Answer, Ledger, SteppingClock]:
    clock = SteppingClock()
    async with (
        serving(*script) as ledger,
        executing(mapped(ledger), clock=clock, until=is_done) as executor,
    ):
        found = await call(executor, request or start(), accepted=answer or accepted())
    return found, ledger, clock


async def test_a_start_is_accepted_before_anything_is_polled() -> None:
    async with (
        serving(answers(202, Location="/jobs/7")) as ledger,
        executing(mapped(ledger), until=is_done) as executor,
    ):
        answer = await call(executor, start())
    assert answer.accepted
    assert answer.failure is None
    assert result_of(answer)["code"] == 202
    assert len(ledger.entries) == 1


async def test_a_start_that_fails_is_not_accepted() -> None:
    async with serving(answers(503)) as ledger, executing(mapped(ledger)) as executor:
        answer = await call(executor, start())
    assert not answer.accepted
    assert failure_of(answer).type == "HttpStatus"


async def test_a_start_that_names_nothing_to_poll_is_an_invalid_answer() -> None:
    async with serving(answers(202)) as ledger, executing(mapped(ledger)) as executor:
        answer = await call(executor, start())
        with_path = await call(executor, start(path="/state"))
    assert failure_of(answer).type == "InvalidAnswer"
    assert not answer.accepted
    assert with_path.accepted


async def test_polls_are_reads_until_the_condition_holds() -> None:
    answer, ledger, clock = await polled(BUSY, BUSY, DONE)
    assert answer.failure is None
    assert not answer.accepted
    assert result_of(answer)["body"] == {"state": "done"}
    assert [(e.method, e.target) for e in ledger.entries] == [("GET", "/jobs/7")] * 3
    assert all("idempotency-key" not in e.headers for e in ledger.entries)
    assert ledger.entries[0].headers["authorization"] == "Bearer x"
    assert clock.sleeps == [5.0, 5.0, 5.0]


async def test_a_longer_retry_after_is_honoured_and_a_shorter_one_is_not() -> None:
    busy = b'{"state": "busy"}'
    longer, shorter = answers_json(busy, Retry_After="60"), answers_json(busy, Retry_After="1")
    answer = accepted(**{"retry-after": "9"})
    _, _, clock = await polled(longer, shorter, DONE, answer=answer)
    assert clock.sleeps == [9.0, 60.0, 5.0]


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/jobs/7", "/jobs/7"),
        ("7?full=1", "/jobs/7?full=1"),
        ("../other#x", "/other"),
        ("?state", "/jobs/?state"),
    ],
)
async def test_a_location_is_resolved_against_the_start(location: str, target: str) -> None:
    _, ledger, _ = await polled(DONE, answer=accepted(location))
    assert ledger.entries[0].target == target


async def test_a_given_path_goes_before_the_location() -> None:
    _, ledger, _ = await polled(DONE, request=start(path="/state?x=1"))
    assert ledger.entries[0].target == "/state?x=1"


@pytest.mark.parametrize(
    "location",
    ["http://169.254.169.254/x", "//evil.test/x", "https://evil.test/x", "http://127.0.0.1:1/x",
     "file:///etc/passwd", "http://user@127.0.0.1/", "http://2130706433/"],
)  # fmt: skip
async def test_a_location_elsewhere_meets_the_rules_for_urls(location: str) -> None:
    answer, ledger, clock = await polled(DONE, answer=accepted(location))
    failure = failure_of(answer)
    assert failure.type == "NotAllowed"
    assert not failure.unknown
    assert ledger.entries == []
    assert clock.sleeps == [5.0]


async def test_an_allowed_host_elsewhere_is_polled_without_the_users_headers() -> None:
    async with serving(answers()) as home, serving(DONE) as other:
        policy = CallPolicy.parse(["jobs.example.com", "127.0.0.0/8"], [f"inventory={home.url}"])
        names = ScriptedNames([["127.0.0.1"]])
        answer = accepted(f"http://jobs.example.com:{other.port}/7")
        async with executing(policy, names=names, clock=SteppingClock(), until=is_done) as executor:
            found = await call(executor, start(), accepted=answer)
    assert found.failure is None
    assert home.entries == []
    [entry] = other.entries
    assert "authorization" not in entry.headers
    assert entry.headers["host"] == f"jobs.example.com:{other.port}"


async def test_a_call_by_url_is_polled_at_its_own_host() -> None:
    async with serving(DONE) as ledger:
        policy = CallPolicy.parse(["api.example.com", "127.0.0.1"])
        request: JsonObject = {
            "url": f"http://api.example.com:{ledger.port}/jobs/",
            "poll": {"path": "/state", "everySeconds": 5.0},
        }
        names = ScriptedNames([["127.0.0.1"]])
        async with executing(policy, names=names, clock=SteppingClock(), until=is_done) as executor:
            found = await call(executor, request, accepted=accepted())
    assert found.failure is None
    assert ledger.entries[0].target == "/state"


async def test_failures_in_a_row_end_polling_and_a_success_starts_the_count_anew() -> None:
    bad = answers(503)
    answer, ledger, _ = await polled(
        bad, BUSY, bad, bad, BUSY, bad, bad, bad, DONE, request=start(attempts=3)
    )
    assert failure_of(answer).type == "HttpStatus"
    assert result_of(answer)["code"] == 503
    assert len(ledger.entries) == 8


async def test_by_default_the_first_failure_ends_polling() -> None:
    answer, ledger, _ = await polled(answers(503), DONE)
    assert failure_of(answer).code == 503
    assert len(ledger.entries) == 1


async def test_a_failure_that_is_not_worth_a_retry_ends_polling_at_once() -> None:
    answer, ledger, _ = await polled(answers(404), DONE, request=start(attempts=5))
    assert failure_of(answer).code == 404
    assert len(ledger.entries) == 1


async def test_without_limit_no_number_of_failures_ends_polling() -> None:
    script = [answers(503)] * 20
    answer, ledger, _ = await polled(*script, DONE, request=start(attempts=-1))
    assert answer.failure is None
    assert len(ledger.entries) == 21


async def test_when_polls_get_no_answer_the_fate_of_the_start_is_unknown() -> None:
    policy = CallPolicy.parse(service_map=["inventory=http://127.0.0.1:1"])
    async with executing(policy, clock=SteppingClock(), until=is_done) as executor:
        refused = await call(executor, start(), accepted=accepted())
    cut, _, _ = await polled(answers_bytes(b""))
    for answer in (refused, cut):
        assert failure_of(answer).type == "NoAnswer"
        assert failure_of(answer).unknown


async def test_each_poll_has_the_attempts_time() -> None:
    silent = answers_bytes(b"", then_closes=False)
    request: JsonObject = {**start(attempts=2), "timeoutSeconds": 0.1}
    answer, ledger, _ = await polled(silent, silent, DONE, request=request)
    assert failure_of(answer).type == "Timeout"
    assert len(ledger.entries) == 2


async def test_a_condition_that_cannot_be_evaluated_ends_polling_with_its_failure() -> None:
    answer, _, _ = await polled(answers())
    assert failure_of(answer).type == "ExpressionError"
    assert answer.result is None


async def test_a_cancelled_poll_stops_between_two_polls() -> None:
    class Still(SteppingClock):
        async def sleep(self, seconds: float) -> None:
            sleeping.set()
            await asyncio.Event().wait()

    sleeping = asyncio.Event()
    async with (
        serving(DONE) as ledger,
        executing(mapped(ledger), clock=Still(), until=is_done) as executor,
    ):
        work = work_of(start(), accepted=accepted())
        polling = asyncio.ensure_future(executor.execute(work))
        async with asyncio.timeout(DEADLINE):
            await sleeping.wait()
            polling.cancel()
            with pytest.raises(asyncio.CancelledError):
                await polling
    assert ledger.entries == []


async def test_a_mute_process_polls_when_it_is_heard_again() -> None:
    clock = SteppingClock()
    async with (
        serving(DONE) as ledger,
        executing(
            mapped(ledger), clock=clock, until=is_done, may_send=lambda: clock.at >= 12.0
        ) as executor,
    ):
        answer = await call(executor, start(), accepted=accepted())
    assert answer.failure is None
    assert clock.at == 12.0
    assert len(ledger.entries) == 1


async def test_a_mute_process_does_not_fail_by_looking_for_a_way_that_is_out_of_reach() -> None:
    clock = SteppingClock()

    def may_send() -> bool:
        return clock.at >= 12.0

    class OutOfReach(ScriptedNames):
        async def addresses(self, host: str) -> list[str]:
            if not may_send():
                raise OSError(-3, "Temporary failure in name resolution")
            return ["127.0.0.1"]

    async with serving(DONE) as ledger:
        policy = CallPolicy.parse(service_map=[f"inventory=http://inventory.test:{ledger.port}"])
        async with executing(
            policy, clock=clock, names=OutOfReach(), until=is_done, may_send=may_send
        ) as executor:
            answer = await call(executor, start(), accepted=accepted())
    assert answer.failure is None
    assert len(ledger.entries) == 1
