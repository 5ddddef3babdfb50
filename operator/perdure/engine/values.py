"""JSON values: how they are normalised on entry, compared and hashed.

The API server does not return JSON as it was written (1.0 becomes 1, keys are reordered), so a
value is brought into one form before it enters history. Source: docs/architecture.md#history.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any, TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
JsonObject: TypeAlias = "dict[str, Json]"

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
MAX_DEPTH = 200
"""Deeper values are refused: parsers on the way recurse, and nobody means them."""


class ValueRefusedError(ValueError):
    """A value cannot be stored; the message says where it is and why."""


def normalise(value: object, where: str = "value") -> Json:
    """Return `value` in the one form that survives the API server unchanged.

    Integral floats within int64 become integers; object keys are sorted. Raises
    ValueRefusedError for NaN, infinities, integers beyond int64, text that is not valid
    Unicode, keys that are no text, values that are no JSON, and nesting deeper than MAX_DEPTH.
    """
    try:
        return _plain(value, 0)
    except _OddError:
        return _normalise(value, where, 0)


class _OddError(Exception):
    """A value is not among the plain ones: it may need a change, or have to be refused."""


def _plain(value: Any, depth: int) -> Json:
    """Return what `_normalise` returns, a few times as fast: nearly all values are plain.

    Those are text, integers, and what is made of them. Raises _OddError for others.
    """
    kind = type(value)
    if kind is str and (value.isascii() or _is_valid(value)):
        return str(value)
    if value is None or kind is bool or (kind is int and INT64_MIN <= value <= INT64_MAX):
        found: Json = value
        return found
    if kind is dict and depth < MAX_DEPTH:
        for key in value:
            if type(key) is not str or not (key.isascii() or _is_valid(key)):
                raise _OddError
        return {key: _plain(value[key], depth + 1) for key in sorted(value)}
    if kind is list and depth < MAX_DEPTH:
        return [_plain(item, depth + 1) for item in value]
    raise _OddError


def _normalise(value: object, where: str, depth: int) -> Json:
    if depth > MAX_DEPTH:
        raise ValueRefusedError(f"{where}: nested deeper than {MAX_DEPTH} levels")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value, where)
    if isinstance(value, int):
        return _integer(value, where)
    if isinstance(value, float):
        return _number(value, where)
    if isinstance(value, Mapping):
        return {
            _text(key, where): _normalise(value[key], f"{where}.{key}", depth + 1)
            for key in _sorted_keys(value, where)
        }
    if isinstance(value, list | tuple):
        return [_normalise(item, f"{where}[{i}]", depth + 1) for i, item in enumerate(value)]
    raise ValueRefusedError(f"{where}: {type(value).__name__} is not JSON")


def _sorted_keys(value: Mapping[object, object], where: str) -> list[str]:
    for key in value:
        if not isinstance(key, str):
            raise ValueRefusedError(f"{where}: the key {key!r} is not text")
    return sorted(str(key) for key in value)


def _text(value: str, where: str) -> str:
    if not _is_valid(value):
        raise ValueRefusedError(f"{where}: the text is not valid Unicode")
    return value


def _is_valid(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _integer(value: int, where: str) -> int:
    if not INT64_MIN <= value <= INT64_MAX:
        raise ValueRefusedError(f"{where}: the integer does not fit into 64 bits")
    return value


def _number(value: float, where: str) -> int | float:
    if not math.isfinite(value):
        raise ValueRefusedError(f"{where}: {value} is not JSON")
    if value.is_integer() and INT64_MIN <= value <= INT64_MAX:
        return int(value)
    return value


def is_same(one: Json, other: Json) -> bool:
    """Return whether two values are alike as JSON: 1 is not true. Shared parts cost nothing."""
    if one is other:
        return True
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_same, one, other))
    return type(one) is type(other) and one == other


def canonical(value: Json) -> bytes:
    """Return the bytes that are hashed and measured: compact JSON, keys sorted, UTF-8."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def sha256(data: bytes) -> str:
    """Return the digest as it is stored: 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def first_link(uid: str) -> str:
    """Return the digest of the empty history of the instance `uid`."""
    return sha256(uid.encode())


def next_link(digest: str, event: bytes) -> str:
    """Return the digest after one more event, given its canonical bytes."""
    return sha256(digest.encode() + event)
