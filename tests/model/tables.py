"""What was explored and what was found, as the tables of docs/model.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tests.model.explorer import Result
from tests.model.faults import Planted
from tests.model.plan import Plan

Explored = tuple[Plan, Result]


def explored_table(explored: Sequence[Explored]) -> list[str]:
    """Return one row for each exploration, and one for all of them."""
    rows = [
        (
            f"`{plan.name}`",
            plan.covers,
            f"{result.states:,}",
            f"{result.depth}",
            "all" if result.is_complete else "",
        )
        for plan, result in explored
    ]
    total = sum(result.states for _, result in explored)
    rows.append(("", "together", f"{total:,}", "", ""))
    return table(("Plan", "Covers", "States", "Steps deep", "All there are"), rows)


def faults_table(found: Iterable[tuple[Planted, Result]]) -> list[str]:
    """Return one row for each planted fault: how long the shortest trace is, what it breaks."""
    rows = [
        (
            planted.name,
            f"`{planted.plan.name}`",
            f"{len(result.trace)}",
            f"{result.states:,}",
            result.fault or "**not found**",
        )
        for planted, result in found
    ]
    return table(("Planted fault", "Plan", "Steps", "States until found", "What it breaks"), rows)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [line(head), "|" + "---|" * len(head), *map(line, rows)]


def line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
