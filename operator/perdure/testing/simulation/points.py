"""The points at which a fault can strike: what a request is for, told from its path alone.

Source: docs/proof.md#points.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Point(StrEnum):
    """Where something can go wrong; the values are those of docs/proof.md."""

    LIST = "C1"
    WATCH = "C2"
    READ_INSTANCE = "C3"
    COMMIT = "C4"
    CREATE_HISTORY = "C5"
    RECIPE = "C6"
    READ_HISTORY = "C8"
    CALL = "C14"
    CREATE_EVENT = "C15"
    LIST_EVENTS = "C16"
    CONSUME_EVENT = "C17"
    TIMER = "C21"
    LEASE = "C22"
    DELETE_INSTANCE = "C23"
    RETENTION = "C24"
    MANAGEMENT = "C25"
    READ_SERVICE = "C27"
    LOG = "C28"


WRITING = frozenset(
    {
        Point.COMMIT,
        Point.CREATE_HISTORY,
        Point.CREATE_EVENT,
        Point.CONSUME_EVENT,
        Point.DELETE_INSTANCE,
        Point.RETENTION,
        Point.MANAGEMENT,
    }
)
"""Points at which every request writes; at LEASE, RECIPE and LOG some do."""

READ_ONLY = frozenset(
    {
        Point.LIST,
        Point.WATCH,
        Point.READ_INSTANCE,
        Point.READ_HISTORY,
        Point.LIST_EVENTS,
        Point.READ_SERVICE,
    }
)


def point_of(
    method: str, path: str, params: Mapping[str, str] | None, *, is_operator: bool
) -> Point:
    """Return what a request is for; `is_operator` tells operators from users."""
    kind, name = parts_of(path)
    if method == "GET" and not name:
        if kind == "workflowevents" and params and "fieldSelector" in params:
            return Point.LIST_EVENTS
        return Point.LIST
    if not is_operator:
        return _of_user(method, kind)
    match kind:
        case "workflowinstances":
            if method == "GET":
                return Point.READ_INSTANCE
            return Point.RETENTION if method == "DELETE" else Point.COMMIT
        case "workflowhistories":
            if method == "GET":
                return Point.READ_HISTORY
            return Point.RETENTION if method == "DELETE" else Point.CREATE_HISTORY
        case "workflowevents":
            return Point.CONSUME_EVENT
        case "workflowlogs":
            return Point.LOG
        case "leases":
            return Point.LEASE
        case "services":
            return Point.READ_SERVICE
        case _:
            return Point.RECIPE


def _of_user(method: str, kind: str) -> Point:
    if method == "DELETE" and kind == "workflowinstances":
        return Point.DELETE_INSTANCE
    if method == "POST" and kind == "workflowevents":
        return Point.CREATE_EVENT
    return Point.MANAGEMENT


def parts_of(path: str) -> tuple[str, str]:
    """Return plural and name of a path; "" for what it does not have."""
    parts = path.strip("/").split("/")
    start = 2 if parts[0] == "api" else 3
    rest = parts[start:]
    if len(rest) >= 3 and rest[0] == "namespaces":
        rest = rest[2:]
    rest += ["", ""]
    return rest[0], rest[1]
