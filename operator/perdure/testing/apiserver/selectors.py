"""Label and field selectors.

Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#api and
https://kubernetes.io/docs/concepts/overview/working-with-objects/field-selectors/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias, cast

from perdure.engine.values import Json, JsonObject
from perdure.testing.apiserver.kinds import Kind
from perdure.testing.apiserver.refusals import bad_request

Matcher: TypeAlias = "Callable[[JsonObject], bool]"
Requirement: TypeAlias = "Callable[[Mapping[str, str]], bool]"

TOKEN = re.compile(r"\s*(==|!=|=|!|,|\(|\)|[^\s=!,()<>]+|[<>])")
COMMON_FIELDS = ("metadata.name", "metadata.namespace")
WORDS = "in, notin, =, ==, !=, gt, lt"


def matcher(kind: Kind, params: Mapping[str, str]) -> Matcher | None:
    """Return what a request selects, None for everything. Raises Refusal for bad syntax."""
    labels = params.get("labelSelector", "")
    fields = params.get("fieldSelector", "")
    if not labels and not fields:
        return None
    requirements = _LabelParser(labels).parse() if labels else []
    terms = _field_terms(kind, fields) if fields else []

    def matches(body: JsonObject) -> bool:
        metadata = cast("JsonObject", body["metadata"])
        own = cast("Mapping[str, str]", metadata.get("labels", {}))
        return all(each(own) for each in requirements) and all(term.holds(body) for term in terms)

    return matches


# --- labels ---------------------------------------------------------------------------------


class _LabelParser:
    """Reads `a=b,c in (d,e),!f`."""

    def __init__(self, text: str) -> None:
        self._tokens = TOKEN.findall(text)
        self._next = 0

    def parse(self) -> list[Requirement]:
        requirements = [self._requirement()]
        while self._peek() == ",":
            self._take()
            if not self._peek():
                raise bad_request("found '', expected: identifier after ','")
            requirements.append(self._requirement())
        if self._peek():
            raise bad_request(f"found '{self._peek()}', expected: ',' or 'end of string'")
        return requirements

    def _peek(self) -> str:
        return self._tokens[self._next] if self._next < len(self._tokens) else ""

    def _take(self) -> str:
        token = self._peek()
        self._next += 1
        return token

    def _requirement(self) -> Requirement:
        if self._peek() == "!":
            self._take()
            return _is_absent(self._take())
        key = self._take()
        match self._peek():
            case "" | ",":
                return _is_present(key)
            case "=" | "==":
                self._take()
                return _is_among(key, {self._value()})
            case "!=":
                self._take()
                return _is_not_among(key, {self._value()})
            case "in":
                self._take()
                return _is_among(key, self._values())
            case "notin":
                self._take()
                return _is_not_among(key, self._values())
            case found:
                raise bad_request(
                    f"unable to parse requirement: found '{found}', expected: {WORDS}"
                )

    def _value(self) -> str:
        return "" if self._peek() in ("", ",") else self._take()

    def _values(self) -> set[str]:
        if self._take() != "(":
            raise bad_request("found '', expected: '('")
        values: set[str] = set()
        while self._peek() not in (")", ""):
            value = self._take()
            if value != ",":
                values.add(value)
        if self._take() != ")":
            raise bad_request("found '', expected: ',', or ')'")
        return values or {""}


def _is_present(key: str) -> Requirement:
    return lambda labels: key in labels


def _is_absent(key: str) -> Requirement:
    return lambda labels: key not in labels


def _is_among(key: str, values: set[str]) -> Requirement:
    return lambda labels: labels.get(key) in values


def _is_not_among(key: str, values: set[str]) -> Requirement:
    return lambda labels: labels.get(key) not in values


# --- fields ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Term:
    """One comparison of a field with a text; a field that is missing is "" ."""

    steps: tuple[str, ...]
    wanted: str
    is_equal: bool

    def holds(self, body: JsonObject) -> bool:
        value: Json = body
        for step in self.steps:
            value = value.get(step) if isinstance(value, dict) else None
        return (_as_text(value) == self.wanted) == self.is_equal


def _as_text(value: Json) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _field_terms(kind: Kind, text: str) -> list[_Term]:
    return [_field_term(kind, part) for part in text.split(",") if part]


def _split(part: str) -> tuple[str, str, str]:
    found = re.match(r"(.*?)(!=|==|=)(.*)", part)
    if found is None:
        raise bad_request(f"invalid selector: '{part}'; can't understand '{part}'")
    field, operator, wanted = found.groups()
    return field, operator, wanted


def _field_term(kind: Kind, part: str) -> _Term:
    field, operator, wanted = _split(part)
    if field not in COMMON_FIELDS and field not in kind.selectable:
        raise bad_request(f"field label not supported: {field}")
    return _Term(tuple(field.split(".")), wanted, operator != "!=")
