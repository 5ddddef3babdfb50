"""What the CEL library complains about, in our own words.

The library's texts never reach users: they speak of overloads and structs. Each known one is
turned into a sentence about the user's own names; an unknown one into a general sentence.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from perdure.language.functions import OVERLOADS, FunctionFault
from perdure.language.lexing import Kind, Token, tokens_of
from perdure.language.types import Record, Type, did_you_mean, missing_text


@dataclass(frozen=True, slots=True)
class ExpressionFault:
    """What is wrong with an expression; `column` counts its characters from 1, line ends too."""

    message: str
    column: int
    hint: str | None = None


_STANDARD: Final = [
    "size",
    "matches",
    "contains",
    "startsWith",
    "endsWith",
    "string",
    "int",
    "uint",
    "double",
    "bool",
    "bytes",
    "type",
    "dyn",
    "timestamp",
    "duration",
    "getFullYear",
    "getMonth",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getHours",
    "getMinutes",
    "getSeconds",
    "getMilliseconds",
    "charAt",
    "indexOf",
    "lastIndexOf",
    "lowerAscii",
    "upperAscii",
    "replace",
    "split",
    "substring",
    "trim",
    "join",
    "format",
    "reverse",
    "strings.quote",
    "math.greatest",
    "math.least",
    "math.ceil",
    "math.floor",
    "math.round",
    "math.trunc",
    "math.abs",
    "math.sign",
    "math.sqrt",
    "math.isNaN",
    "math.isInf",
    "math.isFinite",
    "math.bitAnd",
    "math.bitOr",
    "math.bitXor",
    "math.bitNot",
    "math.bitShiftLeft",
    "math.bitShiftRight",
    "base64.encode",
    "base64.decode",
    "optional.of",
    "optional.none",
    "optional.ofNonZeroValue",
    "hasValue",
    "value",
    "or",
    "orValue",
    "optMap",
    "optFlatMap",
    "has",
    "all",
    "exists",
    "exists_one",
    "map",
    "filter",
    "cel.bind",
]
FUNCTIONS: Final = frozenset(
    [*_STANDARD, *(one.function for one in OVERLOADS if one.function[0].isalpha())]
)
_NAMESPACES: Final = frozenset(name.partition(".")[0] for name in FUNCTIONS if "." in name)
_NOT_KNOWN: Final = "is not known here"
_USAGE: Final = {
    "has": "write has(input.name)",
    "all": "write list.all(x, condition)",
    "exists": "write list.exists(x, condition)",
    "exists_one": "write list.exists_one(x, condition)",
    "map": "write list.map(x, value) or list.map(x, condition, value)",
    "filter": "write list.filter(x, condition)",
    "optMap": "write optional.optMap(x, value)",
    "optFlatMap": "write optional.optFlatMap(x, optional value)",
    "cel.bind": "write cel.bind(x, value, expression)",
    "orValue": "it is for optional values: write input.?name.orValue(default)",
    "value": "it is for optional values: write input.?name.value()",
    "hasValue": "it is for optional values: write input.?name.hasValue()",
}

_ERROR = re.compile(
    r"^(?:[A-Z_]+: )?ERROR: <input>:(\d+):(\d+): (.*?)(?: \[[A-Z_]+\])?$", re.MULTILINE
)
_ECHO = re.compile(r"\*error\*|'error'|!error!")  # A fault of something that has one already.
_UNKNOWN_NAME = re.compile(r"undeclared reference to '(.*)' \(in container ''\)")
_UNKNOWN_FIELD = re.compile(r"undefined field '(.*)' not found in struct '(.*)'")
_NO_OVERLOAD = re.compile(r"found no matching overload for '(.*)' applied to '(.*)'")
_NO_SELECT = re.compile(r"expression of type '(.*)' cannot be the operand of a select operation")
_NO_RANGE = re.compile(r"expression of type '(.*)' cannot be the range of a comprehension")
_MACRO = re.compile(r"([\w.]+)\(\) (?:argument|variable|accumulation)")
_BAD_NUMBER = re.compile(r"invalid (?:u?int|double) literal")
_BAD_TEXT: Final = "this text holds a \\ that means nothing"
_BAD_TEXT_HINT: Final = 'write \\\\ for a backslash, or r"…" for a pattern'
_TOO_DEEP: Final = "the expression is nested deeper than the 32 levels that CEL reads here"
_RESERVED = re.compile(r"reserved identifier: (.*)")

_TYPE_TEXTS: Final = {
    "string": "text",
    "int": "a whole number",
    "int64": "a whole number",
    "uint": "an unsigned number",
    "uint64": "an unsigned number",
    "double": "a decimal number",
    "bool": "a boolean",
    "bytes": "bytes",
    "null_type": "null",
    "null": "null",
    "timestamp": "a time",
    "google.protobuf.Timestamp": "a time",
    "duration": "a duration",
    "google.protobuf.Duration": "a duration",
    "dyn": "any value",
    "list": "a list",
    "map": "a map",
    "type": "a type",
    "optional_type": "an optional value",
    "optional": "an optional value",
}


class Explainer:
    """Explains the faults of one expression over the names of its scope."""

    def __init__(self, source: str, names: Mapping[str, Type], records: Mapping[str, Record]):
        self._source = source
        self._names = names
        self._records = records

    @functools.cached_property
    def _tokens(self) -> list[Token]:
        return [one for one in tokens_of(self._source) if one.kind is not Kind.COMMENT]

    def faults(self, report: str) -> list[ExpressionFault]:
        """Return what the library's report says, in the order of the source, each once."""
        found: list[ExpressionFault] = []
        starts = [0]
        for line in self._source.splitlines(keepends=True):
            starts.append(starts[-1] + len(line))
        syntax = False
        for line_text, column_text, text in _ERROR.findall(report):
            at = starts[min(int(line_text), len(starts)) - 1] + int(column_text) - 1
            if text.startswith("Syntax error"):
                # What follows the first syntax error is mostly its echo.
                if syntax:
                    continue
                syntax = True
                text = text.partition(": ")[2]
                fault = self._syntax(text, at)
            elif _ECHO.search(text) and found:
                continue
            else:
                fault = self._fault(text, at)
            if fault not in found:
                found.append(fault)
        if not found:
            deep = "recursion" in report
            found.append(ExpressionFault(_TOO_DEEP if deep else "the expression cannot be read", 1))
        found = [fault for fault in found if not self._is_echo(fault, found)]
        return sorted(found, key=lambda fault: fault.column)

    def _is_echo(self, fault: ExpressionFault, found: list[ExpressionFault]) -> bool:
        """Tell whether a name is unknown only because the call around it is not understood.

        The variable of a misspelt macro, or the `math` of a misspelt `math.greatest`.
        """
        if not fault.message.endswith(_NOT_KNOWN) and _NOT_KNOWN + ";" not in fault.message:
            return False
        index = self._index_at(fault.column - 1)
        if index is None:
            return False
        name = self._tokens[index].text
        calls = [f for f in found if f.message.startswith(("there is no function", '"'))]
        for call in calls:
            other = self._index_at(call.column - 1)
            if call is fault or other is None or call.message.partition('" ')[2] == _NOT_KNOWN:
                continue
            opening = other + 1
            if index == other - 2 and name in _NAMESPACES and self._tokens[other - 1].text == ".":
                return True
            if _NOT_KNOWN in call.message or opening + 1 >= len(self._tokens):
                continue
            variable = self._tokens[opening + 1].text
            if index > other and name == variable and self._tokens[opening].text == "(":
                return True
        return False

    def place(self, at: int) -> int:
        """Return where the thing at offset `at` begins: of a call, the name, not the bracket."""
        index = self._index_at(at)
        if index and self._tokens[index].text == "(":
            before = self._tokens[index - 1]
            if before.kind is Kind.NAME and before.end == self._tokens[index].at:
                return before.at
        return at

    def missing(self, record: str, name: str, at: int) -> ExpressionFault:
        """Say that the record of this message type has no property `name`."""
        place = self._first(name, at)
        known = self._records[record]
        if name in known.fields:
            return ExpressionFault(
                f"{known.name}.{name} cannot be read with a dot",
                place + 1,
                f'write {known.name}["{name}"]',
            )
        hint = None
        if not known.fields:
            hint = f"{known.name} is empty here"
        elif dashed := next((k for k in known.fields if k.startswith(f"{name}-")), None):
            hint = f'write {known.name}["{dashed}"]'
        elif "; did you mean" not in missing_text(known, name):
            hint = f"{known.name} has {_listed(known.fields)}"
        return ExpressionFault(missing_text(known, name), place + 1, hint)

    def type_text(self, written: str) -> str:
        """Say what a type is, as the library writes it (`list(string)`)."""
        outer, _, inner = written.partition("(")
        if outer in self._records:
            return f"{self._records[outer].name} (a map)"
        if outer == "list" and inner:
            item = _TYPE_TEXTS.get(inner.rstrip(")").partition("(")[0])
            if item and item != "any value":
                return f"a list of {item.removeprefix('a ').removeprefix('an ')}s".replace(
                    "texts", "text"
                ).replace("nulls", "null")
        return _TYPE_TEXTS.get(outer, "such a value")

    def _first(self, text: str, at: int) -> int:
        """Return where the first token `text` stands at or behind offset `at`."""
        for token in self._tokens:
            if token.end > at and token.text.strip("`'\"") == text:
                return token.at
        return at

    def _index_at(self, at: int) -> int | None:
        return next((i for i, token in enumerate(self._tokens) if token.at >= at), None)

    def _fault(self, text: str, at: int) -> ExpressionFault:
        if match := _UNKNOWN_NAME.fullmatch(text):
            return self._unknown_name(match[1], at)
        if (match := _UNKNOWN_FIELD.fullmatch(text)) and match[2] in self._records:
            return self.missing(match[2], match[1], at)
        if match := _NO_OVERLOAD.fullmatch(text):
            message, hint = self.no_overload(match[1], _split_types(match[2]))
            return ExpressionFault(message, self.place(at) + 1, hint)
        if match := _NO_SELECT.fullmatch(text):
            return ExpressionFault(f"{self.type_text(match[1])} has no properties", at + 1)
        if match := _NO_RANGE.match(text):
            return ExpressionFault(
                f"{self.type_text(match[1])} cannot be gone through item by item",
                at + 1,
                "write dyn(…) around it to go through its property names"
                if match[1] in self._records
                else None,
            )
        if match := _RESERVED.fullmatch(text):
            return ExpressionFault(f'"{match[1]}" is a reserved word of CEL', at + 1)
        if match := _MACRO.match(text):
            name = match[1]
            return ExpressionFault(f'"{name}" is not called like this', at + 1, _USAGE.get(name))
        if _BAD_NUMBER.match(text):
            return ExpressionFault("this number is beyond 64 bits", at + 1)
        if text.startswith("Invalid string literal: String must end"):
            # The library cannot read r'\\', although CEL allows it.
            return ExpressionFault(
                "a raw text cannot end in a \\", at + 1, "leave the r out, write \\\\"
            )
        if text.startswith("Invalid string literal"):
            return ExpressionFault(_BAD_TEXT, at + 1, _BAD_TEXT_HINT)
        return ExpressionFault("this part of the expression is not valid", at + 1)

    def _unknown_name(self, name: str, at: int) -> ExpressionFault:
        index = self._index_at(at)
        if index is not None and self._tokens[index].text == "(":
            return self._unknown_function(name, index)
        first = name.lstrip(".").partition(".")[0]
        # The library points at the last dot of `a.b.c`: go back to where `a` stands.
        token = next((t for t in reversed(self._tokens) if t.at <= at and t.text == first), None)
        place = token.at if token else at
        guess = did_you_mean(first, self._names)
        hint = None
        if not guess:
            hint = (
                f"known here: {_listed(self._names)}" if self._names else "no names are known here"
            )
            if first in {"None", "nil", "Null", "NULL"}:
                hint = "write null"
            elif first in {"True", "TRUE", "False", "FALSE"}:
                hint = f"write {first.lower()}"
            elif first in {"and", "or", "not"}:
                hint = {"and": "write &&", "or": "write ||", "not": "write !"}[first]
        return ExpressionFault(f'"{first}" is not known here{guess}', place + 1, hint)

    def _unknown_function(self, name: str, index: int) -> ExpressionFault:
        place = self._tokens[index - 1].at if index else self._tokens[index].at
        if index > 2 and self._tokens[index - 2].text == ".":
            space = self._tokens[index - 3].text
            if space in _NAMESPACES and space not in self._names:
                name = f"{space}.{name}"
        if name in FUNCTIONS:
            return ExpressionFault(f'"{name}" is not called like this', place + 1, _USAGE.get(name))
        last = name.rpartition(".")[2]
        guess = did_you_mean(name, FUNCTIONS)
        if not guess and name != last:
            guess = did_you_mean(last, FUNCTIONS)
        return ExpressionFault(f'there is no function "{name}"{guess}', place + 1)

    def no_overload(self, function: str, types: list[str]) -> tuple[str, str | None]:
        """Say that a function or operator does not take values of these types."""
        texts = [self.type_text(one) for one in types]
        optional = any(one.startswith("optional") for one in types)
        hint = "take the value out with .orValue(…)" if optional else None
        sign = function.strip("_@")
        match function:
            case "_&&_" | "_||_":
                wrong = next((t for t in texts if t not in {"a boolean", "any value"}), texts[-1])
                return f"both sides of {sign} must be booleans, but one is {wrong}", hint
            case "!_" | "@not_strictly_false":
                return f"! takes a boolean, not {texts[0]}", hint
            case "-_":
                return f"- takes a number, not {texts[0]}", hint
            case "_?_:_" if types and types[0] not in {"bool", "dyn"}:
                return f"the condition before ? must be a boolean, not {texts[0]}", hint
            case "_?_:_":
                return "the values around : are of different kinds", "write dyn(…) around one"
            case "_[_]" | "_[?_]" if len(texts) == 2:
                if texts[0].startswith("a list"):
                    return f"an item of a list has a whole number, not {texts[1]}", hint
                return f"{texts[0]} has no items to choose by {texts[1]}", hint
            case "@in" if len(texts) == 2:
                return f"{texts[0]} cannot be in {texts[1]}", hint
            case "_==_" | "_!=_" if len(texts) == 2:
                if "null" in texts:
                    other = texts[0] if texts[1] == "null" else texts[1]
                    return (
                        f"{other} is never null",
                        "to ask whether a property is there, write has(input.name)",
                    )
                if set(texts) == {"text", "a time"}:
                    hint = 'write timestamp("2026-12-01T00:00:00Z")'
                return f"{texts[0]} and {texts[1]} cannot be equal", hint
            case "_<_" | "_<=_" | "_>_" | "_>=_" if len(texts) == 2:
                if set(texts) == {"text", "a time"}:
                    hint = 'write timestamp("2026-12-01T00:00:00Z")'
                return f"{texts[0]} and {texts[1]} cannot be compared", hint
            case _ if function.startswith("_") and len(texts) == 2:
                texts = [one.removesuffix(" (a map)") for one in texts]
                if sign == "+" and "text" in texts and any("number" in one for one in texts):
                    hint = "write string(…) around the number"
                elif sign == "%" and any(one == "a decimal number" for one in texts):
                    hint = "% takes whole numbers only: write int(…)"
                elif set(texts) == {"text", "a duration"}:
                    hint = 'write duration("1h")'
                return f"{sign} does not go with {texts[0]} and {texts[1]}", hint
        return f'"{function}" does not take {_joined(texts)}', _USAGE.get(function, hint)

    def _syntax(self, text: str, at: int) -> ExpressionFault:
        column = at + 1
        if not self._source.strip():
            return ExpressionFault("the expression is empty", 1)
        opened = next((t for t in self._tokens if t.kind is Kind.OPEN), None)
        if opened:
            return ExpressionFault("this text has no closing quote", opened.at + 1)
        strange = next((t for t in self._tokens if t.kind is Kind.STRANGE), None)
        if strange:
            return ExpressionFault(*_strange(strange))
        if text.startswith("token recognition error"):
            token = next((t for t in self._tokens if t.end > at), None)
            if token and token.kind is Kind.TEXT:
                return ExpressionFault(_BAD_TEXT, token.at + 1, _BAD_TEXT_HINT)
        index = self._index_at(at)
        if index is None or not self._tokens:
            unclosed = _unclosed(self._tokens)
            if unclosed:
                return ExpressionFault(f"this {unclosed.text} is never closed", unclosed.at + 1)
            return ExpressionFault("the expression ends where a value is missing", column)
        if text.startswith("no viable alternative at input '.") and self._tokens[index].text == ".":
            index = min(index + 1, len(self._tokens) - 1)
        token = self._tokens[index]
        before = self._tokens[index - 1] if index else None
        if token.text == "=" or (before and before.text == "="):
            return ExpressionFault("= is no operator", token.at + 1, "write ==")
        if token.kind is Kind.NAME and token.text in {"and", "or", "not"}:
            sign = {"and": "&&", "or": "||", "not": "!"}[token.text]
            return ExpressionFault(f'"{token.text}" is no operator', token.at + 1, f"write {sign}")
        return ExpressionFault(f"{_quoted(token)} is not expected here", token.at + 1)


