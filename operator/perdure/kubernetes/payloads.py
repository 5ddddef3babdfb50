"""Large values of events: each in a WorkflowHistory object of its own, the event names it.

In the stored form a value that is kept elsewhere is `{"$payload": {ref, size, digest}}`. A user's
value that looks like this, or like the wrapping itself, is wrapped as `{"$value": …}`, so the two
can never be confused. Source: docs/architecture.md#bounds.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import orjson

from perdure.engine.values import Json, JsonObject, canonical, sha256
from perdure.errors import HistoryCorruptError
from perdure.kubernetes.naming import uid_hash

MAX_INLINE = 8 * 1024
"""Bytes of a value, in canonical form, that still stay in the event."""

MAX_PAYLOAD = 1024 * 1024
"""Bytes of one value; etcd refuses objects over 1.5 MiB, and base64 makes 4/3 of it."""

CODEC = "json/1"
MARKER = "$payload"
WRAPPER = "$value"


class PayloadTooLargeError(ValueError):
    """A value is over MAX_PAYLOAD; the message has its size. Stays inside the store."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Where a value is: name of the WorkflowHistory, bytes and sha256 of its canonical form."""

    ref: str
    size: int
    digest: str

    def marker(self) -> JsonObject:
        """Return the stored form, which stands in the place of the value."""
        return {MARKER: {"ref": self.ref, "size": self.size, "digest": self.digest}}


@dataclass(frozen=True, slots=True)
class Payload:
    """A value to be kept in an object of its own, for event `event_id`."""

    event_id: int
    reference: Reference
    data: bytes

    def spec(self, uid: str) -> JsonObject:
        """Return the spec of its WorkflowHistory."""
        return {
            "instanceUid": uid,
            "kind": "Payload",
            "firstId": self.event_id,
            "lastId": self.event_id,
            "digest": self.reference.digest,
            "codec": CODEC,
            "data": base64.b64encode(self.data).decode(),
        }


def escaped(value: Json) -> Json:
    """Return the stored form of a value of a user that stays inline."""
    return {WRAPPER: value} if _is_special(value) else value


def unescaped(stored: Json, values: Mapping[str, Json]) -> Json:
    """Return the value of a stored form; `values` has those kept elsewhere, by `ref`.

    Raises HistoryCorruptError for a reference that is damaged or has no value.
    """
    if not _is_special(stored):
        return stored
    assert isinstance(stored, dict)
    if WRAPPER in stored:
        return stored[WRAPPER]
    reference = reference_of(stored)
    if reference is None or reference.ref not in values:
        raise HistoryCorruptError(f"the payload {stored[MARKER]!r} is missing")
    return values[reference.ref]


def _is_special(value: Json) -> bool:
    return isinstance(value, dict) and len(value) == 1 and (MARKER in value or WRAPPER in value)


def reference_of(stored: Json) -> Reference | None:
    """Return the reference that stands in the place of a value, None where the value is inline.

    Raises HistoryCorruptError when it is damaged.
    """
    if not (isinstance(stored, dict) and len(stored) == 1 and MARKER in stored):
        return None
    marker = stored[MARKER]
    match marker:
        case {"ref": str(ref), "size": int(size), "digest": str(digest)}:
            return Reference(ref, size, digest)
        case _:
            raise HistoryCorruptError(f"a payload reference is damaged: {str(marker)[:200]}")


def references(stored: Json, fields: Iterable[str]) -> list[Reference]:
    """Return the references among these fields of a stored event."""
    if not isinstance(stored, dict):
        return []
    found = (reference_of(stored.get(field)) for field in fields)
    return [reference for reference in found if reference is not None]


def moved_out(
    uid: str, stored: JsonObject, fields: Iterable[str]
) -> tuple[JsonObject, list[Payload]]:
    """Return the event with its large values replaced by references, and those values.

    Raises PayloadTooLargeError for a value over MAX_PAYLOAD.
    """
    event_id = stored["id"]
    assert isinstance(event_id, int)
    payloads: list[Payload] = []
    for field in fields:
        data = canonical(unescaped(stored[field], {})) if field in stored else b""
        if len(data) > MAX_INLINE:
            payload = _payload(uid, event_id, field, data)
            payloads.append(payload)
            stored = {**stored, field: payload.reference.marker()}
    return stored, payloads


def _payload(uid: str, event_id: int, field: str, data: bytes) -> Payload:
    if len(data) > MAX_PAYLOAD:
        raise PayloadTooLargeError(
            f"the {field} of event {event_id} has {len(data)} bytes, at most {MAX_PAYLOAD} can be "
            "kept"
        )
    digest = sha256(data)
    name = f"{uid_hash(uid)}-p{event_id}-{digest[:20]}"
    return Payload(event_id, Reference(name, len(data), digest), data)


def value_of(spec: Mapping[str, Json], reference: Reference) -> Json:
    """Return the value in a payload's spec. Raises HistoryCorruptError when it is another one."""
    text = spec.get("data")
    try:
        data = base64.b64decode(text if isinstance(text, str) else "", validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if sha256(data) != reference.digest:
        raise HistoryCorruptError(
            f"the content of payload {reference.ref} does not match its digest"
        )
    value: Json = orjson.loads(data)
    return value
