"""What all checks of a schema have in common: their shape, their words, their rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, TypeAlias, cast

from perdure.engine.values import Json
from perdure.testing.apiserver.findings import DueRule, Findings, Path
from perdure.testing.apiserver.rules import RULES, is_transition

Schema: TypeAlias = "Mapping[str, Any]"
Check: TypeAlias = "Callable[[Json, Json, Path, Findings], Json]"
"""Takes a value, the one before it or ABSENT, and its place; returns what is kept of it."""

ABSENT: Final = cast("Json", object())
"""Stands for a value that is not there; it is never part of an object."""

INVALID, REQUIRED = "FieldValueInvalid", "FieldValueRequired"
TYPE, UNSUPPORTED = "FieldValueTypeInvalid", "FieldValueNotSupported"
TOO_LONG, TOO_MANY = "FieldValueTooLong", "FieldValueTooMany"
DUPLICATE = "FieldValueDuplicate"

NAMES: Mapping[type, str] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
    type(None): "null",
}


def wrong_type(value: Json, where: Path, findings: Findings, wanted: str) -> None:
    found = f'"{NAMES[type(value)]}"'
    findings.add_in_body(TYPE, found, where, f"must be of type {wanted}: {found}")


def rules_of(schema: Schema) -> list[Check]:
    return [
        partial(_owe, RULES[rule["rule"]], rule["message"], is_transition(rule["rule"]))
        for rule in schema.get("x-kubernetes-validations", ())
    ]


def _owe(
    judge: Callable[[Any, Any], bool],
    message: str,
    is_transition: bool,
    value: Json,
    old: Json,
    where: Path,
    findings: Findings,
) -> Json:
    """Note a rule; one about a change is due only where there was something before."""
    if old is not ABSENT or not is_transition:
        before = None if old is ABSENT else old
        findings.rules.append(DueRule(judge, message, where, value, before))
    return value
