"""Answers by which a server refuses a request before it looks at it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import format_datetime

import orjson

from perdure.testing.apiserver import Answer, ApiServer, Request
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


@dataclass(frozen=True, slots=True)
class Policy:
    """What an administrator does not allow: commits of operators, while it stands.

    A lenient one lets pass what adds no events, as a policy does that minds what they hold.
    """

    is_lenient: bool

    def refuses(self, request: Request) -> bool:
        """Return whether it is against a request."""
        is_commit = request.method == "PATCH" and request.path.endswith("/status")
        if not is_commit or "/workflowinstances/" not in request.path:
            return False
        return not self.is_lenient or _adds_events(request.body or b"[]")


def _adds_events(patch: bytes) -> bool:
    return any(
        operation["op"] != "test" and operation["path"].startswith("/status/history")
        for operation in orjson.loads(patch)
    )


def refusal_by_policy(server: ApiServer) -> Answer:
    """Return what is answered to a request that a ValidatingAdmissionPolicy denies."""
    return _refusal(422, server, {})


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
