"""All instances: which of them want a turn, and when. One record each, a few hundred bytes.

Everything that can move an instance ends in a mark in the queue: its object changed, an event
came, an answer came, its time has come, a process died. What a mark was for is not remembered;
the turn looks at everything.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from perdure.engine.values import JsonObject
from perdure.errors import (
    HistoryCorruptError,
    InvalidDefinitionError,
    NewerHistoryError,
    NotOwnedError,
    PerdureError,
    TransientError,
)
from perdure.ports import (
    Clock,
    HistoryStore,
    InstanceHint,
    InstanceKey,
    Meter,
    Presence,
    Snapshot,
)
from perdure.runtime.calls import Calls
from perdure.runtime.events import EventDesk
from perdure.runtime.inbox import parse_event
from perdure.runtime.queue import KeyedQueue, Lane
from perdure.runtime.retention import Retention
from perdure.runtime.turn import WRITE_REJECTED, RejectedTurnError, Rest, Turns
from perdure.runtime.wakes import Wakes

logger = logging.getLogger(__name__)

WORKERS = 64
WARM = 256
"""So many resting instances stay parsed in memory; all others are read when they move."""
FIRST_BACKOFF, LONGEST_BACKOFF = 0.2, 300.0
SWEEP_SECONDS = 10.0
QUIET_SECONDS = 0.4
"""How long the last answers may take to be committed at a graceful stop."""


@dataclass(slots=True)
class _Record:
    """What is kept of an instance that has not finished."""

    key: InstanceKey
    version: int
    definition: str
    is_pending: bool
    has_calls: bool
    is_unannounced: bool = False
    """It waits for what no watch tells of: room, or the revision that it names."""
    retry: str | None = None


class Instances:
    """Feeds the queue and runs turns."""

    def __init__(
        self,
        *,
        store: HistoryStore,
        turns: Turns,
        desk: EventDesk,
        calls: Calls,
        presence: Presence,
        retention: Retention,
        clock: Clock,
        meter: Meter,
        workers: int = WORKERS,
    ) -> None:
        self._store = store
        self._turns = turns
        self._desk = desk
        self._calls = calls
        self._presence = presence
        self._retention = retention
        self._clock = clock
        self._meter = meter
        self._records: dict[str, _Record] = {}
        self._names: dict[tuple[str, str], str] = {}
        self._ended: dict[str, int] = {}
        """Ends that the watch has not told yet: an older echo must not begin anything again."""
        self._unserved: dict[str, InstanceKey] = {}
        """Instances that want a turn of whoever moves them: it may be this process one day."""
        self._failures: dict[str, int] = {}
        """Turns of an instance that failed in a row."""
        self._attempts: dict[str, asyncio.TimerHandle] = {}
        self._warm: OrderedDict[InstanceKey, None] = OrderedDict()
        self._tasks: list[asyncio.Task[None]] = []
        self.queue: KeyedQueue[InstanceKey] = KeyedQueue(self._process, workers=workers)
        self.wakes: Wakes[InstanceKey] = Wakes(clock, lambda key: self._mark(key, Lane.TIMER))

    # --- what is told ---------------------------------------------------------------------

    def observe(self, hint: InstanceHint, *, lane: Lane = Lane.CONTROL) -> None:
        """Take note of an instance's newest body; mark it unless this is our own echo."""
        key = hint.key
        if hint.version < self._ended.get(key.uid, 0):
            self._store.forget(key)
            return
        self._ended.pop(key.uid, None)
        self._names[key.namespace, key.name] = key.uid
        self._retention.observe(hint)
        record = self._records.get(key.uid)
        if hint.is_finished:
            self._observe_finished(hint, record)
            return
        if record is None:
            record = _Record(key, hint.version, hint.definition, is_pending=True, has_calls=False)
            self._records[key.uid] = record
        elif hint.version <= record.version:
            return
        record.version, record.has_calls = hint.version, hint.has_calls
        retry = hint.annotations.get("perdure.dev/retry")
        if retry != record.retry:
            record.retry = retry
            self._failures.pop(key.uid, None)
        self.wakes.set(key, hint.wake_at)
        self._mark(key, lane)

    def _observe_finished(self, hint: InstanceHint, record: _Record | None) -> None:
        """An end wants a turn only where something is left to do here."""
        key = hint.key
        has_news = hint.generation != hint.observed_generation and not hint.is_deleting
        if has_news or self._calls.has_any(key.uid) or self._desk.waiting(key):
            self._mark(key, Lane.CONTROL)
        elif record is None:
            self._unserved.pop(key.uid, None)
            self._store.forget(key)
        else:
            self._drop(key)

    def removed(self, key: InstanceKey) -> None:
        """Take note that an instance is gone."""
        self._retention.forget(key)
        self._ended.pop(key.uid, None)
        if self._names.get((key.namespace, key.name)) == key.uid:
            del self._names[key.namespace, key.name]
        self._store.removed(key)
        if not self._store.owns(key.uid):
            self._drop(key)
        elif key.uid in self._records or self._calls.has_any(key.uid):
            self._mark(key, Lane.CONTROL)

    def observe_event(self, body: JsonObject) -> None:
        """Take note of a WorkflowEvent; its instance gets a turn."""
        event = parse_event(body)
        self._desk.inbox.put(event)
        uid = self._names.get((event.namespace, event.instance))
        if uid is not None and event.answer is None:
            self._mark(InstanceKey(event.namespace, event.instance, uid), Lane.CONTROL)

    def removed_event(self, uid: str) -> None:
        """Take note that a WorkflowEvent is gone."""
        self._desk.inbox.drop(uid)

    def definition_changed(self, namespace: str, name: str) -> None:
        """Give a turn to what waits for a definition."""
        for record in self._records.values():
            place = (record.key.namespace, record.definition)
            if record.is_pending and place == (namespace, name):
                self._mark(record.key, Lane.CONTROL)

    def answered(self, key: InstanceKey) -> None:
        """Give a turn to an instance whose call has ended."""
        self._mark(key, Lane.CONTROL)

    def _mark(self, key: InstanceKey, lane: Lane) -> None:
        """Ask for a turn, if this process moves the instance."""
        if self._store.owns(key.uid):
            self.queue.mark(key, lane)
        else:
            self._unserved[key.uid] = key

    def gained(self, is_meant: Callable[[str], bool]) -> None:
        """Take instances, by uid, over from others: each of them gets a turn."""
        keys = {**self._unserved, **{uid: record.key for uid, record in self._records.items()}}
        for uid in filter(is_meant, keys):
            self._unserved.pop(uid, None)
            self._mark(keys[uid], Lane.RESYNC)

    async def lost(self, is_meant: Callable[[str], bool]) -> None:
        """Leave instances, by uid, to others: abort their calls, know them by name only."""
        for record in list(self._records.values()):
            if is_meant(record.key.uid):
                await self._leave(record.key)

    def has_calls(self, is_meant: Callable[[str], bool]) -> bool:
        """Return whether calls of these instances are open here."""
        return any(self._calls.has_any(uid) for uid in self._records if is_meant(uid))

    async def _leave(self, key: InstanceKey) -> None:
        self.wakes.set(key, None)
        self._warm.pop(key, None)
        self._failures.pop(key.uid, None)
        await self._turns.leave(key.uid)

    # --- the work --------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to run turns; call it when the first lists of all watched kinds are complete."""
        self.queue.start()
        self._tasks = [
            asyncio.create_task(self.wakes.run()),
            asyncio.create_task(self._follow_deaths()),
            asyncio.create_task(self._sweep()),
        ]

    async def stop(self, grace_seconds: float) -> None:
        """Start nothing, give open calls a while and their results a commit, abort the rest."""
        self._calls.refuse_new()
        self._turns.start_nothing()
        await self._calls.drain(grace_seconds)
        await self._quiet(QUIET_SECONDS)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.queue.stop()

    async def _quiet(self, seconds: float) -> None:
        deadline = self._clock.monotonic() + seconds
        while not self.queue.is_idle and self._clock.monotonic() < deadline:
            await self._clock.sleep(0.02)

    @property
    def failed(self) -> BaseException | None:
        """Return what broke the machinery itself, None while all is well."""
        for task in self._tasks:
            if task.done() and not task.cancelled() and task.exception() is not None:
                return task.exception()
        return self.queue.failed

    async def _process(self, key: InstanceKey) -> None:
        began = self._clock.monotonic()
        try:
            rest = await self._turns.run(key)
        except asyncio.CancelledError:
            raise
        except NotOwnedError:
            await self._leave(key)
        except Exception as error:  # noqa: BLE001  one bad instance must never stop the others
            await self._failed(key, error)
        else:
            self._rested(key, rest)
        self._meter.observe("turn_duration_seconds", self._clock.monotonic() - began)

    def _rested(self, key: InstanceKey, rest: Rest) -> None:
        record = self._records.get(key.uid)
        self._failures.pop(key.uid, None)
        if rest.again and rest.retry_in is None:
            self._mark(key, Lane.CONTROL)
            return
        if rest.retry_in is not None:
            self._later(key, rest.retry_in, Lane.CONTROL)
        snapshot = rest.snapshot
        if snapshot is not None and snapshot.state.ended is not None:
            if record is not None and record.version < snapshot.version:
                self._ended[key.uid] = snapshot.version
            self._drop(key)
            return
        if rest.is_gone:
            self._drop(key)
            return
        if snapshot is None or record is None:
            return
        record.version = max(record.version, snapshot.version)
        record.is_pending = not snapshot.state.is_started
        record.has_calls = bool(snapshot.state.activities)
        record.is_unannounced = _waits_for_the_unannounced(snapshot)
        self.wakes.set(key, rest.wake_at)
        self._keep_warm(key)

    def _keep_warm(self, key: InstanceKey) -> None:
        self._warm[key] = None
        self._warm.move_to_end(key)
        if len(self._warm) > WARM:
            cold, _ = self._warm.popitem(last=False)
            self._store.forget(cold)

    def _drop(self, key: InstanceKey) -> None:
        self._records.pop(key.uid, None)
        self._unserved.pop(key.uid, None)
        self._warm.pop(key, None)
        self.wakes.set(key, None)
        self._store.forget(key)

    async def _failed(self, key: InstanceKey, error: Exception) -> None:
        """Back off in memory; what will not go away by itself is shown on the instance, once."""
        failures = self._failures.get(key.uid, 0)
        seconds = min(FIRST_BACKOFF * 2 ** min(failures, 20), LONGEST_BACKOFF)
        self._failures[key.uid] = failures + 1
        self._store.forget(key)
        reason = reason_of(error)
        self._meter.count("turn_errors_total", reason=reason)
        if isinstance(error, TransientError):
            seconds = error.retry_after or min(seconds, 10.0)
        elif reason == "ApiServer":
            logger.info("A turn failed; it is tried again", extra=_about(key, error))
        else:
            _tell(key, error, is_new=failures == 0)
            await self._store.stall(key, reason, _told(error))
        self._later(key, seconds, Lane.RESYNC)

    def _later(self, key: InstanceKey, seconds: float, lane: Lane) -> None:
        """Ask for a turn after a while, instead of any that was asked for before.

        One per instance: else every change of an instance that cannot go on would begin one more
        chain of attempts.
        """

        def mark() -> None:
            del self._attempts[key.uid]
            self._mark(key, lane)

        before = self._attempts.pop(key.uid, None)
        if before is not None:
            before.cancel()
        self._attempts[key.uid] = asyncio.get_running_loop().call_later(seconds, mark)

    # --- background ------------------------------------------------------------------------

    async def _follow_deaths(self) -> None:
        """A dead process leaves claims and unfinished turns: everything with calls gets a turn."""
        async for incarnation in self._presence.deaths():
            logger.info("A process is dead", extra={"incarnation": incarnation})
            for record in list(self._records.values()):
                if record.has_calls:
                    self._mark(record.key, Lane.TIMER)

    async def _sweep(self) -> None:
        while True:
            await self._clock.sleep(SWEEP_SECONDS)
            self._desk.sweep(self._names)
            await self._retention.purge()
            await self._store.tidy()
            for record in list(self._records.values()):
                if record.is_unannounced:
                    self._mark(record.key, Lane.RESYNC)

    def measure(self) -> None:
        """Bring the gauges up to date."""
        self._meter.level("queue_depth", self.queue.depth)
        self._meter.level("timers_pending", len(self.wakes))
        self._meter.level("instances_live", len(self._records))
        self._meter.level("activities_in_flight", self._calls.count)

    @property
    def count(self) -> int:
        """Return how many unfinished instances are known."""
        return len(self._records)


