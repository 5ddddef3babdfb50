"""CEL expressions: checked against the types of a scope, run on plain JSON.

The only importer of the CEL library. An expression is checked against message types made from the
scope, which refuses misspelt names and accepts correct guards, and then runs on plain maps in one
environment shared by all. Source: docs/reference/workflowdefinition.md#values-and-expressions.
"""

from __future__ import annotations

import base64
import datetime
import functools
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from cel_expr_python import cel
from cel_expr_python.ext import ext_bindings, ext_encoders, ext_math, ext_optional, ext_strings

from perdure.engine.faults import Fault
from perdure.engine.values import Json, JsonObject
from perdure.errors import InvalidDefinitionError, PerdureError
from perdure.language.effort import Allowance, Effort, TooMuchError
from perdure.language.explain import Explainer, ExpressionFault, run_time_text
from perdure.language.functions import (
    OVERLOADS,
    PATTERN_ARGUMENT,
    FunctionFault,
    Overload,
    compiled_pattern,
    no_pattern,
)
from perdure.language.lexing import Kind, tokens_of
from perdure.language.protos import (
    CheckedTree,
    Messages,
    children_of,
    descend,
    kind_of,
    messages_of,
)
from perdure.language.types import Dyn, ListOf, MapOf, Record, Simple, Type

__all__ = [
    "EvaluationError",
    "Expression",
    "ExpressionErrors",
    "ExpressionFault",
    "Scope",
    "compile_expression",
]

MAX_SOURCE: Final = 16 * 1024
"""Longer expressions are refused: the library's parser recurses."""
MAX_RESULT: Final = 256 * 1024
"""Bytes of compact JSON that a computed result may have."""
MAX_PLAIN_RESULT: Final = 1024 * 1024
"""The same for a plain path (`input.order`), which only hands on what is there."""


class EvaluationError(PerdureError):
    """An expression failed on these values; the message says why, without showing them."""


class ExpressionErrors(InvalidDefinitionError):  # noqa: N818  # it holds many
    """An expression cannot be run; `faults` are all that was found, in order of their place."""

    def __init__(self, source: str, faults: list[ExpressionFault]) -> None:
        super().__init__(faults[0].message)
        self.source = source
        self.faults = faults

    def at(self, path: str) -> list[Fault]:
        """Return the faults of the expression that stands at `path`."""
        return [Fault(path, f.message, f.column, f.hint, self.source) for f in self.faults]


@dataclass(frozen=True, slots=True)
class Scope:
    """The names an expression may use. Keep one for many expressions: it holds what is built."""

    names: Mapping[str, Type]
    _built: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)


