"""What a call sends: the resolved request of an activity, read and checked. Pure.

The request is what `ActivityScheduled` recorded: `method`; `service`, `port`, `scheme`, `path`
or `url`; `query`, `headers`, `body` or `form`; `timeoutSeconds`; `traceparent`; `poll`.
Source: docs/language.md, the verb `http`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from perdure.engine.values import Json, JsonObject, canonical, sha256
from perdure.engine.work import ActivityWork
from perdure.executors.failures import not_allowed
from perdure.executors.targets import ServiceRef, check_service_name
from perdure.executors.urls import Url, parse_target, parse_url, shown

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
DEFAULT_TIMEOUT_SECONDS = 30.0
MIN_POLL_SECONDS = 0.1
"""The smallest delay of the language; a computed one below it is raised."""

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_FORBIDDEN_IN_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_OURS_ALONE = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Where the call goes and where its message ends is not the user's to say (RFC 9110 §7.6.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """How a started call is polled; `attempts` failures in a row end it, -1: none does."""

    url: Url | None
    path: str | None
    every_seconds: float
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request. `place` is a Service with `path`, or an absolute URL."""

    method: str
    place: ServiceRef | Url
    path: str
    query: str
    headers: Mapping[str, str]
    """The user's own; names in lower case."""
    content: bytes | None
    content_type: str | None
    timeout_seconds: float
    traceparent: str | None
    poll: Poll | None

    @property
    def label(self) -> str:
        """Return the call for messages, without query: `POST service/inventory/reservations`."""
        where = self.place if isinstance(self.place, ServiceRef) else self.place.origin
        return f"{self.method} {where}{self.path.partition('?')[0]}"

    def with_query(self, target: str) -> str:
        """Return a request target with the call's query added to its own."""
        if not self.query:
            return target
        return f"{target}{'&' if '?' in target else '?'}{self.query}"


def parse_call(work: ActivityWork) -> Call:
    """Return the call that the work asks for.

    Raises CallFailedError (NotAllowed) where a computed value cannot be sent: a header with a
    line break, a hop-by-hop header, a URL that is none. Nothing has been sent then.
    """
    request = _object(work.request, "request")
    place, path = _place(work.namespace, request)
    content, content_type = _content(request)
    return Call(
        method=_method(request),
        place=place,
        path=path,
        query=_pairs(request.get("query"), "query"),
        headers=_headers(_object(request.get("headers"), "headers")),
        content=content,
        content_type=content_type,
        timeout_seconds=_seconds(request.get("timeoutSeconds"), DEFAULT_TIMEOUT_SECONDS),
        traceparent=_optional_text(request, "traceparent"),
        poll=_poll(request),
    )


def start_headers(work: ActivityWork, call: Call, agent: str) -> dict[str, str]:
    """Return the headers of the call itself; one that the user gives wins over ours.

    The idempotency key is the same for every attempt and delivery; that of a call which is
    polled afterwards ends in `/start`. Source: docs/architecture.md#calls.
    """
    key = f"{work.key}/start" if call.poll is not None else work.key
    headers = _common_headers(work, call, agent) | {"idempotency-key": sha256(key.encode())}
    if call.content_type is not None:
        headers["content-type"] = call.content_type
    return headers | dict(call.headers)


def poll_headers(
    work: ActivityWork, call: Call, agent: str, *, is_same_origin: bool
) -> dict[str, str]:
    """Return the headers of a poll: a read, without key and content type.

    What the user gave may be a credential, so it goes only where the start went.
    """
    headers = _common_headers(work, call, agent)
    if not is_same_origin:
        return headers
    of_start = {"idempotency-key", "content-type"}
    return headers | {name: text for name, text in call.headers.items() if name not in of_start}


def _common_headers(work: ActivityWork, call: Call, agent: str) -> dict[str, str]:
    headers = {
        "accept": "application/json",
        # Nothing is compressed that is then expanded without a bound.
        "accept-encoding": "identity",
        "perdure-attempt": str(work.attempt),
        "user-agent": agent,
    }
    if call.traceparent is not None:
        headers["traceparent"] = _header_value("traceparent", call.traceparent)
    return headers


