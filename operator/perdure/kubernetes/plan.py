"""What one commit writes: the JSON patch of the status, and the objects created before it. Pure.

Source: docs/architecture.md#commit and docs/architecture.md#history.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from perdure.engine.values import Json, JsonObject, canonical
from perdure.kubernetes import codec
from perdure.kubernetes.payloads import MAX_INLINE, Payload, moved_out, reference_of
from perdure.kubernetes.segments import (
    MAX_EVENT_BYTES,
    Link,
    Record,
    Segment,
    recorded,
    segmented,
)
from perdure.kubernetes.status import MANAGED, status_after, with_commit
from perdure.ports import Turn

MAX_STATUS = 32 * 1024
"""Bytes of a status in canonical form; past it events move to segments."""

KEPT_BYTES = 8 * 1024
"""Newest events that stay in the status when it spills: so the next spill is not near."""


EVENTS_END = "/status/history/events/-"


class EventTooLargeError(ValueError):
    """An event is over MAX_EVENT_BYTES even without its large values. Stays inside the store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where the history of a snapshot stands: the `store_data` of `KubernetesStore`.

    `status` is as it stands in the object, without `history`; None where there is no status.
    `hot` are the events after the newest segment.
    """

    status: Mapping[str, Json] | None
    is_present: bool
    length: int
    digest: str
    segments: int
    newest: Link | None
    hot: tuple[Record, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One commit. `payloads` and `segments` are created first, then the patch is sent.

    Without `operations` there is nothing to write. `position` lacks the new status.
    """

    payloads: tuple[Payload, ...]
    segments: tuple[Segment, ...]
    operations: list[JsonObject]
    position: Position


def plan(turn: Turn, now: datetime) -> Plan:
    """Return what the turn writes; `now` dates conditions.

    Raises PayloadTooLargeError, EventTooLargeError and ValueRefusedError.
    """
    position = _position(turn)
    new, payloads = _records(turn, position)
    shown = status_after(turn, position.status or {}, now, _large_output(new))
    if not new and shown == _managed(position.status or {}, "rev", "commitId"):
        return _nothing(position)
    status = with_commit(shown, turn.base.rev, turn.commit_id)
    after, segments = _after(turn, position, new, status)
    operations = [
        *_tests(turn, position),
        *_status_operations(position, status, after if new else None),
        *_history_operations(position, after, new if not segments else None),
    ]
    return Plan(
        payloads=tuple(payloads), segments=tuple(segments), operations=operations, position=after
    )


def _position(turn: Turn) -> Position:
    position = turn.base.store_data
    assert isinstance(position, Position), "the base of the turn is a snapshot of this store"
    return position


def _nothing(position: Position) -> Plan:
    return Plan(payloads=(), segments=(), operations=[], position=position)


def _managed(status: Mapping[str, Json], *without: str) -> JsonObject:
    return {key: item for key, item in status.items() if key in MANAGED and key not in without}


def _records(turn: Turn, position: Position) -> tuple[list[Record], list[Payload]]:
    """Return the new events in stored form, and the values moved out of them."""
    records: list[Record] = []
    payloads: list[Payload] = []
    digest = position.digest
    for event_id, event in enumerate(turn.events, position.length + 1):
        assert event.id == event_id, f"event {event.id} does not follow {event_id - 1}"
        stored = codec.encode(event)
        if event is turn.events[0]:
            stored["commitId"] = turn.commit_id
        record, moved = _record(turn.base.key.uid, digest, stored)
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


def _large_output(new: Sequence[Record]) -> JsonObject | None:
    """Return the reference to the output of an end in this commit, if it was moved out."""
    if not new or new[-1].stored["type"] != "InstanceEnded":
        return None
    reference = reference_of(new[-1].stored.get("output"))
    return None if reference is None else reference.marker()


def _after(
    turn: Turn, before: Position, new: Sequence[Record], status: JsonObject
) -> tuple[Position, list[Segment]]:
    """Return the position after the commit, and the segments that it takes."""
    after = Position(
        status=status,
        is_present=before.is_present or bool(new),
        length=before.length + len(new),
        digest=new[-1].digest if new else before.digest,
        segments=before.segments,
        newest=before.newest,
        hot=(*before.hot, *new),
    )
    if not new or size_of_status(status, after) <= MAX_STATUS:
        return after, []
    return _spilled(turn.base.key.uid, after, status)


