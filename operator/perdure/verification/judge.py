"""judge(evidence): all that is wrong with a run, once it is over."""

from __future__ import annotations

from perdure.verification.checks import EndCheck, Trial
from perdure.verification.evidence import Evidence, Violation, Violations
from perdure.verification.registry import CHECKS
from perdure.verification.requests import by_attempt
from perdure.verification.watcher import Watcher, watch
from perdure.verification.world import Bounds, World


def judge(evidence: Evidence, stamps_seconds: float = 0.0) -> Violations:
    """Return all that is wrong: of each write, in order of revision, then of the whole.

    `stamps_seconds` is how far the times of writes and effects may be off the true ones.
    """
    clocks = evidence.clocks
    bounds = Bounds(lambda identity: clocks.get(identity, 0.0), stamps_seconds)
    watcher, found = watch(evidence.writes, bounds)
    return found + conclude(watcher, evidence)


def conclude(watcher: Watcher, evidence: Evidence) -> Violations:
    """Return what is wrong at the end, where the watcher has observed these very writes."""
    trial = trial_of(watcher.world, evidence)
    return [
        Violation(
            invariant=check.invariant,
            subject=finding.subject,
            text=f"{check.run.__name__}: {finding.text}",
        )
        for check in CHECKS
        if isinstance(check, EndCheck) and (evidence.is_complete or not check.needs_log)
        for finding in check.run(trial)
    ]


def trial_of(world: World, evidence: Evidence) -> Trial:
    """Return what end checks look at."""
    return Trial(evidence=evidence, world=world, effects=by_attempt(world, evidence.effects))
