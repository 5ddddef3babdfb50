"""How each event is taken down in the account of its instance, once it is committed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from perdure.engine.values import JsonObject
from perdure.verification.accounts import (
    Account,
    Attempt,
    Claim,
    Received,
    Suspension,
    Timer,
    Wait,
)
from perdure.verification.bodies import number, part, text
from perdure.verification.bodies import time_of as moment_of
from perdure.verification.evidence import Write


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
