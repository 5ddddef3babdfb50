"""What the last turn of an instance knew of its waits, for the next one.

Only knowledge that is true of the committed history is kept: ids of events that were decided and
not committed are given again, to others.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from perdure.engine.orchestrator import Asked, Decision
from perdure.ports import Clock

KEPT = 256
"""So many instances' answers are kept besides those of instances that go on at once."""


@dataclass(frozen=True, slots=True)
class _Known:
    asked: Mapping[int, Asked]
    since: datetime | None
    """When the turn was that goes on."""


class Unfinished:
    """Answers of waits by instance, and which turns are too long to be done at once."""

    def __init__(self) -> None:
        self._resting: OrderedDict[str, _Known] = OrderedDict()
        self._going_on: dict[str, _Known] = {}
        self._one_at_a_time = asyncio.Lock()

    def note(self, uid: str, decision: Decision | None, at: datetime | None) -> None:
        """Keep what is known after a decision that is committed, or that decided nothing.

        `at` is the time that it was made for; None for both where nothing was to be decided.
        """
        self.forget(uid)
        if decision is None:
            return
        if decision.goes_on:
            self._going_on[uid] = _Known(decision.asked, at)
        elif decision.asked:
            self._resting[uid] = _Known(decision.asked, None)
            if len(self._resting) > KEPT:
                self._resting.popitem(last=False)

    def forget(self, uid: str) -> None:
        """Drop what is known of an instance; it is asked anew."""
        self._resting.pop(uid, None)
        self._going_on.pop(uid, None)

    def asked(self, uid: str) -> Mapping[int, Asked]:
        """Return what is known of the instance's waits."""
        known = self._going_on.get(uid) or self._resting.get(uid)
        return {} if known is None else known.asked

    def now(self, uid: str, clock: Clock) -> datetime:
        """Return the time of the turn: while one goes on, that of its beginning.

        Conditions may read it: what was answered at another time would have to be asked again.
        """
        known = self._going_on.get(uid)
        return clock.now() if known is None or known.since is None else known.since

    async def breathe(self, uid: str) -> None:
        """Let everything else run first where the turn goes on; of such turns, one per round."""
        if uid in self._going_on:
            async with self._one_at_a_time:
                await asyncio.sleep(0)
