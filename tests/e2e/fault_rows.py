"""The table of run-time faults: what goes wrong, and what its user sees.

Each row is a coroutine over a world of its own names; rows run side by side against one operator.
The outcomes are those of docs/reference/errors.md.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.cluster.api import Object
from tests.cluster.errors import ApiError
from tests.e2e.services import Reply
from tests.e2e.world import (
    World,
    call,
    conditions_of,
    history_of,
    manifest,
    of_type,
)

Row = Callable[[World], Awaitable[None]]
ROWS: dict[str, Row] = {}

MIB = 1024 * 1024
KEEPS_WAITING = Reply(delay=120.0)
SWEPT_SECONDS = 40.0  # the operator looks every 10 s for events that nobody will take
COLLECTED_SECONDS = 120.0  # the garbage collector learns of new kinds every 30 s
OTHER_ADDRESS = "127.0.0.2"  # of this machine too, but not the API server's
CLOSED_PORT = 1  # nobody listens there: it takes a privilege that no test has


def row(function: Row) -> Row:
    ROWS[function.__name__.replace("_", "-")] = function
    return function


def now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - compared with times in the status


def url_step(url: str, **fields: Any) -> Object:
    return {"name": "ask", "http": {"url": url}, **fields}


# --- the call itself ------------------------------------------------------------------------


@row
async def no_such_host(w: World) -> None:
    await w.run("no-such-host", url_step("http://nowhere.invalid/"))
    await w.failed("no-such-host", "NoAnswer", "the name cannot be resolved", step="ask")


@row
async def connection_refused(w: World) -> None:
    await w.run("refused", {"name": "ask", "http": {"service": "closed"}})
    await w.failed("refused", "NoAnswer", "service/closed", step="ask")


@row
async def no_tls_where_tls_is_expected(w: World) -> None:
    await w.run("no-tls", {"name": "ask", "http": {"service": "plain-as-tls"}})
    await w.failed("no-tls", "NoAnswer", "service/plain-as-tls", step="ask")


@row
async def attempt_times_out(w: World) -> None:
    await w.script("/slow", KEEPS_WAITING)
    retry = {"attempts": 2, "delay": "100ms", "attemptTimeout": "300ms"}
    await w.run("slow", call("ask", "/slow", retry=retry))
    found = await w.failed("slow", "Timeout", "no complete answer within 0.3 s", step="ask")
    assert found["status"]["error"]["attempt"] == 2
    assert [each.attempt for each in await w.requests("/slow")] == [1, 2]


@row
async def step_times_out(w: World) -> None:
    await w.script("/slower", KEEPS_WAITING)
    await w.run("slower", call("ask", "/slower", timeout="400ms", retry={"attempts": 9}))
    await w.failed("slower", "Timeout", "", step="ask")
    assert len(await w.requests("/slower")) == 1  # the step's own time-out is never retried


@row
async def client_error_is_not_retried(w: World) -> None:
    await w.script("/missing", Reply(status=404, body={"why": "no such order"}))
    await w.run("missing", call("ask", "/missing", retry={"attempts": 5, "delay": "100ms"}))
    found = await w.failed("missing", "HttpStatus", "answered 404", 404, step="ask")
    assert found["status"]["error"]["details"] == {"why": "no such order"}
    assert found["status"]["error"]["retryable"] is False
    assert len(await w.requests("/missing")) == 1


@row
async def server_error_is_retried_to_the_last_attempt(w: World) -> None:
    await w.script("/broken", Reply(status=503))
    await w.run("broken", call("ask", "/broken", retry={"attempts": 3, "delay": "100ms"}))
    found = await w.failed("broken", "HttpStatus", "answered 503", 503, step="ask")
    assert found["status"]["error"]["attempt"] == 3
    first, *others = await w.requests("/broken")
    assert [each.attempt for each in others] == [2, 3]
    assert {each.key for each in others} == {first.key}


@row
async def retry_after_is_honoured(w: World) -> None:
    busy = Reply(status=503, headers={"Retry-After": "1"}, times=1)
    await w.script("/busy", busy, Reply(body="done"))
    await w.run("busy", call("ask", "/busy", retry={"attempts": 2, "delay": "100ms"}))
    found = await w.waits("busy", "Retry")
    assert "HttpStatus" in found["status"]["waitingFor"][0]["message"]
    assert "attempt 2 of ask" in found["status"]["message"]
    await w.succeeded("busy")
    first, second = await w.requests("/busy")
    assert second.time - first.time >= 1.0


@row
async def too_many_requests_are_retried(w: World) -> None:
    slow_down = Reply(status=429, headers={"Retry-After": "1"}, times=1)
    await w.script("/limited", slow_down, Reply(body="done"))
    await w.run("limited", call("ask", "/limited", retry={"attempts": 2, "delay": "100ms"}))
    await w.succeeded("limited")
    first, second = await w.requests("/limited")
    assert second.time - first.time >= 1.0


@row
async def answer_over_the_bound(w: World) -> None:
    await w.script("/large", Reply(text="x" * (MIB + 1)))
    await w.run("large", call("ask", "/large", retry={"attempts": 3, "delay": "100ms"}))
    await w.failed("large", "TooLarge", str(MIB), step="ask")
    assert len(await w.requests("/large")) == 1


@row
async def answer_at_the_bound(w: World) -> None:
    await w.script("/largest", Reply(text="x" * MIB))
    await w.run("largest", call("ask", "/largest", output="${size(result.body)}"))
    await w.succeeded("largest")


@row
async def answer_is_no_json(w: World) -> None:
    await w.script("/no-json", Reply(text="{", headers={"Content-Type": "application/json"}))
    await w.run("no-json", call("ask", "/no-json"))
    await w.failed("no-json", "InvalidAnswer", "declared as application/json", step="ask")


@asynccontextmanager
async def raw_service(answer: bytes) -> AsyncIterator[int]:
    """Listen on a loopback port and give every connection this answer, whatever it asks."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, OTHER_ADDRESS, 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@row
