"""The input schema: whether it can be used at all, validation with kind messages, defaults.

Schemas and inputs are their users', and both are judged beside everybody else's work. So patterns
run on RE2, which is linear in the text whatever the pattern; nothing is ever fetched; and one
validation takes a bounded number of steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextvars import ContextVar
from functools import lru_cache
from itertools import islice
from typing import Any, Final

import re2  # type: ignore[import-untyped]  # ships no types
from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from jsonschema.exceptions import SchemaError, best_match
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from perdure.engine.faults import Fault
from perdure.engine.values import MAX_DEPTH, Json, ValueRefusedError, canonical

MAX_STEPS = 70_000
"""Keywords applied in one validation: about a second on a busy machine. A reference is eight."""
MAX_SCHEMA_BYTES = 32 * 1024
"""Checking a schema costs more than using it."""
MAX_SCHEMA_DEPTH = 50
_ERRORS_READ = 50
"""The best of so many errors is told."""

_FORMATS: Final = FormatChecker(("date", "email", "ipv4", "ipv6", "uuid"))
_NO_FORMATS: Final = FormatChecker(())

_steps_left: ContextVar[list[int]] = ContextVar("_steps_left")

Keyword = Callable[[Any, Any, Any, Any], Any]


class _TooCostlyError(Exception):
    """This input takes more steps than one validation may."""


class PatternError(ValueError):
    """A pattern is none that RE2 knows."""


@lru_cache(maxsize=256)
def compiled(pattern: str) -> Any:
    """Return a pattern of RE2. Raises PatternError."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    try:
        return re2.compile(pattern, options=options)
    except re2.error as error:
        raise PatternError(_words_of(error)) from None


def _words_of(error: re2.error) -> str:
    """Return RE2's own words, which arrive as bytes."""
    words = error.args[0] if error.args else ""
    return words.decode(errors="replace") if isinstance(words, bytes) else str(words)


# --- validation -----------------------------------------------------------------------------------


def input_fault(schema: Json, value: Json) -> str | None:
    """Return what is wrong with an instance's input, None when it fits. No schema fits all.

    With or without a schema the input must be an object, as expressions expect. Raises
    ValueRefusedError when the defaults make the value too large.
    """
    if not isinstance(value, dict):
        return "spec.input must be an object"
    if not isinstance(schema, dict):
        return None
    filled = fill_defaults(schema, value)
    try:
        error = _first_error(schema, filled)
    except _TooCostlyError:
        return "spec.input is too large to be checked against the schema: it takes too many steps"
    except RecursionError:
        return "spec.input cannot be checked: the schema refers to itself without end"
    if error is None:
        return None
    place = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in error.absolute_path)
    return f"spec.input{place}: {error.message[:500]}"


def _first_error(schema: dict[str, Json], value: Json) -> ValidationError | None:
    token = _steps_left.set([MAX_STEPS])
    try:
        validator = _Validator(schema, format_checker=_FORMATS, registry=Registry())
        error: ValidationError | None = best_match(
            islice(validator.iter_errors(value), _ERRORS_READ)
        )
        return error
    finally:
        _steps_left.reset(token)


def _spend(steps: int) -> None:
    left = _steps_left.get()
    left[0] -= steps
    if left[0] < 0:
        raise _TooCostlyError


def _counted(word: str, keyword: Keyword) -> Keyword:
    base = 8 if word in ("$ref", "$dynamicRef") else 1

    def counted(validator: Any, value: Any, instance: Any, schema: Any) -> Any:
        _spend(base + (len(value) >> 3 if isinstance(value, list | dict) else 0))
        return keyword(validator, value, instance, schema)

    return counted


