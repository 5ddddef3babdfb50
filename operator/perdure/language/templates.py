"""Templates: any JSON whose strings may hold `${ CEL }`.

A string that is one single `${…}`, white space around it ignored, keeps the type of its value;
otherwise the values are joined with the text around them. `$${` is a literal `${`.
Source: docs/reference/workflowdefinition.md#values-and-expressions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

from perdure.engine.faults import Fault
from perdure.engine.values import Json
from perdure.errors import InvalidDefinitionError
from perdure.language.effort import Allowance
from perdure.language.expressions import (
    EvaluationError,
    Expression,
    ExpressionErrors,
    Scope,
    compile_expression,
)
from perdure.language.functions import percent_encode
from perdure.language.lexing import UnendedError, end_of_expression

MAX_JOINED: Final = 1024 * 1024
"""Characters that a text joined from several values may have."""


class TemplateErrors(InvalidDefinitionError):  # noqa: N818  # it holds many
    """A template cannot be rendered; `faults` are all that was found, in order of their place."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__(f"{faults[0].path}: {faults[0].message}")
        self.faults = faults


class Encoding(Enum):
    """How values are inserted into text."""

    NONE = "as they are"
    PATH = "percent-encoded"
    URL = "percent-encoded behind the host"


@dataclass(frozen=True, slots=True)
class _Literal:
    value: Json


@dataclass(frozen=True, slots=True)
class _Joined:
    """Text with expressions in it; `single` when there is nothing else but blanks."""

    path: str
    parts: tuple[str | Expression, ...]
    single: Expression | None


@dataclass(frozen=True, slots=True)
class _Items:
    items: tuple[_Node, ...]


@dataclass(frozen=True, slots=True)
class _Entries:
    entries: tuple[tuple[str, _Node], ...]


_Node: TypeAlias = _Literal | _Joined | _Items | _Entries


class Template:
    """A checked template, ready to be rendered any number of times."""

    __slots__ = ("_encoding", "_node", "_references", "is_literal")

    def __init__(self, node: _Node, encoding: Encoding = Encoding.NONE) -> None:
        self._node = node
        self._encoding = encoding
        self.is_literal = isinstance(node, _Literal)
        """Whether it holds no expression, so that rendering always gives the same."""
        self._references = frozenset(
            path for expression in _expressions(node) for path in expression.references()
        )

    def references(self) -> frozenset[tuple[str, ...]]:
        """Return the paths that the expressions read; see `Expression.references`."""
        return self._references

    def render(self, bindings: Mapping[str, Json], allowance: Allowance | None = None) -> Json:
        """Return the JSON with all expressions replaced. Raises EvaluationError with the place.

        All expressions share the `allowance`, by default one of their own. The result may share
        parts with the bindings and between calls.
        """
        values = _Values(bindings, Allowance() if allowance is None else allowance)
        if self._encoding is Encoding.NONE:
            return _rendered(self._node, values)
        return _encoded(self._node, values, self._encoding)

    def for_path(self) -> Template:
        """Return the template that inserts values into a path and query.

        Every inserted value is percent-encoded, `/` included. Values that are null, empty values
        before a `?`, and segments `.` and `..` are an EvaluationError: they would address
        something else than was written.
        """
        return Template(self._node, Encoding.PATH)

    def for_url(self) -> Template:
        """Return the template that inserts values into an absolute URL.

        Behind the host they are encoded as in `for_path`. Values up to the host are inserted as
        they are, and so is a URL that is one single `${…}`: the caller holds the result against
        the same rules as a literal one.
        """
        return Template(self._node, Encoding.URL)


def compile_template(value: Json, scope: Scope, path: str) -> Template:
    """Return the template, checked against the scope. `path` is where it stands, for messages.

    Raises TemplateErrors with everything that is wrong.
    """
    faults: list[Fault] = []
    node = _compiled(value, scope, path, faults)
    if faults:
        raise TemplateErrors(faults)
    return Template(node)


_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _compiled(value: Json, scope: Scope, path: str, faults: list[Fault]) -> _Node:
    if value is None:
        faults.append(
            Fault(
                path,
                "null is lost when a definition is applied",
                hint='write "${null}", or leave the property out',
            )
        )
        return _Literal(None)
    if isinstance(value, str):
        return _compiled_text(value, scope, path, faults)
    if isinstance(value, list):
        items = tuple(
            _compiled(item, scope, f"{path}[{index}]", faults) for index, item in enumerate(value)
        )
        if all(isinstance(item, _Literal) for item in items):
            return _Literal([item.value for item in items if isinstance(item, _Literal)])
        return _Items(items)
    if isinstance(value, dict):
        entries = []
        for key, item in value.items():
            below = f"{path}.{key}" if _PLAIN_KEY.fullmatch(key) else f"{path}[{json.dumps(key)}]"
            if "${" in key:
                faults.append(
                    Fault(
                        below,
                        "${…} is not evaluated in the name of a property",
                        column=key.index("${") + 1,
                        hint="build the map in an expression: ${ {key: value} }",
                        source=key,
                    )
                )
            entries.append((key, _compiled(item, scope, below, faults)))
        if all(isinstance(item, _Literal) for _, item in entries):
            return _Literal({k: item.value for k, item in entries if isinstance(item, _Literal)})
        return _Entries(tuple(entries))
    return _Literal(value)


