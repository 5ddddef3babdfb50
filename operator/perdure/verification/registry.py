"""All checks, in the order in which they are asked, and the table of them for docs/proof.md."""

from __future__ import annotations

import inspect

from perdure.verification import (
    activities,
    cleanup,
    commits,
    effects,
    exchanges,
    external,
    leftovers,
    lifecycle,
    liveness,
    log,
    policies,
    promises,
    results,
    showings,
    shown,
    takeovers,
    timers,
    turns,
)
from perdure.verification.checks import Check

CHECKS: tuple[Check, ...] = (
    *commits.CHECKS,
    *lifecycle.CHECKS,
    *activities.CHECKS,
    *timers.CHECKS,
    *external.CHECKS,
    *shown.CHECKS,
    *cleanup.CHECKS,
    *effects.CHECKS,
    *results.CHECKS,
    *promises.CHECKS,
    *takeovers.CHECKS,
    *exchanges.CHECKS,
    *liveness.CHECKS,
    *leftovers.CHECKS,
    *policies.CHECKS,
    *turns.CHECKS,
    *log.CHECKS,
    *showings.CHECKS,
)


def name_of(check: Check) -> str:
    """Return how the check is called in violations."""
    return check.run.__name__


def rule_of(check: Check) -> str:
    """Return the rule that the check guards: the first line of its docstring."""
    return (inspect.getdoc(check.run) or "").partition("\n")[0]


def table() -> str:
    """Return all checks as a table in Markdown, by invariant."""
    rows = sorted(CHECKS, key=lambda check: int(check.invariant.removeprefix("I-")))
    lines = [f"| {one.invariant} | `{name_of(one)}` | {rule_of(one)} |" for one in rows]
    return "\n".join(["| Invariant | Check | Rule |", "|---|---|---|", *lines])
