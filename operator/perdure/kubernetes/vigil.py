"""Judging by repeated looks at their Leases whether other processes are dead.

Pure: the looks are made by `presence.py`. Nobody's clock is compared with ours: what counts is
how long a Lease did not change while we were able to look.
Source: docs/architecture.md#claims
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from perdure.kubernetes.leases import Lease, identity_of, lease_name

UNSEEN = "unseen"


@dataclass(slots=True)
class _Watched:
    version: str | None = UNSEEN
    """Of the Lease at the last look; None where it was absent."""
    silent_seconds: float = 0.0
    is_told: bool = False
    """Whether its silence was told, and every look since found it silent still."""


class Vigil:
    """Watches over incarnations.

    One is dead for good when its Lease names another or none. It is dead until it is heard of
    again when the Lease was unchanged or absent for `dead_seconds`; of the time between two looks
    at most `longest_step` counts, so that a pause of our own process kills nobody. Silence is true
    for `longest_step` after the look that found it, no longer: it may have been heard of since.
    Where looks fail for longer, the next one that finds it silent tells of it again.
    """

    def __init__(self, *, dead_seconds: float, longest_step: float) -> None:
        self._dead_seconds = dead_seconds
        self._longest_step = longest_step
        self._watched: dict[str, _Watched] = {}
        self._dead: set[str] = set()
        self._looked_at: float | None = None
        self._fresh_until = -math.inf

    def __len__(self) -> int:
        """Return how many are watched."""
        return len(self._watched)

    def watch(self, incarnation: str) -> None:
        if incarnation not in self._dead:
            self._watched.setdefault(incarnation, _Watched())

    def unwatch(self, incarnation: str) -> None:
        self._watched.pop(incarnation, None)

    def is_dead(self, incarnation: str, now: float) -> bool:
        """Return whether one is dead, at this monotonic time."""
        if incarnation in self._dead:
            return True
        watched = self._watched.get(incarnation)
        return watched is not None and self._is_silent(watched) and now < self._fresh_until

    @property
    def watched(self) -> frozenset[str]:
        """Return who is watched: whoever begins a look has to remember it."""
        return frozenset(self._watched)

    def look(
        self, leases: Mapping[str, Lease], *, of: frozenset[str], began: float, ended: float
    ) -> list[str]:
        """Take a complete look, made between two monotonic times; return who is newly dead.

        `of` are those that were watched when it began. Of one that was heard of while the look was
        under way it may show the Lease as it stood before that process took it.
        """
        step = 0.0 if self._looked_at is None else began - self._looked_at
        step = min(step, self._longest_step)
        if began >= self._fresh_until:
            self._tell_again()
        self._looked_at, self._fresh_until = ended, began + self._longest_step
        known = [each for each in self._watched if each in of]
        found = [(each, leases.get(lease_name(identity_of(each)))) for each in known]
        return [each for each, lease in found if self._judge(each, lease, step)]

    def _tell_again(self) -> None:
        """Forget what was told: for a while nobody counted as dead by silence."""
        for watched in self._watched.values():
            watched.is_told = False

    def miss(self) -> None:
        """Note that a look failed: the time around it does not count."""
        self._looked_at = None

    def _judge(self, incarnation: str, lease: Lease | None, step: float) -> bool:
        watched = self._watched[incarnation]
        if lease is not None and lease.holder != incarnation:
            del self._watched[incarnation]
            self._dead.add(incarnation)
            return not watched.is_told
        version = None if lease is None else lease.version
        if version != watched.version:
            self._watched[incarnation] = _Watched(version)
            return False
        watched.silent_seconds += step
        is_news = self._is_silent(watched) and not watched.is_told
        watched.is_told = watched.is_told or is_news
        return is_news

    def _is_silent(self, watched: _Watched) -> bool:
        return watched.silent_seconds >= self._dead_seconds
