"""All planted bugs."""

from __future__ import annotations

from tests.simulation.planted import (
    calls,
    claims,
    commits,
    external,
    histories,
    recipes,
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
)
