"""Planted bugs that the simulation does not catch yet, and what it lacks: work to be done.

They are hunted by name only. Whoever makes one of them show takes it from the list.
"""

from __future__ import annotations

from collections.abc import Mapping

RARE = "what it takes comes together too rarely: bring it about on purpose"
UNSEEN = "no check looks at it"
MASKED = "what else the product does makes up for it"

UNCAUGHT: Mapping[str, str] = {
    "decision-kept-after-a-conflict": MASKED,
    "lost-commit-left-alone": RARE,
    "rejection-taken-for-a-conflict": "only single requests are rejected, none for good",
    "failed-turn-not-repeated": RARE,
}
