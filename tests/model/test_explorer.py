"""The explorer itself: it visits all there is, and finds the shortest way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.model.explorer import Label, explore, told


@dataclass(frozen=True, slots=True)
class Grid:
    """A walk over a square, one to the right or one up, from corner to corner."""

    size: int
    forbidden: tuple[int, int] | None = None

    def start(self) -> tuple[int, int]:
        return (0, 0)

    def steps(self, state: tuple[int, int]) -> Iterator[tuple[Label, tuple[int, int]]]:
        x, y = state
        if x + 1 < self.size:
            yield ("right to {}", x + 1), (x + 1, y)
        if y + 1 < self.size:
            yield ("up to {}", y + 1), (x, y + 1)

    def broken(self, state: tuple[int, int]) -> str:
        return "trodden on" if state == self.forbidden else ""


def test_every_state_is_visited_once() -> None:
    result = explore(Grid(30), 10_000)
    assert result.is_complete
    assert (result.states, result.depth) == (900, 58)
    assert result.steps == 2 * 30 * 29


def test_the_shortest_way_to_a_fault_is_told() -> None:
    result = explore(Grid(30, forbidden=(1, 2)), 10_000)
    assert result.fault == "trodden on"
    assert not result.is_complete
    assert told(result.trace) == ["right to 1", "up to 1", "up to 2"]


def test_an_exploration_ends_at_its_bound_and_says_that_there_is_more() -> None:
    result = explore(Grid(30), 100)
    assert 100 <= result.states <= 101
    assert not result.is_complete


def test_a_fault_at_the_start_has_no_steps() -> None:
    result = explore(Grid(3, forbidden=(0, 0)), 100)
    assert (result.fault, result.trace, result.states) == ("trodden on", (), 1)
