"""What a kind of fault is."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.chaos.field import Field
from tests.chaos.plan import Span, Strike

Act = Callable[[Field, Strike], Awaitable[None]]
"""Lets it happen, lasts as long as the strike says, and leaves all as it was."""

WORLD = ""
"""The victim of what strikes all operators alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One row of the table: `code` is that of docs/proof.md#faults.

    `is_of_world` says that it strikes all operators, not only the victim.
    """

    code: str
    span: Span
    act: Act
    is_of_world: bool = False
    needs_clock: bool = False


def lasting(shortest: float, longest: float) -> Span:
    return Span(shortest=shortest, longest=longest)
