"""A keeper of lanes among fakes, on a clock that the test moves; what it does is on record."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import cast

from tests.kubernetes.clocks import ManualClock
from tests.kubernetes.log.laboratory import ME, turn
from tests.kubernetes.waiting import until

from perdure.errors import PerdureError
from perdure.kubernetes.leases import Lease, identity_of, lease_name
from perdure.kubernetes.log.claiming import Claimant, Claimed, ClaimResult
from perdure.kubernetes.log.keeper import LaneKeeper
from perdure.kubernetes.log.store import LogStore
from perdure.kubernetes.log.writer import LogWriter
from perdure.kubernetes.presence import LeasePresence, Look
from perdure.lanes.carrying import OwnedRing
from perdure.lanes.entry import Entry, EntryKind, LoggedTurn
from perdure.lanes.ring import LaneView, Slot, slot_name

IDENTITY = identity_of(ME)
NEWEST = 4711
"""The version of instances that is read after a claim."""


class ScriptedPresence:
    """Leases as the test shows them; `lists` is what our own one listed, oldest first."""

    def __init__(self, record: list[str]) -> None:
        self._record = record
        self.may_send = True
        self.lost = asyncio.Event()
        self.newest_look: Look | None = None
        self.follows_all = False
        self.can_list = True
        self.lists: list[frozenset[int]] = [frozenset()]
        self.dead: set[str] = set()
        self._asked: asyncio.Future[Look] | None = None

    @property
    def is_asked(self) -> bool:
        """Return whether a look is waited for."""
        return self._asked is not None and not self._asked.done()

    @property
    def listed(self) -> frozenset[int]:
        return self.lists[-1]

    def follow_all(self) -> None:
        self.follows_all = True

    async def next_look(self) -> Look:
        self._asked = asyncio.get_running_loop().create_future()
        return await self._asked

    async def list_lanes(self, lanes: Collection[int]) -> bool:
        if self.can_list:
            self.lists.append(frozenset(lanes))
            self._record.append(f"list {sorted(lanes)}")
        return self.can_list

    def living(self) -> list[Lease]:
        leases = {} if self.newest_look is None else self.newest_look.leases
        return [one for one in leases.values() if one.holder not in self.dead]

    def is_dead(self, incarnation: str) -> bool:
        return incarnation in self.dead

    def show(self, began: float, others: Mapping[str, Collection[int]]) -> None:
        """Answer who waits for a look with these holders and their lanes."""
        leases = {
            lease_name(identity_of(holder)): Lease(holder, "1", frozenset(lanes))
            for holder, lanes in others.items()
        }
        self.newest_look = Look(began, leases)
        assert self._asked is not None, "a look is waited for"
        self._asked.set_result(self.newest_look)


class ScriptedClaimant:
    """Every lane can be claimed, with the turns in `standing`, unless the next outcome is another.

    A claim takes `seconds`.
    """

    def __init__(self, clock: ManualClock, record: list[str]) -> None:
        self._clock, self._record = clock, record
        self.seconds = 0.0
        self.outcomes: dict[int, list[ClaimResult | PerdureError]] = {}
        self.standing: dict[int, list[LoggedTurn]] = {}
        self.tries: list[tuple[int, float]] = []
        """Which lane was read to be claimed, and when."""

    async def read(self, lane: int) -> LaneView:
        self.tries.append((lane, self._clock.monotonic()))
        return claimed_view(lane, self.standing.get(lane, ()))

    async def claim(self, view: LaneView) -> ClaimResult:
        self._clock.advance(self.seconds)
        waiting = self.outcomes.get(view.tail.lane)
        outcome = waiting.pop(0) if waiting else Claimed(view)
        if isinstance(outcome, PerdureError):
            raise outcome
        self._record.append(f"claim {view.tail.lane}")
        return outcome


def claimed_view(lane: int, turns: Iterable[LoggedTurn]) -> LaneView:
    """Return a lane of one slot, as it is after a claim of ours."""
    entry = Entry(
        generation=1,
        lanes=4,
        lane=lane,
        seq=1,
        kind=EntryKind.CLAIM,
        incarnation=ME,
        carried=tuple(turns),
    )
    return LaneView((Slot(slot_name(1, lane, 0), "1", entry),))


class RecordedWriter:
    """`refuses` are lanes that were lost before they could be released."""

    def __init__(self, record: list[str]) -> None:
        self._record = record
        self.refuses: set[int] = set()

    def adopt(self, owned: OwnedRing) -> None:
        self._record.append(f"write {owned.lane}")

    async def release(self, lane: int, heir: str | None) -> bool:
        self._record.append(f"release {lane} to {heir}")
        return lane not in self.refuses


class RecordedStore:
    """The lane of an instance is the number at the end of its uid. It is its own shelf."""

    def __init__(self, record: list[str]) -> None:
        self._record = record
        self.adopted: dict[int, tuple[int, list[LoggedTurn]]] = {}
        self.shelf = self

    def lane_of(self, uid: str) -> int:
        return int(uid.rpartition("-")[2])

    def adopt(self, lane: int, since: int, turns: Iterable[LoggedTurn]) -> None:
        self._record.append(f"adopt {lane}")
        self.adopted[lane] = since, list(turns)

    def lose(self, lane: int) -> None:
        self._record.append(f"lose {lane}")
        del self.adopted[lane]

    async def show_left_over(self, lane: int) -> None:
        self._record.append(f"show {lane}")


class RecordedTenants:
    """One instance per lane. `gate` holds the abortion of calls up; `calls` are lanes with some."""

    def __init__(self, record: list[str], lanes: int) -> None:
        self._record, self._lanes = record, range(lanes)
        self.gate = asyncio.Event()
        self.gate.set()
        self.calls: set[int] = set()

    def gained(self, is_meant: Callable[[str], bool]) -> None:
        self._record.append(f"gain {self._meant(is_meant)}")

    async def lost(self, is_meant: Callable[[str], bool]) -> None:
        await self.gate.wait()
        self._record.append(f"abort {self._meant(is_meant)}")

    def has_calls(self, is_meant: Callable[[str], bool]) -> bool:
        return self._meant(is_meant) in self.calls

    def _meant(self, is_meant: Callable[[str], bool]) -> int:
        (lane,) = [lane for lane in self._lanes if is_meant(uid_in(lane))]
        return lane


def uid_in(lane: int) -> str:
    """Return the uid of the instance of a lane."""
    return f"uid-{lane}"


def turn_in(lane: int) -> LoggedTurn:
    return turn(uid_in(lane), 1)


class Stage:
    """A keeper of so many lanes, and everybody around it. `record` is what they did, in order."""

    def __init__(self, lanes: int = 4) -> None:
        self._lanes = lanes
        self.record: list[str] = []
        self.clock = ManualClock()
        self.presence = ScriptedPresence(self.record)
        self.claimant = ScriptedClaimant(self.clock, self.record)
        self.writer = RecordedWriter(self.record)
        self.store = RecordedStore(self.record)
        self.tenants = RecordedTenants(self.record, lanes)
        self.failing: PerdureError | None = None
        """What the next reading of the newest version meets."""
        self.keeper = LaneKeeper(
            clock=self.clock,
            presence=cast("LeasePresence", self.presence),
            writer=cast("LogWriter", self.writer),
            store=cast("LogStore", self.store),
            tenants=lambda: self.tenants,
            newest=self._newest,
            identity=IDENTITY,
            lanes=lanes,
        )

    async def _newest(self) -> int:
        failing, self.failing = self.failing, None
        if failing is not None:
            raise failing
        self.record.append("newest")
        return NEWEST

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.keeper.run(cast("Claimant", self.claimant)))
        try:
            yield
            assert not task.done()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def begin_look(
        self, others: Mapping[str, Collection[int]] | None = None, *, after: float = 0.0
    ) -> None:
        """Show the Leases of others, so many seconds later; what follows may be held up."""
        self.clock.advance(after)
        self.presence.show(self.clock.monotonic(), others or {})

    async def look(
        self, others: Mapping[str, Collection[int]] | None = None, *, after: float = 0.0
    ) -> None:
        """Show the Leases of others, so many seconds later, and wait until all that follows is
        done."""
        await until(lambda: self.presence.is_asked)
        self.begin_look(others, after=after)
        await until(lambda: self.presence.is_asked)

    async def take_all(self) -> None:
        """Take all lanes; the first look after that is over."""
        await self.look()
        await self.look(after=2.0)
        assert len(self.keeper.owned) == self._lanes
        self.taken()
        self.tries()

    async def left(self, lane: int) -> None:
        """Wait until a lane is not ours any more, and no calls are open in it."""
        await until(lambda: lane not in self.keeper.owned and lane not in self.presence.listed)

    def taken(self) -> list[str]:
        """Return what has happened since the last look at the record."""
        happened = [*self.record]
        self.record.clear()
        return happened

    def tries(self) -> list[int]:
        """Return the lanes that were tried since the last look at them."""
        tries = [lane for lane, _ in self.claimant.tries]
        self.claimant.tries.clear()
        return tries
