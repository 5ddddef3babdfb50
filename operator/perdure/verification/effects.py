"""What services saw against what was committed: I-11, I-12, I-14 and keys.

Source: docs/architecture.md#claims and docs/architecture.md#calls.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise

from perdure.engine.values import Json, JsonObject
from perdure.verification.accounts import Account, Attempt, Claim
from perdure.verification.bodies import is_same, number, part, text
from perdure.verification.checks import EndCheck, Finding, Trial
from perdure.verification.evidence import Answered, Disturbance, Effect
from perdure.verification.external import stored_value
from perdure.verification.leases import DEAD, MUTE
from perdure.verification.progress import referred
from perdure.verification.recipes import spec_of, step_at
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
    for attempt, account, effects in _known(trial):
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
    for attempt, account, effects in _known(trial):
        identities = {claim.identity for claim in attempt.claims}
        for effect in effects:
            if is_poll(effect, attempt) and effect.actor not in identities | {""}:
                yield Finding(account.subject, f"{attempt.path}: polled by {effect.actor}")


def unpolled_while_suspended(trial: Trial) -> Findings:
    """While an instance is suspended nothing is polled, by processes that are undisturbed."""
    for attempt, account, effects in _known(trial):
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
    for attempt, account, effects in _known(trial):
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
                if not _has_cause(trial, earlier, later):
                    yield Finding(
                        account.subject,
                        f"{attempt.path}: {later.incarnation} took over from "
                        f"{earlier.incarnation}, to which nothing had happened",
                    )


def _has_cause(trial: Trial, earlier: Claim, later: Claim) -> bool:
    if trial.world.leases.was_replaced(earlier.incarnation, earlier.at, later.at):
        return True
    return is_disturbed(trial, earlier.identity, earlier.at - 2 * DEAD, later.at)


def is_disturbed(trial: Trial, identity: str, since: datetime, until: datetime) -> bool:
    """Return whether anything was done to a process, or to the world, in this span."""
    return any(
        one.victim in ("", identity) and _overlaps(one, since, until)
        for one in trial.evidence.disturbances
    )


def _overlaps(one: Disturbance, since: datetime, until: datetime) -> bool:
    return one.began <= until and (one.ended is None or one.ended >= since)


def true_results(trial: Trial) -> Findings:
    """A result in a history is one that a service gave to that very attempt."""
    for account in trial.world.accounts.values():
        for attempt in account.attempts.values():
            effects = trial.effects.get((account.uid, attempt.path, attempt.number), [])
            for event in attempt.ends[:1]:
                fault = _result_fault(trial, account, attempt, event, effects)
                if fault is not None:
                    yield Finding(account.subject, f"{attempt.path}: {fault}")


def _result_fault(
    trial: Trial, account: Account, attempt: Attempt, event: JsonObject, effects: list[Effect]
) -> str | None:
    ended_at = attempt.ended_at
    assert ended_at is not None, "it has an end"
    slack = trial.world.bounds.stamps
    answers = [e.answer for e in effects if e.answer and e.answer.at <= ended_at + slack]
    if event.get("type") == "ActivityFailed":
        failure = part(event, "failure")
        codes = {answer.code for answer in answers}
        if failure.get("type") == "HttpStatus" and number(failure.get("code")) not in codes:
            return f"failed with code {failure.get('code')}, services answered {sorted(codes)}"
        return None
    if not answers:
        return "completed, although no service had answered"
    output = stored_value(trial.world, account, event.get("output"))
    if not _is_body(trial, account, attempt) or (account.gone is not None and referred(event)):
        return None  # Large values go with their instance.
    if not any(_could_give(answer, output) for answer in answers):
        return "completed with an output that no service answered"
    return None


def _could_give(answer: Answered, output: Json) -> bool:
    """Return whether an output is the body of an answer; one that is no JSON was not kept."""
    return is_same(answer.body, output) or (answer.body is None and isinstance(output, str))


def _is_body(trial: Trial, account: Account, attempt: Attempt) -> bool:
    """Return whether the step's output is the body of the answer, as it is."""
    step = step_at(spec_of(trial.world, account), attempt.path)
    return "http" in step and step.get("output") is None


def accepted_starts(trial: Trial) -> Findings:
    """What was accepted is what the service answered to the start."""
    for attempt, account, effects in _known(trial):
        if attempt.accepted is None or attempt.accepted_at is None:
            continue
        answer = stored_value(trial.world, account, attempt.accepted.get("answer"))
        given = [e.answer for e in effects if e.answer is not None and e.key]
        if not any(_is_answer(answer, one.code, one.body) for one in given):
            yield Finding(account.subject, f"{attempt.path}: accepted what nobody answered")


def _is_answer(answer: Json, code: int, body: Json) -> bool:
    found = part(answer)
    return found.get("code") == code and is_same(found.get("body"), body)


def silent_after_the_end(trial: Trial) -> Findings:
    """After the end of an instance nothing is sent for it, by processes that are undisturbed."""
    for attempt, account, effects in _known(trial):
        end = account.end_requested or account.end
        for effect in effects if end is not None else ():
            assert end is not None, "it has one"
            is_late = effect.at > end.at + LINGERING + trial.world.bounds.stamps
            if is_late and not is_disturbed(trial, effect.actor, end.at - DEAD, effect.at):
                yield Finding(account.subject, f"{attempt.path}: sent {effect.at}, after the end")


def mute_when_cut_off(trial: Trial) -> Findings:
    """A process that could not renew its Lease for 10 s sends nothing."""
    for attempt, account, effects in _known(trial):
        for effect in effects:
            held = [c.incarnation for c in attempt.claims if c.identity == effect.actor]
            ages = [trial.world.leases.age(one, effect.at) for one in held]
            known = [age for age in ages if age is not None]
            limit = MUTE + ON_ITS_WAY + trial.world.bounds.stamps
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


def _known(trial: Trial) -> Iterator[tuple[Attempt, Account, list[Effect]]]:
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
    EndCheck("I-14", true_results),
    EndCheck("I-14", accepted_starts),
    EndCheck("I-26", silent_after_the_end),
)
