"""What the reflector finds to show, and what becomes known by showing it.

Source: docs/log.md#reflecting.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from perdure.engine.values import JsonObject
from perdure.errors import PerdureError
from perdure.kubernetes.log.holding import Held, absorbed, reflection_of, shown
from perdure.kubernetes.log.reading import LogReader
from perdure.kubernetes.log.reflection import Reflection
from perdure.kubernetes.log.showing import AT_ONCE
from perdure.kubernetes.log.statuses import Gone, Moved, Outcome, Refused, Shown
from perdure.kubernetes.tidying import Tidying
from perdure.kubernetes.versions import version_of
from perdure.ports import InstanceKey

logger = logging.getLogger(__name__)

LOADS_AT_ONCE = 8
"""Instances that are read at once after a claim, to show what their last owner left."""


class StatusShelf:
    """The `perdure.kubernetes.log.reflector.Shelf` over what is held.

    `wants` asks for a status to be written within so many seconds. `is_shown` is told uid and rev
    of what a status shows, `news` of each instance whose spec has changed where no watch will tell
    it.
    """

    def __init__(
        self,
        reader: LogReader,
        tidying: Tidying,
        *,
        wants: Callable[[str, float], None],
        is_shown: Callable[[str, int], None],
        news: Callable[[InstanceKey], None],
    ) -> None:
        self._reader = reader
        self._tidying = tidying
        self._wants = wants
        self._is_shown = is_shown
        self._news = news

    async def show_left_over(self, lane: int) -> None:
        """Have everything shown that stands in a lane since before its claim.

        Raises nothing but cancellation: what cannot be read now is shown when it moves.
        """
        pending = self._reader.left_over(lane)

        async def work() -> None:
            while pending:
                key = pending.pop()
                try:
                    await self._reader.load(key, fresh=True)
                except PerdureError as error:
                    logger.info(
                        "turns of an earlier owner cannot be shown yet",
                        extra={"instance": key.name, "error": str(error)},
                    )
                    continue
                held = self._reader.held(key.uid)
                if held is not None:
                    held.is_told = False  # It may be read before a watch has told of it.
                    self._wants(key.uid, AT_ONCE)

        await asyncio.gather(*(work() for _ in range(LOADS_AT_ONCE)))

    def unshown(self) -> list[str]:
        """Return the uids of what is held and not shown."""
        return [held.snapshot.key.uid for held in self._reader if not held.is_shown]

    def take(self, uid: str) -> Reflection | None:
        """Return what a status is to show; None if it shows all, or the instance is not ours."""
        held = self._reader.held(uid)
        if held is None or held.is_shown or held.is_damaged:
            return None
        return reflection_of(held)

    def told(self, uid: str, outcome: Outcome) -> None:
        """Go on from what became of a status write."""
        held = self._reader.held(uid)
        if held is None:
            return  # Its lane was lost, or a watch told that it is gone.
        match outcome:
            case Shown(basis=basis, body=body):
                # A body that was read meanwhile has all of it already, and more.
                if body is not None and version_of(body) > held.snapshot.version:
                    self._go_on(held, shown(held, body, basis))
            case Moved(body=body):
                self._absorb(held, body)
            case Gone():
                self._reader.found_gone(held.snapshot.key)
            case Refused(message=message):
                logger.error(
                    "The status of an instance cannot be written; what has happened is in the log",
                    extra={"instance": held.snapshot.key.name, "error": message},
                )

    def _absorb(self, held: Held, body: JsonObject) -> None:
        if version_of(body) <= held.snapshot.version:
            return
        try:
            self._go_on(held, absorbed(held, body))
        except PerdureError:
            held.is_damaged = True
            self._news(held.snapshot.key)  # A turn reads it again, and says what is wrong.

    def _go_on(self, before: Held, after: Held) -> None:
        """Hold what is shown now; tell of an edit that came before it: no watch will, any more."""
        key = after.snapshot.key
        if after.basis.rev is not None and after.basis.rev != before.basis.rev:
            self._is_shown(key.uid, after.basis.rev)
        self._reader.keep(after)
        self._tidying.moved(key.uid)
        is_edited = after.snapshot.generation != before.snapshot.generation
        if is_edited or after.snapshot.is_deleting != before.snapshot.is_deleting:
            self._news(key)
