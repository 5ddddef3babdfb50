"""Presence where lanes change hands: claims end with their process, or when it leaves the lane."""

from __future__ import annotations

from collections.abc import AsyncIterator

from perdure.kubernetes.log.keeper import LaneKeeper
from perdure.kubernetes.presence import LeasePresence, PresenceTimes

TIMES = PresenceTimes(mute_seconds=5.0, dead_seconds=8.0)
"""Shorter than without the log: whose lanes are claimed can commit nothing any more."""


class LanePresence:
    """The Presence port for those who own lanes."""

    def __init__(self, leases: LeasePresence, keeper: LaneKeeper) -> None:
        self._leases, self._keeper = leases, keeper

    @property
    def incarnation(self) -> str:
        return self._leases.incarnation

    @property
    def may_send(self) -> bool:
        return self._leases.may_send

    def is_dead(self, incarnation: str) -> bool:
        return self._leases.is_dead(incarnation)

    def has_let_go(self, incarnation: str, uid: str) -> bool:
        return self.is_dead(incarnation) or self._keeper.has_let_go(incarnation, uid)

    def watch(self, incarnation: str) -> None:
        self._leases.watch(incarnation)

    def deaths(self) -> AsyncIterator[str]:
        return self._leases.deaths()
