"""Entries of the log: turns of many instances in one object.

An entry stands in the spec of a WorkflowLog; its turns are JSON, deflated, in base64, so that the
API server has one string to copy. Untyped data enters here. Source: docs/log.md#entries.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar, cast

import orjson

from perdure.engine.values import Json, JsonObject
from perdure.errors import LogDamagedError, NewerLogError
from perdure.ports import InstanceKey

CODEC = "turns/1"
"""The form of `data` that is written, and the only one that is read."""

COMPRESSION = 1
"""Of zlib: the fastest; the turns of one entry are much alike."""

MAX_DATA = 256 * 1024
"""Characters of `data`; the API server refuses more."""

MAX_DOCUMENT = 16 * 2**20
"""Bytes of the turns as JSON. Deflated, a few KiB can stand for more than there is memory."""

MAX_LANES = 64
"""Of one generation; the API server refuses more."""

Plain = TypeVar("Plain", int, str, list[Json], dict[str, Json])


class EntryKind(StrEnum):
    """What an entry says of its lane."""

    OPENING = "Opening"
    """The slots of the generation are being created; only in `g<n>-0-0`."""
    EMPTY = "Empty"
    """Nothing yet: how a slot is created. Its seq is 0, as that of Opening."""
    TURNS = "Turns"
    CLAIM = "Claim"
    """Its writer has read the lane to its end, and owns it from here on."""
    RELEASED = "Released"
    """Its writer owns the lane no more."""
    CLOSED = "Closed"
    """The lane belongs to a generation that is over."""


_KINDS = frozenset(kind.value for kind in EntryKind)
_BLANK = (EntryKind.OPENING, EntryKind.EMPTY)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedTurn:
    """One turn of one instance, as the log keeps it.

    `rev` counts the turns of the instance from 1. `before` and `after` are the digests of its
    history around the turn, `events` in stored form. `generation` is the one of its spec that the
    turn has seen. `wire` is all of this as JSON bytes.
    """

    key: InstanceKey
    rev: int
    generation: int
    before: str
    after: str
    events: tuple[JsonObject, ...]
    wire: bytes

    @property
    def ends(self) -> bool:
        """Return whether it is the last one of its instance."""
        return bool(self.events) and self.events[-1].get("type") == "InstanceEnded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What stands in a slot.

    `lanes` is the number of lanes of the generation. `seq` numbers the entries of a lane from 1;
    0 is an empty slot. `nonce` is of one try to write it: an entry that is sent with other content
    has another. `carried` are turns of the entry that it replaces. `heir` is who should claim a
    released lane; `next_lanes` the number of lanes of the generation after a closed one.
    """

    generation: int
    lanes: int
    lane: int
    seq: int
    kind: EntryKind
    incarnation: str = ""
    nonce: str = ""
    turns: tuple[LoggedTurn, ...] = ()
    carried: tuple[LoggedTurn, ...] = ()
    heir: str | None = None
    next_lanes: int | None = None


def logged(
    key: InstanceKey,
    *,
    rev: int,
    generation: int,
    before: str,
    after: str,
    events: Iterable[JsonObject],
) -> LoggedTurn:
    """Return a turn for the log. The events have to be storable JSON: the engine sees to that."""
    stored = tuple(events)
    document = {
        "namespace": key.namespace,
        "name": key.name,
        "uid": key.uid,
        "rev": rev,
        "generation": generation,
        "before": before,
        "after": after,
        "events": stored,
    }
    return LoggedTurn(
        key=key,
        rev=rev,
        generation=generation,
        before=before,
        after=after,
        events=stored,
        wire=orjson.dumps(document),
    )


def spec_of(entry: Entry) -> JsonObject:
    """Return the spec of the WorkflowLog that holds the entry."""
    spec: JsonObject = {
        "generation": entry.generation,
        "lanes": entry.lanes,
        "lane": entry.lane,
        "seq": entry.seq,
        "kind": entry.kind.value,
        "incarnation": entry.incarnation,
        "nonce": entry.nonce,
        "codec": CODEC,
        "data": packed(entry.turns, entry.carried),
    }
    if entry.heir is not None:
        spec["heir"] = entry.heir
    if entry.next_lanes is not None:
        spec["nextLanes"] = entry.next_lanes
    return spec


def packed(turns: Iterable[LoggedTurn], carried: Iterable[LoggedTurn]) -> str:
    """Return `data` with these turns; empty without any.

    Whoever gathers turns keeps their JSON below MAX_DOCUMENT, and the result below MAX_DATA.
    """
    new, old = b",".join(turn.wire for turn in turns), b",".join(turn.wire for turn in carried)
    if not new and not old:
        return ""
    document = b'{"turns":[' + new + b'],"carried":[' + old + b"]}"
    assert len(document) <= MAX_DOCUMENT, "what is written can be read again"
    return base64.b64encode(zlib.compress(document, COMPRESSION)).decode()


class _DamagedError(Exception):
    """Something is not what it should be; becomes LogDamagedError, which names the object."""


