"""The stored form of history events, version 1: one JSON object each.

`{"id": 3, "at": "2026-01-01T00:00:00Z", "type": "ActivityCompleted", "scheduledId": 2, …}`: keys in
camel case, `type` is the name of the class, a field that equals its default is absent, times are
RFC 3339 in UTC. Values of users stand there verbatim, in normalised form; in the fields that may be
large they are escaped or replaced by a reference (payloads.py). Untyped data enters here.

A table per class is made once, from the annotations of its fields; an annotation that has no
converter fails at import. Adding a field needs a default that means what its absence meant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, fields
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, TypeVar, cast, get_args

from perdure.engine.events import (
    Claim,
    Door,
    Ending,
    Failure,
    HistoryEvent,
    Purpose,
    Revision,
)
from perdure.engine.external import time_text
from perdure.engine.values import Json, JsonObject, normalise
from perdure.errors import HistoryCorruptError, NewerHistoryError
from perdure.kubernetes.payloads import escaped, unescaped

VERSION = 1
"""The form that is written, and the newest that is read."""

NOTHING: Mapping[str, Json] = MappingProxyType({})

Values = Mapping[str, Json]
Encode = Callable[[Any], Json]
Decode = Callable[[Any, Values], Any]
E = TypeVar("E", bound=StrEnum)


class _DamagedError(Exception):
    """A field does not have the shape it should have; becomes HistoryCorruptError."""


@dataclass(frozen=True, slots=True)
class _Converter:
    encode: Encode
    decode: Decode


@dataclass(frozen=True, slots=True)
class _Column:
    """How one field of a class is stored."""

    name: str
    key: str
    is_required: bool
    default: Any
    encode: Encode
    decode: Decode


@dataclass(frozen=True, slots=True)
class _Table:
    """How a class is stored; `payload_keys` are the stored names of fields that may be large."""

    cls: type[Any]
    columns: tuple[_Column, ...]
    keys: Mapping[str, _Column]
    payload_keys: tuple[str, ...]


def encode(event: HistoryEvent) -> JsonObject:
    """Return the stored form. Raises ValueRefusedError for a value that is no storable JSON."""
    stored = _encode(_EVENTS[type(event).__name__], event)
    stored["type"] = type(event).__name__
    return stored


def decode(stored: Json, values: Mapping[str, Json] = NOTHING) -> HistoryEvent:
    """Return the event of a stored form; `values` are those kept elsewhere, by reference name.

    Raises NewerHistoryError for a type or field that this version does not know, and
    HistoryCorruptError for anything of a wrong shape.
    """
    kind = stored.get("type") if isinstance(stored, dict) else None
    if not isinstance(stored, dict) or not isinstance(kind, str):
        raise HistoryCorruptError(f"a history event is no object with a type: {str(stored)[:200]}")
    table = _EVENTS.get(kind)
    if table is None:
        raise NewerHistoryError(
            f"history event {stored.get('id')} has the unknown type {kind[:99]}"
        )
    try:
        return cast("HistoryEvent", _decode(table, stored, values))
    except _DamagedError as damage:
        raise HistoryCorruptError(f"history event {stored.get('id')} ({kind}): {damage}") from None


def payload_keys(stored: Json) -> tuple[str, ...]:
    """Return which fields of a stored event may hold references; none for an unknown type."""
    kind = stored.get("type") if isinstance(stored, dict) else None
    table = _EVENTS.get(kind) if isinstance(kind, str) else None
    return () if table is None else table.payload_keys


def check_version(version: Json) -> None:
    """Raise NewerHistoryError unless `version` is a form that this operator can read."""
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise HistoryCorruptError(f"status.history.version is {str(version)[:99]}, no number")
    if version > VERSION:
        raise NewerHistoryError(
            f"the history has form {version}, this operator reads up to {VERSION}: leave the "
            "instance to a newer operator"
        )


def _encode(table: _Table, value: object) -> JsonObject:
    stored: JsonObject = {}
    for column in table.columns:
        item = getattr(value, column.name)
        if column.is_required or not _equals(item, column.default):
            stored[column.key] = column.encode(item)
    return stored


def _equals(item: object, default: object) -> bool:
    """Return whether the item is the default, and not only equal to it as True is to 1."""
    return item is default or (type(item) is type(default) and item == default)


def _decode(table: _Table, stored: Any, values: Values) -> Any:
    if not isinstance(stored, dict):
        raise _DamagedError(f"{table.cls.__name__} is no object")
    known = {}
    for key, item in stored.items():
        column = table.keys.get(key)
        if column is not None:
            known[column.name] = column.decode(item, values)
        elif key != "type":
            raise NewerHistoryError(f"{table.cls.__name__} has the unknown field {key[:99]}")
    if len(known) < len(table.columns):
        _check_required(table, known)
    return table.cls(**known)


def _check_required(table: _Table, known: Mapping[str, object]) -> None:
    for column in table.columns:
        if column.is_required and column.name not in known:
            raise _DamagedError(f"{column.key} is missing")


def _exactly(kind: type) -> Decode:
    def read(item: Any, _: Values) -> Any:
        if type(item) is not kind:
            raise _DamagedError(f"{str(item)[:99]!r} is no {kind.__name__}")
        return item

    return read


def _read_time(item: Any, _: Values) -> datetime:
    try:
        time = datetime.fromisoformat(item)
    except (TypeError, ValueError):
        raise _DamagedError(f"{str(item)[:99]!r} is no time") from None
    if time.tzinfo is None:
        raise _DamagedError(f"the time {item!r} has no zone")
    return time


def _write_time(time: datetime) -> str:
    return time_text(time if time.tzinfo is UTC else time.astimezone(UTC))


def _write_number(number: float) -> Json:
    return normalise(number)


def _read_number(item: Any, _: Values) -> float:
    if isinstance(item, bool) or not isinstance(item, int | float):
        raise _DamagedError(f"{str(item)[:99]!r} is no number")
    return float(item)


def _read_ids(item: Any, _: Values) -> tuple[int, ...]:
    if not isinstance(item, list) or not all(type(one) is int for one in item):
        raise _DamagedError(f"{str(item)[:99]!r} is no list of integers")
    return tuple(item)


def _read_object(item: Any, _: Values) -> Any:
    if not isinstance(item, dict):
        raise _DamagedError(f"{str(item)[:99]!r} is no object")
    return item


def _word(kind: type[E]) -> _Converter:
    words = {word.value: word for word in kind}

    def read(item: Any, _: Values) -> E:
        word = words.get(item) if isinstance(item, str) else None
        if word is None:
            raise NewerHistoryError(f"{str(item)[:99]!r} is an unknown {kind.__name__}")
        return word

    return _Converter(lambda word: word.value, read)


def _nested(cls: type[Any]) -> _Converter:
    return _Converter(
        lambda value: _encode(_PARTS[cls], value),
        lambda item, values: _decode(_PARTS[cls], item, values),
    )


def _same(item: Any) -> Any:
    return item


def _large(inline: _Converter) -> _Converter:
    """Return the converter of a field whose value may be kept elsewhere."""
    return _Converter(
        lambda value: escaped(inline.encode(value)),
        lambda item, values: inline.decode(unescaped(item, values), values),
    )


def _optional(inner: _Converter) -> _Converter:
    """Return the converter of `X | None`: null is a value where None is not the default."""
    return _Converter(
        lambda value: None if value is None else inner.encode(value),
        lambda item, values: None if item is None else inner.decode(item, values),
    )


_CONVERTERS: Mapping[str, _Converter] = {
    "int": _Converter(_same, _exactly(int)),
    "str": _Converter(normalise, _exactly(str)),
    "bool": _Converter(_same, _exactly(bool)),
    "float": _Converter(_write_number, _read_number),
    "datetime": _Converter(_write_time, _read_time),
    "Json": _Converter(normalise, lambda item, _: item),
    "Mapping[str, Json]": _Converter(normalise, _read_object),
    "tuple[int, ...]": _Converter(list, _read_ids),
    "Purpose": _word(Purpose),
    "Door": _word(Door),
    "Ending": _word(Ending),
    "Failure": _nested(Failure),
    "Claim": _nested(Claim),
    "Revision": _nested(Revision),
}


def _converter(annotation: str) -> _Converter:
    name, bar, _ = annotation.partition(" | ")
    return _optional(_CONVERTERS[name]) if bar else _CONVERTERS[name]


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def _column(field: Field[Any], large: tuple[str, ...]) -> _Column:
    converter = _converter(str(field.type))
    if field.name in large:
        converter = _large(converter)
    default = field.default
    if field.default_factory is not MISSING:
        default = field.default_factory()
    return _Column(
        name=field.name,
        key=_camel(field.name),
        # `at` is always written: a reader of the raw history wants it whatever it is.
        is_required=default is MISSING or field.name in ("id", "at"),
        default=default,
        encode=converter.encode,
        decode=converter.decode,
    )


def _table(cls: type[Any]) -> _Table:
    large: tuple[str, ...] = getattr(cls, "payload_fields", ())
    columns = tuple(_column(field, large) for field in fields(cls))
    return _Table(
        cls=cls,
        columns=columns,
        keys={column.key: column for column in columns},
        payload_keys=tuple(_camel(name) for name in large),
    )


_PARTS: Mapping[type[Any], _Table] = {cls: _table(cls) for cls in (Failure, Claim, Revision)}
_EVENTS: Mapping[str, _Table] = {cls.__name__: _table(cls) for cls in get_args(HistoryEvent)}
