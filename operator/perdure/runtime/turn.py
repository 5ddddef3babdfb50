"""One turn of one instance: load, gather facts, decide, commit, reconcile what is in flight.

The laws (docs/architecture.md#the-turn): nothing leaves the process before the event that intends
it is committed; after a conflict the decision is dropped and made anew; an unknown outcome is
resolved by reading; a cached copy is a hint, the commit is the judge.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import assert_never

from perdure.engine.events import (
    EventReceived,
    HistoryEvent,
    InstanceEnded,
    InstanceStarted,
    Purpose,
    TimerFired,
)
from perdure.engine.recorder import is_full
from perdure.engine.state import State
from perdure.errors import ObjectConflictError
from perdure.ports import (
    Clock,
    Committed,
    Conflict,
    Gone,
    HistoryStore,
    InstanceKey,
    Meter,
    Presence,
    Rejected,
    Snapshot,
    Throttled,
    Turn,
    Unknown,
)
from perdure.runtime.calls import Calls
from perdure.runtime.deciding import Budget, Decided, Decider
from perdure.runtime.events import EventDesk
from perdure.runtime.polling import PollConditions
from perdure.runtime.revisions import Accepted, Revisions
from perdure.runtime.unfinished import Unfinished

PAUSE = timedelta(seconds=1)
"""How soon to ask again while the Lease is late or the clock is not trusted."""
STALLED_BY_ANOTHER = 30.0
"""Seconds for which it stays told that another process was refused something."""
WRITE_REJECTED = "WriteRejected"
MAX_ROUNDS = 50
"""A turn that is still going on after so many commits goes to the end of the queue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """How an instance stands when its turn is over.

    `again` asks for another turn at once; `retry_in` for one after so many seconds. A finished,
    gone or waiting instance asks for neither. `wake_at` is when its next timer comes due.
    """

    snapshot: Snapshot | None = None
    wake_at: datetime | None = None
    again: bool = False
    retry_in: float | None = None
    is_gone: bool = False


