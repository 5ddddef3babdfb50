"""Types read from JSON Schema, and the guesses of names."""

from __future__ import annotations

import pytest

from perdure.engine.values import Json, JsonObject
from perdure.language.types import (
    Bool,
    Dyn,
    ListOf,
    MapOf,
    Null,
    Record,
    Text,
    Type,
    did_you_mean,
    missing_text,
    type_of_schema,
)


@pytest.mark.parametrize(
    ("schema", "type_"),
    [
        ({"type": "string"}, Text),
        ({"type": "boolean"}, Bool),
        ({"type": "null"}, Null),
        ({"type": "number"}, Dyn),
        ({"type": "integer"}, Dyn),
        ({"type": ["string"]}, Text),
        ({"type": ["string", "null"]}, Dyn),
        ({"type": "string", "nullable": True}, Dyn),
        ({"enum": ["a", "b"]}, Text),
        ({"enum": ["a", 1]}, Dyn),
        ({"enum": ["a", None]}, Dyn),
        ({"const": True}, Bool),
        ({"const": "x"}, Text),
        ({}, Dyn),
        (True, Dyn),
        (None, Dyn),
        ({"type": "strange"}, Dyn),
        ({"type": "array"}, ListOf(Dyn)),
        ({"type": "array", "items": {"type": "string"}}, ListOf(Text)),
        ({"type": "array", "prefixItems": [{"type": "string"}]}, ListOf(Dyn)),
        ({"type": "object"}, MapOf(Dyn)),
        ({"type": "object", "additionalProperties": {"type": "string"}}, MapOf(Text)),
        ({"type": "object", "additionalProperties": False}, Record({}, "input")),
        ({"type": "object", "properties": {}}, MapOf(Dyn)),
        ({"type": "object", "properties": {"a": {"type": "string"}}}, Record({"a": Text}, "input")),
        (
            {"type": "object", "properties": {"a": {}}, "additionalProperties": False},
            Record({"a": Dyn}, "input"),
        ),
        ({"type": "object", "properties": {"a": {}}, "additionalProperties": True}, MapOf(Dyn)),
        (
            {"type": "object", "properties": {"a": {}}, "additionalProperties": {"type": "string"}},
            MapOf(Dyn),
        ),
        ({"type": "object", "properties": {"a": {}}, "patternProperties": {"b": {}}}, MapOf(Dyn)),
        ({"type": "object", "properties": {"a": {}}, "anyOf": [{}]}, MapOf(Dyn)),
        (
            {"type": "object", "properties": {"a": {"type": "object", "properties": {"b": {}}}}},
            Record({"a": Record({"b": Dyn}, "input.a")}, "input"),
        ),
        (
            {
                "type": "object",
                "properties": {"a": {"type": "array", "items": {"$ref": "#/$defs/x"}}},
                "$defs": {"x": {"type": "object", "properties": {"b": {"type": "string"}}}},
            },
            Record({"a": ListOf(Record({"b": Text}, "input.a[]"))}, "input"),
        ),
        ({"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"type": "string"}}}, Text),
        ({"$ref": "#/anyOf/1", "anyOf": [{}, {"type": "string"}]}, Text),
        ({"$ref": "#/$defs/none"}, Dyn),
        ({"$ref": "elsewhere.json"}, Dyn),
        ({"$ref": "#"}, Dyn),
    ],
)
def test_a_schema_gives_a_type(schema: Json, type_: Type) -> None:
    assert type_of_schema(schema) == type_


def test_a_schema_that_names_itself_ends() -> None:
    schema: Json = {
        "type": "object",
        "properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}, "value": {"type": "string"}},
    }
    found = type_of_schema(schema)
    assert isinstance(found, Record)
    left = found.fields["left"]
    assert isinstance(left, Record)
    assert left.fields["value"] is Text


@pytest.mark.parametrize(
    ("name", "guess"),
    [
        ("chrage", '; did you mean "charge"?'),
        ("Charge", '; did you mean "charge"?'),
        ("orderID", '; did you mean "orderId"?'),
        ("zzz", ""),
    ],
)
def test_the_nearest_name_is_guessed(name: str, guess: str) -> None:
    assert did_you_mean(name, ["charge", "reserve", "orderId"]) == guess


def test_what_is_missing_is_called_by_its_kind() -> None:
    assert missing_text(Record({"charge": Dyn}, "steps"), "x") == 'step "x" does not exist'
    assert missing_text(Record({"total": Dyn}, "vars"), "x") == 'variable "x" does not exist'
    assert missing_text(Record({"a": Dyn}, "input"), "x") == 'input has no property "x"'


def test_a_schema_whose_references_unfold_without_end_is_described_up_to_a_bound() -> None:
    schema: JsonObject = {
        "type": "object",
        "properties": {name: {"$ref": "#"} for name in "abcd"},
    }
    described = [type_of_schema(schema)]
    for one in described:
        if isinstance(one, Record):
            described += one.fields.values()
    assert 100 < len(described) <= 5_000
