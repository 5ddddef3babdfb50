"""The offline check: every fault in the shape of a manifest, in kind words.

It says what the API server would say on apply, and a little more: the server cannot look into
untyped JSON. What expressions mean, and whether names refer to something, is the business of
`perdure.language`.
"""

from __future__ import annotations

import difflib
import re
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from perdure.engine.faults import Fault
from perdure.resources.base import (
    API_VERSION,
    OBJECT_NAME_PATTERN,
    PATTERN_WORDS,
    RULE_ERROR,
    SpecModel,
)
from perdure.resources.kinds import DEFINITION, KINDS, Kind

MAX_LISTED = 12
MAX_SHOWN = 60
_TOP = ("apiVersion", "kind", "metadata", "spec", "status")


def manifest_faults(manifest: object) -> list[Fault]:
    """Return every fault in the shape of a whole manifest: its head, its name and its spec."""
    if not isinstance(manifest, Mapping):
        return [Fault("", "a manifest is an object with apiVersion, kind, metadata and spec")]
    kind = KINDS.get(str(manifest.get("kind")))
    if kind is None:
        return [_unknown_kind(manifest.get("kind"))]
    faults = [*_head_faults(manifest, kind), *_name_faults(manifest, kind)]
    if "spec" not in manifest:
        return [*faults, Fault("spec", "is missing")]
    return [*faults, *shape_faults(manifest["spec"], kind.kind)]


def shape_faults(spec: object, kind: str) -> list[Fault]:
    """Return every fault in the shape of a spec, nulls first.

    `kind` is one of the kinds; KeyError for any other. Paths start with `spec`.
    """
    model = KINDS[kind].spec
    faults = [*_null_faults(spec, KINDS[kind])]
    known = {fault.path for fault in faults}
    try:
        model.model_validate(spec)
    except ValidationError as error:
        faults += [
            fault
            for line in error.errors(include_url=False)
            if (fault := _fault(line, model)).path not in known
        ]
    return faults


def _unknown_kind(kind: object) -> Fault:
    known = ", ".join(KINDS)
    if not isinstance(kind, str):
        return Fault("kind", f"is missing: one of {known}")
    return Fault("kind", f'unknown kind "{_short(kind)}"', hint=_suggestion(kind, list(KINDS)))


def _head_faults(manifest: Mapping[str, Any], kind: Kind) -> Iterator[Fault]:
    version = manifest.get("apiVersion")
    if version != API_VERSION:
        yield Fault("apiVersion", f"must be {API_VERSION}, not {_quoted(version)}")
    for field in manifest:
        if field not in _TOP or (field == "status" and kind.status is None):
            yield _unknown_field("", str(field), _TOP)


def _name_faults(manifest: Mapping[str, Any], kind: Kind) -> Iterator[Fault]:
    metadata = manifest.get("metadata")
    if not isinstance(metadata, Mapping):
        yield Fault("metadata", "must be an object with a name")
        return
    name = metadata.get("name")
    if name is None and isinstance(metadata.get("generateName"), str):
        return
    if not isinstance(name, str):
        yield Fault("metadata.name", "must be set, to a text")
    elif not re.fullmatch(OBJECT_NAME_PATTERN, name):
        yield Fault("metadata.name", f"must be {PATTERN_WORDS[OBJECT_NAME_PATTERN]}")
    elif len(name) > kind.max_name:
        yield Fault(
            "metadata.name",
            f"has {len(name)} characters; the name of a {kind.kind} has at most {kind.max_name}",
        )


def _null_faults(spec: object, kind: Kind) -> Iterator[Fault]:
    """Find nulls as values of keys: client-side `kubectl apply` drops them without a word.

    In a list they stay where they are, and data are not templates: those are left alone. Without
    recursion, since a value may be nested deeper than the interpreter goes.
    """
    below: list[tuple[str, object, type[BaseModel] | None]] = [("spec", spec, kind.spec)]
    while below:
        path, value, model = below.pop()
        if isinstance(value, list):
            below += [(f"{path}[{i}]", child, model) for i, child in enumerate(value)]
        elif isinstance(value, Mapping) and (model is not None or kind is DEFINITION):
            inner = [
                (_path(path, (key,)), child, _model_of(model, key)) for key, child in value.items()
            ]
            yield from (_null_fault(at, model) for at, child, _ in inner if child is None)
            below += [one for one in inner if one[1] is not None]


def _null_fault(path: str, model: type[BaseModel] | None) -> Fault:
    if model is not None:
        return Fault(path, "is null, which says nothing", hint="leave the field out, or fill it")
    if path.startswith("spec.input.schema."):
        return Fault(path, "is null, and kubectl apply drops nulls", hint="leave the key out")
    return Fault(
        path,
        "is null, and kubectl apply drops nulls",
        hint='write "${null}" for a null value, or leave the key out',
    )


