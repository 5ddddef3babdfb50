"""What a complete response means, without a network."""

from __future__ import annotations

import gzip
import json
import zlib

import pytest
from tests.executors.ledger import NOW, failure_of, result_of

from perdure.engine.events import Failure
from perdure.engine.orchestrator import Answer
from perdure.engine.values import Json
from perdure.executors.answers import (
    MAX_ANSWER_BYTES,
    Response,
    answer_of,
    decoded,
    header_texts,
    retry_after,
    wish_of,
)
from perdure.executors.failures import CallFailedError

JSON = (b"Content-Type", b"application/json")


def response(content: bytes = b"", *headers: tuple[bytes, bytes], code: int = 200) -> Response:
    return Response(code=code, headers=headers, content=content)


def read(answer: Response) -> Answer:
    return answer_of(7, "GET service/a/x", answer, NOW)


def refusal(answer: Response) -> Failure:
    with pytest.raises(CallFailedError) as caught:
        read(answer)
    assert not caught.value.failure.retryable
    assert not caught.value.failure.unknown
    return caught.value.failure


@pytest.mark.parametrize(
    ("content", "media", "expected"),
    [
        (b'{"b": 1.0, "a": [true]}', b"application/json", {"a": [True], "b": 1}),
        (b'{"a": 1}', b"Application/JSON; charset=utf-8", {"a": 1}),
        (b'{"a": 1}', b"application/problem+json", {"a": 1}),
        (b'\xef\xbb\xbf{"a": 1}', b"application/json", {"a": 1}),
        (b"9223372036854775807", b"application/json", 2**63 - 1),
        (b"null", b"application/json", None),
        (b"", b"application/json", None),
        ("grüß".encode(), b"text/plain", "grüß"),
        (b'{"a": 1}', b"text/plain", '{"a": 1}'),
        (b"x", b"", "x"),
    ],
)
def test_a_body_is_json_where_declared_and_text_elsewhere(
    content: bytes, media: bytes, expected: Json
) -> None:
    answer = read(response(content, (b"content-type", media)))
    assert answer.failure is None
    assert result_of(answer)["body"] == expected


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"<html>",
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b"1e999",
        b"9223372036854775808",
        b"-9223372036854775809",
        b"1" * 5000,
        b'"\\ud800"',
        b'"\xff"',
        b'{"a": 1} x',
        b"[" * 100_000,
        b"[" * 300 + b"]" * 300,
        b"\xef\xbb\xbf\xef\xbb\xbf1",
    ],
    ids=range(15),
)
def test_declared_json_that_is_none_is_an_invalid_answer(content: bytes) -> None:
    assert refusal(response(content, JSON)).type == "InvalidAnswer"


def test_text_that_is_not_utf8_is_an_invalid_answer() -> None:
    assert refusal(response(b"\xff\xfe", (b"content-type", b"text/plain"))).type == "InvalidAnswer"


@pytest.mark.parametrize(
    ("code", "is_retryable"),
    [(400, False), (401, False), (404, False), (408, True), (409, False), (425, True),
     (429, True), (499, False), (500, True), (501, True), (503, True), (599, True)],
)  # fmt: skip
def test_a_status_from_400_on_is_a_failure_beside_the_result(code: int, is_retryable: bool) -> None:
    answer = read(response(b'{"why": "x"}', JSON, code=code))
    failure = failure_of(answer)
    assert failure.type == "HttpStatus"
    assert failure.code == code
    assert failure.retryable is is_retryable
    assert not failure.unknown
    assert failure.message == f"GET service/a/x answered {code}"
    assert failure.details == {"why": "x"}
    assert result_of(answer)["code"] == code


@pytest.mark.parametrize("code", [200, 201, 202, 204, 301, 302, 304, 307, 399])
def test_a_status_below_400_is_no_failure(code: int) -> None:
    answer = read(response(code=code))
    assert answer.failure is None
    assert result_of(answer) == {"code": code, "headers": {}, "body": None}


