"""Fates that lie in wait: for the one request at which something has to happen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from perdure.testing.simulation.fates import Fate, Fates, Occasion
from perdure.testing.simulation.points import Point


@dataclass(frozen=True, slots=True, kw_only=True)
class Ambush:
    """From `since` (virtual seconds) on, the `number`th request of a process at a point."""

    process: str
    point: Point
    since: float
    fate: Fate
    number: int = 1
    is_write: bool | None = None
    """Whether only writes count, or only reads; None for both."""

    def concerns(self, occasion: Occasion) -> bool:
        """Return whether a request is one of those that count."""
        return (
            (occasion.process, occasion.point) == (self.process, self.point)
            and occasion.at >= self.since
            and self.is_write in (None, occasion.is_write)
        )


class Ambushed:
    """Each ambush strikes once, one at a time; of all other requests somebody else decides."""

    def __init__(self, ambushes: Sequence[Ambush], otherwise: Fates) -> None:
        self._ambushes = dict(enumerate(ambushes))
        self._left = [ambush.number for ambush in ambushes]
        self._otherwise = otherwise

    def decide(self, occasion: Occasion) -> Fate | None:
        struck: Fate | None = None
        for place, ambush in [*self._ambushes.items()]:
            if not ambush.concerns(occasion):
                continue
            self._left[place] -= 1
            if self._left[place] <= 0 and struck is None:
                struck = self._ambushes.pop(place).fate
        return struck or self._otherwise.decide(occasion)
