"""What an expression reads of its bindings, and how large that is, also for items of lists.

A loop over `input.lines` reads its variable's properties from there: the size of what `line.sku`
can be is that of the longest one, not that of everything in a line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from perdure.engine.values import Json
from perdure.language.protos import children_of, kind_of
from perdure.language.sizes import ONE, Size, larger, size_of, unknown

Path: TypeAlias = tuple[str, ...]
Bound: TypeAlias = Mapping[str, Path | None]
"""Variables of macros: what they are read from, None where it is computed."""

INDEXING: Final = frozenset({"_[_]", "_[?_]", "_?._"})
# Steps of a path that are no names. No name has such a character.
_EACH: Final = "\0each"  # What a loop goes through: the items of a list, the keys of a map.
_ANY: Final = "\0any"  # Some item of a list or value of a map.
_FLAT: Final = "\0flat"  # The items of a list, and what is no list as it is.
_MANY: Final = frozenset({_EACH, _ANY, _FLAT})


def path_of(node: Any, bound: Bound) -> Path | None:
    """Return the path that a node reads, None where it reads something computed."""
    match kind_of(node):
        case "ident_expr":
            name = str(node.ident_expr.name).lstrip(".")
            return bound[name] if name in bound else tuple(name.split("."))
        case "select_expr":
            above = path_of(node.select_expr.operand, bound)
            return None if above is None else (*above, str(node.select_expr.field))
        case "call_expr" if node.call_expr.function in INDEXING:
            operand, index = node.call_expr.args
            above, written = path_of(operand, bound), text_of(index)
            return None if above is None else (*above, _ANY if written is None else written)
        case _:
            return None


def items_of(node: Any, bound: Bound) -> Path | None:
    """Return the path that the items of a list are read from, None where they are computed."""
    path = path_of(node, bound)
    if path is not None:
        return (*path, _EACH)
    match kind_of(node):
        case "call_expr" if node.call_expr.function in {"sort", "distinct", "flatten"}:
            first, *more = children_of(node)
            items = items_of(first, bound)
            if node.call_expr.function != "flatten" or items is None:
                return items
            return None if more else (*items, _FLAT)
        case "comprehension_expr":
            return _collected_by(node.comprehension_expr, bound)
        case _:
            return None


def _collected_by(loop: Any, bound: Bound) -> Path | None:
    """Return what `map` and `filter` collect: both add `[item]` to a list, perhaps under a `?:`."""
    step = loop.loop_step
    if kind_of(step) == "call_expr" and step.call_expr.function == "_?_:_":
        step = step.call_expr.args[1]
    if kind_of(step) != "call_expr" or step.call_expr.function != "_+_":
        return None
    added = step.call_expr.args[1]
    if kind_of(added) != "list_expr" or len(added.list_expr.elements) != 1:
        return None
    return path_of(added.list_expr.elements[0], within(loop, bound))


def within(loop: Any, bound: Bound) -> Bound:
    """Return what is bound inside a loop."""
    items = items_of(loop.iter_range, bound)
    unread = dict.fromkeys((str(loop.iter_var2), str(loop.accu_var)))
    return {**bound, **unread, str(loop.iter_var): items}


def text_of(node: Any) -> str | None:
    """Return the text that is written out, None for anything else."""
    if kind_of(node) == "const_expr" and node.const_expr.HasField("string_value"):
        return str(node.const_expr.string_value)
    return None


def indices_of(node: Any) -> Iterator[Any]:
    """Yield what is computed inside a path: its indices."""
    match kind_of(node):
        case "select_expr":
            yield from indices_of(node.select_expr.operand)
        case "call_expr":
            yield from indices_of(node.call_expr.args[0])
            yield node.call_expr.args[1]
        case _:
            return


def root_of(path: Path) -> Path:
    """Return the part of a path before it reads one of many."""
    return next((path[:at] for at, name in enumerate(path) if name in _MANY), path)


def size_at(bindings: Mapping[str, Json], path: Path, root: Size) -> Size:
    """Return the size of what a path reads, at most: of the largest where it is one of many.

    `root` is the size of what its root reads.
    """
    known = root_of(path)
    if path == known:
        return root
    value = value_at(bindings, known)
    if isinstance(value, list) and len(path) == len(known) + 1:
        return unknown(root.item, root.item_nodes)
    found = list(_all_at([value], path[len(known) :]))
    return larger([size_of(one) for one in found]) if found else ONE


def value_at(bindings: Mapping[str, Json], path: Path) -> Json:
    """Return what a path of names reads, null where nothing is there."""
    return next(iter(_all_at([dict(bindings)], path)), None)


def _all_at(values: Iterable[Json], path: Path) -> Iterable[Json]:
    for name in path:
        values = _below(values, name)
    return values


def _below(values: Iterable[Json], name: str) -> Iterator[Json]:
    for value in values:
        if isinstance(value, list):
            if name in _MANY:
                yield from value
        elif name == _FLAT:
            yield value
        elif isinstance(value, dict):
            if name == _ANY:
                yield from value.values()
            elif name == _EACH:
                yield from value
            elif name in value:
                yield value[name]
