"""What goes into the server and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

JSON = "application/json"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request; `actor` is who sent it, as the audit will say."""

    method: str
    path: str
    params: Mapping[str, str]
    body: bytes | None
    content_type: str | None
    actor: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer. The headers are `Date`, `Content-Type`, and `Retry-After` where due."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Sizes in bytes and times in seconds, by default those of a real server.

    `overhead_bytes` is what etcd's request holds beside the object: its key, and the field owners
    that a real object carries and ours do not.
    """

    body_bytes: int = 3 * 2**20
    object_bytes: int = 3 * 2**19
    message_bytes: int = 2**21
    overhead_bytes: int = 300
    patch_operations: int = 10_000
    bookmark_seconds: float = 60.0
    watch_seconds: float = 1800.0
    farewell_seconds: float = 2.0
    """The last bookmark of a watch comes so long before its end."""