def size_of_status(status: Mapping[str, Json], position: Position) -> int:
    """Return the bytes of the whole status in canonical form."""
    events = sum(record.size + 1 for record in position.hot)
    return _size_without_events(status, position) + max(events - 1, 0)


def _size_without_events(status: Mapping[str, Json], position: Position) -> int:
    return len(canonical({**status, "history": history_json(position, [])}))


def _spilled(uid: str, position: Position, status: JsonObject) -> tuple[Position, list[Segment]]:
    """Move all but the newest events into segments."""
    room = MAX_STATUS - _size_without_events(status, position) - 512  # the reference to a segment
    kept = _newest(position.hot, min(KEPT_BYTES, room))
    segments = segmented(uid, position.hot[: len(position.hot) - kept], position.newest)
    after = Position(
        status=position.status,
        is_present=True,
        length=position.length,
        digest=position.digest,
        segments=position.segments + len(segments),
        newest=segments[-1].link if segments else position.newest,
        hot=position.hot[len(position.hot) - kept :],
    )
    return after, segments


def _newest(records: Sequence[Record], room: int) -> int:
    """Return how many of the newest records fit into so many bytes."""
    count = 0
    for record in reversed(records):
        room -= record.size + 1
        if room < 0:
            break
        count += 1
    return count


def _tests(turn: Turn, position: Position) -> list[JsonObject]:
    """Return what the commit depends on; `store.has_moved` asks for all of it at once.

    The digest moves with every commit of events, as `rev` does: it tells of whoever changed the
    history and did not count.
    """
    values: list[tuple[str, Json]] = [("/metadata/uid", turn.base.key.uid)]
    if turn.base.rev is None:
        values.append(("/metadata/resourceVersion", str(turn.base.version)))
    else:
        values.append(("/status/rev", turn.base.rev))
        if position.is_present:
            values.append(("/status/history/digest", position.digest))
    if is_ending(turn):
        values.append(("/metadata/generation", turn.base.generation))
    return [{"op": "test", "path": path, "value": value} for path, value in values]


def is_ending(turn: Turn) -> bool:
    """Return whether the turn decides the end, or makes it.

    What was accepted meanwhile must be seen first: a termination, say, that comes with it.
    """
    before, after = turn.base.state, turn.state
    decides = after.ending is not None and before.ending is None
    return decides or (after.ended is not None and before.ended is None)


def _status_operations(
    before: Position, status: Mapping[str, Json], first: Position | None
) -> list[JsonObject]:
    """Return the operations for what changed in the status; `first` is its first history."""
    if before.status is None:
        whole = dict(status)
        if first is not None:
            whole["history"] = history_json(first, [record.stored for record in first.hot])
        return [{"op": "add", "path": "/status", "value": whole}]
    known = before.status
    written: list[JsonObject] = [
        {"op": "replace" if key in known else "add", "path": f"/status/{key}", "value": value}
        for key, value in status.items()
        if key not in known or known[key] != value
    ]
    gone = [key for key in known if key in MANAGED and key not in status]
    return written + [{"op": "remove", "path": f"/status/{key}"} for key in gone]


def _history_operations(
    before: Position, after: Position, appended: Sequence[Record] | None
) -> list[JsonObject]:
    """Return the operations for the history; `appended` is None when it spilled."""
    if before.status is None or after.length == before.length:
        return []
    if not before.is_present or appended is None:
        history = history_json(after, [record.stored for record in after.hot])
        return [{"op": "add", "path": "/status/history", "value": history}]
    operations: list[JsonObject] = [
        {"op": "replace", "path": "/status/history/length", "value": after.length},
        {"op": "replace", "path": "/status/history/digest", "value": after.digest},
    ]
    for record in appended:
        operations.append({"op": "add", "path": EVENTS_END, "value": record.stored})
    return operations


def history_json(position: Position, events: list[JsonObject]) -> JsonObject:
    """Return `status.history` at a position, with these events in it."""
    segments: JsonObject = {"count": position.segments}
    if position.newest is not None:
        segments["newest"] = position.newest.as_json()
    return {
        "version": codec.VERSION,
        "length": position.length,
        "digest": position.digest,
        "segments": segments,
        "events": list(events),
    }
