"""The input schema: validation with kind messages, and defaults."""

from __future__ import annotations

from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from perdure.engine.values import Json


def input_fault(schema: Json, value: Json) -> str | None:
    """Return what is wrong with an instance's input, None when it fits. No schema fits all.

    Without a schema the input must still be an object, as expressions expect.
    """
    if not isinstance(schema, dict):
        return None if isinstance(value, dict) else "spec.input must be an object"
    filled = fill_defaults(schema, value)
    validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    error = best_match(validator.iter_errors(filled))
    if error is None:
        return None
    place = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in error.absolute_path)
    return f"spec.input{place}: {error.message[:500]}"


def fill_defaults(schema: Json, value: Json) -> Json:
    """Return the value with the defaults of the schema's properties filled in, at every depth."""
    if not isinstance(schema, dict):
        return value
    if isinstance(value, dict):
        return _fill_object(schema, value)
    items = schema.get("items")
    if isinstance(value, list) and isinstance(items, dict):
        return [fill_defaults(items, item) for item in value]
    return value


def _fill_object(schema: dict[str, Any], value: dict[str, Json]) -> Json:
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return value
    filled = dict(value)
    for name, inner in properties.items():
        if name not in filled and isinstance(inner, dict) and "default" in inner:
            filled[name] = inner["default"]
        if name in filled:
            filled[name] = fill_defaults(inner, filled[name])
    return filled