class Expression:
    """A checked expression, ready to be evaluated any number of times, also by many threads."""

    __slots__ = (
        "_effort",
        "_needs",
        "_path",
        "_program",
        "_records",
        "_references",
        "_result",
        "source",
    )

    def __init__(
        self, source: str, tree: CheckedTree, records: Mapping[str, Record], result: Type
    ) -> None:
        self.source = source
        self._references = frozenset(_references(tree.root, frozenset()))
        self._needs = _needs_of(self._references)
        self._path = _path_of(tree.root)
        self._records = records
        self._result = result
        self._effort = Effort(tree.root)
        _wrap_times(tree)
        self._program = _run_environment().deserialize(tree.serialized())

    def references(self) -> frozenset[tuple[str, ...]]:
        """Return the paths this expression reads, each as far as its names are written out.

        `steps.charge.output.id` gives `("steps", "charge", "output", "id")`. A shorter path means
        that more of it may be read: `cel.bind(s, steps, s.charge)` gives `("steps",)`.
        """
        return self._references

    def reads(self, bindings: Mapping[str, Json]) -> JsonObject:
        """Return what of the bindings is read, and nothing else: equal reads give equal values."""
        return {name: _part_of(bindings[name], n) for name, n in self._needs if name in bindings}

    def evaluate(self, bindings: Mapping[str, Json], allowance: Allowance | None = None) -> Json:
        """Return the value for these bindings: times as RFC 3339, durations as `5400s`.

        An integral float comes back as an integer, as it would from the API server. The result
        may share parts with the bindings. The work for it is taken from the `allowance`, by
        default from one of its own. Raises EvaluationError, also where that is not enough.
        """
        if self._path is not None:
            value = _follow(self._path, bindings)
            if _size(value) > MAX_PLAIN_RESULT:
                raise EvaluationError("the result is larger than 1 MiB")
        else:
            value = self._run(bindings, Allowance() if allowance is None else allowance)
        if self._result is Simple.BOOL and not isinstance(value, bool):
            raise EvaluationError(f"the condition gives {_json_kind(value)}, not a boolean")
        return value

    def _run(self, bindings: Mapping[str, Json], allowance: Allowance) -> Json:
        # The library converts all that it is given, each time: it is given what is read.
        data = self.reads(bindings)
        try:
            allowance.spend(self._effort(data))
        except TooMuchError:
            raise EvaluationError(_TOO_MUCH) from None
        try:
            found = self._program.eval(data=data)
        except RuntimeError as error:
            raise EvaluationError(run_time_text(str(error), self._records)) from None
        if found.type() == cel.Type.ERROR:
            raise EvaluationError(run_time_text(str(found.value()), self._records))
        reader = _Reader()
        value = reader.read(found)
        # A character takes 1 to 6 bytes of JSON: look closely only where that matters.
        if reader.characters * 6 > MAX_RESULT and _size(value) > MAX_RESULT:
            raise EvaluationError(_TOO_LARGE)
        return value


@dataclass(frozen=True, slots=True)
class _Needs:
    """Which properties of a value are read; of a `whole` one it cannot be said beforehand."""

    is_whole: bool
    properties: tuple[tuple[str, _Needs], ...] = ()


def _needs_of(references: Iterable[tuple[str, ...]]) -> tuple[tuple[str, _Needs], ...]:
    """Return what is read below each name, from the paths that an expression reads."""
    below: dict[str, list[tuple[str, ...]]] = {}
    for name, *rest in sorted(references):
        below.setdefault(name, []).append(tuple(rest))
    return tuple(
        (name, _Needs(True) if () in paths else _Needs(False, _needs_of(paths)))
        for name, paths in below.items()
    )


def _part_of(value: Json, needs: _Needs) -> Json:
    """Return the value with the properties that are read, and no others."""
    if needs.is_whole or not isinstance(value, dict):
        return value
    return {key: _part_of(value[key], n) for key, n in needs.properties if key in value}


_TOO_MUCH = "the expression may take too much time or memory on values of this size"
_TOO_LARGE = "the result is larger than 256 KiB"


def compile_expression(source: str, scope: Scope, *, result: Type = Dyn) -> Expression:
    """Return the expression, checked against the scope.

    Calls whose arguments are all literal are evaluated now, so that `duration("7d")` fails here.
    Raises ExpressionErrors with everything that is wrong.
    """
    if len(source) > MAX_SOURCE:
        fault = ExpressionFault(f"the expression is longer than {MAX_SOURCE:,} characters", 1)
        raise ExpressionErrors(source, [fault])
    if comment := _comment_fault(source):
        raise ExpressionErrors(source, [comment])
    messages = _messages(scope)
    explain = Explainer(source, scope.names, messages.records)
    tree = _checked(source, scope, messages, explain)
    faults = [
        *_record_faults(tree, messages.records, explain),
        *_literal_faults(tree, messages.records, explain),
        *_pattern_faults(tree, explain),
    ]
    if unfit := _result_fault(tree, result, explain):
        faults.append(unfit)
    if faults:
        raise ExpressionErrors(source, sorted(faults, key=lambda one: one.column))
    expression = Expression(source, tree, messages.records, result)
    if not expression.references():
        # It gives the same whenever it is evaluated: what is wrong with the result shows now.
        try:
            expression.evaluate({})
        except EvaluationError as error:
            raise ExpressionErrors(source, [ExpressionFault(str(error), 1)]) from None
    return expression


