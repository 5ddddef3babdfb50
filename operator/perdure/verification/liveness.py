"""What has to come to its end once nothing disturbs any more: I-22, I-35, I-36.

Source: docs/architecture.md#what-is-promised-after-a-crash.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from datetime import datetime, timedelta

from perdure.verification.accounts import Account, Attempt, Timer
from perdure.verification.bodies import is_deleting, part, text, time_of
from perdure.verification.checks import EndCheck, Finding, Trial
from perdure.verification.entries import CLAIM, RELEASED
from perdure.verification.evidence import Write
from perdure.verification.readiness import last_written, readiness
from perdure.verification.world import INSTANCES, LEASES, LOGS, digest_of

SETTLED = timedelta(seconds=60)
"""How long after the last disturbance everything has to be where it belongs."""
SPREAD = timedelta(minutes=2)
"""How long after that the lanes of the log have gone to those who are to have them."""
PROMPT = timedelta(seconds=5)
"""How late a timer may be where nothing disturbs."""
FOR_DEFINITIONS = ("DefinitionNotFound", "DefinitionNotReady")
"""Reasons for which an instance waits for its definition."""

Findings = Iterator[Finding]


def is_quiet(trial: Trial) -> bool:
    """Return whether the run went on long enough after its last disturbance to expect all ends."""
    healed, ended = trial.evidence.healed_at, trial.evidence.ended_at
    return healed is not None and ended is not None and ended - healed >= SETTLED


def comes_to_its_end(trial: Trial) -> Findings:
    """After the last disturbance every instance ends, or waits for what is still to come."""
    healed, ended = trial.evidence.healed_at, trial.evidence.ended_at
    if not is_quiet(trial) or healed is None or ended is None:
        return
    for account in trial.standing():
        if account.ended is not None or not account.is_sound or is_deleting(account.body):
            continue
        fault = _stuck(trial, account, max(healed, account.created.at), ended)
        if fault is not None:
            yield Finding(account.subject, fault)


def _stuck(trial: Trial, account: Account, healed: datetime, ended: datetime) -> str | None:
    """Return why an unfinished instance ought to have gone on, None where it waits rightly."""
    phase, spec = text(account.status.get("phase")), part(account.body, "spec")
    if ended - _last_asked(trial, account, healed) < SETTLED:
        return None
    if "terminate" in spec:
        return f"{phase}, although it was terminated"
    if phase == "Stalled":
        return None if _is_helpless(trial, account) else f"Stalled: {_message(account)}"
    if account.started is None:
        return _not_started(trial, account, ended)
    if account.end_requested is not None:
        return "its end was requested and does not come"
    if account.is_suspended or spec.get("suspend") is True:
        return None if account.is_suspended else "suspended by its spec alone"
    return _overdue(trial, account, healed, ended)


def _last_asked(trial: Trial, account: Account, healed: datetime) -> datetime:
    """Return when somebody last gave the instance a reason to move."""
    calls = (c for c in trial.evidence.calls if (c.namespace, c.name) == _place(account))
    return max((c.returned or c.invoked for c in calls), default=healed, key=lambda at: at)


def _place(account: Account) -> tuple[str, str]:
    return account.namespace, account.name


def _is_helpless(trial: Trial, account: Account) -> bool:
    """Return whether what it stalls for was taken from it by a user: its recipe, a payload.

    What a user wrote in the place of it is no better.
    """
    pin = part(account.started, "revision")
    revision = trial.world.revisions.get((account.namespace, text(pin.get("name"))))
    recipe = None if revision is None else part(revision.after, "data", "spec")
    is_recipe_there = recipe is not None and digest_of(recipe) == pin.get("digest")
    kept = [trial.world.kept(account, n) for n in (*account.shown.segments, *account.payloads)]
    is_whole = all(one is not None and trial.world.is_operator(one.write.actor) for one in kept)
    return not (is_recipe_there and is_whole)


def _message(account: Account) -> str:
    return text(account.status.get("message"))


def _not_started(trial: Trial, account: Account, ended: datetime) -> str | None:
    pending = part(account.status, "observed", "pending")
    reason = text(pending.get("reason"))
    if not reason:
        return "neither started nor Pending with a reason"
    start_at = part(account.body, "spec").get("startAt")
    if reason == "StartsLater" and time_of(start_at) < ended - SETTLED:
        return f"was to start at {start_at}"
    if reason in FOR_DEFINITIONS and _may_start(trial, account, ended):
        return f"Pending with {reason}, although its definition is ready"
    return None


def _may_start(trial: Trial, account: Account, ended: datetime) -> bool:
    """Return whether the definition of an instance has been ready for long enough."""
    reference = part(account.body, "spec", "definitionRef")
    if "revision" in reference:
        return False
    place = (account.namespace, text(reference.get("name")))
    written = last_written(trial.evidence.writes).get(place)
    if written is None or ended - written.at < SETTLED:
        return False
    return readiness(written.after) == "True"


def definitions_judged(trial: Trial) -> Findings:
    """A definition says within a minute whether it is Ready, as it is now."""
    ended = trial.evidence.ended_at
    if not is_quiet(trial) or ended is None:
        return
    for (namespace, name), written in last_written(trial.evidence.writes).items():
        if ended - written.at >= SETTLED and not readiness(written.after):
            yield Finding(f"{namespace}/{name}", f"does not say since {written.at} if it is ready")


def _overdue(trial: Trial, account: Account, healed: datetime, ended: datetime) -> str | None:
    """Return what of a running instance should have happened by now."""
    state = account.state
    if state is None:
        return None
    limit = ended - SETTLED
    for timer in state.timers.values():
        if timer.fire_at < limit:
            return f"timer {timer.timer_id} was due at {timer.fire_at}"
    for scheduled_id in state.activities:
        attempt = account.attempts.get(scheduled_id)
        if attempt is not None and not _is_outside(trial, account, attempt, limit):
            return f"{attempt.path}: attempt {attempt.number} is open and nobody works on it"
    if not (state.timers or state.activities or state.waits):
        return "runs, and nothing is open"
    if not account.status.get("waitingFor") and not state.timers:
        return "runs, and does not say what it waits for"
    return None


def _is_outside(trial: Trial, account: Account, attempt: Attempt, limit: datetime) -> bool:
    """Return whether a call waits for its service, or began only lately.

    One whose claimant has been replaced for so long waits for nobody but us.
    """
    claim = attempt.claims[-1]
    if claim.at > limit:
        return True
    if trial.world.leases.was_replaced(claim.incarnation, claim.at, limit):
        return False
    if attempt.accepted is not None:
        return True
    effects = trial.effects.get((account.uid, attempt.path, attempt.number), [])
    if not effects:
        return not trial.evidence.effects
    return any(e.answer is None or e.answer.at > limit for e in effects[-1:])


def prompt_timers(trial: Trial) -> Findings:
    """A timer that nothing disturbs fires within 5 s."""
    for account in trial.world.accounts.values():
        for timer in account.timers.values():
            if timer.fired_at is None or timer.purpose == "InstanceTimeout":
                continue
            due = max(timer.fire_at, timer.set_at, account.suspended_until)
            late = timer.fired_at - due
            if late > PROMPT + trial.world.bounds.stamps and not _excused(trial, due, timer):
                yield Finding(account.subject, f"timer {timer.timer_id} fired {late} late")


def _excused(trial: Trial, due: datetime, timer: Timer) -> bool:
    """Return whether anything was disturbed around the time, or settled after it."""
    assert timer.fired_at is not None, "it has fired"
    if trial.world.between_clocks > 2 * trial.world.bounds.stamps:
        return True  # Whoever mistrusts its clock fires nothing.
    return any(
        one.began <= timer.fired_at and (one.ended is None or one.ended + SETTLED >= due)
        for one in trial.evidence.disturbances
    )


def comes_to_rest(trial: Trial) -> Findings:
    """Operators write nothing for its own sake: each write of a quiet time has a cause."""
    healed = trial.evidence.healed_at
    if not is_quiet(trial) or healed is None:
        return
    causes = sorted(_causes(trial))
    for write in trial.evidence.writes:
        if write.at <= healed + _rest_of(write) or not _is_change(trial, write):
            continue
        before = bisect_right(causes, write.at)
        if before == 0 or write.at - causes[before - 1] > SETTLED:
            yield Finding(
                f"{write.namespace}/{write.name}",
                f"{write.actor} wrote it at {write.at}, {write.at - healed} after the last "
                "disturbance, and nothing had happened",
            )


def _rest_of(write: Write) -> timedelta:
    """Return how long after the last disturbance a write needs no other cause."""
    kind = part(write.after, "spec").get("kind") if write.resource == LOGS else None
    return SPREAD if kind in (CLAIM, RELEASED) else SETTLED


def _is_change(trial: Trial, write: Write) -> bool:
    """Return whether an operator wrote an instance or the log; clean-up takes its time."""
    is_ours = trial.world.is_operator(write.actor)
    return is_ours and write.resource in (INSTANCES, LOGS) and write.verb != "delete"


def _causes(trial: Trial) -> Iterator[datetime]:
    """Yield when anything happened from outside, or came due."""
    for write in trial.evidence.writes:
        if write.resource != LEASES and not trial.world.is_operator(write.actor):
            yield write.at
    for effect in trial.evidence.effects:
        yield effect.at
        if effect.answer is not None:
            yield effect.answer.at
    for account in trial.world.accounts.values():
        yield time_of(part(account.body, "spec").get("startAt"))
        for timer in account.timers.values():
            yield timer.fire_at


CHECKS = (
    EndCheck("I-35", comes_to_its_end),
    EndCheck("I-35", definitions_judged),
    EndCheck("I-22", prompt_timers),
    EndCheck("I-36", comes_to_rest),
)
