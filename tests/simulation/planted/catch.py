"""What a hunt finds: plain data that travels between processes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Catch:
    """The first seed that failed, and by what: the invariant, and what was said about it."""

    seed: int
    invariant: str
    text: str