async def answer_is_no_utf8(w: World) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n\xff\xfe"
    async with raw_service(answer) as port:
        await w.run("no-utf8", url_step(f"http://{OTHER_ADDRESS}:{port}/"))
        await w.failed("no-utf8", "InvalidAnswer", "not UTF-8", step="ask")


@row
async def answer_is_no_http(w: World) -> None:
    async with raw_service(b"SSH-2.0-OpenSSH_9.9\r\n") as port:
        await w.run("no-http", url_step(f"http://{OTHER_ADDRESS}:{port}/"))
        await w.failed("no-http", "NoAnswer", f"{OTHER_ADDRESS}:{port}", step="ask")


@row
async def answer_is_cut_off(w: World) -> None:
    await w.script("/cut", Reply(cut=True))
    await w.run("cut", call("ask", "/cut"))
    await w.failed("cut", "NoAnswer", "/cut", step="ask")


@row
async def unknown_outcome_is_not_repeated_where_it_must_not_be(w: World) -> None:
    await w.script("/once", Reply(cut=True))
    once = call("ask", "/once", onUnknown="Fail", retry={"attempts": 5, "delay": "100ms"})
    await w.run("at-most-once", once)
    words = "onUnknown: Fail forbids a repeat"
    found = await w.failed("at-most-once", "OutcomeUnknown", words, step="ask")
    assert found["status"]["error"]["cause"]["type"] == "NoAnswer"
    assert len(await w.requests("/once")) == 1


@row
async def host_is_not_allowed(w: World) -> None:
    await w.run("not-allowed", url_step("http://example.org/", retry={"attempts": 3}))
    found = await w.failed("not-allowed", "NotAllowed", "--http-allow", step="ask")
    assert found["status"]["error"]["attempt"] == 1


@row
async def address_of_the_cluster_is_not_allowed(w: World) -> None:
    for name, url in {
        "no-metadata": "http://169.254.169.254/latest/meta-data",
        "no-private": "http://10.0.0.1/",
        "no-apiserver": f"https://127.0.0.1:{w.cluster.ports.apiserver}/api",
    }.items():
        await w.run(name, url_step(url))
        await w.failed(name, "NotAllowed", "is", step="ask")


