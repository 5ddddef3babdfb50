"""The chain of digests over a history, computed from its description and not by what wrote it.

`digest(n) = sha256(digest(n−1) ‖ canonical(event n))`, `digest(0) = sha256(uid)`; canonical is
compact JSON in UTF-8 with its keys sorted. Source: docs/architecture.md#history.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from json import JSONEncoder

from perdure.engine.values import Json, JsonObject
from perdure.verification.bodies import as_written, part

_ENCODER = JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def canonical(value: Json) -> bytes:
    """Return the bytes that are hashed. Raises UnicodeEncodeError for lone surrogates."""
    return _ENCODER.encode(value).encode()


def sha256(data: bytes) -> str:
    """Return 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def start_of(uid: str) -> str:
    """Return the digest of the empty history."""
    return sha256(uid.encode())


@dataclass(frozen=True, slots=True)
class Link:
    """An event as it was hashed, its bytes in canonical form, and the digest after it."""

    event: JsonObject
    size: int
    digest: str


def linked(digest: str, events: Iterable[JsonObject]) -> list[Link]:
    """Return the links of the events that follow `digest`."""
    links = []
    for event in events:
        data = canonical(event)
        digest = sha256(digest.encode() + data)
        links.append(Link(event, len(data), digest))
    return links


def end_of(digest: str, events: Sequence[JsonObject]) -> str:
    """Return the digest after the events."""
    links = linked(digest, events)
    return links[-1].digest if links else digest


def verified(digest: str, events: Sequence[JsonObject], end: str) -> list[Link] | None:
    """Return the links of the events if the last digest is `end`, None if it cannot be.

    Events that came from an API server are tried as they are, and with their numbers as they were
    written.
    """
    for form in (events, None):
        links = linked(digest, _as_written(events) if form is None else form)
        if (links[-1].digest if links else digest) == end:
            return links
    return None


def _as_written(events: Sequence[JsonObject]) -> Iterable[JsonObject]:
    return (part(as_written(event)) for event in events)
