"""Which lanes this process owns: taking those that nobody holds, giving back what is too much.

Leases say who lives and which lanes each holds, so that processes keep out of each other's way;
whether a lane is really ours only its claim decides. Source: docs/log.md#spreading.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from perdure.errors import LogDamagedError, NewerLogError, PerdureError, SettingsError
from perdure.kubernetes.leases import identity_of
from perdure.kubernetes.log.claiming import Claimant, Claimed, Closed, Overtaken
from perdure.kubernetes.log.store import LogStore
from perdure.kubernetes.log.writer import LogWriter
from perdure.kubernetes.presence import LeasePresence
from perdure.lanes.carrying import OwnedRing
from perdure.lanes.ring import LaneView
from perdure.lanes.spreading import CROWDED_SECONDS, Share, surplus, wanted
from perdure.ports import Clock

logger = logging.getLogger(__name__)

FENCED_SECONDS = 10.0
"""For so long one does not claim a lane back that another has taken: it may yet list it."""
DAMAGED_SECONDS = 60.0
"""Until a lane that is damaged is looked at again: an administrator has to repair it."""
LIST_SECONDS = 1.0
"""Until the Lease is tried again where it could not list a lane that was taken."""
QUIET_SECONDS = 1.0
"""How often is looked whether a lane that is to be given back has calls open."""


class Tenants(Protocol):
    """The instances, as they change hands: `perdure.runtime.instances.Instances`."""

    def gained(self, is_meant: Callable[[str], bool]) -> None:
        """Take instances over, by uid."""
        ...

    async def lost(self, is_meant: Callable[[str], bool]) -> None:
        """Leave instances to others, and abort their calls."""
        ...

    def has_calls(self, is_meant: Callable[[str], bool]) -> bool:
        """Return whether calls of these instances are open here."""
        ...


class LaneKeeper:
    """Claims and releases lanes for one process.

    `newest` returns a version of instances that is read when it is called: what is told at a later
    version has seen everything before. Sets `over` when the generation of lanes is closed: the
    process has to be started again.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        presence: LeasePresence,
        writer: LogWriter,
        store: LogStore,
        tenants: Callable[[], Tenants],
        newest: Callable[[], Awaitable[int]],
        identity: str,
        lanes: int,
    ) -> None:
        self._clock = clock
        self._presence = presence
        self._writer = writer
        self._store = store
        self._tenants = tenants
        self._newest = newest
        self._identity = identity
        self._lanes = range(lanes)
        self._owned: set[int] = set()
        self._taking: set[int] = set()
        """Lanes whose claim stands, and that are not served yet."""
        self._listed: set[int] = set()
        """Lanes of ours in which others may still send calls: they listed them at the last look,
        or no look has begun since we took them."""
        self._claimed_at: dict[int, float] = {}
        self._free_since: dict[int, float] = {}
        self._not_before: dict[int, float] = {}
        self._crowded_since: float | None = None
        self._losses: set[asyncio.Task[None]] = set()
        self.over = asyncio.Event()

    @property
    def owned(self) -> frozenset[int]:
        """The lanes of this process, as far as it knows."""
        return frozenset(self._owned)

    def has_let_go(self, incarnation: str, uid: str) -> bool:
        """Return whether a process makes no calls in the lane of an instance of ours any more.

        Whoever takes a lane lists it before it calls, and as long as it may. So a look that began
        after our claim shows it, if it can still be sending.
        """
        lane, look = self._store.lane_of(uid), self._presence.newest_look
        if lane not in self._owned or look is None or look.began <= self._claimed_at[lane]:
            return False
        lists = [one.lanes for one in look.leases.values() if one.holder == incarnation]
        return bool(lists) and all(lane not in lanes for lanes in lists)

    # --- taking -----------------------------------------------------------------------------

    async def run(self, claimant: Claimant) -> None:
        """Look after the lanes of a generation; ends by cancellation only."""
        self._presence.follow_all()
        while True:
            await self._presence.next_look()
            shares = self._shares()
            self._note_free(shares)
            self._note_let_go(shares)
            if not self._presence.may_send:
                continue
            for lane in wanted(self._identity, shares, self._free_seconds(), len(self._lanes)):
                await self._try(claimant, lane)
            await self._give_back(shares)

    def _shares(self) -> list[Share]:
        others = [
            Share(identity_of(lease.holder), lease.lanes) for lease in self._presence.living()
        ]
        return [Share(self._identity, self.owned), *others]

    def _note_free(self, shares: list[Share]) -> None:
        now = self._clock.monotonic()
        held = {lane for share in shares for lane in share.lanes}
        for lane in self._lanes:
            if lane in held:
                self._free_since.pop(lane, None)
            else:
                self._free_since.setdefault(lane, now)

    def _note_let_go(self, shares: list[Share]) -> None:
        """Give a turn to what another process has let go of: its calls can be taken over now."""
        others = {lane for share in shares[1:] for lane in share.lanes}
        for lane in (self._listed & self._owned) - others:
            self._tenants().gained(self._is_in(lane))
        self._listed = others & self._owned

    def _free_seconds(self) -> dict[int, float]:
        now = self._clock.monotonic()
        return {
            lane: now - since
            for lane, since in self._free_since.items()
            if now >= self._not_before.get(lane, now)
        }

    async def _try(self, claimant: Claimant, lane: int) -> None:
        try:
            view = await claimant.read(lane)
            match await claimant.claim(view):
                case Claimed(view=claimed):
                    await self._take(lane, claimed)
                case Overtaken():
                    self._wait(lane, FENCED_SECONDS)
                case Closed(next_lanes=count):
                    logger.error("The lanes were closed for another number of them: %d", count)
                    self.over.set()
        except (LogDamagedError, NewerLogError, SettingsError) as error:
            logger.error("A lane cannot be taken", extra=self._about(lane, error))
            self._wait(lane, DAMAGED_SECONDS)
        except PerdureError as error:
            logger.info("A lane cannot be taken yet", extra=self._about(lane, error))

    async def _take(self, lane: int, view: LaneView) -> None:
        """Begin to own a lane whose claim stands: first of all others are told of it."""
        self._taking.add(lane)
        try:
            while not await self._list():
                if self._presence.lost.is_set():
                    return
                await self._clock.sleep(LIST_SECONDS)
            since = await self._newest()
            self._owned.add(lane)
        except PerdureError:
            self._taking.discard(lane)
            await self._list()  # Else others wait for ever for calls of ours to end there.
            raise
        finally:
            self._taking.discard(lane)
        self._claimed_at[lane] = self._clock.monotonic()
        self._listed.add(lane)
        self._free_since.pop(lane, None)
        self._store.adopt(lane, since, view.turns())
        self._writer.adopt(OwnedRing(view))
        logger.info("A lane is taken", extra={"lane": lane})
        self._tenants().gained(self._is_in(lane))
        await self._store.shelf.show_left_over(lane)

    def _wait(self, lane: int, seconds: float) -> None:
        self._not_before[lane] = self._clock.monotonic() + seconds

    # --- losing -----------------------------------------------------------------------------

    def fenced(self, lane: int) -> None:
        """Take note that another process has claimed a lane of ours."""
        logger.warning("A lane was taken by another process", extra={"lane": lane})
        self._lose(lane, FENCED_SECONDS)

    def damaged(self, lane: int, message: str) -> None:
        """Take note that a lane of ours cannot be written any more."""
        logger.error("A lane is damaged", extra={"lane": lane, "error": message})
        self._lose(lane, DAMAGED_SECONDS)

    def _lose(self, lane: int, seconds: float) -> None:
        self._wait(lane, seconds)
        self._store.lose(lane)
        task = asyncio.create_task(self._leave(lane))
        self._losses.add(task)
        task.add_done_callback(self._losses.discard)

    async def _leave(self, lane: int) -> None:
        """Abort what is open in a lane, and only then say that it is not ours."""
        await self._tenants().lost(self._is_in(lane))
        self._owned.discard(lane)
        await self._list()

    async def _list(self) -> bool:
        """Show in the Lease where calls may be made; return whether that is written."""
        return await self._presence.list_lanes(self._owned | self._taking)

    async def _give_back(self, shares: list[Share]) -> None:
        extra = surplus(self._identity, shares, len(self._lanes))
        now = self._clock.monotonic()
        if extra is None:
            self._crowded_since = None
            return
        if self._crowded_since is None:
            self._crowded_since = now
        if now - self._crowded_since < CROWDED_SECONDS:
            return
        lane, heir = extra
        if self._tenants().has_calls(self._is_in(lane)) and now - self._crowded_since < (
            2 * CROWDED_SECONDS
        ):
            return
        self._crowded_since = None
        await self._release(lane, heir)

    async def _release(self, lane: int, heir: str | None) -> None:
        if await self._writer.release(lane, heir):
            logger.info("A lane is given back", extra={"lane": lane, "heir": heir})
            self._lose(lane, FENCED_SECONDS)

    async def release_all(self) -> None:
        """Give every lane back, as a process does that ends in good order."""
        _, *heirs = self._shares()
        for lane in sorted(self._owned):
            heir = min(heirs, key=lambda share: len(share.lanes), default=None)
            await self._writer.release(lane, None if heir is None else heir.identity)

    # --- both -------------------------------------------------------------------------------

    def _is_in(self, lane: int) -> Callable[[str], bool]:
        return lambda uid: self._store.lane_of(uid) == lane

    def _about(self, lane: int, error: Exception) -> dict[str, object]:
        return {"lane": lane, "error": str(error)}
