"""What an answer means: from a complete response to an `Answer`. Pure, no network.

Source: docs/reference/errors.md, the outcomes of a call; RFC 9110 §8 (content), §10.2.3
(Retry-After).
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from perdure.engine.events import Failure
from perdure.engine.orchestrator import Answer
from perdure.engine.values import Json, JsonObject, canonical, normalise
from perdure.executors.failures import invalid_answer, too_large

MAX_ANSWER_BYTES = 1024 * 1024
"""Of the body, as it comes and after decoding: what one payload of a history may hold."""
MAX_DETAILS_BYTES = 2048
MAX_MEMBERS = 16
"""Of one gzip content: each copies what is left, so a mebibyte of tiny ones would take minutes."""
MAX_RETRY_AFTER_SECONDS = 3600.0
RETRYABLE = frozenset({408, 425, 429})
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A response that came completely. `content` is as it came, at most MAX_ANSWER_BYTES."""

    code: int
    headers: tuple[tuple[bytes, bytes], ...]
    content: bytes

    @property
    def names(self) -> frozenset[str]:
        """Return the names of the headers in lower case."""
        return frozenset(_latin(name).lower() for name, _ in self.headers)


def answer_of(scheduled_id: int, label: str, response: Response, now: datetime) -> Answer:
    """Return the result `{code, headers, body}`, and for codes from 400 on the failure with it.

    Both are set then, so that `expect` may overrule. `label` is the call, for messages; `now`
    is aware UTC, for a Retry-After that is a date. Raises CallFailedError: InvalidAnswer,
    TooLarge.
    """
    headers = header_texts(response)
    body = _body(label, headers, response)
    result: JsonObject = {"body": body, "code": response.code, "headers": {**headers}}
    failure = None
    if response.code >= 400:
        failure = status_failure(label, response.code, body, retry_after(headers, now))
    return Answer(scheduled_id=scheduled_id, result=result, failure=failure)


def status_failure(label: str, code: int, body: Json, wish: float | None) -> Failure:
    """Return the failure that a status code from 400 on means."""
    return Failure(
        type="HttpStatus",
        message=f"{label} answered {code}",
        code=code,
        retryable=code in RETRYABLE or code >= 500,
        details=_details(body),
        retry_after_seconds=wish,
    )


def header_texts(response: Response) -> dict[str, str]:
    """Return the headers by lower-case name, sorted; repeated ones are joined with a comma."""
    texts: dict[str, str] = {}
    for raw_name, raw_value in response.headers:
        name, value = _latin(raw_name).lower(), _latin(raw_value)
        texts[name] = f"{texts[name]}, {value}" if name in texts else value
    return dict(sorted(texts.items()))


def _latin(raw: bytes) -> str:
    # Header values are ASCII by rule; old servers send Latin-1, new ones UTF-8.
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def retry_after(headers: JsonObject | dict[str, str], now: datetime) -> float | None:
    """Return the server's wish in seconds, from 0 to an hour; None if there is none to read."""
    text = headers.get("retry-after")
    if not isinstance(text, str):
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        # More digits than the bound has need no reading.
        seconds = float(text) if len(text) <= 10 else MAX_RETRY_AFTER_SECONDS
    else:
        date = _date(text)
        if date is None:
            return None
        seconds = (date - now).total_seconds()
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS)


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)


def wish_of(answer: Answer, now: datetime) -> float:
    """Return how many seconds the answer asks to wait; 0 if it does not say."""
    if answer.failure is not None:
        return answer.failure.retry_after_seconds or 0.0
    return retry_after(result_headers(answer.result), now) or 0.0


def result_headers(result: Json) -> JsonObject:
    """Return the headers of a result as `answer_of` made it."""
    headers = result.get("headers") if isinstance(result, dict) else None
    return headers if isinstance(headers, dict) else {}


def _body(label: str, headers: dict[str, str], response: Response) -> Json:
    content = decoded(label, response.content, headers.get("content-encoding", ""))
    if not content:
        return None
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    is_json = media_type == "application/json" or media_type.endswith("+json")
    try:
        return _json(content) if is_json else content.decode()
    except (ValueError, RecursionError) as error:
        if response.code >= 400:
            # The status says what happened; proxies send their error pages under any type.
            return content.decode(errors="replace")
        kind = f"declared as {media_type}, but" if is_json else "not UTF-8:"
        raise invalid_answer(f"{label}: the answer is {kind} {_why(error)}") from error


def _json(content: bytes) -> Json:
    # The standard parser keeps integers of any size, so that too large ones are refused by
    # `normalise` and do not become floats.
    value = json.loads(content.removeprefix(_BOM).decode(), parse_constant=_refuse_constant)
    return normalise(value, "body")


def _refuse_constant(name: str) -> Json:
    raise ValueError(f"{name} is not JSON")


def _why(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deep"
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at line {error.lineno} column {error.colno}"
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start} is no UTF-8"
    return str(error)


def decoded(label: str, content: bytes, encoding: str) -> bytes:
    """Undo a Content-Encoding that nobody asked for, never past MAX_ANSWER_BYTES.

    Raises CallFailedError: TooLarge; InvalidAnswer for other encodings than gzip and deflate,
    for several at once (each could expand) and for damaged content.
    """
    name = encoding.strip().lower()
    if not content or name in ("", "identity"):
        return content
    if name not in ("gzip", "x-gzip", "deflate"):
        raise invalid_answer(f"{label}: the answer has the encoding {name[:40]!r}, not asked for")
    try:
        return _inflated(label, content, name)
    except zlib.error as error:
        raise invalid_answer(f"{label}: the {name} content is damaged: {error}") from error


def _inflated(label: str, content: bytes, name: str) -> bytes:
    parts: list[bytes] = []
    room = MAX_ANSWER_BYTES
    while content:
        if len(parts) == MAX_MEMBERS:
            raise invalid_answer(f"{label}: the gzip content has over {MAX_MEMBERS} members")
        inflater = zlib.decompressobj(_window(content, name))
        part = inflater.decompress(content, room + 1)
        room -= len(part)
        if room < 0:
            raise too_large(f"{label}: the answer expands to more than {MAX_ANSWER_BYTES} bytes")
        if not inflater.eof:
            raise invalid_answer(f"{label}: the {name} content ends too early")
        parts.append(part)
        content = inflater.unused_data if name != "deflate" else b""  # gzip may have members
    return b"".join(parts)


def _window(content: bytes, name: str) -> int:
    """Return zlib's `wbits`: gzip, zlib, or the raw form that some servers call deflate."""
    if name != "deflate":
        return 31
    return 15 if content[0] & 0x0F == 8 else -15


def _details(body: Json) -> Json:
    """Return the body if it is at most MAX_DETAILS_BYTES, else the beginning of its text."""
    if body is None or len(canonical(body)) <= MAX_DETAILS_BYTES:
        return body
    raw = body.encode() if isinstance(body, str) else canonical(body)
    return raw[:MAX_DETAILS_BYTES].decode(errors="ignore")
