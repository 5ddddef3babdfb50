"""How much an expression can cost on given values, estimated before it runs.

The library bounds the steps of an evaluation and nothing else: one step may join ten thousand
texts or copy a list, and `map` copies its list at every step. So whoever may write a definition
could take all memory and time of the operator. This walks the checked tree with the sizes of the
values at hand, and gives an upper bound of what is held and copied. Only expressions with loops,
or with many joins, are estimated: others cannot grow beyond their inputs by much.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from perdure.engine.values import Json
from perdure.language.protos import children_of, descend, kind_of

MAX_HELD: Final = 32 * 1024 * 1024
"""Characters and items that one value on the way may have."""
MAX_WORK: Final = 100_000_000
"""Characters and items that may be copied in all: about two seconds."""
MAX_STEPS: Final = 10_000
"""The library's own budget of loop steps."""
_FREE_JOINS: Final = 16  # So many `+` cannot hurt: inputs have at most 1 MiB.


class Size(NamedTuple):
    """Upper bounds: characters and items in all, items on top, the largest item, the number."""

    held: int
    top: int = 1
    item: int = 1
    number: int = MAX_STEPS


class TooMuchError(Exception):
    """The estimate is over a limit."""


class _Meter:
    """The sizes of what is bound, and the work so far."""

    __slots__ = ("bindings", "bound", "known", "repeats", "work")

    def __init__(self, bindings: Mapping[str, Json]) -> None:
        self.bindings = bindings
        self.known: dict[tuple[str, ...], Size] = {}
        self.bound: dict[str, Size] = {}
        self.repeats = 1
        self.work = 0

    def spend(self, work: int) -> None:
        self.work += work * self.repeats
        if self.work > MAX_WORK:
            raise TooMuchError


_Estimate: TypeAlias = Callable[[_Meter], Size]
_ONE: Final = Size(1, 1, 1)


class Effort:
    """The estimate of one expression. Calling it raises TooMuchError when it costs too much."""

    __slots__ = ("_estimate",)

    def __init__(self, root: Any) -> None:
        self._estimate = _estimate_of(root, frozenset())

    def __call__(self, bindings: Mapping[str, Json]) -> None:
        """Raise TooMuchError if the expression may hold or copy too much on these bindings."""
        self._estimate(_Meter(bindings))


def effort_of(root: Any) -> Effort | None:
    """Return how to estimate an expression, None if it cannot cost much."""
    joins = 0
    for node in descend(root):
        kind = kind_of(node)
        if kind == "comprehension_expr":
            return Effort(root)
        if kind == "call_expr":
            if node.call_expr.function in _MULTIPLYING:
                return Effort(root)
            joins += node.call_expr.function in _ADDING
    return Effort(root) if joins > _FREE_JOINS else None


_MULTIPLYING: Final = frozenset({"join", "replace"})
_ADDING: Final = frozenset({"_+_", "format", "merge"})


def size_of(value: Json) -> Size:
    """Return the exact size of a value."""
    if isinstance(value, str):
        return Size(len(value) + 1, len(value))
    if isinstance(value, list):
        sizes = [size_of(item).held for item in value]
        return Size(sum(sizes) + 1, len(value), max(sizes, default=1))
    if isinstance(value, dict):
        sizes = [len(key) + size_of(item).held for key, item in value.items()]
        return Size(sum(sizes) + 1, len(value), max(sizes, default=1))
    if isinstance(value, int):
        return Size(1, 1, 1, max(int(value), 0))
    return _ONE


def _estimate_of(node: Any, bound: frozenset[str]) -> _Estimate:
    match kind_of(node):
        case "const_expr":
            held = len(node.const_expr.string_value) + 9
            constant = Size(held, held)
            if node.const_expr.HasField("int64_value"):
                constant = Size(1, 1, 1, max(int(node.const_expr.int64_value), 0))
            return lambda meter: constant
        case "comprehension_expr":
            return _loop(node.comprehension_expr, bound)
        case "list_expr" | "struct_expr":
            return _literal([_estimate_of(child, bound) for child in children_of(node)])
        case "call_expr" if node.call_expr.function != "_[_]":
            inner = [_estimate_of(child, bound) for child in children_of(node)]
            return _call(str(node.call_expr.function), inner)
    path = _names_of(node)
    if path is not None:
        return _bound(path) if path[0] in bound else _path(path)
    inner = [_estimate_of(child, bound) for child in children_of(node)]
    return _part(inner)


def _names_of(node: Any) -> tuple[str, ...] | None:
    """Return the names of a path; what is behind an item `[…]` is left out."""
    match kind_of(node):
        case "ident_expr":
            return (str(node.ident_expr.name).lstrip("."),)
        case "select_expr":
            above = _names_of(node.select_expr.operand)
            return None if above is None else (*above, str(node.select_expr.field))
        case _:
            return None


def _path(path: tuple[str, ...]) -> _Estimate:
    def estimate(meter: _Meter) -> Size:
        size = meter.known.get(path)
        if size is None:
            found: Any = meter.bindings
            for name in path:
                found = found.get(name) if isinstance(found, Mapping) else None
            size = meter.known[path] = size_of(found)
        return size

    return estimate


