"""A planted bug as plain data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Change:
    """One replacement in a file, named from the package on (`runtime/turn.py`).

    `old` stands exactly once in the file, `new` takes its place. Both are whole lines or parts of
    them, with the indentation that they have there.
    """

    file: str
    old: str
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A bug that breaks one rule.

    `name` is words with dashes. `section` is the heading of `page` whose rule it breaks, `rule`
    what the product should have done, in one sentence. One that `is_logged` is hunted where the
    turns stand in the log.
    """

    name: str
    section: str
    rule: str
    changes: tuple[Change, ...]
    is_logged: bool = False

    @property
    def page(self) -> str:
        """Return the page whose rule is broken, as a path from the root of the project."""
        return "docs/log.md" if self.is_logged else "docs/architecture.md"


class StaleMutantError(Exception):
    """A mutant no longer applies: the product has changed where it would be planted."""


def planted_in(text: str, change: Change, name: str) -> str:
    """Return the text of a file with a change made.

    Raises StaleMutantError, which names the mutant, where the old text is not there exactly once.
    """
    found = text.count(change.old)
    if found != 1:
        raise StaleMutantError(
            f"{name}: its old text stands {found} times in {change.file}, expected once: "
            f"{change.old!r}"
        )
    return text.replace(change.old, change.new)
