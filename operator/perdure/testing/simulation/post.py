"""Messages on their way: who decides when each arrives decides which order of things is seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from perdure.testing.simulation.scheduler import Action, Scheduler

SHORT, LONG = 0.001, 0.02
"""Seconds that a message is on its way."""
SLOW_SHARE, SLOW_SECONDS = 0.02, 1.0
"""This share of them takes up to so many seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One message. Those of one `route` arrive in their order; "" is a route for each.

    `text` says who sends what to whom: two letters of the same text are interchangeable.
    """

    text: str
    act: Action
    route: str = ""


class Post(Protocol):
    """Delivers letters."""

    def send(self, letter: Letter, delay: float = 0.0) -> None:
        """Let a letter be on its way, `delay` seconds longer than usual."""
        ...


class SeededPost:
    """Delivers after times that the seed decides."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._arrivals: dict[str, float] = {}

    def send(self, letter: Letter, delay: float = 0.0) -> None:
        when = self._scheduler.now + self._latency() + delay
        if letter.route:
            when = max(when, self._arrivals.get(letter.route, 0.0))
            self._arrivals[letter.route] = when
        self._scheduler.at(when, letter.act)

    def _latency(self) -> float:
        random = self._scheduler.random.random
        if random() < SLOW_SHARE:
            return SLOW_SECONDS * random()
        return SHORT + (LONG - SHORT) * random()
