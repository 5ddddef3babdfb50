"""Writing one entry of a lane: sent until it is known what stands in its slot.

Several tries may be on their way at once, of the same bytes or of others after a refusal. All of
them name the resourceVersion of what they replace, so that at most one lands. Source:
docs/log.md#writing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TypeAlias, TypeVar

from perdure.errors import (
    LogDamagedError,
    NewerLogError,
    ObjectRejectedError,
    PerdureError,
    TransientError,
)
from perdure.kubernetes.backoff import Backoff
from perdure.kubernetes.log.slots import Slots
from perdure.lanes.entry import Entry
from perdure.lanes.ring import slot_of
from perdure.lanes.settling import (
    Damaged,
    Fenced,
    Place,
    SendAgain,
    Stands,
    settle,
)
from perdure.ports import Clock

LOG = logging.getLogger(__name__)

HEDGE_SECONDS = 1.0
"""Without an answer for so long the same bytes go again: one connection may hang."""
MOST_CALLS = 3
"""Copies of one entry that are on their way at once."""
TOO_LARGE = 413

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Placed:
    """An entry that stands, at this resourceVersion."""

    entry: Entry
    version: str


@dataclass(frozen=True, slots=True)
class Declined:
    """The entry is refused for what it says (400, 413, 422), and stands nowhere. It may yet land:
    what refused one copy may let another pass."""

    message: str
    is_too_large: bool


Decision: TypeAlias = Placed | Fenced | Damaged


class Placing:
    """What is tried for one slot, until one of the tries stands or none can.

    A context manager: what is still on its way at the end is given up, as it cannot land any more,
    or its writer has ended.
    """

    def __init__(self, slots: Slots, clock: Clock, place: Place) -> None:
        self._slots, self._clock, self._place = slots, clock, place
        self._tries: dict[str, Entry] = {}
        """Every entry that was ever sent, by nonce."""
        self._calls: dict[asyncio.Task[str], Entry] = {}
        self._backoff = Backoff(clock)

    def __enter__(self) -> Placing:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for call in self._calls:
            call.add_done_callback(_heard)
            call.cancel()
        self._calls.clear()

    async def insist(self, make: Callable[[], Entry]) -> Decision:
        """Send an entry, made anew after each refusal, until one of them is decided.

        For those without new turns: what refuses them would refuse anything, and passes.
        """
        while True:
            answer = await self.offer(make())
            if not isinstance(answer, Declined):
                return answer
            placed = await self._unless_placed(self._backoff.failed())
            if isinstance(placed, Placed):
                return placed

    async def offer(self, entry: Entry) -> Decision | Declined:
        """Send an entry until it, or one that was offered before, is decided, or it is refused."""
        self._tries[entry.nonce] = entry
        while True:
            self._send(entry)
            error = await self._answered(entry)
            if isinstance(error, Placed):
                return error
            seen = await self._unless_placed(self._looked())
            if isinstance(seen, Placed | Fenced | Damaged):
                return seen
            LOG.warning("entry not written", extra={"slot": self._place.name, "error": str(error)})
            if isinstance(error, ObjectRejectedError):
                return Declined(str(error), error.status == TOO_LARGE)
            rest = self._backoff.failed(getattr(error, "retry_after", None))
            placed = await self._unless_placed(rest)
            if isinstance(placed, Placed):
                return placed

    # --- calls ------------------------------------------------------------------------------

    def _send(self, entry: Entry) -> None:
        if sum(each is entry for each in self._calls.values()) < MOST_CALLS:
            body = self._slots.written(self._place, entry, slot_of(entry.seq))
            self._calls[asyncio.ensure_future(self._slots.replace(body))] = entry

    async def _answered(self, entry: Entry) -> Placed | PerdureError:
        """Return the answer to a copy of an entry, or that an earlier one stands.

        Without one the entry goes again every HEDGE_SECONDS.
        """
        while True:
            timer = asyncio.ensure_future(self._clock.sleep(HEDGE_SECONDS))
            try:
                await asyncio.wait([*self._calls, timer], return_when=asyncio.FIRST_COMPLETED)
                answers = self._collected()
                for whose, answer in answers:
                    if isinstance(answer, Placed) or whose is entry:
                        return answer
                if timer.done():
                    self._send(entry)
            finally:
                timer.cancel()

    def _collected(self) -> list[tuple[Entry, Placed | PerdureError]]:
        """Return the answers that came since the last look, those of success first."""
        answers: list[tuple[Entry, Placed | PerdureError]] = []
        for call in [call for call in self._calls if call.done()]:
            entry = self._calls.pop(call)
            try:
                answers.insert(0, (entry, Placed(entry, call.result())))
            except PerdureError as error:
                answers.append((entry, error))
        return answers

    async def _unless_placed(self, work: Awaitable[Result]) -> Result | Placed:
        """Return what `work` comes to, unless one of our calls succeeds meanwhile."""
        task = asyncio.ensure_future(work)
        try:
            while not task.done():
                await asyncio.wait([*self._calls, task], return_when=asyncio.FIRST_COMPLETED)
                for _, answer in self._collected():
                    if isinstance(answer, Placed):
                        return answer
            return task.result()
        finally:
            task.cancel()

    # --- looks ------------------------------------------------------------------------------

    async def _looked(self) -> Placed | Fenced | Damaged | SendAgain:
        """Return what a quorum read of the slot says, after as many tries as it takes."""
        while True:
            try:
                seen = await self._slots.get(self._place.name)
            except NewerLogError:
                return Fenced()  # None of ours is in a form that we cannot read.
            except LogDamagedError as error:
                return Damaged(str(error))
            except PerdureError as error:
                LOG.warning("slot not read", extra={"slot": self._place.name, "error": str(error)})
                after = error.retry_after if isinstance(error, TransientError) else None
                await self._backoff.failed(after)
                continue
            verdict = settle(seen, self._place, self._tries)
            if isinstance(verdict, Stands):
                assert seen is not None, "what stands was seen"
                return Placed(self._tries[verdict.nonce], seen.version)
            return verdict


def _heard(call: asyncio.Task[str]) -> None:
    """Take note of what nobody waits for, so that it is not taken for forgotten."""
    if not call.cancelled():
        call.exception()