@row
async def redirect_is_an_answer_and_not_followed(w: World) -> None:
    moved = Reply(status=302, headers={"Location": "/elsewhere"}, body="moved")
    await w.script("/moved", moved)
    step = call("ask", "/moved", output="${result.headers.location}")
    await w.run("moved", step, output="${steps.ask.output}")
    await w.succeeded("moved", "/elsewhere")
    assert await w.requests("/elsewhere") == []


@row
async def service_is_missing(w: World) -> None:
    await w.run("no-service", {"name": "ask", "http": {"service": "nobody"}})
    words = f'Service "nobody" does not exist in namespace "{w.namespace}"'
    await w.failed("no-service", "NoAnswer", words, step="ask")


async def create_service(w: World, name: str, **spec: Any) -> None:
    body = {"metadata": {"name": name}, "spec": spec}
    await w.api.create(f"/api/v1/namespaces/{w.namespace}/services", body)


@row
async def service_leads_out_of_the_cluster(w: World) -> None:
    await create_service(w, "outside", type="ExternalName", externalName="example.org")
    await w.run("outside", {"name": "ask", "http": {"service": "outside"}})
    await w.failed("outside", "NotAllowed", "ExternalName", step="ask")


@row
async def service_is_headless(w: World) -> None:
    await create_service(w, "headless", clusterIP="None", ports=[{"port": 80}])
    await w.run("headless", {"name": "ask", "http": {"service": "headless"}})
    await w.failed("headless", "NotAllowed", "headless", step="ask")


@row
async def service_lacks_the_port(w: World) -> None:
    await create_service(w, "ported", ports=[{"port": 80}])
    await w.run("ported", {"name": "ask", "http": {"service": "ported", "port": 8080}})
    await w.failed("ported", "NotAllowed", "no TCP port 8080", step="ask")


@row
async def answer_is_not_what_was_expected(w: World) -> None:
    await w.script("/state", Reply(body={"state": "half"}))
    step = call("ask", "/state")
    step["http"]["expect"] = 'result.body.state == "done"'
    await w.run("unexpected", step)
    words = "answered 200, which is not what expect asks for"
    await w.failed("unexpected", "ExpectFailed", words, code=200, step="ask")


# --- the input, values and expressions ------------------------------------------------------

ORDER = {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}}
QUICK = {"name": "a", "set": {"x": 1}}


@row
async def input_does_not_fit(w: World) -> None:
    await w.run("wrong-input", QUICK, vars={"x": 0}, input={"id": 7})
    await w.succeeded("wrong-input")
    await w.define("strict", QUICK, vars={"x": 0})
    found = await w.api.get(w.path("WorkflowDefinition", "strict"))
    found["spec"]["input"] = {"schema": ORDER}
    await w.api.replace(w.path("WorkflowDefinition", "strict"), found)
    await w.checked("strict", is_ready=True)
    await w.start("strict", input={"id": 7})
    await w.failed("strict", "InvalidInput", "spec.input.id", step=None)
    await w.start("strict-missing", "strict")
    await w.failed("strict-missing", "InvalidInput", "'id' is a required property", step=None)


@row
async def input_is_costly_to_check(w: World) -> None:
    pattern = {"type": "object", "properties": {"id": {"type": "string", "pattern": "^(a+)+$"}}}
    body = manifest("WorkflowDefinition", "costly", {"steps": [QUICK], "vars": {"x": 0}})
    body["spec"]["input"] = {"schema": pattern}
    await w.api.create(w.path("WorkflowDefinition"), body)
    await w.checked("costly", is_ready=True)
    await w.start("costly", input={"id": "a" * 60_000 + "b"})
    await w.failed("costly", "InvalidInput", "does not match", step=None)


@row
async def input_is_too_large(w: World) -> None:
    await w.define("large-input", QUICK, vars={"x": 0})
    await w.start("large-input", input={"text": "x" * (256 * 1024)})
    await w.failed("large-input", "InvalidInput", "262144", step=None)