def _fault(line: Any, model: type[BaseModel]) -> Fault:
    path = _path("spec", line["loc"])
    context = line.get("ctx", {})
    value = line["input"]
    match line["type"]:
        case "extra_forbidden":
            *above, field = line["loc"]
            return _unknown_field(_path("spec", above), str(field), _fields_at(model, above))
        case "missing":
            return Fault(path, "is required, but missing")
        case t if t == RULE_ERROR:
            return Fault(path, context["message"])
        case "string_pattern_mismatch":
            words = PATTERN_WORDS.get(context["pattern"], f"like {context['pattern']}")
            return Fault(path, f"must be {words}, not {_quoted(value)}")
        case "literal_error":
            choices = _literals(line)
            hint = _suggestion(value, choices) if isinstance(value, str) else None
            return Fault(path, f"must be {_either(choices)}, not {_quoted(value)}", hint=hint)
        case "string_type":
            return Fault(path, f"must be a text, not {_kind_of(value)}", hint=_text_hint(value))
        case "string_too_short":
            hint = 'YAML drops an unquoted text that starts with "!": put it in quotes'
            return Fault(path, "must not be empty", hint=hint)
        case other:
            return Fault(path, _sentence(other, context, value))


def _sentence(error_type: str, context: Mapping[str, Any], value: object) -> str:
    match error_type:
        case "model_type" | "model_attributes_type" | "dict_type":
            return f"must be an object, not {_kind_of(value)}"
        case "list_type":
            return f"must be a list, not {_kind_of(value)}"
        case "bool_type":
            return f"must be true or false, not {_quoted(value)}"
        case "int_type" | "int_from_float":
            return f"must be an integer, not {_quoted(value)}"
        case "float_type":
            return f"must be a number, not {_quoted(value)}"
        case "greater_than_equal":
            return f"must be at least {context['ge']:g}, not {_quoted(value)}"
        case "less_than_equal":
            return f"must be at most {context['le']:g}, not {_quoted(value)}"
        case "string_too_long":
            return f"has at most {context['max_length']} characters, not {len(str(value))}"
        case "too_short":
            return "must not be empty"
        case "too_long":
            what = "keys" if isinstance(value, Mapping) else "items"
            return f"has at most {context['max_length']} {what}, not {context['actual_length']}"
        case _:
            return f"is not acceptable ({error_type.replace('_', ' ')})"


def _unknown_field(above: str, field: str, known: Sequence[str]) -> Fault:
    hint = _suggestion(field, known)
    return Fault(_path(above, (field,)), f'unknown field "{_short(field)}"', hint=hint)


def _suggestion(word: str, known: Sequence[str]) -> str | None:
    """Return "did you mean …", or all that is known where that is a short list."""
    lowered = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), lowered, n=1, cutoff=0.6)
    if close:
        return f'did you mean "{lowered[close[0]]}"?'
    return f"known here: {', '.join(known)}" if 0 < len(known) <= MAX_LISTED else None


def _text_hint(value: object) -> str | None:
    if isinstance(value, bool):
        return "YAML reads yes, no, on, off, y and n as booleans: put the text in quotes"
    if isinstance(value, int | float):
        return "put the text in quotes"
    if isinstance(value, dict):
        return "a text that holds { or a colon with a blank needs quotes"
    return None


def _path(above: str, loc: Sequence[object]) -> str:
    """Return `spec.steps[2].http` for a location; keys that are no words stand in brackets."""
    path = above
    for part in loc:
        if isinstance(part, int) and not isinstance(part, bool):
            path += f"[{part}]"
        elif isinstance(part, str) and part.replace("-", "_").isidentifier():
            path += f".{part}" if path else part
        else:
            path += f'["{_short(str(part))}"]'
    return path


def _fields_at(model: type[BaseModel], loc: Sequence[object]) -> list[str]:
    at: type[BaseModel] | None = model
    for part in loc:
        at = at if isinstance(part, int) else _model_of(at, part)
    return [] if at is None else _aliases(at)


def _aliases(model: type[BaseModel]) -> list[str]:
    return [str(field.alias or name) for name, field in model.model_fields.items()]


def _model_of(model: type[BaseModel] | None, alias: object) -> type[BaseModel] | None:
    """Return the model of a field, through lists and optionals; None for anything else."""
    if model is None:
        return None
    for field in model.model_fields.values():
        if field.alias == alias:
            return _model_in(field.annotation)
    return None


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, SpecModel):
        return annotation
    if typing.get_origin(annotation) in (list, typing.Union, types.UnionType, typing.Annotated):
        found = (_model_in(one) for one in typing.get_args(annotation))
        return next((one for one in found if one is not None), None)
    return None


def _literals(line: Any) -> list[str]:
    """Return the choices of a Literal; pydantic tells them only in its own sentence."""
    return str(line["ctx"]["expected"]).split("'")[1::2]


def _either(choices: Sequence[str]) -> str:
    *most, last = choices
    return f"{', '.join(most)} or {last}" if most else last


def _kind_of(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return f"the boolean {str(value).lower()}"
        case int() | float():
            return f"the number {value}"
        case str():
            return f"the text {_quoted(value)}"
        case Mapping():
            return "an object"
        case list() | tuple():
            return "a list"
        case _:
            return f"a {type(value).__name__}"


def _quoted(value: object) -> str:
    return f'"{_short(value)}"' if isinstance(value, str) else _kind_of(value)


def _short(text: str) -> str:
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"
