"""Drawing: every choice of the generators, from one seeded source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random  # noqa: TID251 - seeded, so that every run is the same
from typing import TypeVar

T = TypeVar("T")


class Draw:
    """Choices from a seeded source.

    Only `Random.random` is asked: its sequence is promised for every version of Python, that of
    the other methods is not.
    """

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def share(self) -> float:
        """Return a number from 0 to below 1."""
        return self._random.random()

    def chance(self, share: float) -> bool:
        """Return True in this share of all cases, from 0 to 1."""
        return self._random.random() < share

    def whole(self, low: int, high: int) -> int:
        """Return a whole number, both bounds included."""
        return low + int(self._random.random() * (high - low + 1))

    def seconds(self, low: float, high: float) -> float:
        """Return a length in seconds, to the millisecond."""
        return round(low + self._random.random() * (high - low), 3)

    def pick(self, items: Sequence[T]) -> T:
        """Return one of the items, all alike."""
        return items[int(self._random.random() * len(items))]

    def weighted(self, weights: Mapping[T, float]) -> T:
        """Return one of the keys, as often as its weight is to the sum of all."""
        rest = self._random.random() * sum(weights.values())
        for item, weight in weights.items():
            rest -= weight
            if rest < 0:
                return item
        return item

    def some(self, items: Sequence[T], most: int) -> list[T]:
        """Return up to `most` different items, in their order."""
        left = list(range(len(items)))
        taken = [
            left.pop(int(self._random.random() * len(left)))
            for _ in range(self.whole(0, min(most, len(items))))
        ]
        return [items[index] for index in sorted(taken)]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """Return the items in another order."""
        left = list(items)
        return [left.pop(int(self._random.random() * len(left))) for _ in items]