def test_an_error_page_under_a_false_type_is_still_the_status() -> None:
    answer = read(response(b"<html>\xff", JSON, code=503))
    assert failure_of(answer).retryable
    assert result_of(answer)["body"] == "<html>\ufffd"


def test_details_are_cut_at_2_kib() -> None:
    long = json.dumps({"text": "ä" * 3000}).encode()
    details = failure_of(read(response(long, JSON, code=500))).details
    assert isinstance(details, str)
    assert details.startswith('{"text":"ä')
    assert 2040 <= len(details.encode()) <= 2048


def test_header_names_are_lower_case_and_repeated_ones_joined() -> None:
    found = header_texts(
        response(b"", (b"X-A", b"1"), (b"x-a", b"2"), (b"B", "ü".encode("latin-1")))
    )
    assert found == {"b": "ü", "x-a": "1, 2"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("3600", 3600.0),
        ("3601", 3600.0),
        ("9" * 400, 3600.0),
        ("Tue, 01 Jan 2030 12:00:30 GMT", 30.0),
        ("Tue, 01 Jan 2030 12:00:30 -0000", 30.0),
        ("Tuesday, 01-Jan-30 12:00:30 GMT", 30.0),
        ("Tue, 01 Jan 2030 11:00:00 GMT", 0.0),
        ("Wed, 02 Jan 2030 12:00:00 GMT", 3600.0),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("1, 2", None),
        ("٣", None),
        ("Tue, 99 Jan 99999 12:00:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_up_to_an_hour(text: str, expected: float | None) -> None:
    assert retry_after({"retry-after": text}, NOW) == expected


def test_the_wish_of_an_answer_is_read_with_or_without_failure() -> None:
    wish = (b"retry-after", b"9")
    assert wish_of(read(response(b"", wish)), NOW) == 9.0
    assert wish_of(read(response(b"", wish, code=503)), NOW) == 9.0
    assert wish_of(read(response()), NOW) == 0.0


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (gzip.compress(b"hello"), "gzip"),
        (gzip.compress(b"hel") + gzip.compress(b"lo"), "X-GZIP"),
        (zlib.compress(b"hello"), "deflate"),
        (zlib.compress(b"hello", wbits=-15), "deflate"),
        (b"hello", "identity"),
        (b"hello", ""),
    ],
)
def test_content_compressed_without_asking_is_expanded(content: bytes, encoding: str) -> None:
    assert decoded("GET x", content, encoding) == b"hello"


@pytest.mark.parametrize(
    ("content", "encoding", "expected"),
    [
        (gzip.compress(bytes(MAX_ANSWER_BYTES + 1)), "gzip", "TooLarge"),
        (gzip.compress(bytes(200 * MAX_ANSWER_BYTES)), "gzip", "TooLarge"),
        (gzip.compress(bytes(MAX_ANSWER_BYTES)) + gzip.compress(b"x"), "gzip", "TooLarge"),
        (zlib.compress(bytes(MAX_ANSWER_BYTES + 1)), "deflate", "TooLarge"),
        (gzip.compress(b"") * 50_000, "gzip", "InvalidAnswer"),
        (gzip.compress(b"hello")[:-9], "gzip", "InvalidAnswer"),
        (b"hello", "gzip", "InvalidAnswer"),
        (b"hello", "br", "InvalidAnswer"),
        (gzip.compress(gzip.compress(b"x")), "gzip, gzip", "InvalidAnswer"),
    ],
    ids=range(9),
)
def test_expanding_stops_at_the_bound(content: bytes, encoding: str, expected: str) -> None:
    with pytest.raises(CallFailedError) as caught:
        decoded("GET x", content, encoding)
    assert caught.value.failure.type == expected


def test_content_of_exactly_the_bound_is_taken() -> None:
    content = gzip.compress(b"x" * MAX_ANSWER_BYTES)
    assert len(decoded("GET x", content, "gzip")) == MAX_ANSWER_BYTES
