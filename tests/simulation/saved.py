"""Plans as JSON: for failing seeds that are kept, in tests/simulation/regressions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Set
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from tests.simulation.plan import Plan
from tests.simulation.workloads import actions, services, workload

from perdure.testing.simulation.ambushes import Ambush
from perdure.testing.simulation.fates import Fate, Fault, Stroke
from perdure.testing.simulation.points import Point
from perdure.testing.simulation.weather import Storm

REGRESSIONS = Path(__file__).parent / "regressions"
KINDS: Mapping[str, type] = {
    kind.__name__: kind
    for kind in (
        Plan,
        Stroke,
        Fate,
        Storm,
        Ambush,
        workload.Workload,
        services.Script,
        services.Temper,
        actions.Define,
        actions.Undefine,
        actions.Start,
        actions.RaiseInSpec,
        actions.RaiseAsObject,
        actions.Suspend,
        actions.Resume,
        actions.Terminate,
        actions.Delete,
        actions.Tamper,
        actions.Spoil,
    )
}
ENUMS: Mapping[str, type[Enum]] = {
    kind.__name__: kind for kind in (Fault, Point, actions.Edit, actions.Spoilt)
}


def save(plan: Plan, name: str) -> Path:
    """Write a plan down as a regression; return the file."""
    REGRESSIONS.mkdir(exist_ok=True)
    file = REGRESSIONS / f"{name}.json"
    file.write_text(json.dumps(_encoded(plan), indent=1, sort_keys=True) + "\n")
    return file


def read(file: Path) -> Plan:
    """Return the plan that a file holds."""
    plan = _decoded(json.loads(file.read_text()))
    assert isinstance(plan, Plan), f"{file.name} holds no plan"
    return plan


def _encoded(value: object) -> object:
    """Return a value as JSON; objects say of which class they are."""
    if isinstance(value, Enum):
        return {"$": type(value).__name__, "value": value.value}
    if is_dataclass(value) and not isinstance(value, type):
        shown = {field.name: _encoded(getattr(value, field.name)) for field in fields(value)}
        return {"$": type(value).__name__, **shown}
    if isinstance(value, Mapping):
        return {"$": "map", "items": {str(key): _encoded(each) for key, each in value.items()}}
    if isinstance(value, Set):
        return {"$": "set", "items": sorted((_encoded(each) for each in value), key=json.dumps)}
    if isinstance(value, tuple):
        return {"$": "tuple", "items": [_encoded(each) for each in value]}
    if isinstance(value, list):
        return [_encoded(each) for each in value]
    return value


def _decoded(value: Any) -> Any:
    if isinstance(value, list):
        return [_decoded(each) for each in value]
    if not isinstance(value, dict):
        return value
    kind = str(value["$"])
    match kind:
        case "map":
            return {key: _decoded(each) for key, each in value["items"].items()}
        case "set":
            return frozenset(_decoded(each) for each in value["items"])
        case "tuple":
            return tuple(_decoded(each) for each in value["items"])
        case _ if kind in ENUMS:
            return ENUMS[kind](value["value"])
        case _:
            fields_ = {name: _decoded(each) for name, each in value.items() if name != "$"}
            return KINDS[kind](**fields_)