class Turns:
    """Runs turns. Holds no state of instances: that is in the store, the desk and the calls."""

    def __init__(
        self,
        store: HistoryStore,
        revisions: Revisions,
        desk: EventDesk,
        calls: Calls,
        presence: Presence,
        clock: Clock,
        budget: Budget,
        polls: PollConditions,
        meter: Meter,
    ) -> None:
        self._store = store
        self._revisions = revisions
        self._desk = desk
        self._calls = calls
        self._presence = presence
        self._clock = clock
        self._polls = polls
        self._meter = meter
        self._unfinished = Unfinished()
        self._decider = Decider(revisions, desk, calls, presence, clock, budget, self._unfinished)
        self._owed: dict[str, dict[str, Accepted]] = {}
        """Acceptances that were sent, by uid and digest of the pin: if one is committed, whether
        we hear of it or not, its revision has yet to be looked at."""

        self._refused: set[str] = set()
        """Uids of instances of which the last commit of this process was rejected."""
        self._told: dict[str, float] = {}
        """Since when (monotonic), by uid, this process knows that another was refused something."""

    def start_nothing(self) -> None:
        """Only take facts from now on: the process is stopping."""
        self._decider.is_stopping = True

    async def run(self, key: InstanceKey) -> Rest:
        """Take the instance as far as it goes without waiting.

        Raises what the store's `load` and the revisions raise: the caller backs off or stalls.
        """
        base = await self._store.load(key)
        for _ in range(MAX_ROUNDS):
            if base is None:
                return await self._gone(key)
            if base.is_deleting or base.state.ended is not None:
                return await self._over(base)
            step = await self._round(base)
            if isinstance(step, Rest):
                return step
            base = step
        return Rest(snapshot=base, again=True)

    async def _round(self, base: Snapshot) -> Snapshot | Rest:
        """Decide and commit once; the snapshot to go on from, or how the instance rests."""
        await self._unfinished.breathe(base.key.uid)
        decision = await self._decide(base)
        if _may_be_taken_twice(base, decision):
            await self._desk.refresh(base.key)
            decision = await self._decide(base)
        looked_for: set[int] = set()
        while not looked_for.issuperset(over := _time_outs(base.state, decision.turn.events)):
            # What comes due during the look is only known after it, and needs one of its own.
            looked_for |= over
            fresh = await self._look_again(base.key)
            if fresh is None or fresh.is_deleting or fresh.state.ended is not None:
                return Rest(again=True)
            if fresh.version == base.version and not self._desk.has_news(fresh):
                break
            base = fresh
            decision = await self._decide(base)
        if _is_idle(base, decision.turn) or self._is_left_to_others(base, decision.turn):
            return await self._settle_down(base, decision)
        if self._leaves_stalled(base, decision.turn):
            rest = await self._settle_down(base, decision)
            return replace(rest, retry_in=STALLED_BY_ANOTHER) if isinstance(rest, Rest) else rest
        return await self._commit(base, decision)

    def _leaves_stalled(self, base: Snapshot, turn: Turn) -> bool:
        """Return whether there is nothing to write but that an instance is stalled no more.

        Who was refused takes that back itself when it is not refused any more. Where another one
        did so at once, the two would take turns for as long as the refusals last; for the case that
        the one has died, it does so after a while.
        """
        uid, stalled = base.key.uid, base.observed.stalled
        is_told = stalled is not None and stalled[0] == WRITE_REJECTED
        is_all = not turn.events and base.generation == base.observed_generation
        if not (is_told and is_all) or uid in self._refused:
            self._told.pop(uid, None)
            return False
        now = self._clock.monotonic()
        if now - self._told.setdefault(uid, now) < STALLED_BY_ANOTHER:
            return True
        del self._told[uid]
        return False

    def _is_left_to_others(self, base: Snapshot, turn: Turn) -> bool:
        """Return whether this process, as it is stopping, has nothing to say of an instance.

        It did not ask whether that can start, so it does not know a reason why it has not.
        """
        return self._decider.is_stopping and base.state.revision is None and not turn.events

    async def _look_again(self, key: InstanceKey) -> Snapshot | None:
        """Read instance and events with a quorum: an approval sent in time wins."""
        await self._desk.refresh(key)
        return await self._store.load(key, fresh=True)

    async def _decide(self, base: Snapshot) -> Decided:
        await self._keep_revision(base)
        return await self._decider.decide(base)

    # --- committing and what follows ----------------------------------------------------------

    async def _commit(self, base: Snapshot, decision: Decided) -> Snapshot | Rest:
        if decision.accepted is not None:
            digest = decision.accepted.acceptance.revision.digest
            self._owed.setdefault(base.key.uid, {})[digest] = decision.accepted
        (outcome,) = await self._store.commit([decision.turn])
        self._meter.count("commits_total", outcome=type(outcome).__name__)
        match outcome:
            case Committed(snapshot=snapshot):
                return await self._committed(snapshot, decision)
            case Conflict():
                fresh = await self._store.load(base.key, fresh=True)
                return await self._gone(base.key) if fresh is None else fresh
            case Unknown():
                self._store.forget(base.key)
                return Rest(again=True, retry_in=1.0)
            case Throttled(retry_after=seconds):
                return Rest(snapshot=base, retry_in=seconds)
            case Gone():
                return await self._gone(base.key)
            case Rejected(message=message):
                self._refused.add(base.key.uid)
                raise RejectedTurnError(message)
            case _:
                assert_never(outcome)

    async def _committed(self, snapshot: Snapshot, decision: Decided) -> Snapshot | Rest:
        self._measure(decision.turn)
        self._refused.discard(snapshot.key.uid)
        self._unfinished.note(snapshot.key.uid, decision.known, decision.decided_at)
        self._calls.took_up(decision.turn.base.state, decision.turn.state)
        started = await self._follow(snapshot, decision)
        await self._keep_revision(snapshot)
        if snapshot.state.ended is not None or is_full(len(decision.turn.events)):
            return snapshot
        if decision.goes_on:
            return Rest(snapshot=snapshot, again=True)
        if snapshot.state.ending is not None:
            await self._calls.abort(snapshot.key.uid)
            return snapshot
        if snapshot.generation != snapshot.observed_generation:
            return snapshot
        return self._rest(snapshot, decision, started=started)

    async def _keep_revision(self, snapshot: Snapshot) -> None:
        """Look at the pinned revision after the commit that pinned it (marks.py says why).

        It is written again if it went meanwhile, and a mark is taken off. What fails here is
        owed: the next turn of the instance tries it again.
        """
        sent, pinned = self._owed.get(snapshot.key.uid), snapshot.state.revision
        if sent is None or pinned is None:
            return
        owed = sent.get(pinned.digest)
        if owed is not None:
            definition = snapshot.controls.definition
            # Where another recipe has its name, loading the pin says so to whom it matters.
            with contextlib.suppress(ObjectConflictError):
                await self._revisions.ensure(snapshot.key.namespace, definition, owed.spec)
        del self._owed[snapshot.key.uid]

    async def _follow(self, snapshot: Snapshot, decision: Decided) -> bool:
        """Reconcile the calls first, then tidy up the events that were consumed."""
        self._polls.note(snapshot.state, decision.orchestrator)
        if not self._store.owns(snapshot.key.uid):
            return True  # It was lost while the turn was under way: others make its calls.
        started = self._calls.reconcile(snapshot.key, snapshot.state)
        takes_over = not self._decider.is_stopping and not decision.is_held
        if takes_over and not snapshot.state.is_suspended:
            self._watch_claimants(snapshot.state)
        self._desk.consumed(decision.consumed, snapshot)
        self._desk.refused(decision.refused)
        return started

    def _watch_claimants(self, state: State) -> None:
        """Hear of the death of those whose claims may have to be taken over.

        Not while suspended, stopping, or unable to claim: then nobody takes over, and a death, told
        at once, would ask for the next turn, again and again.
        """
        for activity in state.activities.values():
            if activity.claim.incarnation != self._presence.incarnation:
                self._presence.watch(activity.claim.incarnation)

    def _measure(self, turn: Turn) -> None:
        for event in turn.events:
            match event:
                case InstanceStarted():
                    self._meter.count("instances_started_total")
                case InstanceEnded(ending=ending):
                    self._meter.count("instances_finished_total", outcome=ending.value)
                case EventReceived(door=door):
                    self._meter.count("events_received_total", door=door.value)
                case TimerFired(timer_id=timer_id) if timer_id in turn.base.state.timers:
                    late = event.at - turn.base.state.timers[timer_id].fire_at
                    self._meter.observe("timer_lateness_seconds", late.total_seconds())
                case _:
                    pass

    async def _settle_down(self, base: Snapshot, decision: Decided) -> Snapshot | Rest:
        """Nothing to commit: make sure that what ought to be in flight is.

        A claim that was not sent right after its own commit (the answer to it was lost) is sent
        only after a fresh look: what is held may be old.
        """
        if self._calls.has_unsent(base.state):
            fresh = await self._store.load(base.key, fresh=True)
            if fresh is None:
                return await self._gone(base.key)
            if fresh.version != base.version:
                return fresh
        self._unfinished.note(base.key.uid, decision.known, decision.decided_at)
        started = await self._follow(base, decision)
        if decision.goes_on:
            return Rest(snapshot=base, again=True)
        return self._rest(base, decision, started=started)

    def _rest(self, snapshot: Snapshot, decision: Decided, *, started: bool) -> Rest:
        wake_at = decision.wake_at
        retry_in = None if started and not decision.is_held else PAUSE.total_seconds()
        are_held = self._decider.is_stopping or decision.is_held or not self._clock.is_trusted()
        if are_held and wake_at is not None and wake_at <= self._clock.now():
            # Asked for again by a clock that does not jump: a time by this one may be far off.
            wake_at, retry_in = None, PAUSE.total_seconds()
        return Rest(snapshot=snapshot, wake_at=wake_at, retry_in=retry_in)

    async def _over(self, base: Snapshot) -> Rest:
        """The instance has ended or is being deleted: nothing is in flight any more."""
        await self.drop(base.key.uid)
        if base.state.ended is not None:
            self._desk.consumed(self._desk.taken(base), base)
            self._desk.refuse_ended(base)
        ended_cleanly = base.is_deleting or base.generation == base.observed_generation
        if ended_cleanly or base.state.ended is None:
            return Rest(snapshot=base)
        turn = self._decider.unchanged(base).turn
        (outcome,) = await self._store.commit([turn])
        if isinstance(outcome, Throttled):
            return Rest(snapshot=base, retry_in=outcome.retry_after)
        if isinstance(outcome, Conflict):
            fresh = await self._store.load(base.key, fresh=True)
            return await self._gone(base.key) if fresh is None else Rest(again=True, retry_in=0.2)
        if isinstance(outcome, Unknown):
            self._store.forget(base.key)
            return Rest(again=True, retry_in=0.2)
        return Rest(snapshot=base)

    async def _gone(self, key: InstanceKey) -> Rest:
        await self.drop(key.uid)
        return Rest(is_gone=True)

    async def leave(self, uid: str) -> None:
        """Keep nothing of an instance that others move now, and abort its calls."""
        self._forget(uid)
        await self._calls.leave(uid)

    async def drop(self, uid: str) -> None:
        """Keep nothing of an instance that is over, and abort its calls."""
        self._forget(uid)
        self._calls.forget(uid)
        await self._calls.abort(uid)

    def _forget(self, uid: str) -> None:
        self._polls.forget(uid)
        self._unfinished.forget(uid)
        self._owed.pop(uid, None)
        self._told.pop(uid, None)
        self._refused.discard(uid)


class RejectedTurnError(Exception):
    """The API server will not store this turn; the instance stalls until something changes."""


def _is_idle(base: Snapshot, turn: Turn) -> bool:
    """Return whether there is nothing to write."""
    return (
        not turn.events
        and turn.observed == base.observed
        and base.generation == base.observed_generation
    )


def _may_be_taken_twice(base: Snapshot, decision: Decided) -> bool:
    """Return whether an event is taken that an earlier instance of this name may have had.

    It is older than the instance and names none by its uid; a watch that is behind still tells of
    it. Then it is looked at whether it is still there.
    """
    return any(
        event.instance_uid is None
        and event.created_at <= base.created_at
        and event.event_id not in base.state.taken
        for event in decision.consumed
    )


def _time_outs(state: State, events: Sequence[HistoryEvent]) -> set[int]:
    """Return the timers of time-outs that may end a wait for an event: then look once more."""
    if not state.waits:
        return set()
    fired = [event.timer_id for event in events if isinstance(event, TimerFired)]
    kinds = (Purpose.STEP_TIMEOUT, Purpose.INSTANCE_TIMEOUT)
    return {one for one in fired if one in state.timers and state.timers[one].purpose in kinds}
