"""What is told of a run: lines to read, one to paste into docs/proof.md, and JSON."""

import json
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.chaos.faults import KINDS
from tests.chaos.oracle import Judgement
from tests.chaos.record import Record
from tests.cluster.control_plane import ROOT

from perdure.verification.world import World

Figures = Mapping[str, object]
SHOWN = 40
"""Violations that are printed; all of them are in the JSON."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The figures of a run, and everything that was wrong."""

    figures: Figures
    violations: Sequence[str]

    @property
    def is_good(self) -> bool:
        return not self.violations

    def told(self) -> str:
        """Return figures and violations as lines."""
        lines = [f"{name:44}{value}" for name, value in self.figures.items()]
        lines += [f"VIOLATION {text}" for text in self.violations[:SHOWN]]
        lines.append(f"{len(self.violations)} violations" if self.violations else "all of it holds")
        return "\n".join(lines)

    def row(self, seed: int, minutes: float, operators: int) -> str:
        """Return the line for the ledger in docs/proof.md."""
        figures = self.figures
        return (
            f"| {datetime.now(UTC):%Y-%m-%d} | {commit()} | chaos, {minutes:g} min, "  # noqa: TID251 - the date of a run
            f"seed {seed}, {operators} operators | {figures['instances']} instances, "
            f"{figures['requests to the service']} requests | {figures['faults']} faults of "
            f"{figures['kinds of faults']} kinds | {len(self.violations)} |"
        )

    def write(self, file: Path) -> None:
        """Write it as JSON."""
        file.parent.mkdir(parents=True, exist_ok=True)
        content = {"figures": self.figures, "violations": list(self.violations)}
        file.write_text(json.dumps(content, indent=2) + "\n")


def figures_of(record: Record, judgement: Judgement) -> Figures:
    """Return what a reader wants to see of a run."""
    accounts = judgement.world.accounts.values()
    attempts = [attempt for account in accounts for attempt in account.attempts.values()]
    kinds = Counter(done.strike.kind for done in record.done)
    minutes = (record.healed_at - min((d.began for d in record.done), default=0)) / 60
    return {
        "instances": len(judgement.world.accounts),
        "phases": dict(Counter(phase_of(account.status) for account in accounts)),
        "fates": dict(Counter(case.fate.value for case in record.cases)),
        "faults": len(record.done),
        "faults per hour": round(len(record.done) / minutes * 60) if record.done else 0,
        "kinds of faults": len(kinds),
        "faults by kind": dict(sorted(kinds.items())),
        "faults by code": dict(sorted(Counter(KINDS[k].code for k in kinds.elements()).items())),
        "messages that tricks befell": dict(record.tricks),
        "answers to repeats of accepted writes": dict(record.repeats),
        "writes seen by the witness": dict(judgement.writes),
        "commits": sum(len(account.commits) for account in accounts),
        "conflicts": record.conflicts,
        "attempts": len(attempts),
        "attempts claimed more than once": sum(len(a.claims) > 1 for a in attempts),
        "most claims of one attempt": max((len(a.claims) for a in attempts), default=0),
        "requests to the service": len(record.requests),
        "requests by operator": dict(
            Counter(record.addresses.get(r.remote, "?") for r in record.requests)
        ),
        "events received": sum(len(account.received) for account in accounts),
        "timers fired, seconds late (p50 p99 max)": spread(lateness(judgement.world)),
        "calls of users": dict(Counter(f"{c.deed} {c.outcome}" for c in record.calls)),
        "seconds from heal to the last end": settled_seconds(record),
        "histories folded again elsewhere": len(record.dumps),
        "operators that ended by themselves": len(record.deaths),
    }


def phase_of(status: Mapping[str, object]) -> str:
    return str(status.get("phase", "without status"))


def settled_seconds(record: Record) -> object:
    if record.settled_at is None:
        return "never"
    return round(max(0.0, record.settled_at - record.healed_at), 1)


def lateness(world: World) -> list[float]:
    """Return by how many seconds timers fired late by true time, sorted.

    One that was set by a clock that was behind is due at once.
    """
    return sorted(
        (timer.fired_at - max(timer.fire_at, timer.set_at)).total_seconds()
        for account in world.accounts.values()
        for timer in account.timers.values()
        if timer.fired_at is not None
    )


def spread(values: Sequence[float]) -> str:
    if not values:
        return "none"
    last = len(values) - 1
    picked = (values[last // 2], values[int(last * 0.99)], values[last])
    return f"{len(values)}: " + " ".join(f"{value:.3f}" for value in picked)


def commit() -> str:
    """Return the short name of the commit that was tested."""
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "unknown"