def _compiled_text(text: str, scope: Scope, path: str, faults: list[Fault]) -> _Node:
    parts: list[str | Expression] = []
    literal: list[str] = []
    broken = False

    def fault(message: str, at: int, hint: str | None) -> None:
        nonlocal broken
        broken = True
        faults.append(Fault(path, message, at + 1, hint or None, text))

    at = 0
    while (opening := text.find("${", at)) >= 0:
        if opening > at and text[opening - 1] == "$":
            literal.append(text[at : opening - 1] + "${")
            at = opening + 2
            continue
        literal.append(text[at:opening])
        start = opening + 2
        if text.startswith("{", start):
            fault("${{ is not how an expression begins", opening, "for a map write ${ {")
            return _Literal(text)
        try:
            at = end_of_expression(text, start)
        except UnendedError as error:
            fault(error.message, error.at, error.hint)
            return _Literal(text)
        try:
            expression = compile_expression(text[start:at], scope)
        except ExpressionErrors as errors:
            for one in errors.faults:
                fault(one.message, start + one.column - 1, one.hint)
        else:
            if any(literal):
                parts.append("".join(literal))
            literal.clear()
            parts.append(expression)
        at += 1
    literal.append(text[at:])
    if any(literal):
        parts.append("".join(literal))
    if broken:
        return _Literal(text)
    if all(isinstance(part, str) for part in parts):
        return _Literal("".join(part for part in parts if isinstance(part, str)))
    solid = [part for part in parts if not isinstance(part, str) or part.strip()]
    only = solid[0] if len(solid) == 1 else None
    return _Joined(path, tuple(parts), only if isinstance(only, Expression) else None)


def _expressions(node: _Node) -> Iterator[Expression]:
    match node:
        case _Joined(parts=parts):
            yield from (part for part in parts if isinstance(part, Expression))
        case _Items(items):
            for item in items:
                yield from _expressions(item)
        case _Entries(entries):
            for _, item in entries:
                yield from _expressions(item)
        case _Literal():
            return


@dataclass(frozen=True, slots=True)
class _Values:
    """What expressions of one template are evaluated on, and what they may do together."""

    bindings: Mapping[str, Json]
    allowance: Allowance

    def of(self, expression: Expression, path: str) -> Json:
        """Return the value of the expression at `path`."""
        try:
            return expression.evaluate(self.bindings, self.allowance)
        except EvaluationError as error:
            raise EvaluationError(f"{path}: {error}") from None


def _rendered(node: _Node, values: _Values) -> Json:
    match node:
        case _Literal(value):
            return value
        case _Joined(path, parts, single):
            if single is not None:
                return values.of(single, path)
            texts = [
                part if isinstance(part, str) else text_of(values.of(part, path)) for part in parts
            ]
            return _within_bounds("".join(texts), path)
        case _Items(items):
            return [_rendered(item, values) for item in items]
        case _Entries(entries):
            return {key: _rendered(item, values) for key, item in entries}


def text_of(value: Json) -> str:
    """Return a value as text, as templates join it: strings as they are, else compact JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _within_bounds(text: str, path: str) -> str:
    if len(text) > MAX_JOINED:
        raise EvaluationError(f"{path}: the text is longer than {MAX_JOINED:,} characters")
    return text


_BEHIND_HOST = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*[/?#]")


def _encoded(node: _Node, values: _Values, encoding: Encoding) -> str:
    if isinstance(node, _Literal):
        return text_of(node.value)
    if not isinstance(node, _Joined):
        raise EvaluationError("a path is text, not a list or a map")
    path = node.path
    url = encoding is Encoding.URL
    if url and node.single is not None:
        value = values.of(node.single, path)
        if not isinstance(value, str):
            raise EvaluationError(f"{path}: a URL is text")
        return value
    done = ""
    for part in node.parts:
        if isinstance(part, str):
            done += part.strip() if node.single is not None else part
            continue
        value = values.of(part, path)
        if url and not _BEHIND_HOST.match(done):
            done += text_of(value)
            continue
        if value is None or (value == "" and "?" not in done):
            missing = "null" if value is None else "empty"
            raise EvaluationError(f"{path}: the value of {part.source.strip()} is {missing}")
        done += percent_encode(text_of(value))
    route = done.partition("?")[0].partition("#")[0]
    if any(segment in {".", ".."} for segment in route.split("/")):
        raise EvaluationError(f"{path}: the path has a segment . or ..")
    return _within_bounds(done, path)
