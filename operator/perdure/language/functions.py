"""The functions that Perdure adds to CEL, in plain Python, and how they are declared.

Each is total, bounded and free of side effects: equal arguments give equal results. They see what
the CEL library makes of values: None, bool, int, float, str, list, dict, datetime, timedelta. A
FunctionFault is a message for the user of the expression. `expressions.py` registers them.
"""

from __future__ import annotations

import datetime
import functools
import json
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import re2  # type: ignore[import-untyped]  # ships no types

MAX_ITEMS: Final = 10_000
"""No function makes a longer list: it is the library's own budget of steps."""
MAX_TEXT: Final = 1024 * 1024
"""No function reads a longer text: no value that reaches an expression is longer."""
INT64: Final = range(-(2**63), 2**63)


class FunctionFault(ValueError):  # noqa: N818  # a message, not a defect
    """A call cannot be answered. The message is for users, the mark finds it in library texts."""

    MARK = "\u2063"  # An invisible character that no library text holds.

    def __init__(self, message: str) -> None:
        super().__init__(f"{self.MARK}{message}{self.MARK}")


@dataclass(frozen=True, slots=True)
class Overload:
    """One way to call a function; types are written as in CEL, `~A` stands for any one type.

    Without `body` the library's own implementation answers at run time.
    """

    function: str
    id: str
    parameters: tuple[str, ...]
    result: str
    body: Callable[..., object] | None
    member: bool = False


def percent_encode(text: str) -> str:
    """Return `text` as one segment of a path or one part of a query; `/` is encoded too."""
    return quote(text, safe="")


# Arithmetic over an integer and a float; the library has it over equal types only.


def _guarded(compute: Callable[[float, float], float]) -> Callable[[float, float], float]:
    @functools.wraps(compute)
    def guarded(left: float, right: float) -> float:
        try:
            return compute(float(left), float(right))
        except ZeroDivisionError:
            raise FunctionFault("division by zero") from None
        except OverflowError:
            raise FunctionFault("the number is too large") from None

    return guarded


# Lists.


def _range(*bounds: int) -> list[int]:
    numbers = range(*bounds)
    if bounds[-1] - (bounds[0] if len(bounds) > 1 else 0) > MAX_ITEMS:
        raise FunctionFault(f"range makes at most {MAX_ITEMS:,} numbers")
    return list(numbers)


def _sum(items: Sequence[object]) -> object:
    total: int | float = 0
    for item in items:
        if isinstance(item, bool) or not isinstance(item, int | float):
            raise FunctionFault(f"sum adds numbers, but the list holds {_kind(item)}")
        total += item
    if isinstance(total, int) and total not in INT64:
        raise FunctionFault("the sum is beyond 64 bits")
    return total


def _distinct(items: Sequence[object]) -> list[object]:
    seen: set[object] = set()
    kept = []
    for item in items:
        key = _comparable(item)
        if key not in seen:
            seen.add(key)
            kept.append(item)
    return kept


def _flatten(items: Sequence[object], depth: int = 1) -> list[object]:
    if depth < 0:
        raise FunctionFault("flatten takes a depth of 0 or more")
    flat: list[object] = []
    for item in items:
        if isinstance(item, list | tuple) and depth > 0:
            flat.extend(_flatten(item, depth - 1))
        else:
            flat.append(item)
        if len(flat) > MAX_ITEMS:
            raise FunctionFault(f"flatten makes at most {MAX_ITEMS:,} items")
    return flat


def _sort(items: Sequence[object]) -> list[object]:
    ranks = {_rank(item) for item in items}
    if len(ranks) > 1:
        kinds = sorted({_kind(item) for item in items})
        raise FunctionFault(f"sort compares items of one kind, not {' with '.join(kinds)}")
    if None in ranks:
        raise FunctionFault(f"sort cannot compare {_kind(items[0])}")
    return sorted(items)  # type: ignore[type-var]  # all of one comparable kind


def _rank(item: object) -> str | None:
    if isinstance(item, bool):
        return "bool"
    if isinstance(item, int | float):
        return "number"
    return "text" if isinstance(item, str) else None


def _comparable(item: object) -> object:
    """Return a hashable value that is equal for equal JSON: 1 is 1.0, but not true."""
    if isinstance(item, bool):
        return ("bool", item)
    if isinstance(item, list | tuple):
        return ("list", *(_comparable(one) for one in item))
    if isinstance(item, Mapping):
        return ("map", frozenset((key, _comparable(value)) for key, value in item.items()))
    if isinstance(item, bytearray):
        return bytes(item)
    return item


def _kind(item: object) -> str:
    names = {
        bool: "a boolean",
        str: "text",
        type(None): "null",
        dict: "a map",
        list: "a list",
        datetime.datetime: "a time",
        datetime.timedelta: "a duration",
    }
    return names.get(type(item), "a number" if isinstance(item, int | float) else "such a value")


# Text. RE2 is what the library's own `matches` uses: linear in the text, whatever the pattern.


PATTERN_ARGUMENT: Final = frozenset({"matches", "find", "findAll"})
"""Functions whose first argument behind the text is a pattern."""