def entry_of(spec: Mapping[str, Json], where: str) -> Entry:
    """Return the entry in a spec; `where` names its object in errors.

    Raises NewerLogError for a kind or codec that this version does not know, LogDamagedError for
    anything that cannot be an entry.
    """
    try:
        kind, codec = _field(spec, "kind", str), _field(spec, "codec", str)
        if kind not in _KINDS or codec != CODEC:
            raise NewerLogError(
                f'WorkflowLog {where} is of kind "{kind[:99]}" in the form "{codec[:99]}", which '
                f"this version does not know: run the version that wrote it, or a later one"
            )
        return _entry(spec, EntryKind(kind))
    except _DamagedError as error:
        raise _damaged(where, error) from error


def unpacked(data: Json, where: str) -> tuple[tuple[LoggedTurn, ...], tuple[LoggedTurn, ...]]:
    """Return the new and the carried turns in `data`. Raises LogDamagedError."""
    try:
        return _unpacked(data)
    except _DamagedError as error:
        raise _damaged(where, error) from error


def _damaged(where: str, error: _DamagedError) -> LogDamagedError:
    return LogDamagedError(
        f"WorkflowLog {where} cannot be read: {error}. Nothing is written to its lane "
        f"until it is restored, or deleted and `perdure store repair` accepts the loss of what "
        f"stood there"
    )


def _entry(spec: Mapping[str, Json], kind: EntryKind) -> Entry:
    turns, carried = _unpacked(spec.get("data"))
    entry = Entry(
        generation=_field(spec, "generation", int),
        lanes=_field(spec, "lanes", int),
        lane=_field(spec, "lane", int),
        seq=_field(spec, "seq", int),
        kind=kind,
        incarnation=_field(spec, "incarnation", str),
        nonce=_field(spec, "nonce", str),
        turns=turns,
        carried=carried,
        heir=_field(spec, "heir", str) if "heir" in spec else None,
        next_lanes=_field(spec, "nextLanes", int) if "nextLanes" in spec else None,
    )
    if entry.generation < 1 or not 0 <= entry.lane < entry.lanes:
        raise _DamagedError(
            f"it is of generation {entry.generation}, lane {entry.lane} of {entry.lanes}"
        )
    if entry.seq < 0 or (entry.seq == 0) != (kind in _BLANK):
        raise _DamagedError(f"an entry of kind {kind} has seq {entry.seq}")
    if (kind is EntryKind.CLOSED) != (entry.next_lanes is not None):
        raise _DamagedError(f"an entry of kind {kind} has nextLanes {entry.next_lanes}")
    return entry


def _unpacked(data: Json) -> tuple[tuple[LoggedTurn, ...], tuple[LoggedTurn, ...]]:
    if data == "":
        return (), ()
    document = _object(_parsed(_inflated(data)), "data")
    return _turns(document, "turns"), _turns(document, "carried")


def _inflated(data: Json) -> bytes:
    """Return the JSON in `data`, of which no more than MAX_DOCUMENT is ever held."""
    if not isinstance(data, str):
        raise _DamagedError("data is no text")
    inflater = zlib.decompressobj()
    try:
        document = inflater.decompress(base64.b64decode(data, validate=True), MAX_DOCUMENT + 1)
    except (ValueError, zlib.error) as error:
        raise _DamagedError(f"data is not deflated and in base64: {error}") from error
    if len(document) > MAX_DOCUMENT:
        raise _DamagedError(f"data inflates to more than {MAX_DOCUMENT} bytes")
    if not inflater.eof or inflater.unused_data:
        raise _DamagedError("data ends too early or too late")
    return document


def _parsed(document: bytes) -> Json:
    try:
        return cast("Json", orjson.loads(document))
    except orjson.JSONDecodeError as error:
        raise _DamagedError(f"data is no JSON: {error}") from error


def _turns(document: JsonObject, field: str) -> tuple[LoggedTurn, ...]:
    turns = _field(document, field, list)
    return tuple(_turn(_object(turn, f"one of {field}")) for turn in turns)


def _turn(document: JsonObject) -> LoggedTurn:
    events = [_object(event, "an event") for event in _field(document, "events", list)]
    rev, generation = _field(document, "rev", int), _field(document, "generation", int)
    if rev < 1 or generation < 1:
        raise _DamagedError(f"a turn has rev {rev} and generation {generation}")
    try:
        return logged(
            InstanceKey(*(_field(document, each, str) for each in ("namespace", "name", "uid"))),
            rev=rev,
            generation=generation,
            before=_field(document, "before", str),
            after=_field(document, "after", str),
            events=events,
        )
    except orjson.JSONEncodeError as error:
        raise _DamagedError(f"a turn cannot be carried on: {error}") from error


def _object(value: Json, what: str) -> JsonObject:
    if not isinstance(value, dict):
        raise _DamagedError(f"{what} is no object")
    return value


def _field(document: Mapping[str, Json], field: str, kind: type[Plain]) -> Plain:
    """Return a field of just this type: a boolean is no number."""
    value = document.get(field)
    if type(value) is not kind:
        raise _DamagedError(f"{field} is missing or of the wrong type ({type(value).__name__})")
    return value
