"""Figures: collected, printed beside what they are compared with, written as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value; `beside` says what it is to be read next to."""

    name: str
    value: float
    unit: str
    beside: str = ""


@dataclass(slots=True)
class Figures:
    """All figures of one run."""

    found: list[Figure] = field(default_factory=list)

    def add(self, name: str, value: float, unit: str, beside: str = "") -> None:
        """Note a figure."""
        self.found.append(Figure(name, value, unit, beside))

    def value(self, name: str) -> float:
        """Return a figure noted before."""
        return next(figure.value for figure in self.found if figure.name == name)

    def show(self) -> None:
        """Print the table."""
        table = Table("figure", "value", "unit", "beside", title="perdure bench")
        for figure in self.found:
            table.add_row(figure.name, f"{figure.value:,.4g}", figure.unit, figure.beside)
        Console(width=118).print(table)

    def write(self, path: Path) -> None:
        """Write the figures as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {f.name: {"value": f.value, "unit": f.unit} for f in self.found}
        path.write_text(json.dumps(content, indent=2) + "\n")


def percentile(values: list[float], share: float) -> float:
    """Return the value below which `share` (0 to 1) of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
