"""Structural schemas, compiled once into functions that prune, set defaults and validate.

Source: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/
custom-resource-definitions/. A value that is the very same Python object as before is not looked
at: it was valid, and all our rules hold where nothing changes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from perdure.engine.values import Json, JsonObject
from perdure.testing.apiserver.checks import (
    ABSENT,
    DUPLICATE,
    INVALID,
    REQUIRED,
    TOO_MANY,
    Check,
    Schema,
    rules_of,
    wrong_type,
)
from perdure.testing.apiserver.findings import Findings, Path
from perdure.testing.apiserver.scalars import SCALARS, scalar


def compile_schema(schema: Schema) -> Check:
    """Return the function for a schema and all that is below it."""
    kind = schema.get("type")
    if kind == "object":
        return _object(schema)
    if kind == "array":
        return _array(schema)
    if schema.get("x-kubernetes-int-or-string"):
        return scalar(schema, (int, str), "integer")
    if kind is None:
        return _anything
    return SCALARS[kind](schema)


def _anything(value: Json, old: Json, where: Path, findings: Findings) -> Json:
    """Take a value that the schema says nothing about."""
    return value


# --- lists ----------------------------------------------------------------------------------


def _array(schema: Schema) -> Check:
    item_check = compile_schema(schema.get("items", {}))
    keys = tuple(schema.get("x-kubernetes-list-map-keys", ()))
    rules = rules_of(schema)
    is_nullable = bool(schema.get("nullable"))
    bound = _count(schema, "Items", "items")

    def check(value: Json, old: Json, where: Path, findings: Findings) -> Json:
        if value is old or (value is None and is_nullable):
            return value
        if type(value) is not list:
            wrong_type(value, where, findings, "array")
            return value
        previous = _partners(value, old, keys)
        kept = [
            item if item is before else item_check(item, before, (where, number), findings)
            for number, (item, before) in enumerate(zip(value, previous, strict=True))
        ]
        result: Json = kept if any(map(_differ, kept, value)) else value
        bound(len(kept), where, findings)
        if keys:
            _no_twins(kept, keys, where, findings)
        for rule in rules:
            rule(result, old, where, findings)
        return result

    return check


def _differ(one: Json, other: Json) -> bool:
    return one is not other


def _partners(items: list[Json], old: Json, keys: tuple[str, ...]) -> list[Json]:
    """Return for each item the one it was: by its key, or the same object at the same place."""
    before = old if type(old) is list else []
    if keys:
        known = {_key(item, keys): item for item in before}
        return [known.get(_key(item, keys), ABSENT) for item in items]
    # Items of an atomic list have no past: one that is not the very same is judged as new.
    padded = before[: len(items)] + [ABSENT] * (len(items) - len(before))
    return [old if item is old else ABSENT for item, old in zip(items, padded, strict=True)]


def _key(item: Json, keys: tuple[str, ...]) -> tuple[str, ...]:
    values = item if type(item) is dict else {}
    return tuple(json.dumps(values.get(key)) for key in keys)


def _no_twins(items: list[Json], keys: tuple[str, ...], where: Path, findings: Findings) -> None:
    seen: set[tuple[str, ...]] = set()
    for number, item in enumerate(items):
        key = _key(item, keys)
        if key in seen:
            named = ",".join(f'"{name}":{value}' for name, value in zip(keys, key, strict=True))
            findings.add(DUPLICATE, f"Duplicate value: {{{named}}}", (where, number))
        seen.add(key)


def _count(schema: Schema, suffix: str, noun: str) -> Callable[[int, Path, Findings], None]:
    least, most = schema.get(f"min{suffix}", 0), schema.get(f"max{suffix}")

    def check(count: int, where: Path, findings: Findings) -> None:
        if most is not None and count > most:
            findings.add(TOO_MANY, f"Too many: {count}: must have at most {most} items", where)
        if count < least:
            what = f"should have at least {least} {noun}"
            findings.add_in_body(INVALID, str(count), where, what)

    return check


# --- objects --------------------------------------------------------------------------------


def _object(schema: Schema) -> Check:
    fields = _Fields(schema)
    rules = rules_of(schema)
    is_nullable = bool(schema.get("nullable"))
    bound = _count(schema, "Properties", "properties")

    def check(value: Json, old: Json, where: Path, findings: Findings) -> Json:
        if value is old or (value is None and is_nullable):
            return value
        if type(value) is not dict:
            wrong_type(value, where, findings, "object")
            return value
        known = old if type(old) is dict else {}
        result = fields.admit(value, known, where, findings)
        bound(len(result), where, findings)
        for rule in rules:
            rule(result, old, where, findings)
        return result

    return check


class _Fields:
    """The properties of one object schema."""

    def __init__(self, schema: Schema) -> None:
        properties: Mapping[str, Schema] = schema.get("properties", {})
        self._checks = {name: compile_schema(each) for name, each in properties.items()}
        self._defaults = {
            name: each["default"] for name, each in properties.items() if "default" in each
        }
        self._nullable = {name for name, each in properties.items() if each.get("nullable")}
        self._required: list[str] = schema.get("required", [])
        others = schema.get("additionalProperties")
        self._others = compile_schema(others) if isinstance(others, Mapping) else None
        self._keeps_unknown = bool(schema.get("x-kubernetes-preserve-unknown-fields")) or (
            others is True
        )

    def admit(
        self, content: JsonObject, known: JsonObject, where: Path, findings: Findings
    ) -> JsonObject:
        """Return the content with defaults and without unknown fields; a copy if it changes."""
        result = content
        for key, item in content.items():
            kept = self._field(key, item, known.get(key, ABSENT), (where, key), findings)
            if kept is item:
                continue
            if result is content:
                result = dict(content)
            if kept is ABSENT:
                del result[key]
            else:
                result[key] = kept
        for key, default in self._defaults.items():
            if key not in result:
                result = {**result, key: _fresh(default)}
        for key in self._required:
            if key not in result:
                findings.add(REQUIRED, "Required value", (where, key))
        return result

    def _field(self, key: str, item: Json, old: Json, where: Path, findings: Findings) -> Json:
        if item is old:
            return item
        check = self._checks.get(key, self._others)
        if check is not None:
            if item is None and key in self._checks and key not in self._nullable:
                return ABSENT  # as if it had not been sent; a default takes its place
            return check(item, old, where, findings)
        if self._keeps_unknown:
            return item
        findings.add_unknown(where)
        return ABSENT


def _fresh(default: Json) -> Json:
    return json.loads(json.dumps(default)) if isinstance(default, dict | list) else default
