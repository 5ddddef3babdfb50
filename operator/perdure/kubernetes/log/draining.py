"""Showing all that stands in lanes, by a command instead of an operator.

It claims them as any process does, so that whoever owned them is fenced. It commits no turns and
makes no calls. Source: docs/log.md#what-an-administrator-may-do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType

from perdure.errors import (
    LogDamagedError,
    NewerLogError,
    NotOwnedError,
    PerdureError,
    TransientError,
    UnknownOutcomeError,
)
from perdure.kubernetes.backoff import Backoff
from perdure.kubernetes.histories import Histories
from perdure.kubernetes.loading import Loader
from perdure.kubernetes.log.claiming import Claimant, Claimed, Closed
from perdure.kubernetes.log.holding import Held
from perdure.kubernetes.log.placing import Placed, Placing
from perdure.kubernetes.log.reading import LogReader
from perdure.kubernetes.log.reflection import Reflection
from perdure.kubernetes.log.reflector import Reflector
from perdure.kubernetes.log.shelf import StatusShelf
from perdure.kubernetes.log.slots import Generation, Slots
from perdure.kubernetes.log.statuses import Moved, Outcome, Refused
from perdure.kubernetes.reading import Bodies
from perdure.kubernetes.tidying import Tidying
from perdure.lanes.carrying import OwnedRing
from perdure.lanes.entry import EntryKind
from perdure.lanes.settling import Damaged
from perdure.ports import Clock, InstanceKey, Objects

LOADS_AT_ONCE = 8
"""Instances that are read at once."""


@dataclass(frozen=True, slots=True)
class Unshown:
    """An instance with turns that its status does not show, and why not."""

    key: InstanceKey
    why: str


@dataclass(frozen=True, slots=True)
class LaneDrained:
    """What became of a lane: `turns` of it were shown here; `fault` is why it is not drained."""

    lane: int
    turns: int
    is_closed: bool = False
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Drained:
    """What a drain came to."""

    lanes: tuple[LaneDrained, ...]
    unshown: tuple[Unshown, ...]

    @property
    def is_complete(self) -> bool:
        return not self.unshown and all(lane.fault is None for lane in self.lanes)


class LaneHolder:
    """The lanes that a command owns; an async context manager, for statuses are written inside.

    `slots` should give up a request after a few seconds: what became of it is found out by reading.
    """

    def __init__(
        self,
        objects: Objects,
        slots: Slots,
        clock: Clock,
        generation: Generation,
        incarnation: str,
    ) -> None:
        self._slots, self._clock = slots, clock
        self.claimant = Claimant(slots, clock, generation, incarnation)
        self._rings: dict[int, OwnedRing] = {}
        histories, bodies = Histories(objects), Bodies(objects)
        self._reader = LogReader(
            bodies, Loader(histories), generation.lanes, shown=self._shown, gone=self._gone
        )
        self._shelf = StatusShelf(
            self._reader,
            Tidying(histories, bodies.get),
            wants=lambda uid, seconds: self._reflector.want(uid, seconds),
            is_shown=self._shown,
            news=lambda _: None,  # There is nobody here to take a turn.
        )
        self._witness = _Witness(self._shelf)
        self._reflector = Reflector(objects, clock, self._witness)
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> LaneHolder:
        self._tasks.append(asyncio.create_task(self._reflector.run()))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _ring(self, uid: str) -> OwnedRing:
        return self._rings[self._reader.lane_of(uid)]

    def _shown(self, uid: str, rev: int) -> None:
        self._ring(uid).shown(uid, rev)

    def _gone(self, uid: str) -> None:
        self._ring(uid).gone(uid)

    # --- lanes ------------------------------------------------------------------------------

    async def take(self, lane: int) -> Closed | None:
        """Claim a lane, unless it is closed.

        Raises NotOwnedError where another process wrote there meanwhile, and what
        `Claimant.read` and `Claimant.claim` do.
        """
        view = await self.claimant.read(lane)
        result = await self.claimant.claim(view)
        if isinstance(result, Closed):
            return result
        if not isinstance(result, Claimed):
            raise taken_by_another(lane)
        self._rings[lane] = OwnedRing(result.view)
        # No watch tells this process anything: every body is read, and so is from after the claim.
        self._reader.adopt(lane, 0, result.view.turns())
        return None

    async def finish(self, lane: int, next_lanes: int | None = None) -> None:
        """Write the last entry of a lane of ours: Closed for `next_lanes`, else Released.

        Raises NotOwnedError where another process has claimed it, LogDamagedError.
        """
        owned = self._rings.pop(lane)
        self._reader.lose(lane)
        kind = EntryKind.RELEASED if next_lanes is None else EntryKind.CLOSED
        assert kind is EntryKind.RELEASED or owned.is_shown, "what is closed is not read again"
        entry = owned.next_entry(kind, self._clock.token(), next_lanes=next_lanes)
        with Placing(self._slots, self._clock, owned.replaced) as placing:
            decision = await placing.insist(lambda: entry)
        if isinstance(decision, Damaged):
            raise LogDamagedError(decision.message)
        if not isinstance(decision, Placed):
            raise taken_by_another(lane)

    # --- instances --------------------------------------------------------------------------

    async def show(self, limit_seconds: float) -> tuple[dict[int, int], list[Unshown]]:
        """Show all turns that stand in our lanes; return how many of each lane were shown here,
        and what was not within so many seconds."""
        until = self._clock.monotonic() + limit_seconds
        unread = await self._read_all(until)
        before = self._backlogs()
        rest = max(until - self._clock.monotonic(), 0.0)
        await self._reflector.flush(self._shelf.unshown(), rest)
        after = self._backlogs()
        late = [self._witness.failure(held) for held in self._reader if not held.is_shown]
        return {lane: before[lane] - after[lane] for lane in self._rings}, [*unread, *late]

    def _backlogs(self) -> dict[int, int]:
        """Return how many turns of each lane no status shows, as far as they were read."""
        found = dict.fromkeys(self._rings, 0)
        for held in self._reader:
            found[self._reader.lane_of(held.snapshot.key.uid)] += len(held.backlog)
        return found

    async def _read_all(self, until: float) -> list[Unshown]:
        """Read every instance that has turns in our lanes; return those that could not be."""
        pending = [key for lane in self._rings for key in self._reader.left_over(lane)]
        unread: list[Unshown] = []

        async def work() -> None:
            while pending:
                key = pending.pop()
                try:
                    await self._read(key, until)
                except PerdureError as error:
                    unread.append(Unshown(key, str(error)))

        await asyncio.gather(*(work() for _ in range(LOADS_AT_ONCE)))
        return unread

    async def _read(self, key: InstanceKey, until: float) -> None:
        backoff = Backoff(self._clock)
        while True:
            try:
                await self._reader.load(key, fresh=True)
                break
            except (TransientError, UnknownOutcomeError) as error:
                if self._clock.monotonic() >= until:
                    raise
                await backoff.failed(getattr(error, "retry_after", None))
        held = self._reader.held(key.uid)
        if held is not None and held.basis.rev is not None:
            self._ring(key.uid).shown(key.uid, held.basis.rev)


class _Witness:
    """A shelf that remembers why a status was not written."""

    def __init__(self, shelf: StatusShelf) -> None:
        self._shelf = shelf
        self._why: dict[str, str] = {}

    def take(self, uid: str) -> Reflection | None:
        return self._shelf.take(uid)

    def told(self, uid: str, outcome: Outcome) -> None:
        match outcome:
            case Refused(message=message):
                self._why[uid] = f"its status is refused: {message}"
            case Moved():
                self._why[uid] = "somebody else writes to it"
            case _:
                self._why.pop(uid, None)
        self._shelf.told(uid, outcome)

    def failure(self, held: Held) -> Unshown:
        key = held.snapshot.key
        if held.is_damaged:
            return Unshown(key, "its status is none of those that the turns of the log lead to")
        return Unshown(key, self._why.get(key.uid, "its status could not be written in time"))


async def drain_lanes(holder: LaneHolder, lanes: Iterable[int], limit_seconds: float) -> Drained:
    """Show all that stands in these lanes, and release them; those that are damaged are left."""
    found: dict[int, LaneDrained] = {}
    taken: list[int] = []
    for lane in lanes:
        try:
            closed = await holder.take(lane)
        except (LogDamagedError, NewerLogError, NotOwnedError, TransientError) as error:
            found[lane] = LaneDrained(lane, 0, fault=str(error))
            continue
        if closed is None:
            taken.append(lane)
        else:
            found[lane] = LaneDrained(lane, 0, is_closed=True)
    shown, unshown = await holder.show(limit_seconds)
    for lane in taken:
        try:
            await holder.finish(lane)
            found[lane] = LaneDrained(lane, shown[lane])
        except (LogDamagedError, NotOwnedError) as error:
            found[lane] = LaneDrained(lane, shown[lane], fault=str(error))
    return Drained(tuple(found[lane] for lane in sorted(found)), tuple(unshown))


def taken_by_another(lane: int) -> NotOwnedError:
    return NotOwnedError(
        f"lane {lane} was claimed by another process meanwhile: see that no replica runs and no "
        f"other `perdure store` command, and run this again"
    )