def _comment_fault(source: str) -> ExpressionFault | None:
    if "//" not in source:
        return None
    for token in tokens_of(source):
        if token.kind is Kind.COMMENT and not token.text.endswith("\n"):
            return ExpressionFault(
                "a // comment has no line end behind it",
                token.at + 1,
                "in folded YAML everything behind // is lost: leave the comment out",
            )
    return None


# Environments.


def _extension(
    overloads: tuple[Overload, ...], *, records: tuple[str, ...] = (), generic: bool = True
) -> Any:
    """Return an extension with these functions; `records` can also be used like maps.

    Type parameters are for checking: an implementation that has some is never found (`generic`).
    """
    by_name: dict[str, list[Any]] = {}
    for one in overloads:
        if not generic:
            parameters = tuple(part.replace("~A", "dyn") for part in one.parameters)
            one = replace(one, parameters=parameters, result=one.result.replace("~A", "dyn"))
        by_name.setdefault(one.function, []).append(_overload(one))
    for number, name in enumerate(records):
        for sign, parameters, result in _RECORD_OVERLOADS:
            types = tuple(name if one == "record" else one for one in parameters)
            overload = Overload(
                sign, f"record_{number}_{sign}_{parameters[0]}", types, result, None
            )
            by_name.setdefault(sign, []).append(_overload(overload))
    return cel.CelExtension(
        "perdure", [cel.FunctionDecl(name, listed) for name, listed in by_name.items()]
    )


_RECORD_OVERLOADS = (
    ("@in", ("string", "record"), "bool"),
    ("_[_]", ("record", "string"), "dyn"),
    ("_[?_]", ("record", "string"), "optional_type<dyn>"),
    ("size", ("record",), "int"),
    ("_==_", ("record", "map<string, dyn>"), "bool"),
    ("_==_", ("map<string, dyn>", "record"), "bool"),
    ("_!=_", ("record", "map<string, dyn>"), "bool"),
    ("_!=_", ("map<string, dyn>", "record"), "bool"),
)


def _overload(one: Overload) -> Any:
    parameters = [cel.Type(parameter) for parameter in one.parameters]
    result = cel.Type(one.result)
    if one.body is None:
        return cel.Overload(one.id, result, parameters, is_member=one.member)
    return cel.Overload(one.id, result, parameters, is_member=one.member, impl=one.body)


def _extensions() -> list[Any]:
    return [
        ext_strings.ExtStrings(),
        ext_math.ExtMath(),
        ext_encoders.ExtEncoders(),
        ext_optional.ExtOptional(),
        ext_bindings.ExtBindings(),
    ]


@functools.cache
def _run_environment() -> Any:
    """The one environment in which everything runs: checked trees need no declared names.

    What the library implements itself is declared for checking only; a second registration would
    make it refuse to run.
    """
    ours = tuple(one for one in OVERLOADS if one.body is not None)
    return cel.NewEnv(extensions=[*_extensions(), _extension(ours, generic=False)])


_ANY_BRANCHES = Overload("_?_:_", "perdure_branches", ("bool", "dyn", "dyn"), "dyn", None)
_WITHOUT_BRANCHES = 'name: x\nstdlib:\n  exclude_functions:\n    - name: "_?_:_"\n'


def _messages(scope: Scope) -> Messages:
    messages = scope._built.get("messages")
    if messages is None:
        messages = scope._built["messages"] = messages_of(scope.names)
    assert isinstance(messages, Messages)
    return messages


def _check_environment(scope: Scope, messages: Messages, *, lenient: bool) -> Any:
    """Return the environment that knows the scope; a lenient one lets branches of `?:` differ."""
    key = "lenient" if lenient else "strict"
    found = scope._built.get(key)
    if found is None:
        overloads = (*OVERLOADS, _ANY_BRANCHES) if lenient else OVERLOADS
        found = scope._built[key] = cel.NewEnv(
            messages.pool,
            config=cel.NewEnvConfigFromYaml(_WITHOUT_BRANCHES) if lenient else None,
            variables={name: cel.Type(written) for name, written in messages.types.items()},
            extensions=[
                *_extensions(),
                _extension(overloads, records=tuple(messages.records)),
            ],
        )
    return found


