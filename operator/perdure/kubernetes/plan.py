"""What a status write is: the JSON patch, and the objects created before it. Pure.

Source: docs/architecture.md#commit and docs/architecture.md#history.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from perdure.engine.values import Json, JsonObject, canonical
from perdure.kubernetes import codec
from perdure.kubernetes.payloads import Payload
from perdure.kubernetes.records import large_output, records_of
from perdure.kubernetes.segments import Link, Record, Segment, segmented
from perdure.kubernetes.status import MANAGED, status_after, with_commit
from perdure.ports import InstanceKey, Turn

MAX_STATUS = 32 * 1024
"""Bytes of a status in canonical form; past it events move to segments."""

KEPT_BYTES = 8 * 1024
"""Newest events that stay in the status when it spills: so the next spill is not near."""


EVENTS_END = "/status/history/events/-"


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
class Basis:
    """A status as it was read, at `version` of its object: what a patch builds on and tests.

    `rev` is None before the first commit.
    """

    key: InstanceKey
    version: int
    rev: int | None
    position: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One write. `payloads` and `segments` are created first, then the patch is sent.

    Without `operations` there is nothing to write. `position` is where the status stands then.
    """

    payloads: tuple[Payload, ...]
    segments: tuple[Segment, ...]
    operations: list[JsonObject]
    position: Position


def plan(turn: Turn, now: datetime) -> Plan:
    """Return what the turn writes; `now` dates conditions.

    Raises PayloadTooLargeError, EventTooLargeError and ValueRefusedError.
    """
    basis = _basis(turn)
    key, position = basis.key, basis.position
    new, payloads = records_of(
        key.uid, turn.events, turn.commit_id, position.length, position.digest
    )
    shown = status_after(turn, position.status or {}, now, large_output(new))
    if not new and shown == managed(position.status or {}, "rev", "commitId"):
        return nothing(position)
    status = with_commit(shown, basis.rev, turn.commit_id)
    generation = turn.base.generation if is_ending(turn) else None
    return replace(patched(basis, new, status, generation), payloads=tuple(payloads))


def _basis(turn: Turn) -> Basis:
    base, position = turn.base, turn.base.store_data
    assert isinstance(position, Position), "the base of the turn is a snapshot of this store"
    return Basis(key=base.key, version=base.version, rev=base.rev, position=position)


def nothing(position: Position) -> Plan:
    """Return the plan of what the status shows already."""
    return Plan(payloads=(), segments=(), operations=[], position=position)


def managed(status: Mapping[str, Json], *without: str) -> JsonObject:
    """Return the MANAGED fields of a status, without some of them."""
    return {key: item for key, item in status.items() if key in MANAGED and key not in without}


def patched(
    basis: Basis, new: Sequence[Record], status: JsonObject, generation: int | None
) -> Plan:
    """Return the plan that appends these events, and gives the MANAGED fields these values.

    `generation` is the one of the spec that is tested, if any.
    """
    before = basis.position
    after, segments = _after(basis, new, status)
    operations = [
        *_tests(basis, generation),
        *_status_operations(before, status, after if new else None),
        *_history_operations(before, after, new if not segments else None),
    ]
    return Plan(payloads=(), segments=tuple(segments), operations=operations, position=after)


def _after(
    basis: Basis, new: Sequence[Record], status: JsonObject
) -> tuple[Position, list[Segment]]:
    """Return the position after the write, and the segments that it takes."""
    before = basis.position
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
    return _spilled(basis.key.uid, after, status)


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


def _tests(basis: Basis, generation: int | None) -> list[JsonObject]:
    """Return what the write depends on; `store.has_moved` asks for all of it at once.

    The digest moves with every commit of events, as `rev` does: it tells of whoever changed the
    history and did not count.
    """
    values: list[tuple[str, Json]] = [("/metadata/uid", basis.key.uid)]
    if basis.rev is None:
        values.append(("/metadata/resourceVersion", str(basis.version)))
    else:
        values.append(("/status/rev", basis.rev))
        if basis.position.is_present:
            values.append(("/status/history/digest", basis.position.digest))
    if generation is not None:
        values.append(("/metadata/generation", generation))
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
