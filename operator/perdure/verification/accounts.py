"""What is known of one instance from its history alone: kept event by event, apart from `fold`.

Everything here follows from stored events as they are committed; times are those of the writes
(true times), where a complete log gives them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from perdure.engine.state import State
from perdure.engine.values import JsonObject
from perdure.verification.bodies import EPOCH, identity_of, items, number, part, text
from perdure.verification.bodies import time_of as moment_of
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


@dataclass(frozen=True, slots=True)
class Committed:
    """One commit of events."""

    write: Write
    first_id: int
    last_id: int


@dataclass(slots=True)
class Account:
    """One instance, from its creation to its end and beyond.

    `body` is its newest version, also after it is gone. `hot` are the stored events after the
    newest segment, `base` the digest before them. `damage` says why the history is judged no
    further, `excused` which operators have written since; `is_edited` that the newest status is
    somebody else's than an operator's. `state` is None once an event could not be folded.
    """

    uid: str
    namespace: str
    name: str
    created: Write
    body: JsonObject
    gone: Write | None = None
    damage: str | None = None
    excused: set[str] = field(default_factory=set)
    is_edited: bool = False

    length: int = 0
    digest: str = ""
    base: str = ""
    segments: list[str] = field(default_factory=list)
    payloads: set[str] = field(default_factory=set)
    hot: list[JsonObject] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    """Bytes of each event in `hot`, with the comma after it."""
    state: State | None = None

    commits: list[Committed] = field(default_factory=list)
    commit_ids: set[str] = field(default_factory=set)
    last_at: datetime = EPOCH
    after_deletion: set[str] = field(default_factory=set)
    """Who has committed something while the instance was being deleted."""

    started: JsonObject | None = None
    is_suspended: bool = False
    suspended_until: datetime = EPOCH
    suspensions: list[Suspension] = field(default_factory=list)
    end_requested: Write | None = None
    ended: JsonObject | None = None
    end: Write | None = None
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
    def is_running(self) -> bool:
        """Return whether steps may still begin."""
        return self.started is not None and self.end_requested is None and self.ended is None


def opened(write: Write) -> Account:
    """Return the account of an instance that a write created."""
    assert write.after is not None, "a creation has an object"
    account = Account(
        uid=write.uid,
        namespace=write.namespace,
        name=write.name,
        created=write,
        body=write.after,
        digest=start_of(write.uid),
        base=start_of(write.uid),
        state=State(uid=write.uid, namespace=write.namespace, name=write.name),
    )
    note_spec(account, write.after)
    return account


def note_spec(account: Account, body: JsonObject) -> None:
    """Remember the events that the spec holds now."""
    for entry in items(part(body, "spec").get("events")):
        account.spec_events.setdefault(text(entry.get("id")), entry)


def take(account: Account, event: JsonObject, write: Write, at: datetime) -> None:
    """Enter one committed event; `at` is when it was committed, in true time."""
    account.last_at = max(account.last_at, moment_of(event.get("at")))
    enter = _ENTRIES.get(text(event.get("type")))
    if enter is not None:
        enter(account, event, write, at)


Entry = Callable[[Account, JsonObject, Write, datetime], None]


def _start(account: Account, event: JsonObject, write: Write, at: datetime) -> None:
    account.started = event


def _suspend(account: Account, event: JsonObject, write: Write, at: datetime) -> None:
    account.is_suspended = True
    account.suspensions.append(Suspension(at))


def _resume(account: Account, event: JsonObject, write: Write, at: datetime) -> None:
    account.is_suspended = False
    account.suspended_until = at
    if account.suspensions:
        account.suspensions[-1].until = at


def _request_end(account: Account, event: JsonObject, write: Write, at: datetime) -> None:
    account.end_requested = write


def _end(account: Account, event: JsonObject, write: Write, at: datetime) -> None:
    account.ended, account.end = event, write


def claim_of(event: JsonObject, at: datetime) -> Claim:
    """Return the claim that an event holds."""
    claim = part(event, "claim")
    return Claim(
        delivery=number(claim.get("delivery")),
        incarnation=text(claim.get("incarnation")),
        claim_id=text(claim.get("claimId")),
        at=at,
    )


def _schedule(account: Account, event: JsonObject, write: Write, at: datetime) -> None:
    scheduled_id, path = number(event.get("id")), text(event.get("path"))
    first = account.attempts.get(number(event.get("requestOf")))
    account.attempts[scheduled_id] = Attempt(
        scheduled_id=scheduled_id,
        path=path,
        number=number(event.get("attempt")),
        request=part(event, "request") if first is None else first.request,
        claims=[claim_of(event, at)],
    )
    account.attempt_of[path] = number(event.get("attempt"))
    account.open_of[path] = scheduled_id
    account.backed_off.discard(path)


def _claim(account: Account, event: JsonObject, write: Write, at: datetime) -> None:
    attempt = account.attempts.get(number(event.get("scheduledId")))
    if attempt is not None:
        attempt.claims.append(claim_of(event, at))


def _accept(account: Account, event: JsonObject, write: Write, at: datetime) -> None:
    attempt = account.attempts.get(number(event.get("scheduledId")))
    if attempt is not None:
        attempt.accepted, attempt.accepted_at = event, at


def _close(account: Account, event: JsonObject, write: Write, at: datetime) -> None:
    attempt = account.attempts.get(number(event.get("scheduledId")))
    if attempt is not None:
        attempt.ends.append(event)
        attempt.ended_at = at


def _fail_attempt(account: Account, event: JsonObject, write: Write, at: datetime) -> None:
    path, attempt = text(event.get("path")), number(event.get("attempt"))
    account.attempt_of[path] = max(attempt, account.attempt_of.get(path, 0))
    account.backed_off.discard(path)


def _set_timer(account: Account, event: JsonObject, write: Write, at: datetime) -> None:
    timer_id = number(event.get("id"))
    account.timers[timer_id] = Timer(
        timer_id=timer_id,
        path=text(event.get("path")),
        purpose=text(event.get("purpose")),
        fire_at=moment_of(event.get("fireAt")),
        set_at=at,
    )


def _fire(account: Account, event: JsonObject, write: Write, at: datetime) -> None:
    timer = account.timers.get(number(event.get("timerId")))
    if timer is None:
        return
    timer.fired_at = at
    if timer.purpose == "Retry":
        account.backed_off.add(timer.path)


def _await(account: Account, event: JsonObject, write: Write, at: datetime) -> None:
    wait_id = number(event.get("id"))
    account.waits[wait_id] = Wait(
        wait_id=wait_id,
        path=text(event.get("path")),
        name=text(event.get("name")).casefold(),
        count=number(event.get("count", 1)),
    )


def _receive(account: Account, event: JsonObject, write: Write, at: datetime) -> None:
    account.received[number(event.get("id"))] = Received(event)
    account.taken.setdefault(text(event.get("eventId")), event)


def _refuse(account: Account, event: JsonObject, write: Write, at: datetime) -> None:
    account.taken.setdefault(text(event.get("eventId")), event)


def matched_ids(event: JsonObject) -> list[int]:
    """Return the history ids of the received events that an EventsMatched names."""
    received = event.get("received")
    return [number(one) for one in received] if isinstance(received, list) else []


def _match(account: Account, event: JsonObject, write: Write, at: datetime) -> None:
    wait = account.waits.get(number(event.get("waitId")))
    if wait is not None:
        wait.is_over = True
    for received_id in matched_ids(event):
        received = account.received.get(received_id)
        if received is not None:
            received.wait_id = number(event.get("waitId"))


_ENTRIES: Mapping[str, Entry] = {
    "InstanceStarted": _start,
    "InstanceSuspended": _suspend,
    "InstanceResumed": _resume,
    "EndRequested": _request_end,
    "InstanceEnded": _end,
    "ActivityScheduled": _schedule,
    "ActivityClaimed": _claim,
    "ActivityAccepted": _accept,
    "ActivityCompleted": _close,
    "ActivityFailed": _close,
    "AttemptFailed": _fail_attempt,
    "TimerCreated": _set_timer,
    "TimerFired": _fire,
    "EventAwaited": _await,
    "EventReceived": _receive,
    "EventRefused": _refuse,
    "EventsMatched": _match,
}
