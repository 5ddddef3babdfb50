"""How much an expression can cost on given values, estimated before it runs.

The library bounds the steps of an evaluation and nothing else: one step may join ten thousand
texts or copy a list, and `map` copies its list at every step. So whoever may write a definition
could take all memory and time of the operator. This walks the checked tree with the sizes of the
values at hand, and gives an upper bound of what is held and done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from perdure.engine.values import Json
from perdure.language.costs import CALL, ITEM, KNOWN, OTHER, Cost, copying, handing, matching
from perdure.language.functions import PATTERN_ARGUMENT, compiled_pattern
from perdure.language.protos import children_of, kind_of
from perdure.language.reach import (
    INDEXING,
    Bound,
    Path,
    indices_of,
    path_of,
    root_of,
    size_at,
    text_of,
    value_at,
    within,
)
from perdure.language.sizes import MAX_STEPS, ONE, Size, larger, size_of, text_size, unknown

MAX_HELD: Final = 32 * 1024 * 1024
"""Characters and items that one value on the way may have."""
MAX_WORK: Final = 10_000_000
"""Units of work of one expression: at most a tenth of a second (see `costs`)."""
MAX_TOGETHER: Final = 3 * MAX_WORK
"""The same of all expressions that one decision needs, such as the cases of a switch."""
MAX_TURN: Final = 3_000_000
"""A turn that has done so much goes on in the next one, so that others have theirs.

