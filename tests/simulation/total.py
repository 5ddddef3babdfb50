"""What several long runs add up to, and which cells of faults and points they have left rare."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Set
from dataclasses import dataclass, field
from pathlib import Path

from perdure.testing.simulation.fates import Fault, applicable
from perdure.testing.simulation.points import READ_ONLY, WRITING, Point

Cell = tuple[str, str]

OFTEN = 100
OF_USERS = frozenset({Point.CREATE_EVENT, Point.DELETE_INSTANCE, Point.MANAGEMENT})
NOT_REQUESTED = frozenset({Point.TIMER, Point.LOG})
"""Points without requests; that of the log has none as long as no plan has lanes by itself."""
OF_STORMS: Set[Cell] = {
    (Fault.CLOCK, Point.TIMER),
    (Fault.USER, Point.LEASE),
    (Fault.CORRUPTION, Point.READ_INSTANCE),
}
"""What strikes without a request."""


@dataclass(slots=True)
class Total:
    """The sum of the reports of several runs, as `make simulate` writes them."""

    figures: Counter[str] = field(default_factory=Counter)
    cells: Counter[Cell] = field(default_factory=Counter)

    def add(self, file: Path) -> None:
        """Add the report in a file."""
        found = json.loads(file.read_text())
        for cell, count in found.pop("cells").items():
            fault, point = cell.split()
            self.cells[fault, point] += count
        self.figures.update({name: round(value) for name, value in found.items()})

    def rare(self) -> dict[Cell, int]:
        """Return the applicable cells with fewer than OFTEN hits, with their counts."""
        return {
            cell: self.cells[cell]
            for cell in sorted(applicable_cells())
            if self.cells[cell] < OFTEN
        }


def total(files: Iterable[Path]) -> Total:
    """Return the sum of the reports in these files."""
    found = Total()
    for file in files:
        found.add(file)
    return found


def applicable_cells() -> frozenset[Cell]:
    """Return every cell that can be hit."""
    cells: set[Cell] = set(OF_STORMS)
    for point in Point:
        if point in NOT_REQUESTED:
            continue
        for is_write in _kinds(point):
            faults = applicable(point, is_operator=point not in OF_USERS, is_write=is_write)
            cells |= {(fault, point) for fault in faults}
    return frozenset((str(fault), str(point)) for fault, point in cells)


def _kinds(point: Point) -> tuple[bool, ...]:
    """Return whether requests at a point write: one answer, or both."""
    if point in READ_ONLY:
        return (False,)
    return (True,) if point in WRITING else (True, False)