NOWHERE = "${input.nowhere}"
STEPS_THAT_FAIL: dict[str, Object] = {
    "when": {"when": "input.nowhere", "set": {"x": 1}},
    "path": {"http": {"service": "shop", "path": "/${input.nowhere}"}},
    "query": {"http": {"service": "shop", "query": {"a": NOWHERE}}},
    "headers": {"http": {"service": "shop", "headers": {"a": NOWHERE}}},
    "body": {"http": {"service": "shop", "method": "POST", "body": {"a": [NOWHERE]}}},
    "expect": {"http": {"service": "shop", "expect": "result.body.nowhere"}},
    "output": {"http": {"service": "shop"}, "output": "${result.body.nowhere}"},
    "timeout": {"timeout": NOWHERE, "http": {"service": "shop"}},
    "for": {"wait": {"for": NOWHERE}},
    "at": {"wait": {"at": NOWHERE}},
    "set": {"set": {"x": NOWHERE}},
    "message": {"raise": {"type": "Stopped", "message": "because ${input.nowhere}"}},
    "return": {"return": {"value": NOWHERE}},
    "case": {"switch": {"cases": [{"when": "input.nowhere", "do": {"wait": {"for": "1s"}}}]}},
    "case-body": {"switch": {"cases": [{"when": "true", "do": {"set": {"x": NOWHERE}}}]}},
    "with": {"call": {"flow": "sub", "with": {"p": NOWHERE}}},
    "flow-vars": {"call": {"flow": "bad-vars"}},
    "flow-output": {"call": {"flow": "bad-output"}},
    "catch-output": {
        "raise": {"type": "Stopped"},
        "catch": [{"output": "${error.details.nowhere}"}],
    },
    "no-boolean": {"when": "input.n", "set": {"x": 1}},
    "division": {"set": {"x": "${1 / input.n}"}},
    "no-length": {"wait": {"for": "${input.text}"}},
}
SUB = [
    {"name": "sub", "params": ["p"], "steps": [{"name": "b", "wait": {"for": "100ms"}}]},
    {"name": "badVars", "vars": {"v": NOWHERE}, "steps": [{"name": "b", "wait": {"for": "100ms"}}]},
    {"name": "badOutput", "output": NOWHERE, "steps": [{"name": "b", "wait": {"for": "100ms"}}]},
]


@row
async def expression_fails_in_every_place(w: World) -> None:
    flows = {"bad-vars": "badVars", "bad-output": "badOutput"}

    async def one(place: str, fields: Object) -> None:
        text = json.dumps({"name": "a", **fields})
        for name, flow in flows.items():
            text = text.replace(f'"{name}"', f'"{flow}"')
        name = f"fails-in-{place}"
        given = {"n": 0, "text": "soon"}
        await w.run(name, json.loads(text), vars={"x": 0}, flows=SUB, input=given)
        await w.failed(name, "ExpressionError", "")

    await asyncio.gather(*(one(place, fields) for place, fields in STEPS_THAT_FAIL.items()))


@row
async def expression_fails_outside_of_steps(w: World) -> None:
    await w.run("fails-in-vars", QUICK, vars={"x": NOWHERE}, input={})
    await w.failed("fails-in-vars", "ExpressionError", 'input has no property "nowhere"', step=None)
    await w.run("fails-in-the-end", QUICK, vars={"x": 0}, output=NOWHERE, input={})
    words = 'input has no property "nowhere"'
    await w.failed("fails-in-the-end", "ExpressionError", words, step=None)


@row
async def condition_of_an_event_or_a_catch_fails(w: World) -> None:
    wait = {"name": "go", "event": {"name": "go", "where": "event.data.ok"}}
    await w.run("failing-where", wait, output="${steps.go.output.id}")
    await w.waits("failing-where", "Event")
    await w.raise_in_spec("failing-where", {"id": "e1", "name": "go", "data": {"no": 1}})
    await w.raise_in_spec("failing-where", {"id": "e2", "name": "go", "data": {"ok": True}})
    await w.succeeded("failing-where", "e2")  # a condition that fails is no match

    stop = {"name": "a", "raise": {"type": "Stopped", "message": "enough"}}
    await w.run("failing-catch", {**stop, "catch": [{"when": "error.details.ok"}]})
    await w.failed("failing-catch", "Stopped", "enough", step="a")  # the first error stays


@row
async def failing_retry_condition_repeats_nothing(w: World) -> None:
    await w.script("/unsure", Reply(status=503))
    retry = {"attempts": 5, "delay": "100ms", "when": "error.details.again"}
    await w.run("unsure", call("ask", "/unsure", retry=retry))
    await w.failed("unsure", "HttpStatus", "503", 503, step="ask")
    assert len(await w.requests("/unsure")) == 1


