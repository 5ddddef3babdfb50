"""What the checker knows of a value: the type model, and types read from JSON Schema.

Numbers are dynamic, since JSON does not tell integers from floats and both mix. So is what may be
null. Nothing here knows the CEL library.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

from perdure.engine.values import Json


class Simple(Enum):
    """A type without parts. The value is how messages call it."""

    DYN = "any value"
    BOOL = "a boolean"
    TEXT = "text"
    NULL = "null"
    TIME = "a time"
    SPAN = "a duration"


@dataclass(frozen=True, slots=True)
class Record:
    """A map whose property names are all known: another name is a fault.

    `name` is what messages call it (`input`); in a record called `steps` a property is a step.
    Times and durations are text in the bindings and act as times and durations in expressions.
    """

    fields: Mapping[str, Type]
    name: str


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list whose items are all of one type."""

    item: Type


@dataclass(frozen=True, slots=True)
class MapOf:
    """A map with any property names, whose values are all of one type."""

    value: Type


Type: TypeAlias = Simple | Record | ListOf | MapOf

Dyn: Final = Simple.DYN
Bool: Final = Simple.BOOL
Text: Final = Simple.TEXT
Null: Final = Simple.NULL
Time: Final = Simple.TIME
Duration: Final = Simple.SPAN
Number: Final = Simple.DYN  # Integers and floats mix: what a number is, is known at run time.

_NOUNS = {"steps": "step", "vars": "variable"}
_MAX_DEPTH = 16  # Deeper schemas are not described further: a recursive one would never end.
_MOST_NODES = 5_000  # Nor are larger ones: by references a small schema unfolds to any size.


@dataclass(slots=True)
class _Whole:
    """The document that references point into, and how many nodes may still be described."""

    root: Json
    left: int


def missing_text(record: Record, name: str) -> str:
    """Say that `record` has no property `name`, and which one was probably meant."""
    noun = _NOUNS.get(record.name)
    what = f'{noun} "{name}" does not exist' if noun else f'{record.name} has no property "{name}"'
    return what + did_you_mean(name, record.fields)


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """Return `; did you mean "x"?` for the nearest candidate, or nothing when none is near."""
    known = sorted(candidates)
    folded = {one.lower(): one for one in known}
    near = difflib.get_close_matches(name.lower(), sorted(folded), n=1, cutoff=0.6)
    return f'; did you mean "{folded[near[0]]}"?' if near else ""


def type_of_schema(schema: Json, *, name: str = "input") -> Type:
    """Return the type of the values that a JSON Schema 2020-12 document allows.

    An object with `properties` becomes a `Record`: a name that is not among them is refused even
    where the schema would let it through, unless `additionalProperties` (true or a schema),
    `patternProperties`, `allOf`, `anyOf`, `oneOf`, `if` or `dependentSchemas` say that there may
    be others. Without `properties` it is a `MapOf`. What may be null, or is one of several types,
    is `Dyn`. A `$ref` is followed inside the document. A schema that is not understood gives
    `Dyn`: whether it is a valid schema is checked elsewhere.
    """
    return _of(schema, _Whole(schema, _MOST_NODES), name, 0)


_OPEN_WORDS = (
    "patternProperties",
    "allOf",
    "anyOf",
    "oneOf",
    "if",
    "dependentSchemas",
    "$dynamicRef",
)


def _of(schema: Json, whole: _Whole, name: str, depth: int) -> Type:
    whole.left -= 1
    if not isinstance(schema, Mapping) or depth > _MAX_DEPTH or whole.left < 0:
        return Dyn
    if "$ref" in schema:
        # Words beside a $ref narrow it further, and so can be left aside.
        return _of(_pointed(schema["$ref"], whole.root), whole, name, depth + 1)
    if schema.get("nullable") is True:
        return Dyn
    kind = schema.get("type")
    if isinstance(kind, list | tuple) and len(kind) == 1:
        kind = kind[0]
    if kind is None:
        return _of_values(schema)
    if kind == "object":
        return _of_object(schema, whole, name, depth)
    if kind == "array":
        return _of_array(schema, whole, name, depth)
    simple = {"string": Text, "boolean": Bool, "null": Null}
    return simple.get(kind, Dyn) if isinstance(kind, str) else Dyn


def _of_values(schema: Mapping[str, Json]) -> Type:
    """Return the type of what has no `type` but lists its values."""
    if "const" in schema:
        values: Iterable[Json] = [schema["const"]]
    else:
        listed = schema.get("enum")
        values = listed if isinstance(listed, list | tuple) else ()
    kinds = {type(value) for value in values}
    if kinds == {str}:
        return Text
    return Bool if kinds == {bool} else Dyn


def _of_object(schema: Mapping[str, Json], whole: _Whole, name: str, depth: int) -> Type:
    properties = schema.get("properties")
    more = schema.get("additionalProperties")
    if any(word in schema for word in _OPEN_WORDS):
        return MapOf(Dyn)
    if isinstance(more, Mapping):
        return MapOf(Dyn) if properties else MapOf(_of(more, whole, f"{name}.*", depth + 1))
    if more is True or not isinstance(properties, Mapping):
        # `additionalProperties: false` and no properties: an object that is always empty.
        return Record({}, name) if more is False and properties is None else MapOf(Dyn)
    if not properties and more is not False:
        return MapOf(Dyn)
    return Record(
        {key: _of(value, whole, f"{name}.{key}", depth + 1) for key, value in properties.items()},
        name,
    )


def _of_array(schema: Mapping[str, Json], whole: _Whole, name: str, depth: int) -> Type:
    if "prefixItems" in schema or "items" not in schema:
        return ListOf(Dyn)
    return ListOf(_of(schema["items"], whole, f"{name}[]", depth + 1))


def _pointed(reference: Json, root: Json) -> Json:
    """Follow a local `#/a/b` reference; None when it leads nowhere or out of the document."""
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    found: Json = root
    for part in reference[1:].split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, Mapping) and key in found:
            found = found[key]
        elif isinstance(found, list | tuple) and key.isdigit() and int(key) < len(found):
            found = found[int(key)]
        else:
            return None
    return found
