"""Making lanes whole of which slots are missing, for the price of what stood there.

Only what is missing, or was made anew empty, is written. Source:
docs/log.md#what-an-administrator-may-do.
"""

from __future__ import annotations

from perdure.errors import (
    NotOwnedError,
    ObjectConflictError,
    ObjectNotFoundError,
    UnknownOutcomeError,
    WrongStateError,
)
from perdure.kubernetes.log.draining import LaneHolder
from perdure.kubernetes.log.slots import Generation, Slots
from perdure.kubernetes.log.surveying import LaneSurvey
from perdure.lanes.mending import Loss
from perdure.lanes.settling import place_of
from perdure.ports import Clock


class Repairer:
    """Fills what lanes of one generation lack, in the name of `incarnation`."""

    def __init__(
        self, slots: Slots, clock: Clock, generation: Generation, incarnation: str
    ) -> None:
        self._slots, self._clock = slots, clock
        self._generation, self._incarnation = generation, incarnation

    async def fill(self, survey: LaneSurvey) -> None:
        """Fill what a survey found lost, one slot after the other; cut off, another survey finds
        the rest.

        Raises WrongStateError where something else stands in such a slot now, and what
        `ports.Objects.create` and `replace` do.
        """
        for loss in survey.losses:
            try:
                await self._fill(loss, survey.lane)
            except (ObjectConflictError, ObjectNotFoundError) as error:
                raise WrongStateError(
                    f"WorkflowLog {loss.name} was written meanwhile, not by us: run this again"
                ) from error

    async def _fill(self, loss: Loss, lane: int) -> None:
        generation, nonce = self._generation, self._clock.token()
        entry = loss.entry(generation.lanes, generation.number, lane, self._incarnation, nonce)
        try:
            if loss.blank is None:
                await self._slots.create(entry, loss.number)
            else:
                place = place_of(loss.blank)
                await self._slots.replace(self._slots.written(place, entry, loss.number))
        except UnknownOutcomeError as error:
            raise WrongStateError(
                f"WorkflowLog {loss.name} may have been written or not: run this again ({error})"
            ) from error


async def settle(holder: LaneHolder, lane: int) -> str:
    """Read a lane that was filled, as operators do, claim and release it; return what it is then:
    "released", "closed", or "claimed by another process".

    The claim proves that nobody has written since it was read, and fences whoever owned the lane
    before. Raises LogDamagedError where it is not whole, and what else `LaneHolder.take` and
    `finish` do.
    """
    try:
        if await holder.take(lane) is not None:
            return "closed"
        await holder.finish(lane)
    except NotOwnedError:
        return "claimed by another process"  # Which has read it to its end, too.
    return "released"
