"""Timers: never early, fired once, and a time-out overtakes no event that was sent in time.

Source: docs/architecture.md#time and docs/architecture.md#the-turn.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from perdure.engine.values import JsonObject
from perdure.verification.accounts import Account, Timer
from perdure.verification.bodies import (
    generation_of,
    is_deleting,
    items,
    number,
    part,
    text,
    time_of,
)
from perdure.verification.chain import canonical
from perdure.verification.checks import Commit, EventCheck, Texts, TurnCheck
from perdure.verification.external import MAX_DATA
from perdure.verification.world import Sent

FIRED = frozenset({"TimerFired"})
ENDING_WAITS = ("StepTimeout", "InstanceTimeout")
MAX_INBOX = 1000


def never_early(commit: Commit, event: JsonObject) -> Texts:
    """A timer does not fire before its time, by the time of its event."""
    timer = _timer(commit, event)
    if timer is not None and time_of(event.get("at")) < timer.fire_at:
        yield f"timer {timer.timer_id} of {timer.fire_at} fired at {event.get('at')}"


def truly_not_early(commit: Commit, event: JsonObject) -> Texts:
    """A timer does not fire before its true time, by more than its committer's clock is off."""
    timer, write = _timer(commit, event), commit.write
    bound = commit.world.bounds.clock_of(write.actor)
    if timer is not None and write.at < timer.fire_at - bound:
        yield (
            f"timer {timer.timer_id} of {timer.fire_at} was fired at {write.at}; the clock of "
            f"{write.actor} is off by {bound.total_seconds():g} s at most"
        )


def fires_once(commit: Commit, event: JsonObject) -> Texts:
    """A timer that was set fires at most once, while it is open."""
    timer = _timer(commit, event)
    if timer is None:
        yield f"event {event.get('id')} fires {event.get('timerId')}, which was never set"
    elif timer.fired_at is not None:
        yield f"timer {timer.timer_id} fires again"
    elif commit.account.state is not None and timer.timer_id not in commit.account.state.timers:
        yield f"timer {timer.timer_id} fires and is not open"


def set_ahead(commit: Commit, event: JsonObject) -> Texts:
    """A retry never begins before the attempt failed: its timer lies ahead.

    An event is never dated before the one before it, which a clock that was ahead may have dated;
    how long to wait counts by the clock of the process that waits.
    """
    if event.get("purpose") != "Retry":
        return
    behind = time_of(event.get("at")) - time_of(event.get("fireAt"))
    if behind >= _apart(commit):
        yield f"the retry timer of {event.get('path')} is due at {event.get('fireAt')} already"


def _apart(commit: Commit) -> timedelta:
    """Return how far the clocks of two operators may be apart; zero where none was meddled with."""
    furthest = map(commit.world.bounds.clock_seconds, commit.world.operators)
    return timedelta(seconds=2 * max(furthest, default=0.0))


def spec_events_first(commit: Commit) -> Texts:
    """No time-out overtakes an event in `spec.events` that its commit has seen."""
    if _wait_ended_at(commit) is None:
        return
    if commit.generation != generation_of(commit.body):
        return
    for entry in items(part(commit.body, "spec").get("events")):
        if text(entry.get("id")) not in commit.account.taken:
            yield f"a wait timed out, although event {entry.get('id')} was in the spec"


def objects_first(commit: Commit) -> Texts:
    """No time-out overtakes a WorkflowEvent that was created before it was due."""
    due, account = _wait_ended_at(commit), commit.account
    if due is None:
        return
    due -= commit.world.bounds.clock_of(commit.write.actor)
    for sent in commit.world.sent.get((account.namespace, account.name), ()):
        if sent.write.at < due and _waited(sent, account):
            yield (
                f"a wait timed out at {due}, although WorkflowEvent {sent.write.name} was there "
                f"since {sent.write.at}"
            )


def _waited(sent: Sent, account: Account) -> bool:
    """Return whether an event object for this instance stands and could have been taken."""
    if sent.gone is not None or sent.answers or is_deleting(sent.body):
        return False
    if not sent.is_for(account) or sent.event_id in account.taken:
        return False
    is_full = account.state is not None and len(account.state.inbox) >= MAX_INBOX
    return not is_full and len(canonical(sent.spec.get("data"))) <= MAX_DATA


def _wait_ended_at(commit: Commit) -> datetime | None:
    """Return when the first timer was due that may have ended a wait for events in this commit."""
    if not commit.waits or not commit.has("TimerFired"):
        return None
    timers = [_timer(commit, event) for event in commit.new if event.get("type") == "TimerFired"]
    due = [t.fire_at for t in timers if t is not None and t.purpose in ENDING_WAITS]
    return min(due, default=None)


def _timer(commit: Commit, event: JsonObject) -> Timer | None:
    return commit.account.timers.get(number(event.get("timerId")))


CHECKS = (
    EventCheck("I-21", FIRED, never_early),
    EventCheck("I-21", FIRED, truly_not_early, needs_log=True),
    EventCheck("I-22", FIRED, fires_once),
    EventCheck("I-13", frozenset({"TimerCreated"}), set_ahead),
    TurnCheck("I-16", spec_events_first),
    TurnCheck("I-16", objects_first),
)
