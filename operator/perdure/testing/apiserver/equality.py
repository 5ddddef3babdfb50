"""When two JSON values are the same to the server, and the numbers it keeps."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import cast

import orjson

from perdure.engine.values import Json, JsonObject

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
MOST_INTEGER = 2**64  # beyond it integers cannot be written by orjson; nobody sends them
PLAIN_BELOW = 1e21
"""Floats from here on are written with an exponent, and come back as floats."""


def same(one: Json, other: Json) -> bool:
    """Say whether two values are equal as JSON: unlike in Python, True is not 1."""
    if one is other:
        return True
    return one == other and _written(one) == _written(other)


def _written(value: Json) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def same_time(one: Json, other: Json) -> bool:
    """Say whether two RFC 3339 times are the same instant, as rules compare `date-time`."""
    if one == other:
        return True
    if not isinstance(one, str) or not isinstance(other, str):
        return False
    return datetime.fromisoformat(one.upper()) == datetime.fromisoformat(other.upper())


def settle_numbers(value: Json) -> Json:
    """Return a value with its numbers as a custom resource keeps them; lists and dicts in place.

    1.0 becomes 1, and an integer beyond int64 loses its last digits.
    """
    kind = type(value)
    if kind is dict:
        content = cast("JsonObject", value)
        for key, item in content.items():
            if type(item) not in (str, bool):
                content[key] = settle_numbers(item)
    elif kind is list:
        items = cast("list[Json]", value)
        for number, item in enumerate(items):
            if type(item) not in (str, bool):
                items[number] = settle_numbers(item)
    elif kind is float:
        return _settled(cast("float", value))
    elif kind is int and not INT64_MIN <= cast("int", value) <= INT64_MAX:
        return _settled(float(cast("int", value)))
    return value


def _settled(number: float) -> Json:
    if not number.is_integer() or abs(number) >= PLAIN_BELOW:
        return number
    if INT64_MIN <= number < 2**63:
        return int(number)
    shortest = int(Decimal(repr(number)))  # as it is written: the digits that tell it apart
    return shortest if abs(shortest) < MOST_INTEGER else number
