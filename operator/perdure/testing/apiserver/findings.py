"""What validation finds in one object, and where."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from perdure.engine.values import Json
from perdure.testing.apiserver.refusals import NOWHERE, Cause

Path: TypeAlias = "tuple[Path, str | int] | None"
"""A place in an object, innermost first, None for the whole: rendered only when it is needed."""

Judge: TypeAlias = "Callable[[Json, Json], bool]"
"""Says whether a rule holds of a value and the one before it."""

BLOCKING = frozenset(
    {
        "FieldValueNotSupported",
        "FieldValueRequired",
        "FieldValueTooLong",
        "FieldValueTooMany",
        "FieldValueTypeInvalid",
    }
)
"""After one of these the rules are not looked at."""

UNCHECKED = Cause(
    "FieldValueInvalid",
    "Invalid value: null: some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation",
    NOWHERE,
)


@dataclass(frozen=True, slots=True)
class DueRule:
    """A rule that waits until the whole object is known to be well-formed."""

    judge: Judge
    message: str
    where: Path
    value: Json
    before: Json


@dataclass(slots=True)
class Findings:
    """Collects causes, fields that are not known, and rules to be judged at the end.

    With `is_relative` texts name fields from the status on, as the status endpoint does.
    """

    is_relative: bool = False
    causes: list[Cause] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    rules: list[DueRule] = field(default_factory=list)

    def add(self, reason: str, message: str, where: Path) -> None:
        self.causes.append(Cause(reason, message, render(where)))

    def add_in_body(self, reason: str, value: str, where: Path, what: str) -> None:
        """Add a cause in the words of the schema validator."""
        name = render(where)
        if self.is_relative:
            name = name.removeprefix("status.")
        self.add(reason, f"Invalid value: {value}: {name} in body {what}", where)

    def add_unknown(self, where: Path) -> None:
        self.unknown.append(render(where))

    def judge(self, *, has_rules: bool) -> list[Cause]:
        """Return all causes, those of broken rules included.

        `has_rules` is for kinds that may have any: they say so where rules were not looked at.
        """
        if has_rules and any(cause.reason in BLOCKING for cause in self.causes):
            return [*self.causes, UNCHECKED]
        return self.causes + [
            Cause("FieldValueInvalid", f"Invalid value: {rule.message}", render(rule.where))
            for rule in self.rules
            if not rule.judge(rule.value, rule.before)
        ]


def render(where: Path) -> str:
    """Return the place as `spec.events[0].id`, `<nil>` for the whole object."""
    if where is None:
        return NOWHERE
    parts: list[str] = []
    while where is not None:
        where, step = where
        parts.append(f"[{step}]" if isinstance(step, int) else f".{step}")
    return "".join(reversed(parts)).removeprefix(".")
