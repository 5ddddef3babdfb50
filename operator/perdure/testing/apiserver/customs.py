"""Kinds that come from a CustomResourceDefinition."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from perdure.engine.values import JsonObject
from perdure.resources.generate import crd
from perdure.resources.kinds import KINDS
from perdure.testing.apiserver.checks import ABSENT
from perdure.testing.apiserver.findings import Findings
from perdure.testing.apiserver.kinds import Admit, Kind
from perdure.testing.apiserver.schemas import compile_schema


@cache
def custom_kinds() -> tuple[Kind, ...]:
    """Return the kinds of this project, compiled once per process (it takes a while)."""
    return tuple(custom_kind(crd(kind)) for kind in KINDS.values())


def custom_kind(definition: Mapping[str, Any]) -> Kind:
    """Return the kind of a CRD with one version."""
    spec = definition["spec"]
    (version,) = spec["versions"]
    names = spec["names"]
    selectable = tuple(
        field["jsonPath"].removeprefix(".") for field in version.get("selectableFields", ())
    )
    return Kind(
        group=spec["group"],
        version=version["name"],
        kind=names["kind"],
        plural=names["plural"],
        admit=_admission(version["schema"]["openAPIV3Schema"]),
        is_custom=True,
        has_status="status" in version.get("subresources", {}),
        has_generation=True,
        selectable=selectable,
    )


def _admission(schema: Mapping[str, Any]) -> Admit:
    """Return what checks whole objects; their metadata is everybody's and checked elsewhere."""
    own = {
        name: each
        for name, each in schema["properties"].items()
        if name not in ("apiVersion", "kind", "metadata")
    }
    common: Mapping[str, Any] = {"apiVersion": {}, "kind": {}, "metadata": {}}
    check = compile_schema({**schema, "properties": {**common, **own}})

    def admit(new: JsonObject, old: JsonObject | None, findings: Findings) -> JsonObject:
        result = check(new, ABSENT if old is None else old, None, findings)
        assert isinstance(result, dict), "an object stays one"
        return result

    return admit
