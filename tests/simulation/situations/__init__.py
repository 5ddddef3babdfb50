"""Situations: what comes together too rarely by chance, brought about on purpose.

A new one is a function from a seed and a draw to a plan, in the module of its subject, and a line
in the list here. Three of ten seeds bring one about (`tests.simulation.plans`).
"""

from tests.simulation.situations import (
    bounds,
    close_calls,
    damage,
    gaps,
    held_deletions,
    in_flight,
    last_words,
    leftovers,
    narrow,
    old_recipes,
    refusals,
    silences,
    successors,
    wrong_address,
)
from tests.simulation.situations.situation import Situation

SITUATIONS: tuple[Situation, ...] = (
    narrow.NARROW,
    successors.SUCCESSORS,
    held_deletions.HELD_DELETIONS,
    damage.DAMAGE,
    bounds.BOUNDS,
    leftovers.LEFTOVERS,
    old_recipes.OLD_RECIPES,
    last_words.LAST_WORDS,
    in_flight.IN_FLIGHT,
    silences.SILENCES,
    refusals.REFUSALS,
    close_calls.CLOSE_CALLS,
    gaps.GAPS,
    wrong_address.WRONG_ADDRESS,
)

__all__ = ["SITUATIONS", "Situation"]
