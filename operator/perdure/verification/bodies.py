"""Reading objects that nobody vouches for: what is not there, or has another shape, is empty.

The checks read what somebody may have damaged, so that nothing here raises.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import lru_cache

from perdure.engine.values import Json, JsonObject

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOTHING: JsonObject = {}
"""The empty object; never to be changed."""


def part(body: Json, *keys: str) -> JsonObject:
    """Return the object at this path, empty where there is none."""
    found: Json = body
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else NOTHING


def items(value: Json) -> list[JsonObject]:
    """Return the objects of a list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def text(value: Json) -> str:
    """Return a text, "" for anything else."""
    return value if isinstance(value, str) else ""


def number(value: Json) -> int:
    """Return an integer, 0 for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


@lru_cache(maxsize=4096)
def moment(value: str) -> datetime:
    """Return an RFC 3339 time as aware UTC, EPOCH where it is none."""
    try:
        time = datetime.fromisoformat(value.upper())
    except ValueError:
        return EPOCH
    return EPOCH if time.tzinfo is None else time.astimezone(UTC)


def time_of(value: Json) -> datetime:
    """Return the time that a field holds, EPOCH where it holds none."""
    return moment(value) if isinstance(value, str) else EPOCH


def identity_of(incarnation: str) -> str:
    """Return the identity of a process start `<identity>_<16 hex digits>`."""
    return incarnation.rpartition("_")[0]


def is_deleting(body: Json) -> bool:
    """Return whether the object is on its way out."""
    return "deletionTimestamp" in part(body, "metadata")


def generation_of(body: Json) -> int:
    """Return the number of the spec's version."""
    return number(part(body, "metadata").get("generation"))


def as_written(value: Json) -> Json:
    """Return a value with its numbers as they were before the API server printed them its way.

    1.0 comes back as 1, and a float of 2**63 and more as an integer. Source:
    docs/architecture.md#history.
    """
    if isinstance(value, dict):
        return {key: as_written(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_written(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and not _is_int64(value):
        return float(value)
    if isinstance(value, float) and value.is_integer() and _is_int64(value):
        return int(value)
    return value


def _is_int64(value: float) -> bool:
    return -(2**63) <= value < 2**63


def is_same(one: Json, other: Json) -> bool:
    """Return whether two JSON values are equal; True is not 1, and 1.0 is."""
    return one == other and _printed(one) == _printed(other)


def _printed(value: Json) -> str:
    return json.dumps(as_written(value), sort_keys=True)
