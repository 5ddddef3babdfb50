"""Another number of lanes: all of them are closed, and the next generation is opened.

Lane 0 is closed first, and all others with the number that stands there: so two who want different
numbers cannot both have their way. Source: docs/log.md#what-an-administrator-may-do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from perdure.errors import WrongStateError
from perdure.kubernetes.log.draining import LaneHolder, Unshown
from perdure.kubernetes.log.opening import Opener
from perdure.kubernetes.log.slots import Generation, Slots
from perdure.kubernetes.log.surveying import Surveyor
from perdure.lanes.entry import EntryKind
from perdure.ports import Clock


@dataclass(frozen=True, slots=True)
class Resized:
    """What a resize came to: the newest generation, and how many turns were shown for it.

    With something in `unshown` nothing was closed.
    """

    generation: Generation
    turns: int = 0
    unshown: tuple[Unshown, ...] = ()


class Resizer:
    """Closes lanes and opens others. `holder` makes what owns lanes of a generation."""

    def __init__(
        self, slots: Slots, clock: Clock, holder: Callable[[Generation], LaneHolder]
    ) -> None:
        self._slots, self._clock, self._holder = slots, clock, holder

    async def resize(self, count: int, limit_seconds: float) -> Resized:
        """Close all lanes and open `count` of them, or go on where that was cut off.

        Statuses have `limit_seconds` to show what stands in the lanes. Raises WrongStateError where
        there is no log, or one that is being closed or opened for another number; NotOwnedError
        where another process claims a lane meanwhile; LogDamagedError and what else
        `Claimant.read`, `Claimant.claim` and `Opener.open` raise.
        """
        generation = await Surveyor(self._slots, self._clock).generation()
        if generation is None:
            raise WrongStateError(
                f"there is no log yet: the first operator with --lanes {count} opens it"
            )
        if await self._is_opening(generation):
            check_is_wanted(generation.lanes, count)
            return Resized(await self._opened(count))
        async with self._holder(generation) as holder:
            if generation.lanes == count and not await _is_begun(holder, generation):
                return Resized(generation)
            turns, unshown = await _closed(holder, generation, count, limit_seconds)
        if unshown:
            return Resized(generation, turns, tuple(unshown))
        return Resized(await self._opened(count), turns)

    async def _is_opening(self, generation: Generation) -> bool:
        first = (await self._slots.firsts()).get((generation.number, 0))
        return first is not None and first.entry.kind is EntryKind.OPENING

    async def _opened(self, count: int) -> Generation:
        return await Opener(self._slots, self._clock, count).open()


async def _is_begun(holder: LaneHolder, generation: Generation) -> bool:
    """Return whether any lane is closed."""
    views = [await holder.claimant.read(lane) for lane in range(generation.lanes)]
    return any(view.tail.kind is EntryKind.CLOSED for view in views)


async def _closed(
    holder: LaneHolder, generation: Generation, count: int, limit_seconds: float
) -> tuple[int, list[Unshown]]:
    """Close all lanes that are not; return how many turns were shown for it, and what was not
    shown: nothing is closed then."""
    lanes = [lane for lane in range(generation.lanes) if await _taken(holder, lane, count)]
    shown, unshown = await holder.show(limit_seconds)
    for lane in lanes:  # In this order: the number in lane 0 is the one that counts.
        await holder.finish(lane, None if unshown else count)
    return sum(shown.values()), unshown


async def _taken(holder: LaneHolder, lane: int, count: int) -> bool:
    """Claim a lane; return False where it is closed already."""
    closed = await holder.take(lane)
    if closed is not None:
        check_is_wanted(closed.next_lanes, count)
    return closed is None


def check_is_wanted(found: int, wanted: int) -> None:
    """Raise WrongStateError where a resize to another number was cut off."""
    if found != wanted:
        raise WrongStateError(
            f"a resize to {found} lanes was begun and not finished: finish it with `perdure store "
            f"resize {found}`, then resize to {wanted}"
        )
