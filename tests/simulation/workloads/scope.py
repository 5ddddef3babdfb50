"""What an expression of the grammar may refer to at its place, and where that place is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto


class Shape(Enum):
    """What the output of a step looks like."""

    ANSWER = auto()
    """The map of a service: token, n, ok, items, label."""
    EVENT = auto()
    """The map of one event: id, name, data, time."""
    OTHER = auto()


@dataclass(frozen=True, slots=True)
class Known:
    """A step that is over; `is_sure` where it has an output of that shape whatever happened."""

    name: str
    shape: Shape
    is_sure: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """A place in a flow.

    `frame` is a template of the path of the running flow, "" in the main one. Flows of the
    grammar have the parameters `at` (their path), `amount` (a number) and `label` (a text).
    """

    frame: str = ""
    is_flow: bool = False
    has_variables: bool = False
    has_error: bool = False
    steps: tuple[Known, ...] = ()

    def path(self, name: str) -> str:
        """Return a template of the path of the step `name` at this place."""
        return f"{self.frame}.{name}" if self.frame else name

    def after(self, steps: tuple[Known, ...]) -> Scope:
        """Return the scope of a step that waits for these."""
        return replace(self, steps=steps)

    def in_catch(self) -> Scope:
        """Return the scope of a catch entry."""
        return replace(self, has_error=True)


MAIN = Scope()
IN_FLOW = Scope(frame="${at}", is_flow=True)