@row
async def value_is_too_large(w: World) -> None:
    await w.script("/half", Reply(text="x" * (MIB // 2)))
    await w.run("large-set", call("ask", "/half"), output=["${steps.ask.output}"] * 3)
    await w.failed("large-set", "TooLarge", "", step=None)

    pair = "${steps.ask.output}${steps.ask.output}"
    await w.run("large-text", call("ask", "/half"), output=f"{pair}{pair}")
    await w.failed("large-text", "ExpressionError", "", step=None)


@row
async def user_raises_an_error(w: World) -> None:
    error = {"type": "CardDeclined", "message": "no ${input.card}", "code": 402}
    await w.run("raised", {"name": "pay", "raise": error}, input={"card": "credit"})
    await w.failed("raised", "CardDeclined", "no credit", 402, step="pay")


# --- events ---------------------------------------------------------------------------------

WAITS = {"name": "go", "event": {"name": "go"}}


async def refused(w: World, name: str, reason: str, words: str, seconds: float = 30) -> None:
    """Wait until a WorkflowEvent is refused for this reason, and kubectl says so."""
    path = w.path("WorkflowEvent", name)

    def holds(found: Object | None) -> bool:
        assert found is not None, f"{name} is kept for a day"
        return bool(conditions_of(found))

    found = await w.api.wait_for(path, holds, f"{name} to be refused", seconds)
    assert found is not None
    assert conditions_of(found) == {"Refused": ("True", reason)}
    (condition,) = found["status"]["conditions"]
    assert words in condition["message"]
    listed = await w.kubectl("get", "wfe", name)
    assert "Refused" in listed
    assert reason in listed


@row
async def event_comes_after_the_end_as_an_object(w: World) -> None:
    await w.run("late-object", QUICK, vars={"x": 0})
    before = await w.succeeded("late-object")
    await w.raise_object("late-object-e", "late-object")
    await refused(w, "late-object-e", "Ended", "has ended")
    assert history_of(await w.look("late-object")) == history_of(before)


@row
async def event_comes_after_the_end_in_the_spec(w: World) -> None:
    await w.run("late-spec", QUICK, vars={"x": 0})
    before = await w.succeeded("late-spec")
    with pytest.raises(ApiError, match="has ended and takes no events"):
        await w.raise_in_spec("late-spec", {"id": "e1", "name": "go"})
    assert history_of(await w.look("late-spec")) == history_of(before)


@row
async def event_comes_by_both_doors_under_one_id(w: World) -> None:
    twice = {"name": "go", "event": {"name": "go", "count": 2}}
    await w.run("both-doors", twice, output="${steps.go.output.map(e, e.id)}")
    await w.waits("both-doors", "Event")
    await w.raise_in_spec("both-doors", {"id": "one", "name": "go"})
    await w.raise_object("both-doors-e", "both-doors", id="one")
    path = w.path("WorkflowEvent", "both-doors-e")
    await w.api.wait_for(path, lambda found: found is None, "the second one to be consumed")
    found = await w.waits("both-doors", "Event")
    assert len(of_type(found, "EventReceived")) == 1
    await w.raise_object("both-doors-f", "both-doors", id="two")
    found = await w.succeeded("both-doors", ["one", "two"])
    assert len(of_type(found, "EventReceived")) == 2


@row
async def event_comes_before_its_instance(w: World) -> None:
    await w.raise_object("early-e", "early", data={"by": "ann"})
    await w.run("early", WAITS, output="${steps.go.output.data.by}")
    await w.succeeded("early", "ann")


@row
async def event_is_for_an_instance_that_is_gone(w: World) -> None:
    await w.raise_object("gone-e", "gone", instanceUid="00000000-0000-0000-0000-000000000000")
    await refused(w, "gone-e", "InstanceGone", "is gone", SWEPT_SECONDS)


@row
async def event_data_is_too_large(w: World) -> None:
    await w.run("large-event", WAITS, output="${steps.go.output.id}")
    await w.waits("large-event", "Event")
    await w.raise_object("large-event-e", "large-event", data="x" * 16 * 1024)
    await refused(w, "large-event-e", "TooLarge", "16384")
    await w.raise_in_spec("large-event", {"id": "s1", "name": "go", "data": "x" * 16 * 1024})
    await w.until("large-event", has_refused, "to refuse the one in the spec")
    await w.raise_in_spec("large-event", {"id": "s2", "name": "go", "data": "small"})
    await w.succeeded("large-event", "s2")


def has_refused(status: Object) -> bool:
    events = status.get("history", {}).get("events", [])
    return any(event["type"] == "EventRefused" for event in events)


@row
async def too_many_events_in_the_spec(w: World) -> None:
    await w.run("many-events", {"name": "go", "event": {"name": "stop"}})
    await w.waits("many-events", "Event")
    events = [{"id": f"e{number}", "name": "go"} for number in range(32)]
    await w.merge("many-events", {"events": events})
    with pytest.raises(ApiError, match="send further ones as WorkflowEvent objects"):
        await w.raise_in_spec("many-events", {"id": "e33", "name": "stop"})
    await w.raise_object("many-events-e", "many-events", name="stop")
    found = await w.succeeded("many-events")
    assert len(of_type(found, "EventReceived")) == 33


# --- controls -------------------------------------------------------------------------------


@row
async def immutable_field_is_patched(w: World) -> None:
    await w.run("fixed", WAITS, input={"a": 1})
    await w.waits("fixed", "Event")
    for change, words in {
        "input": "input does not change",
        "timeout": "timeout does not change",
        "startAt": "startAt does not change",
        "definitionRef": "definitionRef does not change",
    }.items():
        value = {
            "input": {"a": 2},
            "timeout": "1h",
            "startAt": "2030-01-01T00:00:00Z",
            "definitionRef": {"name": "other"},
        }[change]
        with pytest.raises(ApiError, match=words):
            await w.merge("fixed", {change: value})
    await w.raise_in_spec("fixed", {"id": "e1", "name": "go"})
    await w.succeeded("fixed")


@row
async def terminated_in_mid_run_and_again(w: World) -> None:
    await w.script("/stuck", KEEPS_WAITING)
    await w.run("stuck", call("ask", "/stuck"))
    await in_flight(w, "/stuck")
    await w.merge("stuck", {"terminate": {"reason": "customer cancelled"}})
    status = (await w.end("stuck"))["status"]
    assert status["phase"] == "Terminated"
    assert status["error"]["type"] == "Terminated"
    assert status["message"] == "terminated: Terminated: customer cancelled"
    conditions = conditions_of({"status": status})
    assert conditions["Succeeded"] == ("False", "Terminated")
    assert conditions["Completed"] == ("True", "Terminated")
    assert conditions["Stalled"] == ("True", "InstanceTerminated")
    await aborted(w, "/stuck")
    with pytest.raises(ApiError, match="terminate is set once"):
        await w.merge("stuck", {"terminate": {"reason": "changed my mind"}})
    w.told["stuck"] = ("Phase: Terminated", "customer cancelled")


async def in_flight(w: World, path: str) -> None:
    await eventually(lambda: arrived(w, path), f"a request to {path}")


async def arrived(w: World, path: str) -> bool:
    return bool(await w.requests(path))


async def aborted(w: World, path: str) -> None:
    """Wait until the service has seen the client of its only request go away."""
    (request,) = await w.requests(path)
    assert request.answered is None
    await eventually(lambda: is_idle(w, path), f"the call of {path} to be aborted")


async def is_idle(w: World, path: str) -> bool:
    return path not in await asyncio.to_thread(w.ledger.paths_in_flight)


async def eventually(holds: Callable[[], Awaitable[bool]], what: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not await holds():
        assert time.monotonic() < deadline, f"waited {seconds:g} s in vain for {what}"
        await asyncio.sleep(0.05)


@row
async def deleted_in_mid_run(w: World) -> None:
    # Given an instance with a call in flight and a value that lies in an object of its own,
    await w.script("/deleted", KEEPS_WAITING)
    made = await w.run("deleted", call("ask", "/deleted"), input={"text": "x" * 20_000})
    await in_flight(w, "/deleted")
    labels = f"perdure.dev/instance-uid={made['metadata']['uid']}"
    assert await w.api.list(w.path("WorkflowHistory"), labelSelector=labels)

    # when it is deleted, then its call is aborted, and its history goes with it.
    await w.delete("WorkflowInstance", "deleted")
    await aborted(w, "/deleted")

    async def is_collected() -> bool:
        return not await w.api.list(w.path("WorkflowHistory"), labelSelector=labels)

    await eventually(is_collected, "the history to be collected", COLLECTED_SECONDS)


@row
async def recreated_under_the_same_name(w: World) -> None:
    await w.script("/again", Reply(delay=120.0, times=1), Reply(body="second"))
    first = await w.run("again", call("ask", "/again"), output="${steps.ask.output}")
    await in_flight(w, "/again")
    await w.delete("WorkflowInstance", "again")
    second = await w.start("again")
    found = await w.succeeded("again", "second")
    assert found["metadata"]["uid"] == second["metadata"]["uid"] != first["metadata"]["uid"]
    one, other = await w.requests("/again")
    assert one.key != other.key
    assert (one.uid, other.uid) == (first["metadata"]["uid"], second["metadata"]["uid"])


@row
async def suspended_and_resumed_in_mid_run(w: World) -> None:
    await w.script("/paused", Reply(body="done", delay=1.0))
    second = call("second", "/unpaused")
    await w.run("paused", call("first", "/paused"), second)
    await in_flight(w, "/paused")
    await w.merge("paused", {"suspend": True, "suspendReason": "incident 7"})
    found = await w.until(
        "paused", lambda status: status.get("progress") == "1/2", "the answer to be kept"
    )
    assert found["status"]["phase"] == "Suspended"
    assert "incident 7" in found["status"]["message"]
    assert conditions_of(found)["Suspended"] == ("True", "Suspended")
    assert await w.requests("/unpaused") == []
    await w.merge("paused", {"suspend": False})
    found = await w.succeeded("paused")
    assert len(await w.requests("/unpaused")) == 1
    assert conditions_of(found)["Suspended"] == ("False", "Ended")


@row
async def started_later(w: World) -> None:
    begin = (now() + timedelta(seconds=3)).replace(microsecond=0)
    await w.define("later", QUICK, vars={"x": 0})
    await w.start("later", startAt=begin.isoformat().replace("+00:00", "Z"))
    found = await w.waits("later", "Start")
    assert found["status"]["phase"] == "Pending"
    conditions = conditions_of(found)
    assert conditions["Succeeded"] == ("Unknown", "StartsLater")
    assert "Reconciling" not in conditions
    found = await w.succeeded("later")
    assert datetime.fromisoformat(found["status"]["startedAt"]) >= begin


@row
async def instance_times_out(w: World) -> None:
    await w.script("/endless", KEEPS_WAITING)
    await w.run("endless", call("ask", "/endless"), timeout="1s")
    await w.failed("endless", "Timeout", "", step=None)
    await aborted(w, "/endless")


# --- definitions ----------------------------------------------------------------------------


@row
async def definition_is_missing_then_there(w: World) -> None:
    await w.start("orphan")
    found = await w.waits("orphan", "Definition")
    assert conditions_of(found)["Reconciling"] == ("True", "DefinitionNotFound")
    assert found["status"]["message"].startswith('WorkflowDefinition "orphan" does not exist')
    await w.define("orphan", QUICK, vars={"x": 0})
    await w.succeeded("orphan")


@row
async def definition_has_faults_then_none(w: World) -> None:
    bad = manifest("WorkflowDefinition", "faulty", {"steps": [QUICK]})
    await w.api.create(w.path("WorkflowDefinition"), bad)
    await w.checked("faulty", is_ready=False)
    await w.start("faulty")
    found = await w.waits("faulty", "Definition")
    assert conditions_of(found)["Reconciling"] == ("True", "DefinitionNotReady")
    assert "kubectl describe wfd faulty" in found["status"]["message"]
    assert 'variable "x" does not exist' in await w.kubectl("describe", "wfd", "faulty")
    await w.redefine("faulty", QUICK, vars={"x": 0})
    await w.succeeded("faulty")


@row
async def definition_is_deleted_in_mid_run(w: World) -> None:
    await w.run("undefined", WAITS, call("after", "/undefined"))
    await w.waits("undefined", "Event")
    await w.delete("WorkflowDefinition", "undefined")
    await w.start("undefined-late", "undefined")
    await w.raise_in_spec("undefined", {"id": "e1", "name": "go"})
    await w.succeeded("undefined")
    found = await w.waits("undefined-late", "Definition")
    assert conditions_of(found)["Reconciling"] == ("True", "DefinitionNotFound")


@row
async def definition_is_changed_in_mid_run(w: World) -> None:
    await w.run("changed", WAITS, output="old")
    old = await w.waits("changed", "Event")
    await w.redefine("changed", WAITS, output="new")
    await w.start("changed-late", "changed")
    new = await w.waits("changed-late", "Event")
    assert old["status"]["revision"]["name"] != new["status"]["revision"]["name"]
    await w.start("changed-pinned", "changed", **pinned(old))
    for name in ("changed", "changed-late", "changed-pinned"):
        await w.raise_object(f"{name}-e", name)
    await w.succeeded("changed", "old")
    await w.succeeded("changed-late", "new")
    await w.succeeded("changed-pinned", "old")


def pinned(found: Object) -> Object:
    reference = {"name": found["spec"]["definitionRef"]["name"]}
    return {"definitionRef": reference | {"revision": found["status"]["revision"]["name"]}}


@row
async def revision_is_unknown(w: World) -> None:
    await w.define("unpinned", QUICK, vars={"x": 0})
    reference = {"name": "unpinned", "revision": "unpinned-0123456789"}
    await w.start("unpinned", definitionRef=reference)
    found = await w.waits("unpinned", "Definition")
    assert conditions_of(found)["Reconciling"] == ("True", "DefinitionNotFound")
    assert "kubectl get controllerrevisions" in found["status"]["message"]


@row
async def revision_is_deleted_by_an_administrator(w: World) -> None:
    await w.run("unrevised", WAITS, call("after", "/unrevised"))
    found = await w.waits("unrevised", "Event")
    revision = found["status"]["revision"]["name"]
    revisions = f"/apis/apps/v1/namespaces/{w.namespace}/controllerrevisions"
    await w.api.delete(f"{revisions}/{revision}")
    await w.raise_in_spec("unrevised", {"id": "e1", "name": "go"})
    await w.succeeded("unrevised")  # the process knows the recipe; a new one would ask for it


@row
async def history_is_edited_by_an_administrator(w: World) -> None:
    # Given an instance that waits,
    await w.run("edited", WAITS, call("after", "/edited"))
    found = await w.waits("edited", "Event")
    events = history_of(found)
    digest = found["status"]["history"]["digest"]

    # when somebody with the right to patch its status changes what it remembers,
    events[0]["at"] = "2020-01-01T00:00:00Z"
    change = [{"op": "replace", "path": "/status/history/events", "value": events}]
    path = f"{w.path('WorkflowInstance', 'edited')}/status"
    await w.api.patch(path, change, "application/json-patch+json")
    await w.raise_in_spec("edited", {"id": "e1", "name": "go"})

    # then it stands still and says why, its history is as it was left, and nothing is called.
    found = await w.until(
        "edited", lambda status: status.get("phase") == "Stalled", "to be Stalled"
    )
    conditions = conditions_of(found)
    assert conditions["Stalled"] == ("True", "HistoryCorrupt")
    assert conditions["Completed"][0] == "False"
    assert found["status"]["history"]["digest"] == digest
    assert history_of(found) == events
    assert await w.requests("/edited") == []
    w.told["edited"] = ("Phase: Stalled", "HistoryCorrupt")


@row
async def definition_is_as_large_as_can_be(w: World) -> None:
    def steps(count: int, flow: int) -> list[Object]:
        return [
            {
                "name": f"s{step}",
                "when": f"input.a{flow} == {step}",
                "http": {"service": "shop", "path": f"/${{input.x}}/{flow}-{step}"},
            }
            for step in range(count)
        ]

    flows = [{"name": f"f{flow}", "steps": steps(100, flow)} for flow in range(50)]
    end: Object = {"name": "end", "return": {"value": "short"}}
    await w.run("largest-definition", end, *steps(199, 50), flows=flows)
    await w.succeeded("largest-definition", "short")