def _pattern(_: Any, pattern: str, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not compiled(pattern).search(instance):
        yield ValidationError(f"{instance[:200]!r} does not match {pattern!r}")


def _pattern_properties(
    validator: Any, patterns: dict[str, Any], instance: Any, schema: Any
) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    _spend(len(instance) * len(patterns))
    for pattern, inner in patterns.items():
        for key, value in instance.items():
            if compiled(pattern).search(key):
                yield from validator.descend(value, inner, path=key, schema_path=pattern)


def _additional_properties(
    validator: Any, more: Any, instance: Any, schema: Any
) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    patterns = schema.get("patternProperties", {})
    _spend(len(instance) * (1 + len(patterns)))
    known = schema.get("properties", {})
    for key in instance:
        if key in known or any(compiled(pattern).search(key) for pattern in patterns):
            continue
        if more is False:
            yield ValidationError(f"{key[:200]!r} is not expected here")
        else:
            yield from validator.descend(instance[key], more, path=key)


def _unique_items(_: Any, unique: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if unique is not True or not isinstance(instance, list):
        return
    items = [canonical(item) for item in instance]
    _spend(len(items) + sum(map(len, items)) // 64)
    if len(set(items)) != len(items):
        yield ValidationError("the items are not unique")


_OURS: Final[dict[str, Keyword]] = {
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional_properties,
    "uniqueItems": _unique_items,
}
_Validator: Final = extend(  # type: ignore[no-untyped-call]  # so its stub says
    Draft202012Validator,
    {
        word: _counted(word, keyword)
        for word, keyword in {**Draft202012Validator.VALIDATORS, **_OURS}.items()
    },
)


# --- defaults -------------------------------------------------------------------------------------


def fill_defaults(schema: Json, value: Json) -> Json:
    """Return the value with the defaults of the schema's properties filled in, at every depth.

    Raises ValueRefusedError when that takes too many steps.
    """
    return _filled(schema, value, [MAX_STEPS])


def _filled(schema: Json, value: Json, left: list[int]) -> Json:
    if not isinstance(schema, dict):
        return value
    if isinstance(value, dict):
        return _filled_object(schema, value, left)
    items = schema.get("items")
    if isinstance(value, list) and isinstance(items, dict):
        return [_filled(items, item, left) for item in value]
    return value


def _filled_object(schema: dict[str, Json], value: dict[str, Json], left: list[int]) -> Json:
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return value
    filled = dict(value)
    for name, inner in properties.items():
        _take(left, 1)
        if name not in filled and isinstance(inner, dict) and "default" in inner:
            filled[name] = inner["default"]
            _take(left, len(canonical(inner["default"])) >> 3)
        if name in filled:
            filled[name] = _filled(inner, filled[name], left)
    return filled


def _take(left: list[int], steps: int) -> None:
    left[0] -= steps
    if left[0] < 0:
        raise ValueRefusedError("spec.input becomes too large with the defaults of its schema")


# --- the schema itself ----------------------------------------------------------------------------


def schema_faults(schema: Json, path: str) -> list[Fault]:
    """Return everything that keeps a schema from being used. Total: any JSON may be given."""
    if not isinstance(schema, dict):
        return []
    if _depth(schema) > MAX_SCHEMA_DEPTH:
        return [Fault(path, f"is nested deeper than {MAX_SCHEMA_DEPTH} levels")]
    size = len(canonical(schema))
    if size > MAX_SCHEMA_BYTES:
        return [Fault(path, f"has {size} bytes; at most {MAX_SCHEMA_BYTES} are checked")]
    try:
        Draft202012Validator.check_schema(schema, format_checker=_NO_FORMATS)
    except SchemaError as error:
        place = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in error.absolute_path)
        return [Fault(f"{path}{place}", f"is no JSON Schema: {error.message[:300]}")]
    words = list(_words(schema, path))
    faults = [
        fault for place, word, value in words for fault in _word_faults(schema, place, word, value)
    ]
    if any(word == "patternProperties" for _, word, _ in words):
        # The library matches these patterns with `re`, which may take for ever.
        faults += [
            Fault(place, f"{word} does not go with patternProperties")
            for place, word, _ in words
            if word == "unevaluatedProperties"
        ]
    if schema.get("type", "object") != "object":
        faults.append(Fault(f"{path}.type", "the input of an instance is an object"))
    return faults


def _depth(value: Json) -> int:
    """Return how deep lists and objects nest, up to a little more than may be."""
    level: list[Json] = [value]
    depth = 0
    while level and depth <= MAX_DEPTH:
        depth += 1
        level = [
            inner
            for item in level
            if isinstance(item, list | dict)
            for inner in (item.values() if isinstance(item, dict) else item)
        ]
    return depth


_SUBSCHEMAS: Final = frozenset(
    {"additionalProperties", "contains", "else", "if", "items", "not"}
) | {
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
}
_LISTS: Final = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_MAPS: Final = frozenset(
    {"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"}
)


def _words(schema: dict[str, Json], path: str) -> Iterator[tuple[str, str, Json]]:
    """Yield every keyword of a schema and those inside it: (place, word, value)."""
    below: list[tuple[str, Json]] = [(path, schema)]
    while below:
        place, inner = below.pop()
        if not isinstance(inner, dict):
            continue
        for word, value in inner.items():
            yield f"{place}.{word}", word, value
            if word in _SUBSCHEMAS:
                below.append((f"{place}.{word}", value))
            elif word in _LISTS and isinstance(value, list):
                below += [(f"{place}.{word}[{i}]", item) for i, item in enumerate(value)]
            elif word in _MAPS and isinstance(value, dict):
                below += [(f"{place}.{word}.{key}", item) for key, item in value.items()]


def _word_faults(schema: dict[str, Json], place: str, word: str, value: Json) -> Iterator[Fault]:
    if word in ("$ref", "$dynamicRef") and isinstance(value, str):
        yield from _reference_faults(schema, place, value)
    elif word == "pattern" and isinstance(value, str):
        yield from _pattern_faults(place, value)
    elif word == "patternProperties" and isinstance(value, dict):
        for pattern in value:
            yield from _pattern_faults(place, pattern)


def _reference_faults(schema: dict[str, Json], place: str, reference: str) -> Iterator[Fault]:
    if not reference.startswith("#"):
        yield Fault(
            place,
            f'"{reference[:100]}" lies outside of the schema',
            hint="put it under $defs and refer to it by #/$defs/name",
        )
        return
    resolver = Registry().resolver_with_root(DRAFT202012.create_resource(schema))
    try:
        resolver.lookup(reference)
    except (Unresolvable, ValueError, TypeError, LookupError):
        yield Fault(place, f'"{reference[:100]}" does not exist in the schema')


def _pattern_faults(place: str, pattern: str) -> Iterator[Fault]:
    try:
        compiled(pattern)
    except PatternError as error:
        yield Fault(
            place,
            f"{pattern[:100]!r} is not a regular expression: {str(error)[:100]}",
            hint="patterns are those of RE2: no look-around and no references back",
        )