def _checked(source: str, scope: Scope, messages: Messages, explain: Explainer) -> CheckedTree:
    try:
        checked = _check_environment(scope, messages, lenient=False).compile(source)
    except RuntimeError as error:
        report = str(error)
        assert "ALREADY_EXISTS" not in report, "the names of a scope are no words of CEL"
        if "overload for '_?_:_'" not in report:
            raise ExpressionErrors(source, explain.faults(report)) from None
        # The library wants branches of one type; JSON has no such wish (`c ? {…} : null`).
        try:
            checked = _check_environment(scope, messages, lenient=True).compile(source)
        except RuntimeError as second:
            raise ExpressionErrors(source, explain.faults(str(second))) from None
    return CheckedTree(checked.serialize())


# What the library does not check.


def _record_faults(
    tree: CheckedTree, records: Mapping[str, Record], explain: Explainer
) -> Iterator[ExpressionFault]:
    """Find misspelt names in `record["name"]` and `"name" in record`, and message literals."""
    for node in descend(tree.root):
        kind = kind_of(node)
        if kind == "struct_expr" and node.struct_expr.message_name:
            yield ExpressionFault(
                f"{node.struct_expr.message_name} cannot be made here",
                tree.place_of(node) + 1,
                'write a map: {"name": value}',
            )
        if kind != "call_expr" or len(node.call_expr.args) != 2:
            continue
        first, second = node.call_expr.args
        if node.call_expr.function == "@in":
            first, second = second, first
        elif node.call_expr.function not in {"_[_]", "_[?_]"}:
            continue
        record = tree.type_of(first)
        name = _literal_text(second)
        if record in records and name is not None and name not in records[record].fields:
            yield explain.missing(record, name, tree.place_of(second))


def _literal_text(node: Any) -> str | None:
    if kind_of(node) == "const_expr" and node.const_expr.HasField("string_value"):
        return str(node.const_expr.string_value)
    return None


def _literal_faults(
    tree: CheckedTree, records: Mapping[str, Record], explain: Explainer
) -> Iterator[ExpressionFault]:
    """Evaluate calls whose arguments are all literal, and say what fails."""
    literal: set[int] = set()
    calls: list[Any] = []
    for node in descend(tree.root):
        kind = kind_of(node)
        inside = list(children_of(node))
        if kind == "const_expr" or (
            kind in {"call_expr", "list_expr", "struct_expr"}
            and all(child.id in literal for child in inside)
        ):
            literal.add(node.id)
            if kind == "call_expr":
                calls.append(node)
    failed: set[int] = set()
    for call in calls:
        # Inner calls come first: the innermost failure is the one to report.
        if any(child.id in failed for child in descend(call)):
            continue
        report = _report_of(tree, call)
        if report is not None:
            failed.add(call.id)
            place = explain.place(tree.place_of(call))
            yield ExpressionFault(run_time_text(report, records), place + 1)


def _pattern_faults(tree: CheckedTree, explain: Explainer) -> Iterator[ExpressionFault]:
    """Find literal patterns that are none, in calls on texts that are not known yet."""
    for node in descend(tree.root):
        if kind_of(node) != "call_expr" or node.call_expr.function not in PATTERN_ARGUMENT:
            continue
        arguments = list(children_of(node))
        pattern = _literal_text(arguments[1]) if len(arguments) > 1 else None
        if pattern is None or _literal_text(arguments[0]) is not None:
            continue  # What is all literal was evaluated.
        if compiled_pattern(pattern) is None:
            yield ExpressionFault(no_pattern(pattern), tree.place_of(arguments[1]) + 1)


def _report_of(tree: CheckedTree, call: Any) -> str | None:
    """Evaluate a literal call; return what the library reports when that fails."""
    try:
        Effort(call)({})
    except TooMuchError:
        return str(FunctionFault(_TOO_MUCH))
    try:
        found = _run_environment().deserialize(tree.serialized(call)).eval(data={})
        return str(found.value()) if found.type() == cel.Type.ERROR else None
    except TypeError:
        return None  # An optional value has no Python form.
    except RuntimeError as error:
        return str(error)


