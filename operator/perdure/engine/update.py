"""Copy-on-write helpers of the fold: small, and the only place that copies mappings.

A cheaper `dataclasses.replace` would be a lie about field defaults, so it is used as it is; the
mappings are bounded (protocol bounds: docs/architecture.md#bounds), so copying one is cheap.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from perdure.engine.paths import is_below
from perdure.engine.state import Stage, State, Unit

K = TypeVar("K")
V = TypeVar("V")

changed = replace


def put(mapping: Mapping[K, V], key: K, value: V) -> dict[K, V]:
    """Return a copy in which `key` has this value."""
    return {**mapping, key: value}


def drop(mapping: Mapping[K, V], key: K) -> Mapping[K, V]:
    """Return a copy without `key`; the mapping itself when it has none."""
    if key not in mapping:
        return mapping
    return {k: v for k, v in mapping.items() if k != key}


def with_unit(state: State, path: str, *, at: datetime, **changes: object) -> State:
    """Return the state with fields of the unit changed; a unit that is new begins READY."""
    unit = state.units.get(path) or Unit(path=path, stage=Stage.READY, since=at)
    return replace(state, units=put(state.units, path, replace(unit, **changes)))  # type: ignore[arg-type]  # the callers name fields of Unit


def begun(state: State, path: str, *, at: datetime, stage: Stage) -> State:
    """Return the state in which the unit has begun one more attempt."""
    unit = state.units.get(path)
    attempt = 1 if unit is None else unit.attempt + 1
    return with_unit(state, path, at=at, stage=stage, attempt=attempt)


def without_body(state: State, path: str) -> State:
    """Return the state in which nothing that the step `path` runs is open any more.

    That is every frame and unit below it, and the activities, timers and waits of those. Its own
    time-out stays; whoever ends the step drops it with `without_own`.
    """
    return replace(
        state,
        frames={p: f for p, f in state.frames.items() if not _is_body(p, path)},
        units={p: u for p, u in state.units.items() if not is_below(p, path)},
        activities={i: a for i, a in state.activities.items() if not is_below(a.path, path)},
        timers={i: t for i, t in state.timers.items() if not is_below(t.path, path)},
        waits={i: w for i, w in state.waits.items() if not is_below(w.path, path)},
    )


def _is_body(frame: str, path: str) -> bool:
    return frame == path or is_below(frame, path)


def without_own(state: State, path: str) -> State:
    """Return the state without the activities, timers and waits of the step itself."""
    return replace(
        state,
        activities={i: a for i, a in state.activities.items() if a.path != path},
        timers={i: t for i, t in state.timers.items() if t.path != path},
        waits={i: w for i, w in state.waits.items() if w.path != path},
    )


def closed(state: State, path: str) -> State:
    """Return the state in which the step and all that it runs has nothing open."""
    return without_own(without_body(state, path), path)
