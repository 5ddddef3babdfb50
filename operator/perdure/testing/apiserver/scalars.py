"""Checks of texts, numbers and truth values."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import cast

import re2  # type: ignore[import-untyped]  # ships no types

from perdure.engine.values import Json
from perdure.testing.apiserver.checks import (
    INVALID,
    TOO_LONG,
    TYPE,
    UNSUPPORTED,
    Check,
    Schema,
    rules_of,
    wrong_type,
)
from perdure.testing.apiserver.findings import Findings, Path

DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:?\d\d)", re.ASCII)
MICRO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)", re.ASCII)


def scalar(schema: Schema, types: tuple[type, ...], wanted: str, *limits: Check | None) -> Check:
    is_nullable = bool(schema.get("nullable"))
    checks = [*(limit for limit in limits if limit is not None), *rules_of(schema)]
    if "enum" in schema:
        checks.insert(0, partial(_in_enum, schema["enum"]))

    def check(value: Json, old: Json, where: Path, findings: Findings) -> Json:
        if value is None and is_nullable:
            return value
        if type(value) not in types:
            wrong_type(value, where, findings, wanted)
            return value
        for each in checks:
            each(value, old, where, findings)
        return value

    return check


def _in_enum(choices: list[Json], value: Json, old: Json, where: Path, findings: Findings) -> Json:
    if value not in choices:
        known = ", ".join(json.dumps(choice) for choice in choices)
        text = f"Unsupported value: {json.dumps(value)}: supported values: {known}"
        findings.add(UNSUPPORTED, text, where)
    return value


def _string(schema: Schema) -> Check:
    return scalar(schema, (str,), "string", _length(schema), _pattern(schema), _format(schema))


def _length(schema: Schema) -> Check | None:
    least, most = schema.get("minLength", 0), schema.get("maxLength")
    if not least and most is None:
        return None

    def check(value: Json, old: Json, where: Path, findings: Findings) -> Json:
        size = len(cast("str", value))
        if most is not None and size > most:
            findings.add(TOO_LONG, f"Too long: may not be more than {most} bytes", where)
        if size < least:
            what = f"should be at least {least} chars long"
            findings.add_in_body(INVALID, json.dumps(value), where, what)
        return value

    return check


def _pattern(schema: Schema) -> Check | None:
    if "pattern" not in schema:
        return None
    pattern, search = schema["pattern"], re2.compile(schema["pattern"]).search

    def check(value: Json, old: Json, where: Path, findings: Findings) -> Json:
        if search(value) is None:
            what = f"should match '{pattern}'"
            findings.add_in_body(INVALID, json.dumps(value, ensure_ascii=False), where, what)
        return value

    return check


def _format(schema: Schema) -> Check | None:
    name = schema.get("format")
    if name == "date-time":
        return partial(_in_format, "date-time", DATE_TIME)
    if name == "micro-time":
        return partial(_in_format, "micro-time", MICRO_TIME)
    return None  # such as int64, which every integer is that gets here


def _in_format(
    name: str,
    pattern: re.Pattern[str],
    value: Json,
    old: Json,
    where: Path,
    findings: Findings,
) -> Json:
    text = cast("str", value)
    if not pattern.fullmatch(text) or not _is_time(text):
        found = json.dumps(value, ensure_ascii=False)
        findings.add_in_body(TYPE, found, where, f"must be of type {name}: {found}")
    return value


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text.upper())
    except ValueError:
        return False
    return True


def _number(schema: Schema) -> Check:
    return scalar(schema, (int, float), "number", _range(schema))


def _integer(schema: Schema) -> Check:
    return scalar(schema, (int,), "integer", _range(schema))


def _range(schema: Schema) -> Check | None:
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is None and most is None:
        return None

    def check(value: Json, old: Json, where: Path, findings: Findings) -> Json:
        number = cast("float", value)
        if least is not None and number < least:
            what = f"should be greater than or equal to {least}"
            findings.add_in_body(INVALID, json.dumps(value), where, what)
        if most is not None and number > most:
            what = f"should be less than or equal to {most}"
            findings.add_in_body(INVALID, json.dumps(value), where, what)
        return value

    return check


def _boolean(schema: Schema) -> Check:
    return scalar(schema, (bool,), "boolean")


SCALARS: Mapping[str, Callable[[Schema], Check]] = {
    "string": _string,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
}
