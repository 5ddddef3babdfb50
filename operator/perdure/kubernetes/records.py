"""New events as they are stored: numbered, chained by digests, large values moved out. Pure.

Source: docs/architecture.md#history.
"""

from __future__ import annotations

from collections.abc import Sequence

from perdure.engine.events import HistoryEvent
from perdure.engine.values import JsonObject
from perdure.kubernetes import codec
from perdure.kubernetes.payloads import MAX_INLINE, Payload, moved_out, reference_of
from perdure.kubernetes.segments import MAX_EVENT_BYTES, Record, recorded


class EventTooLargeError(ValueError):
    """An event is over MAX_EVENT_BYTES even without its large values. Stays inside the store."""


def records_of(
    uid: str, events: Sequence[HistoryEvent], commit_id: str, length: int, digest: str
) -> tuple[list[Record], list[Payload]]:
    """Return the new events of a turn in stored form, and the values moved out of them.

    They follow a history of `length` events whose chain ends in `digest`. The first one names the
    commit. Raises PayloadTooLargeError, EventTooLargeError and ValueRefusedError.
    """
    records: list[Record] = []
    payloads: list[Payload] = []
    for event_id, event in enumerate(events, length + 1):
        assert event.id == event_id, f"event {event.id} does not follow {event_id - 1}"
        stored = codec.encode(event)
        if event is events[0]:
            stored["commitId"] = commit_id
        record, moved = _record(uid, digest, stored)
        records.append(record)
        payloads += moved
        digest = record.digest
    return records, payloads


def _record(uid: str, digest: str, stored: JsonObject) -> tuple[Record, list[Payload]]:
    moved: list[Payload] = []
    record = recorded(digest, stored)
    if record.size > MAX_INLINE:  # else none of its values is
        stored, moved = moved_out(uid, stored, codec.payload_keys(stored))
        record = recorded(digest, stored)
    if record.size > MAX_EVENT_BYTES:
        raise EventTooLargeError(
            f"event {record.id} ({stored['type']}) has {record.size} bytes, at most "
            f"{MAX_EVENT_BYTES} can be kept"
        )
    return record, moved


def large_output(new: Sequence[Record]) -> JsonObject | None:
    """Return the reference to the output of an end among these events, if it was moved out."""
    if not is_end(new):
        return None
    reference = reference_of(new[-1].stored.get("output"))
    return None if reference is None else reference.marker()


def is_end(records: Sequence[Record]) -> bool:
    """Return whether these events end the instance: none comes after its end."""
    return bool(records) and records[-1].stored["type"] == "InstanceEnded"
