"""The HistoryStore on the log: a turn is committed when it stands in an entry.

The status is written later, from turns that stand. Only who owns an instance's lane reads and
writes its state; to all others it is not there (NotOwnedError). Source: docs/log.md.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Protocol

from perdure.engine.values import JsonObject, ValueRefusedError
from perdure.errors import PerdureError
from perdure.kubernetes.histories import Histories
from perdure.kubernetes.loading import Loader
from perdure.kubernetes.log.holding import Held, LogPosition, Standing
from perdure.kubernetes.log.reading import LogReader
from perdure.kubernetes.log.shelf import StatusShelf
from perdure.kubernetes.log.showing import AT_ONCE, urgency
from perdure.kubernetes.payloads import Payload, PayloadTooLargeError
from perdure.kubernetes.plan import is_ending
from perdure.kubernetes.reading import Bodies
from perdure.kubernetes.records import EventTooLargeError, records_of
from perdure.kubernetes.segments import Record
from perdure.kubernetes.stalling import Stalling
from perdure.kubernetes.store import not_committed
from perdure.kubernetes.tidying import Tidying, ends_a_takeover
from perdure.lanes.entry import LoggedTurn, logged
from perdure.lanes.settling import Fenced, Outcome, Refused, Stands
from perdure.ports import (
    Clock,
    CommitOutcome,
    Committed,
    Conflict,
    InstanceHint,
    InstanceKey,
    Objects,
    Rejected,
    Snapshot,
    Turn,
    Unknown,
)

logger = logging.getLogger(__name__)


class Writes(Protocol):
    """What the store needs of the lanes: `perdure.kubernetes.log.writer.LogWriter`."""

    async def submit(self, turn: LoggedTurn) -> Outcome:
        """Commit a turn."""
        ...

    def shown(self, uid: str, rev: int) -> None:
        """Carry the turns up to `rev` no more."""
        ...

    def gone(self, uid: str) -> None:
        """Carry nothing of the instance any more."""
        ...


class LogStore:
    """Reads and writes engine state in the lanes that this process owns.

    `wants` asks for a status to be written within so many seconds, `suspects` returns the instances
    for which status writes left something; `news` tells that the spec of an instance has changed
    where no watch will tell it. Methods without a docstring are those of
    `perdure.ports.HistoryStore`.
    """

    def __init__(
        self,
        objects: Objects,
        clock: Clock,
        lanes: int,
        writes: Writes,
        *,
        wants: Callable[[str, float], None],
        news: Callable[[InstanceKey], None],
        suspects: Callable[[], Iterable[InstanceKey]],
    ) -> None:
        self._writes = writes
        self._suspects = suspects
        self._wants = wants
        self._histories = Histories(objects)
        bodies = Bodies(objects)
        self._reader = LogReader(
            bodies, Loader(self._histories), lanes, shown=writes.shown, gone=writes.gone
        )
        self._stalling = Stalling(objects, bodies.get, clock, counts=False)
        self._tidying = Tidying(self._histories, bodies.get)
        self.shelf = StatusShelf(
            self._reader, self._tidying, wants=wants, is_shown=writes.shown, news=news
        )

    # --- lanes ------------------------------------------------------------------------------

    def adopt(self, lane: int, since: int, turns: Iterable[LoggedTurn]) -> None:
        """Begin to own a lane: its claim stands, `turns` stand in it, and `since` is a version of
        instances that was read after the claim."""
        self._reader.adopt(lane, since, turns)

    def lose(self, lane: int) -> None:
        """Own a lane no more."""
        self._reader.lose(lane)

    def lane_of(self, uid: str) -> int:
        """Return the lane of an instance."""
        return self._reader.lane_of(uid)

    def owns(self, uid: str) -> bool:
        return self._reader.owns(uid)

    # --- reading ----------------------------------------------------------------------------

    async def load(self, key: InstanceKey, *, fresh: bool = False) -> Snapshot | None:
        before = self._reader.held(key.uid)
        snapshot = await self._reader.load(key, fresh=fresh)
        if before is not None and before.is_damaged and snapshot is not None:
            self._wants(key.uid, AT_ONCE)  # Somebody has mended it.
        return snapshot

    def hint(self, body: JsonObject) -> InstanceHint | None:
        hint = self._reader.hint(body)
        if hint is not None:
            self._tidying.moved(hint.key.uid)
        return hint

    def forget(self, key: InstanceKey) -> None:
        self._reader.forget(key)

    def removed(self, key: InstanceKey) -> None:
        self._reader.removed(key)

    async def shown(self, key: InstanceKey, rev: int) -> bool:
        held = self._reader.held(key.uid)
        if held is None:
            # What was dropped was shown, or it is gone; nothing is known of other lanes, nor of
            # what has not been read since its lane was taken.
            return self._reader.owns(key.uid) and not self._reader.is_left_over(key.uid)
        if (held.basis.rev or 0) >= rev:
            return True
        waiter: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        held.waiters.append((rev, waiter))
        return await waiter

    async def stall(self, key: InstanceKey, reason: str, message: str) -> None:
        if self._reader.owns(key.uid):
            await self._stalling.show(key, reason, message)

    async def tidy(self) -> int:
        for key in self._suspects():
            self._tidying.suspect(key)
        return await self._tidying.tidy()

    # --- committing -------------------------------------------------------------------------

    async def commit(self, turns: Sequence[Turn]) -> list[CommitOutcome]:
        if len(turns) == 1:
            return [await self._outcome(turns[0])]
        return list(await asyncio.gather(*(self._outcome(turn) for turn in turns)))

    async def _outcome(self, turn: Turn) -> CommitOutcome:
        """Return what became of the turn; a bug of ours is an outcome of its own turn alone."""
        try:
            return await self._commit(turn)
        except Exception as bug:
            logger.exception("a commit failed by a bug", extra={"instance": turn.base.key.name})
            return Unknown(f"a bug of the store: {bug!r}")

    async def _commit(self, turn: Turn) -> CommitOutcome:
        held = self._reader.held(turn.base.key.uid)
        if held is None or not _is_based_on(turn, held):
            return Conflict()
        if not turn.events:
            return self._note(held, turn)
        try:
            records, payloads = _records(turn)
        except (PayloadTooLargeError, EventTooLargeError) as error:
            return Rejected(str(error), is_too_large=True)
        except (ValueRefusedError, UnicodeEncodeError) as error:
            return Rejected(f"the events cannot be stored: {error}")
        try:
            await self._create(turn.base.key, payloads)
        except PerdureError as error:
            self._tidying.suspect(turn.base.key)
            return not_committed(error)
        held = self._reader.held(turn.base.key.uid)
        if held is None or not _is_based_on(turn, held):
            # Its lane was lost meanwhile, and perhaps taken again.
            self._tidying.suspect(turn.base.key)
            return Conflict()
        outcome = await self._submit(turn, records)
        is_orphaning = payloads and not isinstance(outcome, Committed)
        if is_orphaning or ends_a_takeover(turn):
            self._tidying.suspect(turn.base.key)
        return outcome

    async def _create(self, key: InstanceKey, payloads: Iterable[Payload]) -> None:
        """Create what the events refer to. Creating it is no effect: it may be orphaned."""
        for payload in payloads:
            await self._histories.create(key, payload.reference.ref, payload.spec(key.uid), {})

    async def _submit(self, turn: Turn, records: Sequence[Record]) -> CommitOutcome:
        line = logged(
            turn.base.key,
            rev=(turn.base.rev or 0) + 1,
            generation=turn.base.generation,
            before=_position(turn.base).digest,
            after=records[-1].digest,
            events=(record.stored for record in records),
        )
        with self._reader.kept(turn.base.key):
            match await self._writes.submit(line):
                case Stands():
                    return self._stands(turn, Standing(line, tuple(records)))
                case Refused(message=message, is_too_large=is_too_large):
                    return Rejected(message, is_too_large=is_too_large)
                case Fenced():
                    return Conflict()  # Loading, which comes next, says whose it is.

    def _stands(self, turn: Turn, line: Standing) -> CommitOutcome:
        """Go on from what is committed now; the body may have become newer meanwhile."""
        held = self._reader.held(turn.base.key.uid)
        if held is None:
            return Conflict()  # It is gone, or its lane is.
        snapshot = replace(
            held.snapshot,
            rev=line.turn.rev,
            state=turn.state,
            observed=turn.observed,
            observed_generation=turn.base.generation,
            store_data=LogPosition(length=turn.state.last_id, digest=line.turn.after),
        )
        after = replace(held, snapshot=snapshot, backlog=[*held.backlog, line], is_cold=False)
        self._reader.keep(after)
        soon = urgency(turn.base.state, turn.state, turn.base.observed, turn.observed)
        self._wants(snapshot.key.uid, soon)
        return Committed(snapshot)

    def _note(self, held: Held, turn: Turn) -> CommitOutcome:
        """Take a turn without events: nothing is logged, the status just shows it at once."""
        snapshot = replace(
            held.snapshot, observed=turn.observed, observed_generation=turn.base.generation
        )
        if snapshot != held.snapshot:
            self._reader.keep(replace(held, snapshot=snapshot, is_cold=False))
            self._wants(snapshot.key.uid, AT_ONCE)
        return Committed(snapshot)


def _is_based_on(turn: Turn, held: Held) -> bool:
    """Return whether a turn was decided on the newest turn, and its end on the newest spec."""
    newest = held.snapshot
    if turn.base.rev != newest.rev or _position(turn.base) != _position(newest):
        return False
    return not is_ending(turn) or turn.base.generation == newest.generation


def _records(turn: Turn) -> tuple[list[Record], list[Payload]]:
    at = _position(turn.base)
    return records_of(turn.base.key.uid, turn.events, turn.commit_id, at.length, at.digest)


def _position(snapshot: Snapshot) -> LogPosition:
    position = snapshot.store_data
    assert isinstance(position, LogPosition), "the base of the turn is a snapshot of this store"
    return position