def _strange(token: Token) -> tuple[str, int, str | None]:
    hints = {
        "=": "write ==",
        "&": "write &&",
        "|": "write ||",
        ";": None,
        "$": "names need no $ inside an expression",
        "“": 'write " as quote',
        "”": 'write " as quote',
        "’": "write ' as quote",
        "‘": "write ' as quote",
    }
    if token.text == "=":
        return "= is no operator", token.at + 1, "write =="
    return f"{token.text} means nothing in an expression", token.at + 1, hints.get(token.text)


def _unclosed(tokens: Iterable[Token]) -> Token | None:
    """Return the innermost bracket that is opened and never closed."""
    opened: list[Token] = []
    for token in tokens:
        if token.kind is not Kind.SIGN:
            continue
        if token.text in {"(", "[", "{", "[?"}:
            opened.append(token)
        elif token.text in {")", "]", "}"} and opened:
            opened.pop()
    return opened[-1] if opened else None


def _quoted(token: Token) -> str:
    short = token.text if len(token.text) <= 40 else token.text[:37] + "…"
    return short if token.kind in {Kind.TEXT, Kind.SIGN} else f'"{short}"'


def _listed(names: Iterable[str]) -> str:
    ordered = sorted(names)
    return ", ".join(ordered[:12]) + (", …" if len(ordered) > 12 else "")


