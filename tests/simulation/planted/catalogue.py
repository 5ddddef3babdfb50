"""All planted bugs."""

from __future__ import annotations

from tests.simulation.planted import (
    calls,
    claims,
    commits,
    entries,
    external,
    histories,
    owners,
    recipes,
    reflections,
    storage,
    timers,
    watching,
)
from tests.simulation.planted.mutant import Mutant

MUTANTS: tuple[Mutant, ...] = (
    *commits.MUTANTS,
    *histories.MUTANTS,
    *claims.MUTANTS,
    *calls.MUTANTS,
    *external.MUTANTS,
    *timers.MUTANTS,
    *recipes.MUTANTS,
    *watching.MUTANTS,
    *storage.MUTANTS,
    *entries.MUTANTS,
    *owners.MUTANTS,
    *reflections.MUTANTS,
)

QUICK = (
    "effect-before-commit",
    "rev-not-tested",
    "chain-begins-anew",
    "reference-before-the-object",
    "everybody-else-is-dead",
    "key-with-attempt",
    "answer-dropped-after-a-conflict",
    "events-taken-again",
    "event-deleted-before-the-commit",
    "timer-rounded-down",
    "answered-before-the-entry-stands",
    "log-not-asked-after-a-claim",
    "event-deleted-before-it-is-shown",
)
"""Those that `make test` hunts, within 100 seeds each."""
