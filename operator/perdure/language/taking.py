"""Taking facts, one at a time, in the order that counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from perdure.engine.events import (
    ActivityClaimed,
    ActivityFailed,
    Claim,
    Door,
    Ending,
    EventReceived,
    EventRefused,
    Failure,
    InstanceResumed,
    InstanceSuspended,
    Purpose,
    TimerFired,
)
from perdure.engine.external import refusal_of
from perdure.engine.orchestrator import Answer, ExternalEvent
from perdure.engine.state import OpenActivity, OpenTimer
from perdure.language.ending import finish
from perdure.language.failing import repeat
from perdure.language.places import locate
from perdure.language.run import Run
from perdure.language.verbs import http

MAX_DELIVERIES = 20
"""After so many dead claimants the attempt is given up as Abandoned."""

Fact = Callable[[Run], None]


def facts_in_order(run: Run) -> Iterator[Fact]:
    """Yield the facts of this turn; each looks at the state only when it is taken."""
    yield _control
    for answer in sorted(run.facts.answers, key=lambda a: a.scheduled_id):
        yield partial(take_answer, answer=answer)
    for event in run.facts.events:
        yield partial(take_event, event=event)
    if run.state.is_suspended:
        return
    while not run.facts.holds_timers and (timer := _due(run)) is not None:
        yield partial(fire, timer=timer)
    if run.facts.starts_nothing:
        return
    for scheduled_id in sorted(run.state.activities):
        yield partial(take_over, scheduled_id=scheduled_id)


def _control(run: Run) -> None:
    """Suspend or resume; without a change this is only the pass that starts what is ready."""
    if run.facts.is_suspended and not run.state.is_suspended:
        run.add(InstanceSuspended(reason=run.facts.suspend_reason))
    elif run.state.is_suspended and not run.facts.is_suspended:
        run.add(InstanceResumed())


def take_answer(run: Run, answer: Answer) -> None:
    """Take the result of an attempt that is still open; anything else changes nothing."""
    activity = run.state.activities.get(answer.scheduled_id)
    if activity is None:
        return
    place = locate(run.program, run.state, activity.path)
    http.conclude(run, place, activity, answer)
    repeat(run, place)


def take_event(run: Run, event: ExternalEvent) -> None:
    """Take an external event once per id; one that cannot be taken is refused, visibly."""
    if event.id in run.state.taken:
        return
    refusal = refusal_of(run.state, event.data)
    if refusal is None:
        run.add(
            EventReceived(
                event_id=event.id,
                name=event.name,
                door=event.door,
                data=event.data,
                received_at=event.time,
            )
        )
    elif event.door is Door.SPEC:
        reason, message = refusal
        run.add(EventRefused(event_id=event.id, name=event.name, reason=reason, message=message))


def _due(run: Run) -> OpenTimer | None:
    due = [t for t in run.state.timers.values() if t.fire_at <= run.now]
    return min(due, key=lambda t: (t.fire_at, t.timer_id), default=None)


def fire(run: Run, timer: OpenTimer) -> None:
    """Fire a timer that is still open; the instance's own ends it."""
    if timer.timer_id not in run.state.timers:
        return
    run.add(TimerFired(timer_id=timer.timer_id))
    if timer.purpose is not Purpose.INSTANCE_TIMEOUT:
        return
    length = timer.fire_at - timer.since
    error = Failure(type="Timeout", message=f"the instance did not end within {length}")
    finish(run, Ending.FAILED, error=error)


def take_over(run: Run, scheduled_id: int) -> None:
    """Claim an attempt whose claimant is dead, or give it up."""
    activity = run.state.activities.get(scheduled_id)
    if activity is None or activity.claim.incarnation not in run.facts.dead:
        return
    place = locate(run.program, run.state, activity.path)
    failure = _not_repeatable(activity, fails_on_unknown=place.step.fails_on_unknown)
    if failure is not None:
        run.add(ActivityFailed(scheduled_id=scheduled_id, failure=failure))
        repeat(run, place)
        return
    claim_id = f"{run.facts.commit_id}.{run.state.last_id + 1}"
    claim = Claim(
        delivery=activity.claim.delivery + 1,
        incarnation=run.facts.incarnation,
        claim_id=claim_id,
    )
    run.add(ActivityClaimed(scheduled_id=scheduled_id, claim=claim))


def _not_repeatable(activity: OpenActivity, *, fails_on_unknown: bool) -> Failure | None:
    if fails_on_unknown and not activity.is_accepted:
        return http.unknown_outcome(activity, None)
    if activity.claim.delivery < MAX_DELIVERIES:
        return None
    return Failure(
        type="Abandoned",
        message=f"{MAX_DELIVERIES} processes died while they made this call",
        step=activity.path,
        attempt=activity.attempt,
        retryable=True,
        unknown=True,
    )
