"""Deciding one round of a turn: what is known is gathered, the orchestrator says what follows.

Nothing is written here and nothing leaves the process. Source: docs/architecture.md#the-turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from perdure.engine.events import (
    ActivityClaimed,
    ActivityScheduled,
    Door,
    Ending,
    EndRequested,
    Failure,
    HistoryEvent,
    InstanceEnded,
)
from perdure.engine.external import refusal_of
from perdure.engine.fold import replay
from perdure.engine.orchestrator import Decision, ExternalEvent, Facts, Orchestrator
from perdure.engine.recorder import Recorder
from perdure.engine.state import Outcome, State
from perdure.engine.work import next_wake
from perdure.errors import InvalidDefinitionError
from perdure.ports import Clock, Observed, Presence, Snapshot, Turn
from perdure.runtime.calls import Calls
from perdure.runtime.events import EventDesk
from perdure.runtime.inbox import EventObject
from perdure.runtime.revisions import Accepted, NotYet, RevisionMissingError, Revisions
from perdure.runtime.unfinished import Unfinished


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What one round decided, and what has to follow its commit."""

    turn: Turn
    wake_at: datetime | None
    consumed: tuple[EventObject, ...] = ()
    refused: tuple[tuple[EventObject, str, str], ...] = ()
    accepted: Accepted | None = None
    orchestrator: Orchestrator | None = None
    known: Decision | None = None
    decided_at: datetime | None = None
    is_held: bool = False
    """Whether more would follow if this process could claim calls now."""

    @property
    def goes_on(self) -> bool:
        """Return whether more is to be decided at once, in a turn of its own."""
        return self.known is not None and self.known.goes_on


class Budget(Protocol):
    """Whether a namespace has room for another instance."""

    def refusal(self, namespace: str) -> str | None:
        """Return why no instance may start in the namespace now, None when one may."""
        ...


