"""What decides: the Protocol of `advance`, and the facts that it is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from perdure.engine.events import Door, Failure, HistoryEvent, Revision
from perdure.engine.state import State
from perdure.engine.values import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """What an instance that has not started is to run."""

    definition: str
    revision: Revision
    input: Json
    timeout_seconds: float | None = None
    """The instance's own time-out; the definition's applies where it is None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an activity attempt came to: a result to be shaped, or a failure.

    For `http` the result is `{code, headers, body}`. `accepted` says that the other side took
    the work and has to be polled; the attempt stays open. Facts about an attempt that is not
    open any more change nothing.
    """

    scheduled_id: int
    result: Json = None
    failure: Failure | None = None
    accepted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalEvent:
    """An external event that has arrived; `id` is unique per instance.

    `refusal` is set when it cannot be taken (too large, …): (reason, message).
    """

    id: str
    name: str
    data: Json
    door: Door
    time: datetime | None = None
    refusal: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """Which events a wait has been asked about, and what it said: true while it sees the same.

    `sees` is what its condition reads besides the event. Of the events that wait, all up to the
    id `upto` have been asked about, and it takes those in `taken`, but needs more of them.
    """

    sees: Json
    upto: int
    taken: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything one turn knows; the order in which it counts is fixed (see `advance`)."""

    incarnation: str
    """The process that decides; claims of new attempts are in its name."""
    commit_id: str
    """Random, of this commit; claim ids derive from it."""
    acceptance: Acceptance | None = None
    is_suspended: bool = False
    suspend_reason: str | None = None
    terminate: str | None = None
    """The reason given with `spec.terminate`; None when it is not set."""
    answers: tuple[Answer, ...] = ()
    events: tuple[ExternalEvent, ...] = ()
    dead: frozenset[str] = field(default_factory=frozenset)
    """Incarnations that are known to be dead: their claims may be taken over."""
    holds_timers: bool = False
    """No timer fires: the clock is not to be trusted now, or nothing may follow from it."""
    starts_nothing: bool = False
    """Facts are taken, what follows from them is left to another turn: the process is stopping, or
    it could not renew its Lease and claims nothing."""
    is_settled: bool = False
    """What was in flight has been aborted: an instance that is ending may end."""
    asked: Mapping[int, Asked] = field(default_factory=dict)
    """What the decision before this one, which was committed, knew of the open waits, by wait id.

    Without it everything is asked again: that takes longer and decides alike.
    """


@dataclass(frozen=True, slots=True)
class Decision:
    """The events that follow, and what is known of the waits that are then open.

    One that `goes_on` stopped because it had done as much as one turn may: the next turn follows
    at once, with `asked` and at the same time `now`, also where no event was decided.
    """

    events: list[HistoryEvent]
    asked: Mapping[int, Asked] = field(default_factory=dict)
    goes_on: bool = False


class Orchestrator(Protocol):
    """The logic that picks what comes next, for one revision."""

    def advance(self, state: State, facts: Facts, now: datetime) -> Decision:
        """Return what follows from the facts: total, deterministic, at most 500 events.

        Facts count in this order: terminate; suspend and resume; answers by the id of their
        schedule; external events in the order given; timers by `fire_at`. An answer in hand
        beats its own time-out. Facts that no longer apply change nothing.
        """
        ...
