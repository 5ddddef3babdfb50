"""The lanes that this process owns, and the way to them for turns. Source: docs/log.md#writing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection

from perdure.kubernetes.log.owning import OwnedLane, Tools
from perdure.kubernetes.log.slots import Slots
from perdure.kubernetes.log.turnstile import Turnstile
from perdure.lanes.carrying import OwnedRing
from perdure.lanes.entry import LoggedTurn
from perdure.lanes.ring import lane_of
from perdure.lanes.settling import Damaged, Fenced, Outcome
from perdure.ports import Clock

LOG = logging.getLogger(__name__)


class LogWriter:
    """Writes turns into lanes, for as long as `run` does.

    `lanes` is their number in the generation. When a lane is lost, its turns are answered first;
    then `on_fenced` is told the lane, or `on_damaged` the lane and why. `on_due` is told uids
    whose turns are to be shown before others: their slots come round. `slots` should give up a
    request after a few seconds: what became of it is found out by reading.
    """

    def __init__(
        self,
        slots: Slots,
        clock: Clock,
        lanes: int,
        *,
        on_fenced: Callable[[int], None],
        on_damaged: Callable[[int, str], None],
        on_due: Callable[[Collection[str]], None],
    ) -> None:
        self._count = lanes
        self._tools = Tools(slots=slots, clock=clock, turnstile=Turnstile(clock), on_due=on_due)
        self._on_fenced, self._on_damaged = on_fenced, on_damaged
        self._lanes: dict[int, OwnedLane] = {}
        self._adopted: asyncio.Queue[OwnedLane] = asyncio.Queue()

    @property
    def lanes(self) -> frozenset[int]:
        """The lanes that are owned, as far as is known."""
        return frozenset(self._lanes)

    def adopt(self, owned: OwnedRing) -> None:
        """Own a lane from here on: its claim stands."""
        assert owned.lane not in self._lanes, f"lane {owned.lane} is owned already"
        assert owned.lanes == self._count, "lanes are of one generation"
        self._lanes[owned.lane] = lane = OwnedLane(owned, self._tools)
        self._adopted.put_nowait(lane)

    async def run(self) -> None:
        """Serve the lanes; ends by cancellation only. Then every turn is answered as fenced."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._serve_adopted(group))
        finally:
            for lane in self._lanes.values():
                lane.end()
            self._lanes.clear()

    async def _serve_adopted(self, group: asyncio.TaskGroup) -> None:
        while True:
            group.create_task(self._serve(await self._adopted.get()))

    async def _serve(self, owned: OwnedLane) -> None:
        loss = await owned.run()
        del self._lanes[owned.lane]
        match loss:
            case Fenced():
                LOG.warning("lane lost to another process", extra={"lane": owned.lane})
                self._on_fenced(owned.lane)
            case Damaged(message=message):
                LOG.error("lane damaged", extra={"lane": owned.lane, "error": message})
                self._on_damaged(owned.lane, message)
            case None:
                pass  # It was released: who asked for that knows.

    async def submit(self, turn: LoggedTurn) -> Outcome:
        """Commit a turn: return when it stands in its lane, or cannot any more.

        Fenced if the lane is not owned, or lost before the turn was decided: it may stand even so,
        and the next owner knows. A turn must not be submitted again before it is answered. It has
        to be decided on what was known since the lane was adopted, however often that was. Who is
        cancelled meanwhile does not hear, but the turn may be committed.
        """
        owned = self._lanes.get(lane_of(turn.key.uid, self._count))
        return Fenced() if owned is None else await owned.submit(turn)

    def shown(self, uid: str, rev: int) -> None:
        """A status shows the turns of an instance up to `rev`: they need not be carried."""
        owned = self._lanes.get(lane_of(uid, self._count))
        if owned is not None:
            owned.shown(uid, rev)

    def gone(self, uid: str) -> None:
        """An instance does not exist any more: its turns need not be carried."""
        owned = self._lanes.get(lane_of(uid, self._count))
        if owned is not None:
            owned.gone(uid)

    async def release(self, lane: int, heir: str | None) -> bool:
        """Give a lane up: what waits is answered as fenced, and `Released` is written last.

        Return whether it stands; False where the lane was lost before. `heir` is the identity
        that should claim it.
        """
        owned = self._lanes.get(lane)
        return False if owned is None else await owned.release(heir)