def _joined(texts: list[str]) -> str:
    if not texts:
        return "no values"
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"


def _split_types(written: str) -> list[str]:
    """Split `(int, list(string))` or `string.(int)` into its types, the receiver first."""
    receiver, _, rest = written.rpartition(".(") if ".(" in written else ("", "", written)
    types = [receiver.strip("()")] if receiver and not _nested(receiver) else []
    if receiver and _nested(receiver):
        types = [receiver]
    inner = rest.removeprefix("(").removesuffix(")")
    depth, start = 0, 0
    for at, sign in enumerate(inner):
        depth += sign in "(<"
        depth -= sign in ")>"
        if sign == "," and depth == 0:
            types.append(inner[start:at].strip())
            start = at + 1
    if inner[start:].strip():
        types.append(inner[start:].strip())
    return types


def _nested(written: str) -> bool:
    return "(" in written.strip("()")


_OVERLOADS_AT_RUN = re.compile(r"No matching overloads found : (.*)", re.DOTALL)
_RUN_CALL = re.compile(r"(?:\((?P<target>[^()]*)\)\.)?(?P<name>[^()]+)\((?P<args>.*)\)", re.DOTALL)
_RUN_TEXTS: Final[tuple[tuple[re.Pattern[str], str], ...]] = tuple(
    (re.compile(pattern, re.DOTALL), text)
    for pattern, text in (
        (r"Iteration budget exceeded", "the expression goes through more than 10,000 items"),
        (
            r"Non-CEL value type .*(?:datetime|timedelta)",
            "this function gives no times or durations back; write string(…) around them",
        ),
        (r"clause|^INVALID_ARGUMENT: index \d+ out of range", "format does not go with its values"),
        (r"precision specifier", "format writes at most 1,000 digits"),
        (r"charAt\(|substring\(|index out of range", "a position is outside of the text"),
        (r"negative shift", "a shift takes 0 or more"),
        (r"duplicate key in map", "a map has the same property twice"),
        (r"Invalid map key type", "the names of a map's properties are text"),
        (r"Invalid container type", "an item is asked of a value that has none"),
        (r"SELECT to non-message", "a property is asked of a value that has none"),
        (r"overflow|out of range|out of \w+ range", "a number or time is out of range"),
        (r"divide by zero|division by zero|modulus by zero", "division by zero"),
        (r"regular expression", "the pattern is not a regular expression"),
        (r"base64", "this text is not base64"),
        (r"UTF-8", "these bytes are no text"),
        (r"[Tt]ime ?zone", "there is no such time zone; they look like Europe/Berlin or +02:00"),
        (
            r"String to Timestamp",
            "this text is not a time; times look like 2026-12-01T00:00:00Z",
        ),
        (
            r"String to Duration",
            "this text is not a duration; durations look like 1h30m or 90s",
        ),
        (r"[Cc]annot convert|conversion", "a value cannot be converted"),
        (r"optional.none\(\) deref", "value() is asked of an optional value that is not there"),
        (r"<jump_condition>|found : _\?_:_", "the condition before ? is not a boolean"),
        (r"<iter_range>", "a value that is neither list nor map cannot be gone through"),
        (r"found : _&&_", "both sides of && must be booleans"),
        (r"found : _\|\|_", "both sides of || must be booleans"),
        (r"found : !_", "! takes a boolean"),
        (r"found : _\??\[?_\]|found : _\?\._", "a property is asked of a value that has none"),
    )
)


