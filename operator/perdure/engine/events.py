"""The history events: facts, in the past tense, with the values that were decided.

Every event has `id` (1, 2, 3 … without gap) and `at` (aware UTC, never decreasing). An event that
is decided carries id 0 until the `Recorder` numbers it. Nothing here is ever evaluated again: an
old history folds the same on every later version, so a field may be added (with a default that
means what its absence meant) and never change its meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import ClassVar, TypeAlias

from perdure.engine.values import Json, JsonObject

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Purpose(StrEnum):
    """What a timer is for."""

    WAIT = "Wait"
    RETRY = "Retry"
    STEP_TIMEOUT = "StepTimeout"
    INSTANCE_TIMEOUT = "InstanceTimeout"


class Door(StrEnum):
    """How an external event came in."""

    SPEC = "Spec"
    OBJECT = "Object"


class Ending(StrEnum):
    """How an instance ends."""

    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    TERMINATED = "Terminated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why an attempt, a step or an instance did not succeed.

    `retryable` is what the default retry condition reads. `unknown` says that the effect may have
    happened (outcomes of a call: docs/reference/errors.md). `final` forbids a retry
    whatever the policy says: the step's own time-out, an expression that failed after the call.
    `retry_after_seconds` is the server's wish. `step` is a path.
    """

    type: str
    message: str
    code: int | None = None
    retryable: bool = False
    step: str | None = None
    attempt: int | None = None
    details: Json = None
    cause: Failure | None = None
    unknown: bool = False
    final: bool = False
    retry_after_seconds: float | None = None

    def as_json(self) -> JsonObject:
        """Return the `error` that expressions and status show: all fields, null where unused."""
        return {
            "type": self.type,
            "message": self.message,
            "code": self.code,
            "retryable": self.retryable,
            "step": self.step,
            "attempt": self.attempt,
            "details": self.details,
            "cause": None if self.cause is None else self.cause.as_json(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The right of one process to carry out one delivery of an activity attempt.

    `delivery` counts from 1 within the attempt. A process sends one `claim_id` once.
    """

    delivery: int
    incarnation: str
    claim_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """The pinned recipe: name of the ControllerRevision and digest of its spec."""

    name: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What every history event has. `commit_id` is set on the first event of each commit."""

    id: int = 0
    at: datetime = EPOCH
    commit_id: str | None = None

    payload_fields: ClassVar[tuple[str, ...]] = ()
    """Fields that may hold large values; the store may keep those elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceStarted(Event):
    """The instance was accepted: it pinned a revision and copied its input."""

    definition: str
    revision: Revision
    input: Json
    vars: Mapping[str, Json] = field(default_factory=dict)
    steps: int = 0
    """How many steps the main flow has; progress counts against it."""

    payload_fields = ("input", "vars")


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceSuspended(Event):
    """Nothing new starts from here on; facts are still kept."""

    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceResumed(Event):
    """What came due meanwhile may act again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndRequested(Event):
    """The end is decided while work is open: all of it is cancelled, nothing new starts."""

    ending: Ending
    output: Json = None
    error: Failure | None = None

    payload_fields = ("output",)


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceEnded(Event):
    """The last event of every history."""

    ending: Ending
    output: Json = None
    error: Failure | None = None

    payload_fields = ("output",)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowEntered(Event):
    """A block or catch entry began to run a named flow; `path` is that of the new frame."""

    path: str
    flow: str
    params: Mapping[str, Json] = field(default_factory=dict)
    vars: Mapping[str, Json] = field(default_factory=dict)
    attempt: int = 1

    payload_fields = ("params", "vars")


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowReturned(Event):
    """A `return` ended the flow of frame `path`; what was open in it is cancelled."""

    path: str
    step: str
    value: Json = None

    payload_fields = ("value",)


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchTaken(Event):
    """A switch chose: `index` counts its cases from 0, -1 is the default."""

    path: str
    index: int
    attempt: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class VariablesSet(Event):
    """Variables got new values: `instance` ones, and those of the flow's own frame."""

    path: str
    frame: str
    instance: Mapping[str, Json] = field(default_factory=dict)
    own: Mapping[str, Json] = field(default_factory=dict)

    payload_fields = ("instance", "own")


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSkipped(Event):
    """The step's `when` was false."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSucceeded(Event):
    """The step (or the leaf of a body) is over with this shaped output."""

    path: str
    output: Json = None

    payload_fields = ("output",)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCaught(Event):
    """The step failed, a catch entry answered for it with this output."""

    path: str
    output: Json = None

    payload_fields = ("output",)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFailed(Event):
    """The step failed for good; its flow fails with it."""

    path: str
    error: Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFailed(Event):
    """An attempt failed that had no activity: an expression, `raise`, a block's body."""

    path: str
    attempt: int
    failure: Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class CatchEntered(Event):
    """Catch entry `index` of the step matched its failure and has a body to run."""

    path: str
    index: int
    failure: Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityScheduled(Event):
    """An attempt at an activity is intended, and claimed by the process that wrote this.

    `request` is the resolved request; on attempts after the first it is None and `request_of`
    names the event that has it.
    """

    path: str
    kind: str
    attempt: int
    claim: Claim
    request: Json = None
    request_of: int | None = None

    payload_fields = ("request",)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityClaimed(Event):
    """Another process took over: the claimant before it is dead."""

    scheduled_id: int
    claim: Claim


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityAccepted(Event):
    """The other side took the work and is to be polled; later claimants only poll."""

    scheduled_id: int
    answer: Json = None

    payload_fields = ("answer",)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityCompleted(Event):
    """The attempt succeeded, and with it its step; `output` is shaped."""

    scheduled_id: int
    output: Json = None

    payload_fields = ("output",)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityFailed(Event):
    """The attempt failed; whether there is another is decided separately."""

    scheduled_id: int
    failure: Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerCreated(Event):
    """A timer of the step (or, with the main path, of the instance) was set."""

    path: str
    purpose: Purpose
    fire_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerFired(Event):
    """The timer came due; never before its `fire_at`."""

    timer_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EventAwaited(Event):
    """A step waits for `count` external events of this name (case ignored)."""

    path: str
    name: str
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class EventReceived(Event):
    """An external event was taken, once per `event_id`; it is kept until a wait matches it.

    `received_at` is when its sender made it known (an object's creation), else `at`.
    """

    event_id: str
    name: str
    door: Door
    data: Json = None
    received_at: datetime | None = None

    payload_fields = ("data",)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRefused(Event):
    """An external event from `spec.events` cannot be taken; the id counts as used."""

    event_id: str
    name: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsMatched(Event):
    """A wait is over: it took the received events with these history ids, in this order.

    Where the step has an `output`, `shaped` is true and `output` holds it; else the step's output
    is the events themselves.
    """

    wait_id: int
    received: tuple[int, ...]
    shaped: bool = False
    output: Json = None
    failure: Failure | None = None

    payload_fields = ("output",)


HistoryEvent: TypeAlias = (
    InstanceStarted
    | InstanceSuspended
    | InstanceResumed
    | EndRequested
    | InstanceEnded
    | FlowEntered
    | FlowReturned
    | BranchTaken
    | VariablesSet
    | StepSkipped
    | StepSucceeded
    | StepCaught
    | StepFailed
    | AttemptFailed
    | CatchEntered
    | ActivityScheduled
    | ActivityClaimed
    | ActivityAccepted
    | ActivityCompleted
    | ActivityFailed
    | TimerCreated
    | TimerFired
    | EventAwaited
    | EventReceived
    | EventRefused
    | EventsMatched
)
