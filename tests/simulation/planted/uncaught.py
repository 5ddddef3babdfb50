"""Planted bugs that the simulation does not catch yet, and what it lacks: work to be done.

They are hunted by name only. Whoever makes one of them show takes it from the list.
"""

from __future__ import annotations

from collections.abc import Mapping

RARE = "what it takes comes together too rarely: bring it about on purpose"
UNSEEN = "no check looks at it"
MASKED = "what else the product does makes up for it"

UNCAUGHT: Mapping[str, str] = {}
