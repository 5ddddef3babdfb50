"""Inputs of instances, and the schema that a definition may put on them."""

from __future__ import annotations

from tests.simulation.workloads.draws import Draw
from tests.simulation.workloads.services import BOUNDS

from perdure.engine.values import Json, JsonObject

SCHEMA: JsonObject = {
    "type": "object",
    "required": ["n"],
    "properties": {
        "n": {"type": "integer", "minimum": 0},
        "flag": {"type": "boolean", "default": False},
        "label": {"type": "string", "default": "plain"},
        "items": {"type": "array", "items": {"type": "integer"}, "default": []},
        "pad": {"type": "string", "default": ""},
    },
}
"""What the expressions of the grammar read of `input`."""

QUOTES = 2
"""Bytes that JSON puts around a text."""


def schema(draw: Draw) -> JsonObject | None:
    """Return the schema of a definition's input; None where anything is let in."""
    return SCHEMA if draw.chance(0.5) else None


def given(draw: Draw, *, is_wild: bool = True) -> JsonObject:
    """Return the input of an instance; a `wild` one may, rarely, be incomplete or wrong."""
    whole: JsonObject = {
        "n": draw.whole(0, 9),
        "flag": draw.chance(0.5),
        "label": draw.weighted({"plain": 4, "with blank": 2, "sl/ash": 2, "ünïcode": 2, "": 0.5}),
        "items": [draw.whole(0, 5) for _ in range(draw.whole(0, 4))],
        "pad": pad(draw),
    }
    if is_wild and draw.chance(0.03):
        return {"n": draw.pick(("many", -1, None))}
    return whole


def pad(draw: Draw) -> str:
    """Return a text that is mostly empty, and else at a bound as a value of its own."""
    if draw.chance(0.94):
        return ""
    return "x" * (size_at_bound(draw) - QUOTES)


def size_at_bound(draw: Draw) -> int:
    """Return a number of bytes: 8 or 16 KiB, one less, one more; or 100 KiB."""
    if draw.chance(0.15):
        return 100 * 1024
    return draw.pick(BOUNDS) + draw.pick((-1, 0, 1))


def without_nulls(value: JsonObject) -> dict[str, Json]:
    """Return the object without the keys that hold null."""
    return {key: each for key, each in value.items() if each is not None}
