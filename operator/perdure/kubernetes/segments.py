"""Segments: older events of an instance, in immutable WorkflowHistory objects.

A chain of digests runs through all events, across segments and the events in the status: each
segment holds the digest after its last event, and names the segment before it with its digest.
Source: docs/architecture.md#history.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from perdure.engine.values import Json, JsonObject, canonical, next_link, sha256
from perdure.errors import HistoryCorruptError
from perdure.kubernetes.codec import VERSION
from perdure.kubernetes.naming import (
    EVENTS_ANNOTATION,
    FIRST_AT_ANNOTATION,
    LAST_AT_ANNOTATION,
    TYPES_ANNOTATION,
    uid_hash,
)

MAX_SEGMENT_BYTES = 128 * 1024
"""Events per segment; the API server spends 1 ms per 8 KiB on creating one."""

MAX_SEGMENT_EVENTS = 2000
"""Far below what the CRD allows."""

MAX_EVENT_BYTES = 1024 * 1024
"""One event in stored form; alone in a segment it still fits into etcd's 1.5 MiB."""

CODEC = f"events/{VERSION}"


@dataclass(frozen=True, slots=True)
class Link:
    """A segment by name, and the digest of the chain after its last event."""

    name: str
    digest: str

    def as_json(self) -> JsonObject:
        return {"name": self.name, "digest": self.digest}


@dataclass(frozen=True, slots=True)
class Record:
    """An event in stored form, its bytes, and the digest of the chain after it."""

    stored: JsonObject
    size: int
    digest: str

    @property
    def id(self) -> int:
        event_id = self.stored["id"]
        assert isinstance(event_id, int)
        return event_id


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment that is to be created."""

    link: Link
    spec: JsonObject
    annotations: dict[str, str]


def recorded(digest: str, stored: JsonObject) -> Record:
    """Return the record of an event that follows the chain's `digest`."""
    data = canonical(stored)
    return Record(stored, len(data), next_link(digest, data))


def verified(digest: str, events: Sequence[Json], first_id: int) -> list[Record]:
    """Return the records of read events, numbered from `first_id`, that follow `digest`.

    Raises HistoryCorruptError when one is no object or has another id. Whether the digests are
    the right ones shows at the end of the chain.
    """
    records: list[Record] = []
    for event_id, stored in enumerate(events, first_id):
        if not isinstance(stored, dict) or stored.get("id") != event_id:
            raise HistoryCorruptError(f"history event {event_id} is not where it should be")
        record = recorded(digest, stored)
        records.append(record)
        digest = record.digest
    return records


def as_written(value: Json) -> Json:
    """Return a value as it was before the API server wrote its numbers in its own way.

    It prints a float of 2**63 and more without exponent, so that it reads as an integer.
    """
    if isinstance(value, dict):
        return {key: as_written(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_written(item) for item in value]
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return float(value)
    if isinstance(value, float) and value.is_integer() and -(2**63) <= value < 2**63:
        return int(value)
    return value


def segmented(uid: str, records: Sequence[Record], previous: Link | None) -> list[Segment]:
    """Return segments that hold these records, the first one following `previous`."""
    segments: list[Segment] = []
    for part in _parts(records):
        segment = _segment(uid, part, previous)
        segments.append(segment)
        previous = segment.link
    return segments


def _parts(records: Sequence[Record]) -> Iterable[list[Record]]:
    part: list[Record] = []
    size = 0
    for record in records:
        if part and (size + record.size > MAX_SEGMENT_BYTES or len(part) == MAX_SEGMENT_EVENTS):
            yield part
            part, size = [], 0
        part.append(record)
        size += record.size
    if part:
        yield part


def _segment(uid: str, records: Sequence[Record], previous: Link | None) -> Segment:
    first, last = records[0], records[-1]
    spec: JsonObject = {
        "instanceUid": uid,
        "kind": "Segment",
        "firstId": first.id,
        "lastId": last.id,
        "digest": last.digest,
        "codec": CODEC,
        "events": [record.stored for record in records],
    }
    if previous is not None:
        spec["previous"] = previous.as_json()
    name = f"{uid_hash(uid)}-{first.id}-{sha256(canonical(spec))[:20]}"
    return Segment(Link(name, last.digest), spec, _index(records))


def _index(records: Sequence[Record]) -> dict[str, str]:
    """Return the annotations that make `kubectl get wfh` a table of contents."""
    types = Counter(str(record.stored["type"]) for record in records)
    return {
        EVENTS_ANNOTATION: f"{records[0].id}-{records[-1].id}",
        FIRST_AT_ANNOTATION: str(records[0].stored["at"]),
        LAST_AT_ANNOTATION: str(records[-1].stored["at"]),
        TYPES_ANNOTATION: ", ".join(f"{name} {count}" for name, count in sorted(types.items())),
    }