def _tell(key: InstanceKey, error: Exception, *, is_new: bool) -> None:
    """Log that an instance cannot go on: loudly once, with a traceback where it may be a bug."""
    logger.log(
        logging.ERROR if is_new else logging.INFO,
        "An instance cannot go on",
        extra=_about(key, error),
        exc_info=error if is_new and not isinstance(error, PerdureError) else None,
    )


def _waits_for_the_unannounced(snapshot: Snapshot) -> bool:
    pending = snapshot.observed.pending
    if pending is None:
        return False
    return pending[0] == "StorageBudget" or snapshot.controls.revision is not None


def reason_of(error: Exception) -> str:
    """Return the CamelCase reason of what keeps an instance from going on: a closed list."""
    if isinstance(error, NewerHistoryError):
        return "NewerHistory"
    if isinstance(error, HistoryCorruptError):
        return "HistoryCorrupt"
    if isinstance(error, InvalidDefinitionError):
        return "RevisionUnusable"
    if isinstance(error, RejectedTurnError):
        return WRITE_REJECTED
    if isinstance(error, PerdureError):
        return "ApiServer"
    return "InternalError"


def _told(error: Exception) -> str:
    if isinstance(error, PerdureError | RejectedTurnError):
        return str(error)
    return (
        f"a fault of Perdure itself ({type(error).__name__}); the operator's log has the trace. "
        f"It is tried again by a newer version, or when the annotation perdure.dev/retry changes"
    )


def _about(key: InstanceKey, error: Exception) -> dict[str, str]:
    return {"namespace": key.namespace, "instance": key.name, "error": str(error)}
