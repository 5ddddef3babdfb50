"""Answers by which a server refuses a request before it looks at it."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import format_datetime

import orjson

from perdure.testing.apiserver import Answer, ApiServer
from perdure.testing.simulation.fates import Fate, Fault

REASONS: Mapping[int, str] = {
    401: "Unauthorized",
    403: "Forbidden",
    413: "RequestEntityTooLarge",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}
REJECTIONS: Mapping[str, int] = {"422": 422, "413": 413, "policy": 403}


def refusal_of(fate: Fate, server: ApiServer) -> Answer | None:
    """Return the answer that a fate puts in the place of the server's; None to ask the server."""
    match fate.fault:
        case Fault.THROTTLED:
            return _refusal(429, server, {"Retry-After": str(int(fate.seconds))})
        case Fault.SERVER_ERROR if "applied" not in fate.variant:
            return _refusal(int(fate.variant), server, {})
        case Fault.DENIED:
            return _refusal(int(fate.variant), server, {})
        case Fault.REJECTED:
            return _refusal(REJECTIONS[fate.variant], server, {})
        case _:
            return None


def _refusal(code: int, server: ApiServer, headers: dict[str, str]) -> Answer:
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "reason": REASONS[code],
        "message": "refused on purpose",
        "code": code,
    }
    date = format_datetime(server.now(), usegmt=True)
    common = {"Content-Type": "application/json", "Date": date}
    return Answer(code, common | headers, orjson.dumps(status))