Measured, it is 50 milliseconds: estimating takes some of them.
"""
_STEP: Final = 15  # One round of a loop.
_COMPILING: Final = 100  # Per instruction of a pattern that is not written out.
_LONGEST_PATTERN: Final = 40_000  # Instructions: what fits into the memory that RE2 is given.


class TooMuchError(Exception):
    """The estimate is over a limit."""


class Allowance:
    """The work that may still be done; expressions that share one are bounded together.

    It may be a part `of` a larger one, from which the same is taken.
    """

    __slots__ = ("_limit", "_of", "spent")

    def __init__(self, limit: int = MAX_WORK, of: Allowance | None = None) -> None:
        self._limit = limit
        self._of = of
        self.spent = 0

    def spend(self, work: int) -> None:
        """Take so much of it; raises TooMuchError, and takes nothing, when there is less."""
        if self.spent + work > self._limit:
            raise TooMuchError
        if self._of is not None:
            self._of.spend(work)
        self.spent += work


class _Meter:
    """The sizes of what is bound, and the work so far."""

    __slots__ = ("bindings", "bound", "known", "repeats", "work")

    def __init__(self, bindings: Mapping[str, Json]) -> None:
        self.bindings = bindings
        self.known: dict[Path, Size] = {}
        self.bound: dict[str, Size] = {}
        self.repeats = 1
        self.work = 0

    def spend(self, work: int) -> None:
        self.spend_once(work * self.repeats)

    def spend_once(self, work: int) -> None:
        self.work += work
        if self.work > MAX_WORK:
            raise TooMuchError


_Estimate: TypeAlias = Callable[[_Meter], Size]


class Effort:
    """The estimate of one expression."""

    __slots__ = ("_estimate",)

    def __init__(self, root: Any) -> None:
        self._estimate = _estimate_of(root, {})

    def __call__(self, bindings: Mapping[str, Json]) -> int:
        """Return the work on these bindings; raises TooMuchError past MAX_WORK or MAX_HELD."""
        meter = _Meter(bindings)
        result = self._estimate(meter)
        meter.spend(CALL + min(handing(result), MAX_WORK // 4))  # Reading it stops at 256 KiB.
        return meter.work


def _estimate_of(node: Any, bound: Bound) -> _Estimate:
    path = path_of(node, bound)
    if path is not None:
        return _read(path, [_estimate_of(one, bound) for one in indices_of(node)])
    inner = [_estimate_of(child, bound) for child in children_of(node)]
    match kind_of(node):
        case "const_expr":
            return _constant(node.const_expr)
        case "comprehension_expr":
            return _loop(node.comprehension_expr, bound)
        case "list_expr" | "struct_expr":
            return _literal(inner)
        case "call_expr" if node.call_expr.function in PATTERN_ARGUMENT:
            return _match(node, bound, inner)
        case "call_expr" if node.call_expr.function not in INDEXING:
            return _call(KNOWN.get(str(node.call_expr.function), OTHER), inner)
        case "ident_expr":
            name = str(node.ident_expr.name)
            return lambda meter: meter.bound.get(name, ONE)
        case _:
            return _part(inner)


def _read(path: Path, indices: list[_Estimate]) -> _Estimate:
    root = root_of(path)

    def estimate(meter: _Meter) -> Size:
        for index in indices:
            index(meter)
        meter.spend(CALL)
        if path not in meter.known:
            if root not in meter.known:
                meter.known[root] = size_of(value_at(meter.bindings, root))
                # The library converts what it is given.
                meter.spend_once(handing(meter.known[root]))
            meter.known[path] = size_at(meter.bindings, path, meter.known[root])
        return meter.known[path]

    return estimate


def _constant(constant: Any) -> _Estimate:
    size = text_size(len(constant.string_value))
    if constant.HasField("int64_value"):
        size = Size(1, number=max(int(constant.int64_value), 0))
    return lambda meter: size


def _part(inner: list[_Estimate]) -> _Estimate:
    """An item or property of something computed."""

    def estimate(meter: _Meter) -> Size:
        sizes = [one(meter) for one in inner]
        meter.spend(CALL)
        return unknown(sizes[0].item, sizes[0].item_nodes)

    return estimate


def _literal(inner: list[_Estimate]) -> _Estimate:
    def estimate(meter: _Meter) -> Size:
        sizes = [one(meter) for one in inner]
        whole = Size(
            sum(size.held for size in sizes) + 1,
            len(sizes),
            max((size.held for size in sizes), default=1),
            nodes=sum(size.nodes for size in sizes) + 1,
            item_nodes=max((size.nodes for size in sizes), default=1),
            item_top=max((size.top for size in sizes), default=1),
        )
        return _checked(meter, whole, copying(whole))

    return estimate


def _checked(meter: _Meter, size: Size, work: int) -> Size:
    if size.held > MAX_HELD:
        raise TooMuchError
    meter.spend(CALL + work)
    return size


def _call(cost: Cost, inner: list[_Estimate]) -> _Estimate:
    makes, takes = cost

    def estimate(meter: _Meter) -> Size:
        sizes = [one(meter) for one in inner]
        result = makes(sizes)
        return _checked(meter, result, takes(sizes, result))

    return estimate


def _match(node: Any, bound: Bound, inner: list[_Estimate]) -> _Estimate:
    """A call with a pattern, whose length decides what a character of the text costs."""
    call = _call(KNOWN[str(node.call_expr.function)], inner)
    finds_all = node.call_expr.function == "findAll"
    _, pattern, *_ = children_of(node)
    written, path = text_of(pattern), path_of(pattern, bound)

    def estimate(meter: _Meter) -> Size:
        text, length, *limits = (one(meter) for one in inner)
        known = written
        if known is None and path is not None and path == root_of(path):
            found = value_at(meter.bindings, path)
            known = found if isinstance(found, str) else None
        program = _program_of(known, length)
        if written is None:
            meter.spend(program * _COMPILING)
        limit = None
        if finds_all:
            limit = limits[0].number if limits else MAX_STEPS
        meter.spend(matching(text, program, limit, is_open=known is None or _is_open(known)))
        return call(meter)

    return estimate


def _program_of(pattern: str | None, length: Size) -> int:
    """Return the instructions of a pattern; each character of an unknown one may be repeated."""
    if pattern is None:
        return min(length.held * 1000, _LONGEST_PATTERN)
    compiled = compiled_pattern(pattern)
    return 1 if compiled is None else int(compiled.programsize)


def _is_open(pattern: str) -> bool:
    return any(sign in pattern for sign in ("*", "+", ",}"))


def _loop(loop: Any, bound: Bound) -> _Estimate:
    # `cel.bind` is a loop over nothing, whose variable is what it starts with.
    if kind_of(loop.iter_range) == "list_expr" and not loop.iter_range.list_expr.elements:
        return _binding(loop, bound)
    accu_var, iter_var, inside = str(loop.accu_var), str(loop.iter_var), within(loop, bound)
    over, first = _estimate_of(loop.iter_range, bound), _estimate_of(loop.accu_init, bound)
    condition = _estimate_of(loop.loop_condition, inside)
    step, result = _estimate_of(loop.loop_step, inside), _estimate_of(loop.result, inside)
    is_list = kind_of(loop.accu_init) == "list_expr"

    def estimate(meter: _Meter) -> Size:
        items, start, outer = over(meter), first(meter), meter.bound
        steps = max(min(items.top, MAX_STEPS // meter.repeats), 1)
        meter.bound = {**outer, accu_var: Size(0, 0, 0, nodes=0)}
        meter.bound[iter_var] = unknown(items.item, items.item_nodes)
        meter.repeats *= steps
        meter.spend(_STEP)
        condition(meter)
        once = step(meter)
        meter.repeats //= steps
        total = _accumulated(start, once, steps) if is_list else larger([start, once])
        # A list is copied at every step.
        work = steps * total.top * ITEM // 2 if is_list else copying(total)
        meter.bound[accu_var] = _checked(meter, total, work)
        found = result(meter)
        meter.bound = outer
        return found

    return estimate


def _accumulated(start: Size, once: Size, steps: int) -> Size:
    """Return the size of a list to which so many steps have added."""
    return once._replace(
        held=start.held + steps * once.held,
        top=start.top + steps * once.top,
        nodes=start.nodes + steps * once.nodes,
    )


def _binding(loop: Any, bound: Bound) -> _Estimate:
    name = str(loop.accu_var)
    first = _estimate_of(loop.accu_init, bound)
    result = _estimate_of(loop.result, {**bound, name: path_of(loop.accu_init, bound)})

    def estimate(meter: _Meter) -> Size:
        outer = meter.bound
        meter.bound = {**outer, name: first(meter)}
        found = result(meter)
        meter.bound = outer
        return found

    return estimate
