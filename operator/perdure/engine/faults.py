"""A fault in a manifest: where it is, what is wrong, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. `path` is like `spec.steps[2].http.path`.

    `column` counts characters of `source`, from 1; `source` is the text in which the fault is: an
    expression or a template, possibly of several lines.
    """

    path: str
    message: str
    column: int | None = None
    hint: str | None = None
    source: str | None = None

    def render(self) -> str:
        """Return it for a terminal: path and message, the source line with a caret, the hint."""
        lines = [f"{self.path}: {self.message}" if self.path else self.message]
        if self.source is not None and self.column is not None:
            lines += _pointed(self.source, self.column)
        if self.hint is not None:
            lines.append(f"  hint: {self.hint}")
        return "\n".join(lines)


def _pointed(source: str, column: int) -> list[str]:
    """Return the line of the source that holds the column, and a line with a caret below it."""
    offset = min(max(column - 1, 0), len(source))
    start = source.rfind("\n", 0, offset) + 1
    end = source.find("\n", offset)
    line = source[start:] if end < 0 else source[start:end]
    before = "".join("\t" if char == "\t" else " " for char in line[: offset - start])
    return [f"  {line}", f"  {before}^"]
