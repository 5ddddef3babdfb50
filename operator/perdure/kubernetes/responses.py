"""Answers of the API server, and which error each of them is.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/ and the `Status` kind of
https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

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

READS = frozenset({"GET", "HEAD"})
MOST_RETRY_AFTER_SECONDS = 60.0
DEFAULT_RETRY_AFTER_SECONDS = 1.0
TOO_LARGE = ("request is too large", "larger than max")
"""What etcd, and the API server's connection to it, say about 1.5 MiB, as a 500."""

REFUSALS: Mapping[int, type[ObjectError]] = {
    403: ObjectForbiddenError,
    404: ObjectNotFoundError,
    409: ObjectConflictError,
    410: ObjectError,
}


@dataclass(frozen=True, slots=True)
class Response:
    """One answer. `headers` are looked up whatever their case; `body` is complete."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    method: str = "GET"

    @property
    def is_success(self) -> bool:
        return self.status < 300

    @property
    def is_write(self) -> bool:
        return self.method not in READS


def retry_after(response: Response) -> float | None:
    """Return `Retry-After` in seconds, at most 60; None where it is absent or a date."""
    text = response.headers.get("Retry-After", "")
    return min(float(text), MOST_RETRY_AFTER_SECONDS) if text.isascii() and text.isdigit() else None


def error_of(response: Response, what: str) -> PerdureError:
    """Return the error that an answer of 300 or above stands for; `what` begins its message.

    What is certainly not applied: 401 (TransientError), every other 4xx (ObjectError with the
    HTTP status and Kubernetes' reason; 404, 409, 403 of their own, 410 plain, the rest
    ObjectRejectedError), 429 and a 503 with Retry-After, which are refused before the API server
    or a proxy in front of it looks at them (ThrottledError).

    What may have been applied: any other 5xx and 408 of a write, UnknownOutcomeError, as a
    time-out on the way to etcd is one; of a read it is a TransientError. A 500 that says that
    the object is too large for etcd is an ObjectRejectedError of status 413.
    """
    reason, message = status_of(response.body)
    text = f"{what}: {response.status} {reason}: {message}".replace(" :", ":")
    delay = retry_after(response)
    if response.status == 429 or (response.status == 503 and delay is not None):
        return ThrottledError(text, retry_after=delay or DEFAULT_RETRY_AFTER_SECONDS)
    if response.status == 401:
        return TransientError(text)
    if response.status >= 500 and any(part in message for part in TOO_LARGE):
        return ObjectRejectedError(text, status=413, reason="RequestEntityTooLarge")
    if response.status >= 500 or response.status == 408:
        return UnknownOutcomeError(text) if response.is_write else TransientError(text)
    kind = REFUSALS.get(response.status, ObjectRejectedError)
    return kind(text, status=response.status, reason=reason)


def status_of(body: bytes) -> tuple[str, str]:
    """Return reason and message of a `Status` body; of any other one no reason and its start."""
    try:
        status = orjson.loads(body)
    except orjson.JSONDecodeError:
        return "", body[:200].decode(errors="replace").strip()
    if not isinstance(status, dict):
        return "", ""
    return str(status.get("reason") or ""), str(status.get("message") or "")
