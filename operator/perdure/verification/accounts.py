"""What is known of one instance from its history alone: kept event by event, apart from `fold`.

Everything here follows from stored events as they are committed; times are those of the writes
(true times), where a complete log gives them.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import datetime

from perdure.engine.state import State
from perdure.engine.values import JsonObject
from perdure.verification.bodies import EPOCH, identity_of, items, part, text
from perdure.verification.chain import start_of
from perdure.verification.evidence import Write


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim as it was committed; `at` is when, in true time."""

    delivery: int
    incarnation: str
    claim_id: str
    at: datetime

    @property
    def identity(self) -> str:
        """Return whose process it was."""
        return identity_of(self.incarnation)


@dataclass(slots=True)
class Attempt:
    """One attempt at an activity. `ends` are the events that closed it: at most one is right."""

    scheduled_id: int
    path: str
    number: int
    request: JsonObject
    claims: list[Claim]
    accepted_at: datetime | None = None
    accepted: JsonObject | None = None
    ends: list[JsonObject] = field(default_factory=list)
    ended_at: datetime | None = None


@dataclass(slots=True)
class Timer:
    """A timer that was set. `fired_at` is when that was committed, in true time."""

    timer_id: int
    path: str
    purpose: str
    fire_at: datetime
    set_at: datetime
    fired_at: datetime | None = None


@dataclass(slots=True)
class Suspension:
    """A time in which the instance is suspended, in true time; until None for now."""

    since: datetime
    until: datetime | None = None


@dataclass(slots=True)
class Wait:
    """A wait for external events; `name` in lower case."""

    wait_id: int
    path: str
    name: str
    count: int
    is_over: bool = False


@dataclass(slots=True)
class Received:
    """An external event in the history; `event` is as stored. `wait_id` is what it satisfied."""

    event: JsonObject
    wait_id: int | None = None


@dataclass(slots=True)
class Committed:
    """One commit of events: by the write of a status, or of an entry of the log.

    `shown` is the first write of a status that shows them; `is_urgent` says that somebody may
    act upon it: the instance ends, is suspended or resumed, or begins to wait for an event.
    """

    rev: int
    write: Write
    first_id: int
    last_id: int
    shown: Write | None = None
    is_urgent: bool = False


@dataclass(frozen=True, slots=True)
class Unshown:
    """A turn of the log that no status shows yet: where the history stands after it, and its state.

    `state` is None where an event could not be folded.
    """

    committed: Committed
    commit_id: str
    digest: str
    state: State | None


@dataclass(slots=True)
class Shown:
    """What the newest status shows of a history: its first `length` events, up to turn `rev`.

    `hot` are the stored events after the newest segment, `base` is the digest before them, `sizes`
    are their bytes, each with the comma after it. `first` and `newest` are the writes of statuses
    that showed events for the first time, and for the last.
    """

    digest: str
    base: str
    state: State | None
    rev: int = 0
    length: int = 0
    segments: list[str] = field(default_factory=list)
    hot: list[JsonObject] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    first: Write | None = None
    newest: Write | None = None

    @property
    def moved(self) -> int:
        """Return how many events stand in segments."""
        return self.length - len(self.hot)


@dataclass(slots=True)
class Account:
    """One instance, from its creation to its end and beyond.

    `body` is its newest version, also after it is gone. `rev`, `length`, `digest` and `state` are
    those after the newest commit, `shown` is what the status tells of it. `damage` says why the
    history in the status is judged no further, `excused` which operators have written since;
    `loss` says what was taken from the log that its turns may have stood in, `is_split` that they
    do not follow each other; `is_edited` that the newest status is somebody else's than an
    operator's, or shows still an `edited_phase`. `state` is None once an event could not be folded.
    """

    uid: str
    namespace: str
    name: str
    created: Write
    body: JsonObject
    digest: str
    shown: Shown
    gone: Write | None = None
    damage: str | None = None
    loss: str | None = None
    is_split: bool = False
    excused: set[str] = field(default_factory=set)
    is_edited: bool = False
    edited_phase: str | None = None

    rev: int = 0
    length: int = 0
    payloads: set[str] = field(default_factory=set)
    state: State | None = None

    commits: list[Committed] = field(default_factory=list)
    commit_ids: set[str] = field(default_factory=set)
    unshown: deque[Unshown] = field(default_factory=deque)
    generation: int = 0
    """The newest generation of the spec that a commit has seen."""
    last_at: datetime = EPOCH
    after_deletion: Counter[str] = field(default_factory=Counter)
    """How many signs of its deletion each operator has had."""

    started: JsonObject | None = None
    is_suspended: bool = False
    suspended_until: datetime = EPOCH
    suspensions: list[Suspension] = field(default_factory=list)
    end_requested: Write | None = None
    ended: JsonObject | None = None
    end: Write | None = None
    end_base: int = 0
    """The generation of the spec on which its end was decided, or else requested."""
    terminated: Write | None = None
    """The write by which its spec got `terminate`."""
    attempts: dict[int, Attempt] = field(default_factory=dict)
    attempt_of: dict[str, int] = field(default_factory=dict)
    """The highest attempt of each path that has begun."""
    open_of: dict[str, int] = field(default_factory=dict)
    """The scheduled id of each path's last attempt."""
    backed_off: set[str] = field(default_factory=set)
    """Paths whose retry timer has fired since their last attempt."""
    timers: dict[int, Timer] = field(default_factory=dict)
    waits: dict[int, Wait] = field(default_factory=dict)
    received: dict[int, Received] = field(default_factory=dict)
    taken: dict[str, JsonObject] = field(default_factory=dict)
    """The event (EventReceived or EventRefused) for each external event id."""
    spec_events: dict[str, JsonObject] = field(default_factory=dict)
    """Every entry that `spec.events` ever had, by id."""

    @property
    def subject(self) -> str:
        """Return how people call it."""
        return f"{self.namespace}/{self.name}"

    @property
    def status(self) -> JsonObject:
        """Return its newest status."""
        return part(self.body, "status")

    @property
    def is_sound(self) -> bool:
        """Return whether everything can be said of its history."""
        return self.damage is None and self.loss is None and not self.is_split

    @property
    def is_running(self) -> bool:
        """Return whether steps may still begin."""
        return self.started is not None and self.end_requested is None and self.ended is None


def opened(write: Write) -> Account:
    """Return the account of an instance that a write created."""
    assert write.after is not None, "a creation has an object"
    start = start_of(write.uid)
    state = State(uid=write.uid, namespace=write.namespace, name=write.name)
    account = Account(
        uid=write.uid,
        namespace=write.namespace,
        name=write.name,
        created=write,
        body=write.after,
        digest=start,
        shown=Shown(digest=start, base=start, state=state),
        state=state,
    )
    note_spec(account, write)
    return account


def note_spec(account: Account, write: Write) -> None:
    """Remember what the spec holds from now on: its events, and `terminate`."""
    spec = part(write.after, "spec")
    for entry in items(spec.get("events")):
        account.spec_events.setdefault(text(entry.get("id")), entry)
    if account.terminated is None and "terminate" in spec:
        account.terminated = write