def _bound(path: tuple[str, ...]) -> _Estimate:
    def estimate(meter: _Meter) -> Size:
        whole = meter.bound[path[0]]
        return whole if len(path) == 1 else Size(whole.held, whole.held, whole.held)

    return estimate


def _part(inner: list[_Estimate]) -> _Estimate:
    """An item or property of something computed."""

    def estimate(meter: _Meter) -> Size:
        sizes = [one(meter) for one in inner]
        held = sizes[0].item if sizes else 1
        return Size(held, held, held)

    return estimate


def _literal(inner: list[_Estimate]) -> _Estimate:
    def estimate(meter: _Meter) -> Size:
        sizes = [one(meter).held for one in inner]
        return _checked(meter, Size(sum(sizes) + 1, len(sizes), max(sizes, default=1)))

    return estimate


def _checked(meter: _Meter, size: Size) -> Size:
    if size.held > MAX_HELD:
        raise TooMuchError
    meter.spend(min(size.held, size.top * 2) + 1)
    return size


def _call(function: str, inner: list[_Estimate]) -> _Estimate:
    if function in _COMPARISONS:
        return _comparison(inner)
    combine = _COMBINED.get(function, _all_together)

    def estimate(meter: _Meter) -> Size:
        return _checked(meter, combine([one(meter) for one in inner]))

    return estimate


_COMPARISONS: Final = frozenset({"_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "@in"})


def _comparison(inner: list[_Estimate]) -> _Estimate:
    def estimate(meter: _Meter) -> Size:
        meter.spend(min((one(meter).held for one in inner), default=1))
        return _ONE

    return estimate


def _all_together(sizes: list[Size]) -> Size:
    """What a function makes of its arguments unless more is known: no more than they hold."""
    held = sum(size.held for size in sizes) + 32
    return Size(held, held, max((size.held for size in sizes), default=1))


def _plus(sizes: list[Size]) -> Size:
    left, right = sizes
    return Size(
        left.held + right.held,
        left.top + right.top,
        max(left.item, right.item),
        left.number + right.number,
    )


def _larger(sizes: list[Size]) -> Size:
    return Size(*(max(column) for column in zip(*sizes, strict=True)))


def _joined(sizes: list[Size]) -> Size:
    between = sizes[1].held if len(sizes) > 1 else 0
    held = sizes[0].held + sizes[0].top * between
    return Size(held, held)


def _replaced(sizes: list[Size]) -> Size:
    held = sizes[0].held * (sizes[2].held + 1) if len(sizes) > 2 else sizes[0].held
    return Size(held, held)


def _ranged(sizes: list[Size]) -> Size:
    count = min(sizes[-1].number, MAX_STEPS)
    return Size(count + 1, count)


def _counted(sizes: list[Size]) -> Size:
    return Size(1, 1, 1, sizes[0].top)


def _same(sizes: list[Size]) -> Size:
    return sizes[0]


def _rearranged(sizes: list[Size]) -> Size:
    return Size(sizes[0].held + 1, max(sizes[0].top, sizes[0].held), sizes[0].item)


_COMBINED: Final[dict[str, Callable[[list[Size]], Size]]] = {
    "_+_": _plus,
    "_-_": lambda sizes: Size(1, 1, 1, sizes[0].number),
    "_*_": lambda sizes: Size(1, 1, 1, sizes[0].number * sizes[-1].number),
    "_?_:_": lambda sizes: _larger(sizes[1:]),
    "join": _joined,
    "replace": _replaced,
    "range": _ranged,
    "size": _counted,
    "dyn": _same,
    "sort": _same,
    "distinct": _same,
    "int": _same,
    "flatten": _rearranged,
    **{name: lambda sizes: _ONE for name in ("_&&_", "_||_", "!_", "@not_strictly_false")},
}


def _loop(loop: Any, bound: frozenset[str]) -> _Estimate:
    within = bound | {str(loop.iter_var), str(loop.iter_var2), str(loop.accu_var)}
    over = _estimate_of(loop.iter_range, bound)
    first = _estimate_of(loop.accu_init, bound)
    step = _estimate_of(loop.loop_step, within)
    result = _estimate_of(loop.result, within)
    # `cel.bind` is a loop over nothing, whose variable is what it starts with.
    binds = kind_of(loop.iter_range) == "list_expr" and not loop.iter_range.list_expr.elements
    iter_var, accu_var = str(loop.iter_var), str(loop.accu_var)

    def estimate(meter: _Meter) -> Size:
        start = first(meter)
        outer = {name: meter.bound.get(name) for name in (iter_var, accu_var)}
        if binds:
            meter.bound[accu_var] = start
        else:
            items = over(meter)
            steps = min(items.top, max(MAX_STEPS // meter.repeats, 1))
            meter.bound[iter_var] = Size(items.item, items.item, items.item)
            meter.bound[accu_var] = Size(0, 0, 0)
            meter.repeats *= max(steps, 1)
            once = step(meter)
            meter.repeats //= max(steps, 1)
            total = Size(start.held + steps * once.held, start.top + steps * once.top, once.item)
            if kind_of(loop.accu_init) == "list_expr":
                meter.spend(steps * total.top // 2)  # It is copied at every step.
            meter.bound[accu_var] = _checked(meter, total)
        found = result(meter)
        for name, size in outer.items():
            if size is None:
                meter.bound.pop(name, None)
            else:
                meter.bound[name] = size
        return found

    return estimate
