"""What decides: the Protocol of `advance`, and the facts that it is given."""

from __future__ import annotations

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
    """The clock is not to be trusted now: no timer fires."""
    starts_nothing: bool = False
    """The process is stopping: facts are taken, what follows from them is left to the next."""
    is_settled: bool = False
    """What was in flight has been aborted: an instance that is ending may end."""


class Orchestrator(Protocol):
    """The logic that picks what comes next, for one revision."""

    def advance(self, state: State, facts: Facts, now: datetime) -> list[HistoryEvent]:
        """Return the events that follow from the facts: total, deterministic, at most 500.

        Facts count in this order: terminate; suspend and resume; answers by the id of their
        schedule; external events in the order given; timers by `fire_at`. An answer in hand
        beats its own time-out. Facts that no longer apply change nothing.
        """
        ...
