"""What a resolved request becomes before anything is sent."""

from __future__ import annotations

import hashlib

import pytest
from tests.executors.ledger import work_of

from perdure.engine.values import Json, JsonObject
from perdure.executors.calls import Call, parse_call, poll_headers, start_headers
from perdure.executors.failures import CallFailedError

BASE: JsonObject = {"method": "POST", "service": "inventory", "path": "/reservations"}


def parsed(**fields: Json) -> Call:
    return parse_call(work_of({**BASE, **fields}))


def headers(request: JsonObject, *, attempt: int = 1) -> dict[str, str]:
    work = work_of(request, attempt=attempt)
    return start_headers(work, parse_call(work), "perdure/test")


def refusal(request: JsonObject) -> str:
    with pytest.raises(CallFailedError) as caught:
        parse_call(work_of(request))
    assert caught.value.failure.type == "NotAllowed"
    return caught.value.failure.message


def test_a_body_is_sent_as_json_also_when_it_is_null() -> None:
    assert parsed(body={"b": 1, "a": "ä"}).content == '{"a":"ä","b":1}'.encode()
    assert parsed(body=None).content == b"null"
    assert parsed().content is None


def test_a_form_is_sent_as_a_form() -> None:
    call = parsed(form={"a": "x y", "b": ["1", "&"]})
    assert call.content == b"a=x+y&b=1&b=%26"
    assert call.content_type == "application/x-www-form-urlencoded"


def test_query_parameters_are_added_to_those_of_the_path() -> None:
    call = parsed(query={"a": ["1", "x y"], "b": "&=#/"})
    assert call.with_query("/p") == "/p?a=1&a=x%20y&b=%26%3D%23%2F"
    assert call.with_query("/p?z=1").startswith("/p?z=1&a=1")


def test_messages_name_the_call_without_its_query() -> None:
    assert parsed(path="/r?token=x").label == "POST service/inventory/r"
    by_url = parse_call(work_of({"url": "https://api.example.com/x?token=x"}))
    assert by_url.label == "GET https://api.example.com/x"


def test_the_idempotency_key_is_the_same_for_every_attempt() -> None:
    expected = hashlib.sha256(b"u1/r0/reserve").hexdigest()
    for attempt in (1, 2):
        sent = headers(BASE, attempt=attempt)
        assert sent["idempotency-key"] == expected
        assert sent["perdure-attempt"] == str(attempt)


def test_the_start_of_a_polled_call_has_a_key_of_its_own() -> None:
    sent = headers({**BASE, "poll": {"everySeconds": 1.0}})
    assert sent["idempotency-key"] == hashlib.sha256(b"u1/r0/reserve/start").hexdigest()


def test_ordinary_headers_say_who_asks_and_for_what() -> None:
    sent = headers({**BASE, "body": {}, "traceparent": "00-1-2-01"})
    assert sent["content-type"] == "application/json"
    assert sent["accept"] == "application/json"
    assert sent["user-agent"] == "perdure/test"
    assert sent["traceparent"] == "00-1-2-01"


def test_a_header_of_the_user_wins_in_any_case() -> None:
    given: JsonObject = {"IDEMPOTENCY-key": "mine", "Content-Type": "text/x", "USER-AGENT": "me"}
    sent = headers({**BASE, "body": {}, "headers": given})
    assert sent["idempotency-key"] == "mine"
    assert sent["content-type"] == "text/x"
    assert sent["user-agent"] == "me"


@pytest.mark.parametrize("value", ["a\r\nHost: x", "a\nb", "a\rb", "a\x00b", "a\x7fb", "\x1b[0m"])
def test_a_header_value_with_control_characters_is_refused(value: str) -> None:
    assert "control characters" in refusal({**BASE, "headers": {"x-a": value}})
    with pytest.raises(CallFailedError):
        headers({**BASE, "traceparent": value})


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a\r\nb", "ä", "a\x00", "x(y)", "a/b"])
def test_a_header_name_that_is_none_is_refused(name: str) -> None:
    assert "no header name" in refusal({**BASE, "headers": {name: "x"}})


@pytest.mark.parametrize(
    "name",
    ["Host", "HOST", "Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive", "TE",
     "Trailer", "Upgrade", "Expect", "Proxy-Authorization", "proxy-connection"],
)  # fmt: skip
def test_where_the_call_goes_and_ends_is_not_the_users_to_say(name: str) -> None:
    assert name in refusal({**BASE, "headers": {name: "x"}})


def test_a_header_given_twice_is_refused() -> None:
    assert "twice" in refusal({**BASE, "headers": {"X-a": "1", "x-A": "2"}})


@pytest.mark.parametrize(
    "request_",
    [
        {"method": "TRACE", "service": "a"},
        {"method": "GET\r\n", "service": "a"},
        {"method": 1, "service": "a"},
        {},
        {"service": 1},
        {"service": "a/../b"},
        {"service": "a", "path": "x"},
        {"service": "a", "path": "/../x"},
        {"service": "a", "port": True},
        {"service": "a", "port": 1.5},
        {"service": "a", "scheme": "ftp"},
        {"service": "a", "headers": []},
        {"service": "a", "headers": {"x": 1}},
        {"service": "a", "query": {"x": [1]}},
        {"service": "a", "form": {"x": None}},
        {"service": "a", "timeoutSeconds": "1"},
        {"service": "a", "poll": {"url": "x"}},
        {"service": "a", "poll": {"path": "/.."}},
        {"url": "http://user@example.com/"},
    ],
)
def test_a_computed_value_that_cannot_be_sent_fails_before_sending(request_: JsonObject) -> None:
    assert refusal(request_)


def test_a_poll_carries_the_users_headers_only_to_where_the_start_went() -> None:
    work = work_of({**BASE, "headers": {"authorization": "secret", "idempotency-key": "k"}})
    call = parse_call(work)
    same = poll_headers(work, call, "agent", is_same_origin=True)
    other = poll_headers(work, call, "agent", is_same_origin=False)
    assert same["authorization"] == "secret"
    assert "authorization" not in other
    assert "idempotency-key" not in same


def test_a_poll_waits_at_least_the_smallest_delay() -> None:
    poll = parsed(poll={"everySeconds": 0.0, "attempts": 3}).poll
    assert poll is not None
    assert (poll.every_seconds, poll.attempts) == (0.1, 3)