class Decider:
    """Decides rounds. Holds no state of instances but what is unfinished of their decisions."""

    def __init__(
        self,
        revisions: Revisions,
        desk: EventDesk,
        calls: Calls,
        presence: Presence,
        clock: Clock,
        budget: Budget,
        unfinished: Unfinished,
    ) -> None:
        self._revisions = revisions
        self._desk = desk
        self._calls = calls
        self._presence = presence
        self._clock = clock
        self._budget = budget
        self._unfinished = unfinished
        self.is_stopping = False
        """Whether only facts are taken: the process is stopping."""

    async def decide(self, base: Snapshot) -> Decided:
        """Return what follows from what is known now.

        Raises what the revisions raise where a pinned recipe cannot be had.
        """
        if base.state.revision is not None:
            return self._advance(base, await self._orchestrator(base), None)
        if base.controls.terminate is not None:
            return self._advance(base, _Terminating(), None)
        if self.is_stopping:
            return self.unchanged(base)
        waiting = self._start_later(base)
        if waiting is None:
            answer = await self._revisions.accept(base)
            if isinstance(answer, Accepted):
                return self._advance(base, answer.orchestrator, answer)
            waiting = answer
        return self._pending(base, waiting)

    async def _orchestrator(self, base: Snapshot) -> Orchestrator:
        """Return what decides. An instance whose recipe is lost can still be terminated."""
        assert base.state.revision is not None, "only what has started has a revision"
        try:
            return await self._revisions.load(base.key.namespace, base.state.revision)
        except (RevisionMissingError, InvalidDefinitionError):
            if base.controls.terminate is None and base.state.ending is None:
                raise
            return _Terminating()

    def _start_later(self, base: Snapshot) -> NotYet | None:
        start_at = base.controls.start_at
        if start_at is not None and start_at > self._clock.now():
            return NotYet("StartsLater", f"starts at {start_at.isoformat()}")
        refusal = self._budget.refusal(base.key.namespace)
        return None if refusal is None else NotYet("StorageBudget", refusal)

    def unchanged(self, base: Snapshot) -> Decided:
        """Return the decision that only takes note of the newest generation of the spec."""
        return self._decision(base, (), base.state, base.observed)

    def _pending(self, base: Snapshot, waiting: NotYet) -> Decided:
        observed = Observed(pending=(waiting.reason, waiting.message))
        wake_at = base.controls.start_at if waiting.reason == "StartsLater" else None
        return self._decision(base, (), base.state, observed, wake_at=wake_at)

    def _advance(
        self, base: Snapshot, orchestrator: Orchestrator, accepted: Accepted | None
    ) -> Decided:
        commit_id = self._clock.token()
        objects = self._desk.waiting(base.key)
        facts = self._facts(base, commit_id, objects, accepted)
        now = self._unfinished.now(base.key.uid, self._clock)
        decided = orchestrator.advance(base.state, facts, now)
        is_held = not self._presence.may_send and _claims(decided.events)
        if is_held:
            # It could not send what it claims, and nobody else may before its Lease is old.
            facts = replace(facts, starts_nothing=True, holds_timers=True)
            decided = orchestrator.advance(base.state, facts, now)
        events = list(decided.events)
        if events:
            events[0] = _stamped(events[0], commit_id)
        state = replay(base.state, events)
        consumed = tuple(o for o in objects if o.event_id in state.taken)
        refused = tuple(_refusals(state, objects))
        decision = self._decision(base, tuple(events), state, Observed(), commit_id=commit_id)
        return replace(
            decision,
            consumed=consumed,
            refused=refused,
            accepted=accepted,
            orchestrator=orchestrator,
            known=decided,
            decided_at=now,
            is_held=is_held,
        )

    def _is_out(self, incarnation: str, uid: str) -> bool:
        """Return whether the claims of a process on calls of an instance may be taken over."""
        if incarnation == self._presence.incarnation:
            return self._calls.has_left(uid)
        return self._presence.has_let_go(incarnation, uid)

    def _facts(
        self,
        base: Snapshot,
        commit_id: str,
        objects: Sequence[EventObject],
        accepted: Accepted | None,
    ) -> Facts:
        controls, state = base.controls, base.state
        claimants = {a.claim.incarnation for a in state.activities.values()}
        return Facts(
            incarnation=self._presence.incarnation,
            commit_id=commit_id,
            acceptance=None if accepted is None else accepted.acceptance,
            is_suspended=controls.is_suspended,
            suspend_reason=controls.suspend_reason,
            terminate=controls.terminate,
            answers=self._calls.answers(base.key.uid),
            events=(*_spec_events(base), *(o.as_fact() for o in objects if o.fault is None)),
            dead=frozenset(i for i in claimants if self._is_out(i, state.uid)),
            holds_timers=self.is_stopping or not self._clock.is_trusted(),
            starts_nothing=self.is_stopping,
            is_settled=state.ending is not None and self._calls.is_settled(base.key.uid),
            asked=self._unfinished.asked(base.key.uid),
        )

    def _decision(
        self,
        base: Snapshot,
        events: tuple[HistoryEvent, ...],
        state: State,
        observed: Observed,
        *,
        commit_id: str | None = None,
        wake_at: datetime | None = None,
    ) -> Decided:
        turn = Turn(
            base=base,
            commit_id=commit_id or self._clock.token(),
            events=events,
            state=state,
            observed=observed,
        )
        wake_at = next_wake(state) or wake_at
        return Decided(turn=turn, wake_at=wake_at)


class _Terminating:
    """Ends an instance that has no recipe: not yet, or not any more."""

    def advance(self, state: State, facts: Facts, now: datetime) -> Decision:
        recorder = Recorder(state, now)
        reason = facts.terminate or "terminated by its user"
        error = Failure(type="Terminated", message=reason)
        wanted = Outcome(ending=Ending.TERMINATED, error=error, at=now)
        end = state.ending or wanted
        if state.activities:
            recorder.add(EndRequested(ending=end.ending, error=end.error))
        elif state.ending is None or facts.is_settled:
            recorder.add(InstanceEnded(ending=end.ending, output=end.output, error=end.error))
        return Decision(recorder.events)


def _spec_events(base: Snapshot) -> list[ExternalEvent]:
    return [
        ExternalEvent(id=event.id, name=event.name, data=event.data, door=Door.SPEC)
        for event in base.controls.events
        if event.id not in base.state.taken
    ]


def _refusals(state: State, objects: Sequence[EventObject]) -> list[tuple[EventObject, str, str]]:
    """Return the event objects that cannot be taken: (object, reason, message)."""
    refused = []
    for event in objects:
        if event.event_id in state.taken:
            continue
        reason = ("TooLarge", event.fault) if event.fault else refusal_of(state, event.data)
        if reason is not None:
            refused.append((event, *reason))
    return refused


def _stamped(event: HistoryEvent, commit_id: str) -> HistoryEvent:
    return replace(event, commit_id=commit_id)


def _claims(events: Sequence[HistoryEvent]) -> bool:
    """Return whether the deciding process claims a call by any of these events."""
    return any(isinstance(event, ActivityScheduled | ActivityClaimed) for event in events)
