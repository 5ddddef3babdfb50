"""Which error an answer stands for."""

import orjson
import pytest
from tests.kubernetes.scripted import status_body

from perdure.errors import (
    ObjectConflictError,
    ObjectError,
    ObjectForbiddenError,
    ObjectNotFoundError,
    ObjectRejectedError,
    PerdureError,
    ThrottledError,
    TransientError,
    UnknownOutcomeError,
)
from perdure.kubernetes.responses import Response, error_of


def failed(code: int, method: str = "PATCH", message: str = "no", **headers: str) -> PerdureError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = orjson.dumps(status_body(code, "Because", message))
    return error_of(Response(code, named, body, method), "patch x")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (400, ObjectRejectedError),
        (403, ObjectForbiddenError),
        (404, ObjectNotFoundError),
        (405, ObjectRejectedError),
        (409, ObjectConflictError),
        (410, ObjectError),
        (413, ObjectRejectedError),
        (422, ObjectRejectedError),
    ],
)
def test_a_refusal_has_its_status_and_reason(code: int, kind: type[ObjectError]) -> None:
    error = failed(code)
    assert type(error) is kind
    assert isinstance(error, ObjectError)
    assert (error.status, error.reason) == (code, "Because")
    assert str(error) == f"patch x: {code} Because: no"


@pytest.mark.parametrize("code", [408, 500, 502, 503, 504])
def test_a_server_error_may_have_been_applied_if_it_was_a_write(code: int) -> None:
    assert type(failed(code)) is UnknownOutcomeError
    assert type(failed(code, "GET")) is TransientError


def test_a_server_error_that_asks_for_patience_was_still_tried() -> None:
    assert type(failed(500, Retry_After="2")) is UnknownOutcomeError
    assert type(failed(504, Retry_After="2")) is UnknownOutcomeError


def test_a_stale_login_was_not_applied() -> None:
    assert type(failed(401)) is TransientError


@pytest.mark.parametrize("code", [429, 503])
@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("86400", 60.0)])
def test_a_throttled_request_says_how_long_but_no_more_than_a_minute(
    code: int, header: str, seconds: float
) -> None:
    error = failed(code, Retry_After=header)
    assert isinstance(error, ThrottledError)
    assert error.retry_after == seconds


def test_a_throttled_request_without_a_time_waits_a_second() -> None:
    error = failed(429)
    assert isinstance(error, ThrottledError)
    assert error.retry_after == 1.0


def test_an_object_that_etcd_finds_too_large_is_rejected() -> None:
    error = failed(500, message="etcdserver: request is too large")
    assert isinstance(error, ObjectRejectedError)
    assert error.status == 413


def test_a_body_that_is_no_status_is_quoted() -> None:
    error = error_of(Response(502, {}, b"<html>bad gateway", "GET"), "get x")
    assert str(error) == "get x: 502: <html>bad gateway"
