"""From an object to the state of its history: as little reading and folding as will do.

What is known already is reused if the chain of digests passes through it; else the newest segments
are read back to there; else the whole history. Every digest is checked. Source:
docs/architecture.md#history.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from perdure.engine.fold import fold
from perdure.engine.state import State
from perdure.engine.values import Json, JsonObject, first_link
from perdure.errors import HistoryCorruptError
from perdure.kubernetes.codec import decode, payload_keys
from perdure.kubernetes.histories import Histories, metadata_of, spec_of
from perdure.kubernetes.instances import Head, link_of
from perdure.kubernetes.payloads import Reference, references, value_of
from perdure.kubernetes.segments import Link, Record, as_written, verified
from perdure.ports import InstanceKey

SLICE = 100
"""Events that are folded before the loop gets a turn: a few milliseconds."""

PAYLOADS_AT_ONCE = 8
"""Payloads read at once: up to 1.4 MB each, as they come."""

Find: TypeAlias = "Callable[[str], Awaitable[JsonObject | None]]"
"""How a WorkflowHistory's spec is found by its name; None where there is none."""


@dataclass(frozen=True, slots=True)
class Known:
    """A state, and the digest of the chain after its last event."""

    state: State
    digest: str

    @property
    def length(self) -> int:
        return self.state.last_id


@dataclass(frozen=True, slots=True)
class Loaded:
    """The state of a history, and its events after the newest segment."""

    state: State
    hot: tuple[Record, ...]


@dataclass(slots=True)
class _Tail:
    """Events at the end of a history, as far back as it is read: `start` is the digest before.

    `parts` are the events in the status and of segments, newest part first.
    """

    start: str
    first_id: int
    previous: Link | None
    parts: list[list[Record]]

    def digest_at(self, length: int) -> str | None:
        """Return the digest after event `length`, which lies in the oldest part or just before."""
        oldest, index = self.parts[-1], length - self.first_id
        if index == -1:
            return self.start
        return oldest[index].digest if 0 <= index < len(oldest) else None

    def after(self, length: int) -> list[Record]:
        """Return the events after event `length`."""
        records = [record for part in reversed(self.parts) for record in part]
        return records[length - self.first_id + 1 :]

    async def extend(self, find: Find) -> None:
        """Read the segment before the oldest part."""
        if self.previous is None:
            raise HistoryCorruptError(f"no segment holds event {self.first_id - 1}")
        part = await _segment(self.previous, find)
        if part.first_id + len(part.records) != self.first_id:
            raise HistoryCorruptError(f"WorkflowHistory {self.previous.name} does not fit")
        self.parts.append(part.records)
        self.start, self.first_id, self.previous = part.start, part.first_id, part.previous


@dataclass(frozen=True, slots=True)
class _Part:
    start: str
    first_id: int
    previous: Link | None
    records: list[Record]


class Loader:
    """Reads and folds histories."""

    def __init__(self, histories: Histories) -> None:
        self._histories = histories

    async def load(self, key: InstanceKey, head: Head, known: Known | None) -> Loaded:
        """Return the state at `head`.

        Raises TransientError, HistoryCorruptError (also for an object that is missing: it may
        have gone with the instance), NewerHistoryError.
        """
        tail = hot_tail(key.uid, head)
        hot = tuple(tail.parts[0])
        if known is not None and known.length == head.length and known.digest == head.digest:
            return Loaded(known.state, hot)
        get = self._getting(key)
        if known is not None and await _reaches(tail, known, get):
            return Loaded(await _folded(known.state, tail.after(known.length), get), hot)
        return Loaded(await self._whole(key, head), hot)

    async def onto(self, key: InstanceKey, state: State, records: Sequence[Record]) -> State:
        """Return the state after more records, their payloads read one by one.

        Raises TransientError, HistoryCorruptError, NewerHistoryError.
        """
        return await _folded(state, records, self._getting(key))

    async def event_after(
        self, key: InstanceKey, newest: Link | None, hot: Sequence[Record], event_id: int
    ) -> JsonObject | None:
        """Return one event in stored form, looked for in `hot` and, before those, in segments.

        None when the history is not so long. Raises TransientError, HistoryCorruptError.
        """
        while not hot or hot[0].id > event_id:
            if newest is None:
                return None
            part = await _segment(newest, self._getting(key))
            hot, newest = part.records, part.previous
        index = event_id - hot[0].id
        return hot[index].stored if index < len(hot) else None

    async def _whole(self, key: InstanceKey, head: Head) -> State:
        tail = hot_tail(key.uid, head)
        find = await self._found(key) if _needs_objects(tail) else _nothing
        while tail.first_id > 1:
            await tail.extend(find)
            await asyncio.sleep(0)
        state = State(uid=key.uid, namespace=key.namespace, name=key.name)
        return await _folded(state, tail.after(0), find)

    def _getting(self, key: InstanceKey) -> Find:
        """Return how to read objects one by one, as they are wanted."""

        async def get(name: str) -> JsonObject | None:
            return await self._histories.get(key, name)

        return get

    async def _found(self, key: InstanceKey) -> Find:
        """Return how to look into all objects of the instance, which are read at once."""
        objects = await self._histories.all(key)
        specs = {str(metadata_of(found)["name"]): spec_of(found) for found in objects}

        async def find(name: str) -> JsonObject | None:
            return specs.get(name)

        return find