@functools.lru_cache(maxsize=256)
def compiled_pattern(pattern: str) -> Any:
    """Return RE2's compiled pattern, None for a text that is no pattern."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    try:
        return re2.compile(pattern, options=options)
    except re2.error:
        return None


def _pattern(pattern: str) -> Any:
    compiled = compiled_pattern(pattern)
    if compiled is None:
        raise FunctionFault(no_pattern(pattern))
    return compiled


def no_pattern(pattern: str) -> str:
    """Return the sentence about a text that is no pattern."""
    return f"{json.dumps(pattern[:100])} is not a regular expression"


def _find(text: str, pattern: str) -> str:
    match = _pattern(pattern).search(text)
    return match.group() if match else ""


def _find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    found: list[str] = []
    for match in _pattern(pattern).finditer(text):
        if 0 <= limit <= len(found):
            break
        if len(found) == MAX_ITEMS:
            raise FunctionFault(f"findAll finds at most {MAX_ITEMS:,} texts")
        found.append(match.group())
    return found


def _json(text: str) -> object:
    if len(text) > MAX_TEXT:
        raise FunctionFault("json reads at most 1 MiB of text")
    try:
        return json.loads(text, parse_constant=_refuse, parse_int=_int64, parse_float=_finite)
    except json.JSONDecodeError as error:
        raise FunctionFault(f"json cannot read this text: {error.msg.lower()}") from None
    except RecursionError:
        raise FunctionFault("json cannot read this text: it is nested too deeply") from None


def _refuse(word: str) -> object:
    raise FunctionFault(f"json cannot read this text: {word} is not JSON")


def _int64(digits: str) -> int:
    if len(digits) > 20 or (number := int(digits)) not in INT64:
        raise FunctionFault("json cannot read this text: a number is beyond 64 bits")
    return number


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise FunctionFault("json cannot read this text: a number is too large")
    return number


# Maps and time.


def _merge(left: Mapping[object, object], right: Mapping[object, object]) -> dict[object, object]:
    for side in (left, right):
        if not isinstance(side, Mapping):
            raise FunctionFault(f"merge takes two maps, not {_kind(side)}")
    return {**left, **right}


def _days(number: float) -> datetime.timedelta:
    try:
        return datetime.timedelta(days=number)
    except (OverflowError, ValueError):
        raise FunctionFault("days takes a smaller number") from None


def _both(
    function: str, id_: str, parameters: tuple[str, ...], result: str, body: Callable[..., object]
) -> list[Overload]:
    """Declare a function as `f(x, y)` and as `x.f(y)`."""
    return [
        Overload(function, id_, parameters, result, body),
        Overload(function, f"{id_}_member", parameters, result, body, member=True),
    ]


def _mixed() -> list[Overload]:
    """Declare the operators over an integer and a float."""
    arithmetic: list[tuple[str, Callable[[float, float], float]]] = [
        ("_+_", operator.add),
        ("_-_", operator.sub),
        ("_*_", operator.mul),
        ("_/_", operator.truediv),
    ]
    overloads = [
        Overload(sign, f"perdure_{sign}_{a}_{b}", (a, b), "double", _guarded(compute))
        for sign, compute in arithmetic
        for a, b in (("int", "double"), ("double", "int"))
    ]
    overloads += [
        Overload(sign, f"perdure_{sign}_{a}_{b}", (a, b), "bool", None)
        for sign in ("_<_", "_<=_", "_>_", "_>=_", "_==_", "_!=_")
        for a, b in (("int", "double"), ("double", "int"))
    ]
    overloads += [
        Overload("@in", f"perdure_in_{a}_{b}", (a, f"list<{b}>"), "bool", None)
        for a, b in (("int", "double"), ("double", "int"))
    ]
    return overloads


OVERLOADS: Final[tuple[Overload, ...]] = (
    *_mixed(),
    Overload("range", "range_int", ("int",), "list<int>", _range),
    Overload("range", "range_int_int", ("int", "int"), "list<int>", _range),
    *_both("sum", "sum_list", ("list<dyn>",), "dyn", _sum),
    *_both("distinct", "distinct_list", ("list<~A>",), "list<~A>", _distinct),
    *_both("flatten", "flatten_list", ("list<dyn>",), "list<dyn>", _flatten),
    *_both("flatten", "flatten_list_int", ("list<dyn>", "int"), "list<dyn>", _flatten),
    *_both("sort", "sort_list", ("list<~A>",), "list<~A>", _sort),
    *_both("find", "find_string", ("string", "string"), "string", _find),
    *_both("findAll", "find_all", ("string", "string"), "list<string>", _find_all),
    *_both("findAll", "find_all_int", ("string", "string", "int"), "list<string>", _find_all),
    *_both("merge", "merge_maps", ("dyn", "dyn"), "map<string, dyn>", _merge),
    *_both("json", "json_string", ("string",), "dyn", _json),
    Overload("days", "days_int", ("int",), "google.protobuf.Duration", _days),
    Overload("days", "days_double", ("double",), "google.protobuf.Duration", _days),
)