def _result_fault(tree: CheckedTree, result: Type, explain: Explainer) -> ExpressionFault | None:
    found = tree.type_of(tree.root)
    place = explain.place(tree.place_of(tree.root)) + 1
    if found.startswith("optional_type("):
        return ExpressionFault(
            "the result is an optional value", place, "take the value out with .orValue(…)"
        )
    if found == "dyn" or result is Dyn:
        return None
    wanted = _signature(result)
    if found == wanted or found.startswith(f"{wanted}("):
        return None
    if wanted == "map" and found.partition("(")[0] not in _NOT_MAPS:
        return None
    if result is Simple.BOOL:
        return ExpressionFault(
            f"the condition gives {explain.type_text(found)}, not a boolean", place
        )
    wanted_text = result.value if isinstance(result, Simple) else f"a {wanted}"
    return ExpressionFault(f"the result is {explain.type_text(found)}, not {wanted_text}", place)


_NOT_MAPS = frozenset(
    [
        "bool",
        "int",
        "uint",
        "double",
        "string",
        "bytes",
        "null_type",
        "timestamp",
        "duration",
        "list",
    ]
)


def _signature(type_: Type) -> str:
    match type_:
        case ListOf():
            return "list"
        case MapOf() | Record():
            return "map"
        case Simple.TEXT:
            return "string"
        case Simple.TIME:
            return "timestamp"
        case Simple.SPAN:
            return "duration"
        case Simple.NULL:
            return "null_type"
        case _:
            return "bool"


# Times.

_COMPUTED = frozenset({"timestamp", "duration", "days", "_+_", "_-_", "_?_:_"})


def _wrap_times(tree: CheckedTree) -> None:
    """Let times and durations that come from records, which are text there, act as such.

    Every node that the checker took for a time and that does not compute one is put inside
    `timestamp(…)`, which leaves a time as it is and reads a text.
    """
    for node in list(descend(tree.root)):
        wrapper = tree.type_of(node)
        if wrapper not in {"timestamp", "duration"}:
            continue
        if kind_of(node) == "call_expr" and node.call_expr.function in _COMPUTED:
            continue
        tree.wrap(node, wrapper)


# References.


def _references(node: Any, bound: frozenset[str]) -> Iterator[tuple[str, ...]]:
    """Yield the paths that are read; `bound` are the variables of macros around."""
    path = _path_of(node, optional=True)
    if path is not None:
        if path[0] not in bound:
            yield path
        return
    if kind_of(node) != "comprehension_expr":
        for child in children_of(node):
            yield from _references(child, bound)
        return
    inner = node.comprehension_expr
    yield from _references(inner.iter_range, bound)
    yield from _references(inner.accu_init, bound)
    within = bound | {inner.iter_var, inner.iter_var2, inner.accu_var}
    for child in (inner.loop_condition, inner.loop_step, inner.result):
        yield from _references(child, within)


def _path_of(node: Any, *, optional: bool = False) -> tuple[str, ...] | None:
    """Return the path that a node reads, when it is nothing but a path.

    With `optional`, `a.?b`, `a[?"b"]`, `has(a.b)` and `"b" in a` count as well.
    """
    kind = kind_of(node)
    if kind == "ident_expr":
        name = str(node.ident_expr.name)
        return tuple(name.lstrip(".").split("."))
    inner: Any = None
    name_below: str | None = None
    if kind == "select_expr" and (optional or not node.select_expr.test_only):
        inner, name_below = node.select_expr.operand, str(node.select_expr.field)
    elif kind == "call_expr" and len(node.call_expr.args) == 2:
        signs = {"_[_]", "_?._", "_[?_]"} if optional else {"_[_]"}
        if node.call_expr.function in signs:
            inner, second = node.call_expr.args
            name_below = _literal_text(second)
        elif optional and node.call_expr.function == "@in":
            second, inner = node.call_expr.args
            name_below = _literal_text(second)
    if inner is None or name_below is None:
        return None
    above = _path_of(inner, optional=optional)
    return None if above is None else (*above, name_below)