def run_time_text(report: str, records: Mapping[str, Record]) -> str:
    """Say why an evaluation failed, given what the library reports."""
    if FunctionFault.MARK in report:
        return report.split(FunctionFault.MARK)[1]
    if match := re.search(r'Key not found in map : "?(.*?)"?$', report, re.DOTALL):
        return f'there is no property "{match[1]}"'
    if match := re.search(r"no such key ?: ?(.*)$", report, re.DOTALL):
        return f"there is no property {match[1]}"
    if match := re.search(r"Index error: index=(-?\d+) size=(\d+)", report):
        return f"there is no item {match[1]} in a list of {match[2]} items (they count from 0)"
    if match := re.search(r'No value with name "(.*?)" found', report):
        return f'"{match[1]}" has no value here'
    if match := re.search(r"Integer value '(-?\d+)' out of range", report):
        return "an integer is beyond 64 bits"
    match = _OVERLOADS_AT_RUN.search(report)
    if match and not match[1].startswith(("_?._", "_[_]", "_[?_]")):
        call = _RUN_CALL.match(match[1])
        if call:
            types = [call["target"]] if call["target"] is not None else []
            types += _split_types(f"({call['args']})")
            message, hint = Explainer("", {}, records).no_overload(call["name"], types)
            return f"{message}; {hint}" if hint else message
    for pattern, text in _RUN_TEXTS:
        if pattern.search(report):
            return text
    return "the expression does not go with these values"
