"""What each function makes of its arguments and what that costs, in upper bounds.

A unit of work is about 10 nanoseconds; the numbers are measured (tests/bench/expressions.py). A
function that is not named here makes no more than its arguments hold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeAlias

from perdure.language.functions import MAX_ITEMS, OVERLOADS
from perdure.language.sizes import MAX_STEPS, ONE, Size, larger, text_size, unknown

Sizes: TypeAlias = Sequence[Size]


class Cost(NamedTuple):
    """How one function counts: `makes` its result's size, `takes` the work for it."""

    makes: Callable[[Sizes], Size]
    takes: Callable[[Sizes, Size], int]


CALL: Final = 8
"""Any call."""
CROSSING: Final = 500
"""A call of a function in Python."""
ITEM: Final = 3
"""Copying a reference to an item, with what the cache misses."""
NODE: Final = 20
"""Handing a value from Python to the library, or back."""
_EQUAL: Final = 25  # Comparing two values that are no scalars, per value in them.
_DISTINCT: Final = 100  # Making a list or map that can be looked up, per value in it.
_MATCH: Final = 400  # One more match of `findAll`.
_CHARACTERS: Final = 5  # So many are copied per unit.


def copying(size: Size) -> int:
    """Return the work of copying a value: all characters of a text, the references of a list."""
    return 1 + (size.held // _CHARACTERS if size.nodes == 1 else size.top * ITEM)


def handing(size: Size) -> int:
    """Return the work of handing a value over, in either direction."""
    return size.nodes * NODE + size.held // _CHARACTERS


def _copied(sizes: Sizes, result: Size) -> int:
    return copying(result)


# What is made.


def _all_together(sizes: Sizes) -> Size:
    held = sum(size.held for size in sizes) + 32
    return unknown(held, sum(size.nodes for size in sizes))


def _all_texts(sizes: Sizes) -> Size:
    """A text out of everything: as JSON, a value takes some more characters than it holds."""
    return text_size(sum(size.held + 6 * (size.nodes - 1) for size in sizes) + 32)


def _one(sizes: Sizes) -> Size:
    return ONE


def _first(sizes: Sizes) -> Size:
    return sizes[0]


def _plus(sizes: Sizes) -> Size:
    left, right = sizes
    both = larger(sizes)
    is_text = left.nodes == right.nodes == 1
    return both._replace(
        held=left.held + right.held,
        top=left.top + right.top,
        number=left.number + right.number,
        nodes=1 if is_text else left.nodes + right.nodes,
    )


def _times(sizes: Sizes) -> Size:
    return Size(1, number=sizes[0].number * sizes[-1].number)


def _joined(sizes: Sizes) -> Size:
    between = sizes[1].held if len(sizes) > 1 else 0
    return text_size(sizes[0].held + sizes[0].top * between)


def _replaced(sizes: Sizes) -> Size:
    return text_size(sizes[0].held * (sizes[2].held + 1) if len(sizes) > 2 else sizes[0].held)


def _split(sizes: Sizes) -> Size:
    count = sizes[0].held
    return Size(2 * count, count, count, nodes=count)


def _ranged(sizes: Sizes) -> Size:
    count = min(sizes[-1].number, MAX_STEPS)
    return Size(count + 1, count, nodes=count + 1)


def _found_all(sizes: Sizes) -> Size:
    limit = sizes[2].number if len(sizes) > 2 else MAX_ITEMS
    count = min(sizes[0].held, limit, MAX_ITEMS)
    return Size(sizes[0].held + count, count, sizes[0].held, nodes=count + 1)


def _flattened(sizes: Sizes) -> Size:
    whole = sizes[0]
    # With a depth it may be everything in it.
    items = whole.top * whole.item_top if len(sizes) == 1 else whole.nodes
    top = min(items, whole.nodes, MAX_ITEMS)
    return whole._replace(top=top, item_top=whole.item_nodes)


# What it takes.


def _crossing(sizes: Sizes, result: Size) -> int:
    return CROSSING + sum(map(handing, sizes)) + handing(result)


def _searched(sizes: Sizes, result: Size) -> int:
    """Some of the text is compared with the whole of what is looked for, at every place."""
    text, wanted = sizes[0].held, sizes[1].held if len(sizes) > 1 else 1
    return (text + wanted) // _CHARACTERS + text * wanted // 500 + copying(result)


def _replacing(sizes: Sizes, result: Size) -> int:
    return _searched(sizes, ONE) + 5 * result.held // 2


def _distinguished(sizes: Sizes, result: Size) -> int:
    each = _DISTINCT if sizes[0].item_nodes > 1 else NODE
    return _crossing(sizes, result) + sizes[0].nodes * each


def _compared(sizes: Sizes, result: Size) -> int:
    return _comparing(min(s.nodes for s in sizes), min(s.held for s in sizes))


def _looked_up(sizes: Sizes, result: Size) -> int:
    wanted, among = sizes
    each = _comparing(min(wanted.nodes, among.item_nodes), min(wanted.held, among.item))
    return among.top * each


def _comparing(nodes: int, held: int) -> int:
    return 2 + held // 20 + (0 if nodes == 1 else nodes * _EQUAL)


def _arithmetic(sizes: Sizes, result: Size) -> int:
    return 150 + copying(result)  # Of an integer and a float, it is a function in Python.


def _ranging(sizes: Sizes, result: Size) -> int:
    return CROSSING + 4 * result.top


def matching(text: Size, program: int, limit: int | None, *, is_open: bool) -> int:
    """Return the work of a pattern with so many instructions on a text.

    Where its automaton does not fit into memory, each character costs all of the instructions.
    With a `limit` it is searched for again so often; one that is `is_open` (has `*`, `+` or `{n,}`)
    may read the rest of the text each time.
    """
    work = text.held * program + text.held // _CHARACTERS
    if limit is None:
        return work
    matches = min(text.held, limit, MAX_ITEMS)
    return work + matches * (_MATCH + (text.held // 15 if is_open else 0))


_TEXTS: Final = Cost(_all_texts, _copied)
_SEARCH: Final = Cost(_one, _searched)
_EQUALITY: Final = Cost(_one, _compared)
_LOGIC: Final = Cost(_one, _copied)

_IN_PYTHON: Final = {one.function for one in OVERLOADS if one.body is not None}

KNOWN: Final[dict[str, Cost]] = {
    **dict.fromkeys(
        {one.function for one in OVERLOADS if one.body}, Cost(_all_together, _crossing)
    ),
    **dict.fromkeys(("_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_"), _EQUALITY),
    **dict.fromkeys(("_&&_", "_||_", "!_", "@not_strictly_false"), _LOGIC),
    **dict.fromkeys(("contains", "startsWith", "endsWith", "indexOf", "lastIndexOf"), _SEARCH),
    **dict.fromkeys(
        ("format", "upperAscii", "lowerAscii", "trim", "reverse", "substring", "charAt"), _TEXTS
    ),
    **dict.fromkeys(("matches", "_/_", "days"), Cost(_one, _arithmetic)),
    "@in": Cost(_one, _looked_up),
    "_+_": Cost(_plus, _arithmetic),
    "_-_": Cost(lambda sizes: Size(1, number=sizes[0].number), _arithmetic),
    "_*_": Cost(_times, _arithmetic),
    "_?_:_": Cost(lambda sizes: larger(sizes[1:]), lambda sizes, result: 0),
    "size": Cost(lambda sizes: Size(1, number=sizes[0].top), _copied),
    "dyn": Cost(_first, lambda sizes, result: 0),
    "int": Cost(lambda sizes: Size(1, number=sizes[0].number), _copied),
    "join": Cost(_joined, lambda sizes, result: copying(result) + sizes[0].top * ITEM),
    "replace": Cost(_replaced, _replacing),
    "split": Cost(_split, _searched),
    "range": Cost(_ranged, _ranging),
    "sum": Cost(_one, _crossing),
    "sort": Cost(_first, _crossing),
    "distinct": Cost(_first, _distinguished),
    "flatten": Cost(_flattened, _crossing),
    "find": Cost(lambda sizes: text_size(sizes[0].held), _crossing),
    "findAll": Cost(_found_all, _crossing),
    "json": Cost(
        lambda sizes: unknown(sizes[0].held, sizes[0].held),
        lambda sizes, result: CROSSING + 15 * sizes[0].held,
    ),
}
OTHER: Final = Cost(_all_together, _copied)
