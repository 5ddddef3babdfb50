"""What a history folds to. Everything here is frozen: `fold` returns a new State.

Units are flat, by path: a unit is a step of an open frame, or the leaf under a body's `do`. What
ended inside a closed frame is gone; only the output of the step that owned it stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from perdure.engine.events import Claim, Door, Ending, Failure, Purpose, Revision
from perdure.engine.values import Json


class Stage(StrEnum):
    """Where a unit stands. The last five are final."""

    READY = "Ready"
    """Its next attempt is to be started now."""
    WORKING = "Working"
    """An activity, a timer, a wait or a body is in flight."""
    RESULT = "Result"
    """What it waited for has come; its output is to be shaped."""
    FAILING = "Failing"
    """An attempt failed; retry, catch or failure is to be decided."""
    BACKOFF = "Backoff"
    """It waits for its next attempt."""
    CATCHING = "Catching"
    """The body of a catch entry runs."""
    SUCCEEDED = "Succeeded"
    CAUGHT = "Caught"
    SKIPPED = "Skipped"
    FAILED = "Failed"

    @property
    def is_final(self) -> bool:
        """Return whether nothing changes any more."""
        return self in _FINAL


_FINAL = frozenset({Stage.SUCCEEDED, Stage.CAUGHT, Stage.SKIPPED, Stage.FAILED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One step (or leaf of a body) that has begun. `attempt` counts begun attempts from 0."""

    path: str
    stage: Stage
    since: datetime
    attempt: int = 0
    branch: int | None = None
    catching: int | None = None
    failure: Failure | None = None
    output: Json = None
    request: Json = None
    """The request of attempt 1, while there may be another attempt."""
    request_id: int | None = None
    """Id of the event that holds that request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One running execution of a flow. `flow` is None for the main flow."""

    path: str
    flow: str | None
    params: Mapping[str, Json] = field(default_factory=dict)
    vars: Mapping[str, Json] = field(default_factory=dict)
    returned: bool = False
    output: Json = None
    """What `return` gave; meaningful when `returned`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenActivity:
    """An activity attempt without result. `scheduled_id` is its event's id."""

    scheduled_id: int
    path: str
    kind: str
    attempt: int
    request: Json
    claim: Claim
    since: datetime
    is_accepted: bool = False
    answer: Json = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTimer:
    """A timer that has not fired. `timer_id` is its event's id."""

    timer_id: int
    path: str
    purpose: Purpose
    fire_at: datetime
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenWait:
    """A wait for external events. `wait_id` is its event's id; `name` is in lower case."""

    wait_id: int
    path: str
    name: str
    count: int
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedEvent:
    """An external event that nobody has matched yet. `received_id` is its history id."""

    received_id: int
    event_id: str
    name: str
    data: Json
    time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenEvent:
    """An external event id that counts as used, and the door it came by."""

    door: Door
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How the instance ends or ended."""

    ending: Ending
    output: Json = None
    error: Failure | None = None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Everything the engine knows about one instance after some event."""

    uid: str
    namespace: str
    name: str
    last_id: int = 0
    last_at: datetime | None = None
    definition: str | None = None
    revision: Revision | None = None
    started_at: datetime | None = None
    steps: int = 0
    input: Json = None
    vars: Mapping[str, Json] = field(default_factory=dict)
    is_suspended: bool = False
    suspend_reason: str | None = None
    ending: Outcome | None = None
    """The end was requested; what was in flight is being cancelled."""
    ended: Outcome | None = None
    frames: Mapping[str, Frame] = field(default_factory=dict)
    units: Mapping[str, Unit] = field(default_factory=dict)
    activities: Mapping[int, OpenActivity] = field(default_factory=dict)
    timers: Mapping[int, OpenTimer] = field(default_factory=dict)
    waits: Mapping[int, OpenWait] = field(default_factory=dict)
    inbox: tuple[ReceivedEvent, ...] = ()
    inbox_bytes: int = 0
    taken: Mapping[str, TakenEvent] = field(default_factory=dict)

    @property
    def is_started(self) -> bool:
        """Return whether the instance has been accepted."""
        return self.started_at is not None

    @property
    def is_running(self) -> bool:
        """Return whether steps may still begin."""
        return self.is_started and self.ending is None and self.ended is None