def _follow(path: tuple[str, ...], bindings: Mapping[str, Json]) -> Json:
    """Read a plain path without the library, which would copy the whole binding."""
    found: Any = bindings
    for depth, name in enumerate(path):
        try:
            found = found[name]
        except KeyError:
            if depth == 0:
                raise EvaluationError(f'"{name}" has no value here') from None
            raise EvaluationError(f'{".".join(path[:depth])} has no property "{name}"') from None
        except TypeError:
            above = ".".join(path[:depth])
            raise EvaluationError(
                f'{above} is {_json_kind(found)} and has no property "{name}"'
            ) from None
    if type(found) is float and not math.isfinite(found):
        raise EvaluationError("the result is not a finite number")
    return found  # type: ignore[no-any-return]  # bindings hold JSON all the way down


# Results.


def _size(value: Json) -> int:
    """Return the bytes of compact JSON."""
    if value is None or isinstance(value, bool | int | float):
        return 8
    if isinstance(value, str) and len(value) < MAX_RESULT // 6:
        return len(value)
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except ValueError:
        raise EvaluationError("the result holds a number that is not finite") from None
    return len(text.encode("utf-8", "surrogatepass"))


def _json_kind(value: object) -> str:
    names = {bool: "a boolean", str: "text", type(None): "null", dict: "a map", list: "a list"}
    return names.get(type(value), "a number")


class _Reader:
    """Reads a result into JSON, and stops when it has become too large.

    The library's own conversion would first copy all of it: a list that names one long text ten
    thousand times is small there and huge here.
    """

    def __init__(self) -> None:
        self.characters = 0

    def read(self, found: Any) -> Json:
        try:
            value = found.value()
        except TypeError:
            raise EvaluationError(
                "the result holds an optional value; take the value out with .orValue(…)"
            ) from None
        return self._json(value)

    def _json(self, value: Any) -> Json:
        kind = type(value)
        if kind is str:
            self._count(len(value) + 2)
        elif kind is list:
            self._count(2 + len(value))
            return [self.read(item) for item in value]
        elif kind is dict:
            self._count(2)
            # The library keeps maps in no order, another one in every process.
            return {self._key(key): self.read(value[key]) for key in sorted(value, key=str)}
        else:
            self._count(5)
            return _scalar(value)
        return value  # type: ignore[no-any-return]  # a str

    def _key(self, key: Any) -> str:
        if isinstance(key, bool):
            raise EvaluationError("the names of a map's properties are text")
        text = str(key)
        self._count(len(text) + 4)
        return text

    def _count(self, characters: int) -> None:
        self.characters += characters
        if self.characters > MAX_RESULT:
            raise EvaluationError(_TOO_LARGE)


def _scalar(value: Any) -> Json:
    match value:
        case None | bool() | int():
            return value
        case float():
            if not math.isfinite(value):
                raise EvaluationError("the result is not a finite number")
            return int(value) if value.is_integer() and abs(value) < 2**63 else value
        case datetime.datetime():
            return time_text(value)
        case datetime.timedelta():
            return duration_text(value)
        case bytes() | bytearray():
            return base64.b64encode(value).decode()
        case _:
            raise EvaluationError("the result holds a type, which is no JSON value")


def time_text(time: datetime.datetime) -> str:
    """Return an aware time as RFC 3339 in UTC, `2026-12-01T00:00:00.5Z`."""
    plain = time.astimezone(datetime.UTC).replace(tzinfo=None)
    whole = plain.replace(microsecond=0).isoformat()
    return f"{whole}{_fraction(plain.microsecond)}Z"


def duration_text(span: datetime.timedelta) -> str:
    """Return a duration in seconds, `5400s` or `-0.5s`."""
    total = span // datetime.timedelta(microseconds=1)
    sign = "-" if total < 0 else ""
    seconds, micros = divmod(abs(total), 1_000_000)
    return f"{sign}{seconds}{_fraction(micros)}s"


def _fraction(micros: int) -> str:
    return f".{micros:06}".rstrip("0") if micros else ""
