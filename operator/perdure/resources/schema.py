"""From a pydantic model to a structural schema, as the API server wants it.

Structural means: every node has one type or preserves unknown fields, nothing is referred to, no
unions. What cannot be said that way is refused here, not at apply time on somebody's cluster.
"""

from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]

_KEPT = (
    "type",
    "format",
    "enum",
    "pattern",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "nullable",
)


class NotStructuralError(TypeError):
    """A model that no structural schema can express; the message has the path of the field."""


def structural_schema(model: type[BaseModel], *, is_described: bool = True) -> Schema:
    """Return the structural schema of a model, with the descriptions of its fields if wanted."""
    generated = model.model_json_schema(by_alias=True, mode="validation")
    definitions = generated.get("$defs", {})
    schema = _convert(generated, definitions, model.__name__, ())
    return schema if is_described else without_descriptions(schema)


def without_descriptions(schema: Schema) -> Schema:
    """Return the schema without any description: where the same fields are described elsewhere."""
    result = {key: value for key, value in schema.items() if key != "description"}
    if "properties" in result:
        result["properties"] = {
            name: without_descriptions(value) for name, value in result["properties"].items()
        }
    if "items" in result:
        result["items"] = without_descriptions(result["items"])
    return result


def _convert(node: Schema, definitions: Schema, path: str, above: tuple[str, ...]) -> Schema:
    node, above = _resolve(node, definitions, path, above)
    result: Schema = {}
    if "description" in node:
        result["description"] = node["description"]
    result |= {key: node[key] for key in _KEPT if key in node}
    if "const" in node:
        result["enum"] = [node["const"]]
    if _has_default(node):
        result["default"] = node["default"]
    match node.get("type"):
        case None:
            result["x-kubernetes-preserve-unknown-fields"] = True
        case "object":
            result |= _object(node, definitions, path, above)
        case "array":
            items = _convert(node.get("items", {}), definitions, f"{path}[]", above)
            result["items"] = _without_description(items)
            result["x-kubernetes-list-type"] = "atomic"
        case _:
            pass
    return _sized(result | {key: node[key] for key in node if key.startswith("x-")}, path)


def _object(node: Schema, definitions: Schema, path: str, above: tuple[str, ...]) -> Schema:
    if "properties" not in node:
        return {"x-kubernetes-preserve-unknown-fields": True}
    properties = {
        name: _convert(value, definitions, f"{path}.{name}", above)
        for name, value in node["properties"].items()
    }
    required = sorted(node.get("required", ()))
    return {"properties": properties} | ({"required": required} if required else {})


def _resolve(
    node: Schema, definitions: Schema, path: str, above: tuple[str, ...]
) -> tuple[Schema, tuple[str, ...]]:
    """Take away `$ref` and the null of an optional field; what stands beside them wins."""
    node = dict(node)
    if "anyOf" in node:
        variants = [one for one in node.pop("anyOf") if one != {"type": "null"}]
        if len(variants) != 1:
            raise NotStructuralError(f"{path}: a union of {len(variants)} types")
        resolved, above = _resolve(variants[0], definitions, path, above)
        node = resolved | node
    if "$ref" in node:
        name = node.pop("$ref").rsplit("/", 1)[-1]
        if name in above:
            raise NotStructuralError(f"{path}: {name} contains itself")
        above = (*above, name)
        target = {key: value for key, value in definitions[name].items() if key != "description"}
        node = target | node
    if "oneOf" in node or "allOf" in node:
        raise NotStructuralError(f"{path}: oneOf and allOf are not supported")
    return node, above


def _has_default(node: Schema) -> bool:
    # An absent field says the same as null, and servers have refused an empty string.
    return node.get("default") not in (None, "")


def _without_description(schema: Schema) -> Schema:
    return {key: value for key, value in schema.items() if key != "description"}


def _sized(schema: Schema, path: str) -> Schema:
    """Refuse what has no bound: the cost estimate of CEL assumes the worst for it."""
    kind = schema.get("type")
    if kind == "string" and "maxLength" not in schema and "enum" not in schema:
        raise NotStructuralError(f"{path}: a string needs a maximum length")
    if kind == "array" and "maxItems" not in schema:
        raise NotStructuralError(f"{path}: a list needs a maximum number of items")
    is_map = kind == "object" and "properties" not in schema
    if is_map and "maxProperties" not in schema:
        raise NotStructuralError(f"{path}: a map needs a maximum number of keys")
    if kind in ("integer", "number") and not ({"maximum", "format"} & schema.keys()):
        raise NotStructuralError(f"{path}: a number needs a maximum or a format")
    return schema