def _method(request: JsonObject) -> str:
    method = request.get("method", "GET")
    if not isinstance(method, str) or method not in METHODS:
        raise not_allowed(f"method {shown(str(method))} is not one of {', '.join(sorted(METHODS))}")
    return method


def _place(namespace: str, request: JsonObject) -> tuple[ServiceRef | Url, str]:
    url = _optional_text(request, "url")
    if url is not None:
        parsed = parse_url(url)
        return parsed, parsed.target
    path = parse_target(_optional_text(request, "path") or "/")
    service = ServiceRef(
        namespace=namespace,
        name=check_service_name(_text(request.get("service"), "service")),
        port=_service_port(request.get("port")),
        scheme=_scheme(request.get("scheme")),
    )
    return service, path


def _service_port(value: Json) -> int | str | None:
    if value is None or isinstance(value, str):
        return value or None
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise not_allowed("port: expected the number or the name of a port of the Service")


def _scheme(value: Json) -> str | None:
    if value is None or value in ("http", "https"):
        return None if value is None else str(value)
    raise not_allowed(f"scheme {shown(str(value))}: expected http or https")


def _content(request: JsonObject) -> tuple[bytes | None, str | None]:
    if "body" in request:
        return canonical(request["body"]), "application/json"
    if "form" in request:
        form = _pairs(request["form"], "form", blank="+")
        return form.encode(), "application/x-www-form-urlencoded"
    return None, None


def _pairs(value: Json, where: str, *, blank: str = "%20") -> str:
    pairs = [
        (name, _text(item, f"{where}.{name}"))
        for name, items in _object(value, where).items()
        for item in (items if isinstance(items, list) else [items])
    ]
    return urlencode(pairs, quote_via=quote).replace("%20", blank)


def _headers(headers: JsonObject) -> dict[str, str]:
    checked: dict[str, str] = {}
    for name, value in headers.items():
        lower = name.lower()
        if not _TOKEN.fullmatch(name):
            raise not_allowed(f"header {shown(name)} is no header name")
        if lower in _OURS_ALONE or lower.startswith("proxy-"):
            raise not_allowed(f"header {name} is set by the call itself, or belongs to proxies")
        if lower in checked:
            raise not_allowed(f"header {name} is given twice, in upper and lower case")
        checked[lower] = _header_value(name, _text(value, f"header {name}"))
    return checked


def _header_value(name: str, value: str) -> str:
    if _FORBIDDEN_IN_VALUE.search(value):
        raise not_allowed(f"header {name}: line breaks and control characters are refused")
    return value.strip(" \t")


def _poll(request: JsonObject) -> Poll | None:
    if request.get("poll") is None:
        return None
    poll = _object(request["poll"], "poll")
    url, path = _optional_text(poll, "url"), _optional_text(poll, "path")
    attempts = poll.get("attempts", 1)
    if not isinstance(attempts, int):
        raise not_allowed("poll.attempts: expected a whole number")
    return Poll(
        url=None if url is None else parse_url(url),
        path=None if path is None else parse_target(path),
        every_seconds=max(MIN_POLL_SECONDS, _seconds(poll.get("everySeconds"), MIN_POLL_SECONDS)),
        attempts=attempts,
    )


def _seconds(value: Json, default: float) -> float:
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise not_allowed("a time: expected a number of seconds")
    return float(value)


def _object(value: Json, where: str) -> JsonObject:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise not_allowed(f"{where}: expected an object")
    return value


def _optional_text(values: JsonObject, name: str) -> str | None:
    value = values.get(name)
    return None if value is None else _text(value, name)


def _text(value: Json, where: str) -> str:
    if not isinstance(value, str):
        raise not_allowed(f"{where}: expected text")
    return value
