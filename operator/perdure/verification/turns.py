"""What one turn may decide, and on what: the order of facts, clocks, ends and rejections.

Source: docs/architecture.md#the-turn and docs/architecture.md#time.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from perdure.engine.values import JsonObject
from perdure.verification.accounts import Account, Attempt
from perdure.verification.bodies import items, number, part, text
from perdure.verification.chain import verified
from perdure.verification.checks import (
    Commit,
    EndCheck,
    EventCheck,
    Finding,
    Texts,
    Trial,
    TurnCheck,
    WriteCheck,
)
from perdure.verification.effects import is_disturbed
from perdure.verification.evidence import Write
from perdure.verification.liveness import SETTLED, is_quiet
from perdure.verification.progress import FORM
from perdure.verification.world import INSTANCES, World

BEFORE_TIMERS = frozenset({"EventReceived", "ActivityCompleted", "ActivityAccepted"})
OFF = timedelta(seconds=10)
"""An operator that is further off than this has noticed it by the next answer it gets."""
NOTICED = timedelta(seconds=5)
"""Within this time: it renews its Lease every 2 s."""
CLOCKS = "F18"
REFUSALS = frozenset({"F8", "F13"})


def facts_in_order(commit: Commit) -> Texts:
    """In one turn answers and events count before timers: what is in hand beats its time-out."""
    fired = None
    for event in commit.new:
        if event.get("type") == "TimerFired":
            fired = event.get("id")
        elif fired is not None and event.get("type") in BEFORE_TIMERS:
            yield f"event {event.get('id')} ({event.get('type')}) comes after timer event {fired}"


def ends_with_nothing_open(commit: Commit, event: JsonObject) -> Texts:
    """An instance with calls in flight ends in two commits: they are aborted in between."""
    state = commit.account.state
    if state is not None and state.activities:
        paths = sorted({one.path for one in state.activities.values()})
        yield f"ends while {', '.join(paths)} is in flight"


def trusted_clocks(trial: Trial) -> Iterator[Finding]:
    """An operator whose clock has been off for some time fires no timer."""
    for account in trial.world.accounts.values():
        for timer in account.timers.values():
            fired = timer.fired_at
            if fired is None or fired > timer.fire_at - OFF:
                continue
            write = next((c.write for c in account.commits if c.write.at == fired), None)
            if write is not None and not _has_just_jumped(trial, write):
                yield Finding(
                    account.subject,
                    f"timer {timer.timer_id} of {timer.fire_at} was fired at {fired} by "
                    f"{write.actor}, whose clock has been off for a while",
                )


def _has_just_jumped(trial: Trial, write: Write) -> bool:
    return any(
        one.kind == CLOCKS and one.victim == write.actor and write.at - NOTICED <= one.began
        for one in trial.evidence.disturbances
        if one.began <= write.at
    )


def answered_while_suspended(trial: Trial) -> Iterator[Finding]:
    """What was sent before a suspension and is answered during it is committed during it."""
    ended = trial.evidence.ended_at
    if not is_quiet(trial) or ended is None:
        return
    for account in trial.world.accounts.values():
        if not account.is_suspended or not account.is_running or account.gone is not None:
            continue
        for attempt in account.attempts.values():
            if not attempt.ends and _is_answered(trial, account, attempt, ended - SETTLED):
                yield Finding(account.subject, f"{attempt.path}: its answer is not committed")


def _is_answered(trial: Trial, account: Account, attempt: Attempt, limit: datetime) -> bool:
    """Return whether the process that claimed the call has had its answer for so long."""
    state, claim = account.state, attempt.claims[-1]
    if state is None or attempt.scheduled_id not in state.activities or attempt.accepted:
        return False
    if is_disturbed(trial, claim.identity, claim.at, limit + SETTLED):
        return False
    effects = trial.effects.get((account.uid, attempt.path, attempt.number), [])
    return any(one.answer is not None and one.answer.at <= limit for one in effects)


def rejected_with_cause(trial: Trial) -> Iterator[Finding]:
    """An instance stalls for a rejected write only where the API server rejected one."""
    if any(one.kind in REFUSALS for one in trial.evidence.disturbances):
        return
    for write in trial.evidence.writes:
        if write.resource == INSTANCES and _stalls(write):
            account = trial.world.accounts.get(write.uid)
            if account is not None and account.is_sound:
                yield Finding(
                    account.subject, f"{write.actor} took a write of its own for rejected"
                )


def parked(world: World, write: Write) -> Texts:
    """Nothing is written onto a history that is damaged, or of a newer form.

    Where its events were edited, and the digest was not, one commit of each operator may have been
    on its way.
    """
    account = world.accounts.get(write.uid)
    if account is None or account.damage is None or not world.is_operator(write.actor):
        return
    before = part(write.before, "status", "history")
    shown = account.shown
    is_tested = before.get("digest") != shown.digest
    if write.actor not in account.excused and not is_tested:
        return
    if not before or before == part(write.after, "status", "history"):
        return
    if number(before.get("version")) > FORM:
        yield f"{write.actor} wrote on a history of form {before.get('version')}"
        return
    newest = text(part(before, "segments", "newest").get("name"))
    if newest != (shown.segments[-1] if shown.segments else ""):
        return
    if verified(shown.base, items(before.get("events")), text(before.get("digest"))) is None:
        yield f"{write.actor} wrote on, although {account.damage}"


def _stalls(write: Write) -> bool:
    before, after = (
        text(part(body, "status", "observed", "stalled").get("reason"))
        for body in (write.before, write.after)
    )
    return after == "WriteRejected" and before != after


CHECKS = (
    TurnCheck("I-18", facts_in_order),
    EventCheck("I-27", frozenset({"InstanceEnded"}), ends_with_nothing_open),
    EndCheck("I-21", trusted_clocks),
    EndCheck("I-35", answered_while_suspended),
    EndCheck("I-39", rejected_with_cause),
    WriteCheck("I-39", frozenset({INSTANCES}), parked),
)
