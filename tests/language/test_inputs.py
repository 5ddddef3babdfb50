"""The input schema: what is refused when it is applied, and that no input takes long."""

import time

import pytest

from perdure.engine.values import Json, JsonObject
from perdure.language.inputs import input_fault, schema_faults

LONGEST_SECONDS = 5.0  # a guard: without bounds these take minutes to ages


def below(name: str, schema: Json) -> JsonObject:
    return {"type": "object", "properties": {name: schema}}


def tree() -> JsonObject:
    """Return a schema in which ten levels of ten alternatives each refer to the next one."""
    levels: JsonObject = {
        f"d{level}": {"anyOf": [{"$ref": f"#/$defs/d{level + 1}"}] * 10} for level in range(10)
    }
    return {"$defs": {**levels, "d10": {"type": "string"}}, **below("a", {"$ref": "#/$defs/d0"})}


@pytest.mark.parametrize(
    ("schema", "path", "words"),
    [
        (below("a", {"type": "nmuber"}), "s.properties.a.type", "is no JSON Schema"),
        (below("a", {"$ref": "http://x/y"}), "s.properties.a.$ref", "outside of the schema"),
        (below("a", {"$ref": "#/$defs/b"}), "s.properties.a.$ref", "does not exist"),
        (below("a", {"pattern": "(?=x)"}), "s.properties.a.pattern", "not a regular expression"),
        ({"patternProperties": {"(?!x)": {}}}, "s.patternProperties", "not a regular expression"),
        (
            {"patternProperties": {"x": {}}, "unevaluatedProperties": False},
            "s.unevaluatedProperties",
            "does not go with patternProperties",
        ),
        ({"type": "array"}, "s.type", "is an object"),
    ],
)
def test_a_schema_that_cannot_be_used_is_a_fault(schema: JsonObject, path: str, words: str) -> None:
    (fault,) = schema_faults(schema, "s")
    assert fault.path == path
    assert words in fault.message


@pytest.mark.parametrize(
    "schema",
    [
        below("pattern", {"type": "string", "pattern": "^a+$"}),
        below("a", {"default": {"pattern": "(?=x)", "$ref": "nowhere"}}),
        {"$defs": {"b": {"type": "string"}}, **below("a", {"$ref": "#/$defs/b"})},
        {"type": "object", "properties": {"child": {"$ref": "#"}}},
    ],
)
def test_a_schema_that_can_be_used_has_no_fault(schema: JsonObject) -> None:
    assert schema_faults(schema, "s") == []


@pytest.mark.parametrize(
    ("schema", "value", "fits"),
    [
        (below("a", {"pattern": "^x+$"}), {"a": "xx"}, True),
        (below("a", {"pattern": "^x+$"}), {"a": "y"}, False),
        ({"patternProperties": {"^x": {"type": "string"}}}, {"xa": 1}, False),
        ({"patternProperties": {"^x": {"type": "string"}}}, {"ya": 1}, True),
        ({"patternProperties": {"^x": {}}, "additionalProperties": False}, {"xa": 1}, True),
        ({"patternProperties": {"^x": {}}, "additionalProperties": False}, {"ya": 1}, False),
        ({**below("a", {}), "additionalProperties": {"type": "string"}}, {"a": 1, "b": "x"}, True),
        ({**below("a", {}), "additionalProperties": {"type": "string"}}, {"b": 1}, False),
        (below("a", {"uniqueItems": True}), {"a": [{"x": 1}, {"x": 2}, 1, True]}, True),
        (below("a", {"uniqueItems": True}), {"a": [{"x": 1, "y": 2}, {"y": 2, "x": 1}]}, False),
    ],
)
def test_the_keywords_of_our_own_mean_what_json_schema_says(
    schema: JsonObject, value: JsonObject, fits: bool
) -> None:
    assert (input_fault(schema, value) is None) is fits


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (below("a", {"pattern": "^(a+)+$"}), {"a": "a" * 100_000 + "b"}),
        ({"patternProperties": {"^(a+)+$": {}}, "additionalProperties": False}, {"a" * 9999: 1}),
        (below("a", {"uniqueItems": True}), {"a": [{"x": i} for i in range(25_000)]}),
        (below("a", {"items": {"type": "string"}}), {"a": list(range(60_000))}),
        (tree(), {"a": 1}),
        ({"properties": {"a": {"$ref": "#/properties/a"}}}, {"a": 1}),
    ],
)
def test_no_schema_and_input_take_long(schema: JsonObject, value: JsonObject) -> None:
    began = time.monotonic()
    input_fault(schema, value)
    assert time.monotonic() - began < LONGEST_SECONDS
