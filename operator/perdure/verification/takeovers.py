"""Claims by those who may make them, and claims of the dead that somebody takes over: I-12, I-35.

Source: docs/architecture.md#claims.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from perdure.verification.accounts import Account, Attempt, Claim
from perdure.verification.bodies import is_deleting, text
from perdure.verification.checks import EndCheck, Finding, Trial
from perdure.verification.effects import ON_ITS_WAY, UNHEARD, is_disturbed, was_paused
from perdure.verification.evidence import Disturbance
from perdure.verification.leases import SETTLED

LEASE = "C22"
A_RENEWAL = timedelta(seconds=4)
"""How long one may take: it counts from when it was sent."""
NOTICED = timedelta(seconds=8)
"""How long after that it takes at most until a claim is taken over: two looks, and the turn."""

Findings = Iterator[Finding]


def heard_claimants(trial: Trial) -> Findings:
    """A process that could not renew its Lease for 10 s claims nothing; with the log, for 5 s."""
    for account in trial.world.accounts.values():
        for attempt in account.attempts.values():
            for claim in attempt.claims:
                age = trial.world.leases.age(claim.incarnation, claim.at)
                limit = trial.world.leases.times.mute + ON_ITS_WAY + trial.world.bounds.stamps
                if age is None or age <= limit or _was_held_up(trial, claim):
                    continue
                yield Finding(
                    account.subject,
                    f"{attempt.path}: {claim.identity} claimed it {age} after its last renewal",
                )


def _was_held_up(trial: Trial, claim: Claim) -> bool:
    """Return whether the commit may have been on its way for long after it was decided."""
    return any(
        one.point != LEASE and _strikes(one, claim.identity, claim.at - ON_ITS_WAY, claim.at)
        for one in trial.evidence.disturbances
    )


def _strikes(one: Disturbance, identity: str, since: datetime, until: datetime) -> bool:
    is_then = one.began <= until and (one.ended is None or one.ended >= since)
    return is_then and one.victim in ("", identity)


def settled_senders(trial: Trial) -> Findings:
    """A process that was mute sends nothing until 5 s after its next renewal."""
    for account in trial.world.accounts.values():
        for attempt in account.attempts.values():
            held = {claim.identity: claim.incarnation for claim in attempt.claims}
            for effect in trial.effects.get((account.uid, attempt.path, attempt.number), []):
                since = _unsettled_since(trial, held.get(effect.actor, ""), effect.at)
                if since is not None and not was_paused(trial, effect):
                    yield Finding(
                        account.subject,
                        f"{attempt.path}: {effect.actor} sent at {effect.at}, heard again at "
                        f"{since}",
                    )


def _unsettled_since(trial: Trial, incarnation: str, at: datetime) -> datetime | None:
    """Return when a process was heard again, if that was too short a time before."""
    slack, leases = trial.world.bounds.stamps, trial.world.leases
    since = leases.heard_again(incarnation, at, leases.times.mute + A_RENEWAL + 2 * slack)
    return since if since is not None and at - since < SETTLED - 2 * slack else None


def listed_senders(trial: Trial) -> Findings:
    """With the log a process makes calls only in lanes that its Lease lists."""
    for account in trial.world.accounts.values():
        lane = trial.world.lanes.lane_of(account.uid)
        for attempt in account.attempts.values() if lane is not None else ():
            assert lane is not None, "it has one"
            held = {claim.identity: claim.incarnation for claim in attempt.claims}
            for effect in trial.effects.get((account.uid, attempt.path, attempt.number), []):
                since = effect.at - ON_ITS_WAY - trial.world.bounds.stamps
                mine = held.get(effect.actor, "")
                is_listed = trial.world.leases.lists(mine, lane, since, effect.at)
                if mine and not is_listed and not was_paused(trial, effect):
                    yield Finding(
                        account.subject,
                        f"{attempt.path}: {effect.actor} sent at {effect.at}, and its Lease does "
                        f"not list lane {lane}",
                    )


def prompt_takeovers(trial: Trial) -> Findings:
    """The call of a dead process is taken over at once, where somebody undisturbed is there."""
    for account in trial.world.accounts.values():
        if not _is_sound(account):
            continue
        for attempt in account.attempts.values():
            for number in range(len(attempt.claims)):
                since = _left_since(trial, account, attempt, number)
                if since is not None:
                    yield Finding(
                        account.subject,
                        f"{attempt.path}: {attempt.claims[number].incarnation} is silent since "
                        f"{since}, and nobody takes its call over",
                    )


def _is_sound(account: Account) -> bool:
    """Return whether nothing keeps the instance from going on, for some of its time at least."""
    is_left_alone = account.is_sound and not account.is_edited
    is_stalled = text(account.status.get("phase")) == "Stalled"
    return is_left_alone and not is_stalled and not is_deleting(account.body)


def _left_since(trial: Trial, account: Account, attempt: Attempt, number: int) -> datetime | None:
    """Return since when a claimant is silent whose claim is left, None where none is."""
    claim, until = attempt.claims[number], _over_at(trial, account, attempt, number)
    length = trial.world.leases.times.dead + NOTICED + 2 * trial.world.bounds.stamps
    since = trial.world.leases.silence(claim.incarnation, claim.at, until, length)
    if since is None or _is_suspended(account, since, since + length):
        return None
    others = trial.world.operators - {claim.identity}
    is_missed = any(_could_take_over(trial, one, since, since + length) for one in others)
    return since if is_missed else None


def _over_at(trial: Trial, account: Account, attempt: Attempt, number: int) -> datetime:
    """Return until when nobody but this claimant had the call."""
    later = [claim.at for claim in attempt.claims[number + 1 : number + 2]]
    ends = [attempt.ended_at, trial.evidence.ended_at]
    ends += [write.at for write in (account.end_requested, account.end, account.gone) if write]
    return min([*later, *(end for end in ends if end is not None)], default=attempt.claims[-1].at)


def _is_suspended(account: Account, since: datetime, until: datetime) -> bool:
    return any(
        one.since <= until and (one.until is None or one.until >= since)
        for one in account.suspensions
    )


def _could_take_over(trial: Trial, identity: str, since: datetime, until: datetime) -> bool:
    is_heard = trial.world.leases.is_heard(identity, since, until)
    return is_heard and not is_disturbed(trial, identity, since - UNHEARD, until)


CHECKS = (
    EndCheck("I-12", heard_claimants),
    EndCheck("I-12", settled_senders),
    EndCheck("I-12", listed_senders),
    EndCheck("I-35", prompt_takeovers),
)
