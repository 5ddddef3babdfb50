"""Deleting what lost races left in storage: objects that no commit refers to.

Only what can never be referred to any more goes (orphans.py), so this may run at any time beside
anything. Source: docs/architecture.md#history.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from perdure.engine.values import JsonObject
from perdure.errors import PerdureError
from perdure.kubernetes.histories import Histories
from perdure.kubernetes.instances import head_of
from perdure.kubernetes.orphans import judged
from perdure.ports import InstanceKey, Turn

MAX_TIDIED = 100
"""So many instances are tidied up in one round: thousands of calls are open when a process dies."""

logger = logging.getLogger(__name__)

Get: TypeAlias = "Callable[[InstanceKey], Awaitable[JsonObject | None]]"
"""Reads an instance with a quorum; None when it is gone."""


class Tidying:
    """Remembers the instances for which objects were created that no commit refers to: by this
    process for certain, or perhaps by one that died."""

    def __init__(self, histories: Histories, get: Get) -> None:
        self._histories = histories
        self._get = get
        self._suspects: dict[str, InstanceKey] = {}
        self._open: dict[str, InstanceKey] = {}
        """Those of which something is left that only a later commit decides on."""

    def suspect(self, key: InstanceKey) -> None:
        """Look at an instance in the next round."""
        self._open.pop(key.uid, None)
        self._suspects[key.uid] = key

    def moved(self, uid: str) -> None:
        """Take note of a newer version of an instance: what was open of it may be decided."""
        key = self._open.get(uid)
        if key is not None:
            self.suspect(key)

    async def collect(self, key: InstanceKey) -> int:
        """Delete what lost races left of the instance, or all when it is gone; return how many.

        Raises TransientError, ObjectError, UnknownOutcomeError, HistoryCorruptError and
        NewerHistoryError.
        """
        found = await self._histories.all(key)
        body = await self._get(key) if found else None
        self._open.pop(key.uid, None)
        if body is not None:
            judgement = await judged(found, key.uid, head_of(body, key.uid))
            found = judgement.orphans
            if judgement.is_open:
                self._open[key.uid] = key
        for each in found:
            await self._histories.delete(key, each)
        return len(found)

    async def tidy(self) -> int:
        """Collect what is suspected; return how many objects were deleted.

        Raises nothing but cancellation: what fails is tried again in the next round.
        """
        suspects, self._suspects = self._suspects, {}
        done = 0
        for number, (uid, key) in enumerate(suspects.items()):
            if number >= MAX_TIDIED:
                self._suspects.setdefault(uid, key)
                continue
            try:
                done += await self.collect(key)
            except PerdureError as error:
                self._suspects[uid] = key
                logger.info(
                    "orphans could not be deleted; it is tried again",
                    extra={"instance": key.name, "error": str(error)},
                )
        return done


def ends_a_takeover(turn: Turn) -> bool:
    """Return whether the turn ends an attempt that had been taken over from a dead process.

    That one may have died between creating objects for its answer and their commit. Now the
    history has passed the events that they were made for.
    """
    open_now = turn.state.activities
    return any(
        activity.claim.delivery > 1 and scheduled_id not in open_now
        for scheduled_id, activity in turn.base.state.activities.items()
    )
