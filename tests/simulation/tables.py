"""Reports for people."""

from __future__ import annotations

from collections import Counter

from tests.simulation.campaign import Report


def cells_table(cells: Counter[tuple[str, str]]) -> str:
    """Return how often each fault struck at each point, a line per fault."""
    points = sorted({point for _, point in cells}, key=_number)
    faults = sorted({fault for fault, _ in cells}, key=_number)
    lines = ["      " + "".join(f"{point:>8}" for point in points)]
    for fault in faults:
        counts = (cells.get((fault, point), 0) for point in points)
        lines.append(f"{fault:<6}" + "".join(f"{count or '':>8}" for count in counts))
    return "\n".join(lines)


def summary(report: Report) -> str:
    """Return the figures of a report in one paragraph."""
    totals = report.totals
    return (
        f"{report.runs} runs in {report.elapsed:.1f} s ({report.rate:.1f}/s): "
        f"{totals['instances']} instances, {totals['effects']} effects, {totals['writes']} "
        f"writes, {totals['requests']} requests, {totals['strokes']} faults in "
        f"{totals['seconds']} s of virtual time; {len(report.failures)} failed"
    )


def _number(name: str) -> int:
    return int(name[1:])