async def _nothing(_: str) -> JsonObject | None:
    return None


def _needs_objects(tail: _Tail) -> bool:
    return tail.first_id > 1 or any(_references(record) for record in tail.parts[0])


def hot_tail(uid: str, head: Head) -> _Tail:
    """Return the events in the status, checked. Raises HistoryCorruptError."""
    start = first_link(uid) if head.newest is None else head.newest.digest
    if head.newest is None and head.first_id != 1:
        raise HistoryCorruptError(
            f"the history begins with event {head.first_id}, and names no segment before it"
        )
    records = _checked(start, head.events, head.first_id, head.digest, "status.history")
    return _Tail(start, head.first_id, head.newest, [records])


def _checked(
    start: str, events: list[Json], first_id: int, digest: str, where: str
) -> list[Record]:
    """Return the records if their chain ends in `digest`."""
    records = verified(start, events, first_id)
    if _end(start, records) != digest:
        # The API server may have printed numbers in its own way: rare, so only now.
        records = verified(start, [as_written(event) for event in events], first_id)
    if _end(start, records) != digest:
        raise HistoryCorruptError(f"the events of {where} do not match its digest")
    return records


def _end(start: str, records: Sequence[Record]) -> str:
    return records[-1].digest if records else start


async def _reaches(tail: _Tail, known: Known, find: Find) -> bool:
    """Read back until the tail reaches what is known; return whether the chain passes there."""
    while tail.first_id > known.length + 1:
        await tail.extend(find)
    return tail.digest_at(known.length) == known.digest


async def _segment(link: Link, find: Find) -> _Part:
    """Return what a segment holds. Only the right content gives the digest of the link."""
    spec = await find(link.name)
    if spec is None:
        raise HistoryCorruptError(f"the WorkflowHistory {link.name} is missing")
    first_id, events = spec.get("firstId"), spec.get("events")
    if not isinstance(first_id, int) or not isinstance(events, list) or not events:
        raise HistoryCorruptError(f"the WorkflowHistory {link.name} holds no events")
    previous = link_of(spec.get("previous"))
    start = previous.digest if previous is not None else _start_of(spec)
    records = _checked(start, events, first_id, link.digest, f"WorkflowHistory {link.name}")
    return _Part(start, first_id, previous, records)


def _start_of(spec: Mapping[str, Json]) -> str:
    return first_link(str(spec.get("instanceUid")))


async def _folded(state: State, records: Sequence[Record], find: Find) -> State:
    """Return the state after the records, in slices, with their payloads read slice by slice."""
    for start in range(0, len(records), SLICE):
        part = records[start : start + SLICE]
        values = await _values([r for record in part for r in _references(record)], find)
        for record in part:
            state = fold(state, decode(record.stored, values))
        await asyncio.sleep(0)
    return state


def _references(record: Record) -> list[Reference]:
    return references(record.stored, payload_keys(record.stored))


async def _values(wanted: Sequence[Reference], find: Find) -> Mapping[str, Json]:
    values: dict[str, Json] = {}
    for start in range(0, len(wanted), PAYLOADS_AT_ONCE):
        part = wanted[start : start + PAYLOADS_AT_ONCE]
        specs = await asyncio.gather(*(find(reference.ref) for reference in part))
        for reference, spec in zip(part, specs, strict=True):
            if spec is None:
                raise HistoryCorruptError(f"the WorkflowHistory {reference.ref} is missing")
            values[reference.ref] = value_of(spec, reference)
    return values
