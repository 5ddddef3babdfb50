"""How large values are, as estimates of effort count: exact for JSON, else upper bounds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from perdure.engine.values import Json

MAX_STEPS: Final = 10_000
"""The CEL library's own budget of loop steps."""


class Size(NamedTuple):
    """Upper bounds of one value.

    `held`: characters and values in all. `top`: items, or characters of a text. `item`: what its
    largest item holds. `number`: the number that it is. `nodes`: values in it, where a text is
    one. `item_nodes`, `item_top`: the same of its largest item.
    """

    held: int
    top: int = 1
    item: int = 1
    number: int = MAX_STEPS
    nodes: int = 1
    item_nodes: int = 1
    item_top: int = 1


ONE: Final = Size(1)
"""Any scalar that is no text."""


def text_size(held: int) -> Size:
    """Return the size of a text of so many characters."""
    return Size(held + 1, held)


def unknown(held: int, nodes: int) -> Size:
    """Return the size of a value of which only that is known."""
    return Size(held, held, held, nodes=nodes, item_nodes=nodes, item_top=nodes)


def larger(sizes: Sequence[Size]) -> Size:
    """Return what is at least as large as each of them."""
    return Size(*map(max, *sizes)) if len(sizes) > 1 else sizes[0]


def size_of(value: Json) -> Size:
    """Return the exact size of a value."""
    if isinstance(value, str):
        return text_size(len(value))
    if isinstance(value, list):
        return _collected(value, 0)
    if isinstance(value, dict):
        return _collected(list(value.values()), sum(map(len, value)))
    if isinstance(value, int):
        return Size(1, number=max(int(value), 0))
    return ONE


def _collected(items: list[Json], keys: int) -> Size:
    held, nodes = keys + 1, 1
    largest = largest_nodes = largest_top = 1
    for item in items:
        inside, below = _held(item)
        held += inside
        nodes += below
        largest = max(largest, inside)
        largest_nodes = max(largest_nodes, below)
        if below > 1 and isinstance(item, list | dict):
            largest_top = max(largest_top, len(item))
    return Size(
        held,
        len(items),
        largest,
        nodes=nodes,
        item_nodes=largest_nodes,
        item_top=largest_top,
    )


def _held(value: Json) -> tuple[int, int]:
    """Return what a value holds and its nodes; called for every value, so it is kept quick."""
    if isinstance(value, str):
        return len(value) + 1, 1
    if isinstance(value, list):
        return _within(value, 1)
    if isinstance(value, dict):
        return _within(value.values(), 1 + sum(map(len, value)))
    return 1, 1


def _within(values: Iterable[Json], held: int) -> tuple[int, int]:
    nodes = 1
    for value in values:
        if isinstance(value, str):
            held += len(value) + 1
            nodes += 1
        elif isinstance(value, list | dict):
            more, below = _held(value)
            held += more
            nodes += below
        else:
            held += 1
            nodes += 1
    return held, nodes
