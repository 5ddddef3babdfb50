"""What a hunt found, for people and for docs/proof.md."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from tests.simulation.planted.hunt import Result


def line(result: Result) -> str:
    """Return one line on one mutant."""
    catch = result.catch
    if catch is None:
        told = f"SURVIVED {result.seeds} seeds"
    else:
        seed = f"seed {catch.seed}{' --log' if result.mutant.is_logged else ''}"
        told = f"{catch.invariant:>7} after {result.seeds:>4} seeds ({seed})"
    return f"{result.mutant.name:<42} {told}, {result.seconds:.0f} s"


def as_json(results: Iterable[Result]) -> str:
    """Return the figures of all: by name the rule, what caught it, and after how much."""
    figures = {
        result.mutant.name: {
            "page": result.mutant.page,
            "section": result.mutant.section,
            "rule": result.mutant.rule,
            "invariant": None if result.catch is None else result.catch.invariant,
            "violation": None if result.catch is None else result.catch.text,
            "seed": None if result.catch is None else result.catch.seed,
            "seeds": result.seeds,
            "seconds": round(result.seconds, 1),
        }
        for result in results
    }
    return json.dumps(figures, indent=1, ensure_ascii=False) + "\n"


def markdown(results: Sequence[Result]) -> str:
    """Return the table of docs/proof.md, in the order of the results."""
    rows = [
        "| Planted bug | The rule it breaks | Caught by | After seeds |",
        "|---|---|---|---:|",
    ]
    for result in results:
        caught = "nothing" if result.catch is None else result.catch.invariant
        mutant = result.mutant
        rows.append(f"| {mutant.name} | {mutant.rule} | {caught} | {result.seeds} |")
    return "\n".join(rows) + "\n"
