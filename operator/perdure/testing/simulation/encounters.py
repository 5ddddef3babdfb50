"""What one process meets when it sends something: the fates are asked, and strike it first."""

from __future__ import annotations

import asyncio

from perdure.testing.simulation.fates import Fate, Fates, Fault, Occasion, Record
from perdure.testing.simulation.hosts import Host
from perdure.testing.simulation.points import Point
from perdure.testing.simulation.scheduler import Scheduler


class RefusedError(Exception):
    """Nothing was sent: nobody listens at the other end."""


class Encounters:
    """Asks the fates on behalf of one host, and does to its process what comes before sending."""

    def __init__(
        self, host: Host, scheduler: Scheduler, fates: Fates, record: Record, *, is_operator: bool
    ) -> None:
        self._host = host
        self._scheduler = scheduler
        self._fates = fates
        self._record = record
        self._is_operator = is_operator

    async def meet(self, point: Point, *, is_write: bool) -> Fate | None:
        """Return what becomes of a message that is about to be sent.

        The process may end here, or stand still. Raises RefusedError if nothing is to be sent.
        """
        fate = self._decided(point, is_write=is_write)
        if fate is None:
            return None
        match fate.fault:
            case Fault.CRASH_BEFORE:
                self._host.crash(fate.seconds)
                await asyncio.get_running_loop().create_future()  # for ever
            case Fault.PAUSE | Fault.STALL if fate.variant != "after":
                self._host.pause(fate.seconds)
                await asyncio.sleep(0)
            case Fault.REQUEST_LOST if fate.variant == "refused":
                await asyncio.sleep(0)
                raise RefusedError
            case _:
                pass
        return fate

    def _decided(self, point: Point, *, is_write: bool) -> Fate | None:
        self._host.number += 1
        occasion = Occasion(
            process=self._host.name,
            number=self._host.number,
            point=point,
            at=self._scheduler.now,
            is_operator=self._is_operator,
            is_write=is_write,
        )
        fate = self._fates.decide(occasion)
        if fate is not None:
            self._record.add(occasion, fate)
            self._scheduler.note(f"{self._host.name} message {occasion.number} meets {fate}")
        return fate
