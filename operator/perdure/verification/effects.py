"""What services saw against what was committed: I-11, I-12, I-26 and keys.

Source: docs/architecture.md#claims and docs/architecture.md#calls.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise

from perdure.verification.accounts import Account, Attempt, Claim
from perdure.verification.bodies import part, text
from perdure.verification.checks import EndCheck, Finding, Trial
from perdure.verification.evidence import Disturbance, Effect
from perdure.verification.requests import key_of

LINGERING = timedelta(seconds=5)
"""How long after an end a request may still arrive that had been sent before it."""
HEARD = timedelta(seconds=2)
"""How soon every process knows of a commit, by its watch, where nothing is disturbed."""
UNHEARD = timedelta(seconds=80)
"""How long a watch that was disturbed may stay silent before its process looks for itself."""
ON_ITS_WAY = timedelta(seconds=5)
"""How long a request may take from the look at the Lease to the service."""
STANDSTILLS = frozenset({"F16", "F24"})
"""Pauses of a process, and of its loop."""
COMMIT, CALL = "C4", "C14"

Findings = Iterator[Finding]


def intended(trial: Trial) -> Findings:
    """No request reaches a service without an earlier commit that intends it."""
    for (uid, path, number_), effects in trial.effects.items():
        attempt = _attempt(trial, uid, path, number_)
        first = effects[0]
        if attempt is None:
            yield Finding(
                _subject(trial, uid), f"{path}, attempt {number_}: a request that nobody intended"
            )
        elif first.at + trial.world.bounds.stamps < attempt.claims[0].at:
            yield Finding(
                _subject(trial, uid),
                f"{path}, attempt {number_}: sent at {first.at}, scheduled at "
                f"{attempt.claims[0].at}",
            )


def claimed(trial: Trial) -> Findings:
    """A process sends a call once per claim of its own, after that claim was committed."""
    for attempt, account, effects in known_attempts(trial):
        for actor in {effect.actor for effect in effects}:
            calls = [e for e in effects if e.actor == actor and not is_poll(e, attempt)]
            claims = [c for c in attempt.claims if actor in ("", c.identity)]
            fault = _unclaimed(calls, claims, trial.world.bounds.stamps)
            if fault is not None:
                who = actor or "somebody"
                yield Finding(
                    account.subject, f"{attempt.path}, attempt {attempt.number}: {who} {fault}"
                )


def _unclaimed(calls: list[Effect], claims: list[Claim], slack: timedelta) -> str | None:
    if len(calls) > len(claims):
        return f"sent {len(calls)} times for {len(claims)} claims"
    for call, claim in zip(calls, claims, strict=False):
        if call.at + slack < claim.at:
            return f"sent at {call.at}, claimed at {claim.at}"
    return None


def polled_by_claim(trial: Trial) -> Findings:
    """A poll comes from a process that has claimed the attempt, after it was accepted."""
    for attempt, account, effects in known_attempts(trial):
        identities = {claim.identity for claim in attempt.claims}
        for effect in effects:
            if is_poll(effect, attempt) and effect.actor not in identities | {""}:
                yield Finding(account.subject, f"{attempt.path}: polled by {effect.actor}")


def unpolled_while_suspended(trial: Trial) -> Findings:
    """While an instance is suspended nothing is polled, by processes that are undisturbed."""
    for attempt, account, effects in known_attempts(trial):
        for effect in effects:
            since = _suspended_since(account, effect)
            if since is None or not is_poll(effect, attempt):
                continue
            is_late = effect.at > since + HEARD + trial.world.bounds.stamps
            if is_late and not is_disturbed(trial, effect.actor, since - UNHEARD, effect.at):
                yield Finding(
                    account.subject, f"{attempt.path}: polled at {effect.at}, suspended at {since}"
                )


def _suspended_since(account: Account, effect: Effect) -> datetime | None:
    """Return since when the instance was suspended at the time of a request, None if it was not."""
    for one in account.suspensions:
        if one.since <= effect.at and (one.until is None or effect.at < one.until):
            return one.since
    return None


def one_key(trial: Trial) -> Findings:
    """Every call of a step carries the same key: the sha256 of `<uid>/r<round>/<path>`."""
    for attempt, account, effects in known_attempts(trial):
        headers = {name.lower() for name in part(attempt.request, "headers")}
        if "idempotency-key" in headers:
            continue  # One that the user gives wins.
        for effect in effects:
            if not is_poll(effect, attempt) and effect.key != key_of(account, attempt):
                yield Finding(account.subject, f"{attempt.path}: sent under key {effect.key!r}")


def keys_apart(trial: Trial) -> Findings:
    """No two effects share an idempotency key."""
    owners: dict[str, tuple[str, str]] = {}
    for (uid, path, _), effects in trial.effects.items():
        for effect in effects:
            owner = owners.setdefault(effect.key, (uid, path)) if effect.key else (uid, path)
            if owner != (uid, path):
                yield Finding(_subject(trial, uid), f"{path} shares its key with {owner[1]}")


def repeated_with_cause(trial: Trial) -> Findings:
    """A call is delivered again only where its claimant was replaced, stopped or disturbed."""
    for account in trial.world.accounts.values():
        for attempt in account.attempts.values():
            for earlier, later in pairwise(attempt.claims):
                if not _has_cause(trial, account, earlier, later):
                    yield Finding(
                        account.subject,
                        f"{attempt.path}: {later.incarnation} took over from "
                        f"{earlier.incarnation}, to which nothing had happened",
                    )


def _has_cause(trial: Trial, account: Account, earlier: Claim, later: Claim) -> bool:
    leases = trial.world.leases
    if leases.was_replaced(earlier.incarnation, earlier.at, later.at):
        return True
    if trial.world.has_let_go(account, earlier.incarnation, earlier.at, later.at):
        return True
    return is_disturbed(trial, earlier.identity, earlier.at - 2 * leases.times.dead, later.at)


def is_disturbed(trial: Trial, identity: str, since: datetime, until: datetime) -> bool:
    """Return whether anything was done to a process, or to the world, in this span."""
    return any(
        one.victim in ("", identity) and _overlaps(one, since, until)
        for one in trial.evidence.disturbances
    )


def _overlaps(one: Disturbance, since: datetime, until: datetime) -> bool:
    return one.began <= until and (one.ended is None or one.ended >= since)


def silent_after_the_end(trial: Trial) -> Findings:
    """After the end of an instance nothing is sent for it, by processes that are undisturbed."""
    for attempt, account, effects in known_attempts(trial):
        end = account.end_requested or account.end
        for effect in effects if end is not None else ():
            assert end is not None, "it has one"
            is_late = effect.at > end.at + LINGERING + trial.world.bounds.stamps
            if is_late and not is_disturbed(
                trial, effect.actor, end.at - trial.world.leases.times.dead, effect.at
            ):
                yield Finding(account.subject, f"{attempt.path}: sent {effect.at}, after the end")


def mute_when_cut_off(trial: Trial) -> Findings:
    """A process that could not renew its Lease for 10 s sends nothing; with the log, for 5 s."""
    for attempt, account, effects in known_attempts(trial):
        for effect in effects:
            held = [c.incarnation for c in attempt.claims if c.identity == effect.actor]
            ages = [trial.world.leases.age(one, effect.at) for one in held]
            known = [age for age in ages if age is not None]
            limit = trial.world.leases.times.mute + ON_ITS_WAY + trial.world.bounds.stamps
            if not known or min(known) <= limit:
                continue
            if not was_paused(trial, effect):
                yield Finding(
                    account.subject,
                    f"{attempt.path}: {effect.actor} sent {min(known)} after its last renewal",
                )


def was_paused(trial: Trial, effect: Effect) -> bool:
    """Return whether the request may have been held up after the look at the Lease.

    A process that only cannot reach the API server knows that it is mute. What struck a commit did
    so before that look: after it, nothing may be sent blindly.
    """
    return any(
        ((one.kind in STANDSTILLS and one.point != COMMIT) or one.point == CALL)
        and one.victim in ("", effect.actor)
        and _overlaps(one, effect.at - ON_ITS_WAY, effect.at)
        for one in trial.evidence.disturbances
    )


def is_poll(effect: Effect, attempt: Attempt) -> bool:
    """Return whether a request only reads how far an accepted call is."""
    if attempt.accepted_at is None or "poll" not in attempt.request:
        return False
    return not effect.key and effect.method == "GET"


def _attempt(trial: Trial, uid: str, path: str, number_: int) -> Attempt | None:
    account = trial.world.accounts.get(uid)
    for attempt in () if account is None else account.attempts.values():
        if (attempt.path, attempt.number) == (path, number_):
            return attempt
    return None


def known_attempts(trial: Trial) -> Iterator[tuple[Attempt, Account, list[Effect]]]:
    """Yield the attempts that services saw something of, with what they saw."""
    for account in trial.world.accounts.values():
        for attempt in account.attempts.values():
            effects = trial.effects.get((account.uid, attempt.path, attempt.number))
            if effects:
                yield attempt, account, effects


def _subject(trial: Trial, uid: str) -> str:
    account = trial.world.accounts.get(uid)
    return text(uid) if account is None else account.subject


CHECKS = (
    EndCheck("I-11", intended),
    EndCheck("I-12", claimed),
    EndCheck("I-12", polled_by_claim),
    EndCheck("I-26", unpolled_while_suspended),
    EndCheck("I-12", one_key),
    EndCheck("I-12", keys_apart),
    EndCheck("I-12", repeated_with_cause),
    EndCheck("I-12", mute_when_cut_off),
    EndCheck("I-26", silent_after_the_end),
)
