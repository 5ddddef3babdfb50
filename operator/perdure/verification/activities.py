"""Activities and their claims, as the history tells them: I-10, I-13, and who may take over.

Source: docs/architecture.md#claims.
"""

from __future__ import annotations

from perdure.engine.values import JsonObject
from perdure.verification.bodies import identity_of, number, part, text
from perdure.verification.checks import Commit, EventCheck, Texts
from perdure.verification.leases import SETTLED
from perdure.verification.postings import claim_of
from perdure.verification.recipes import fails_on_unknown

MAX_DELIVERIES = 20

CLAIMING = frozenset({"ActivityScheduled", "ActivityClaimed"})
ENDING = frozenset({"ActivityCompleted", "ActivityFailed"})


def one_end(commit: Commit, event: JsonObject) -> Texts:
    """A scheduled activity has at most one end, and nothing ends that was not scheduled."""
    scheduled_id = number(event.get("scheduledId"))
    attempt = commit.account.attempts.get(scheduled_id)
    if attempt is None:
        yield f"event {event.get('id')} ends {scheduled_id}, which was never scheduled"
    elif attempt.ends:
        yield (
            f"{attempt.path}: attempt {attempt.number} ends by event {event.get('id')}, and did "
            f"by event {attempt.ends[0].get('id')}"
        )


def open_still(commit: Commit, event: JsonObject) -> Texts:
    """A result counts only while its attempt is open: nothing late enters a history."""
    state, scheduled_id = commit.account.state, number(event.get("scheduledId"))
    if state is not None and scheduled_id not in state.activities:
        yield f"event {event.get('id')} is about {scheduled_id}, which is not open"


def in_sequence(commit: Commit, event: JsonObject) -> Texts:
    """Attempts are numbered 1, 2, 3 …, and one begins when the one before has ended."""
    account, path = commit.account, text(event.get("path"))
    attempt, before = number(event.get("attempt")), account.attempt_of.get(path, 0)
    if attempt != before + 1:
        yield f"{path}: attempt {attempt} follows attempt {before}"
    last = account.attempts.get(account.open_of.get(path, 0))
    if last is not None and not last.ends:
        yield f"{path}: attempt {attempt} begins while attempt {last.number} is open"


def after_back_off(commit: Commit, event: JsonObject) -> Texts:
    """An attempt after the first begins when its back-off is over."""
    path, attempt = text(event.get("path")), number(event.get("attempt"))
    if attempt > 1 and path not in commit.account.backed_off:
        yield f"{path}: attempt {attempt} begins without its retry timer having fired"


def same_request(commit: Commit, event: JsonObject) -> Texts:
    """An attempt after the first makes the request of the first."""
    attempt = number(event.get("attempt"))
    if "requestOf" not in event:
        return
    first = commit.account.attempts.get(number(event.get("requestOf")))
    if first is None or first.path != event.get("path"):
        yield f"{event.get('path')}: attempt {attempt} refers to the request of another step"


def numbered_claims(commit: Commit, event: JsonObject) -> Texts:
    """Deliveries of an attempt are numbered 1, 2, 3 …, at most 20 of them."""
    delivery = claim_of(event, commit.write.at).delivery
    expected = 1
    if event.get("type") == "ActivityClaimed":
        attempt = commit.account.attempts.get(number(event.get("scheduledId")))
        if attempt is None:
            yield f"event {event.get('id')} claims what was never scheduled"
            return
        expected = attempt.claims[-1].delivery + 1
    if delivery != expected:
        yield f"event {event.get('id')} is delivery {delivery}, expected was {expected}"
    if delivery > MAX_DELIVERIES:
        yield f"event {event.get('id')} is delivery {delivery}; 20 are allowed"


def own_claims(commit: Commit, event: JsonObject) -> Texts:
    """A process claims for itself alone, and each claim has an id of its own."""
    claim = claim_of(event, commit.write.at)
    if identity_of(claim.incarnation) != commit.write.actor:
        yield f"{commit.write.actor} claims for {claim.incarnation}"
    known = (c.claim_id for a in commit.account.attempts.values() for c in a.claims)
    if claim.claim_id in known:
        yield f"claim id {claim.claim_id} is used again"


def shown_alive(commit: Commit, event: JsonObject) -> Texts:
    """A process creates its Lease before its first claim."""
    incarnation = claim_of(event, commit.write.at).incarnation
    if not commit.world.leases.is_known(incarnation):
        yield f"{incarnation} claims and has never held a Lease"


def dead_claimants(commit: Commit, event: JsonObject) -> Texts:
    """A claim is taken over only from a process that its Lease showed dead, moments ago at least.

    One that was silent and is heard of again claims, but sends nothing until others know. With the
    log it may also have let go of the lane; one that lost it and has it back claims anew, too.
    """
    attempt = commit.account.attempts.get(number(event.get("scheduledId")))
    if attempt is None:
        return
    claim, before = claim_of(event, commit.write.at), attempt.claims[-1]
    if claim.incarnation == before.incarnation:
        if not commit.world.has_come_back(commit.account, claim.incarnation, before.at):
            yield f"{attempt.path}: {claim.incarnation} claims again what is its own"
        return
    leases, slack = commit.world.leases, commit.world.bounds.stamps
    since = min(before.at, commit.write.at - SETTLED)
    if commit.world.has_let_go(commit.account, before.incarnation, before.at, commit.write.at):
        return
    if not leases.could_be_dead(before.incarnation, since, commit.write.at, slack):
        yield (
            f"{attempt.path}: {claim.incarnation} takes over from {before.incarnation}, which "
            "was alive by its Lease"
        )


def no_blind_repeat(commit: Commit, event: JsonObject) -> Texts:
    """A step with `onUnknown: Fail` is never delivered again unless its start was accepted."""
    attempt = commit.account.attempts.get(number(event.get("scheduledId")))
    if attempt is None or attempt.accepted is not None:
        return
    if fails_on_unknown(commit.world, commit.account, attempt.path):
        yield f"{attempt.path}: claimed again, although it must not be repeated blindly"


def no_attempt_after_unknown(commit: Commit, event: JsonObject) -> Texts:
    """A step with `onUnknown: Fail` has no attempt after one whose outcome is unknown."""
    account, path = commit.account, text(event.get("path"))
    last = account.attempts.get(account.open_of.get(path, 0))
    if last is None or not last.ends:
        return
    failure = last.ends[0].get("failure")
    kind = failure.get("type") if isinstance(failure, dict) else None
    is_unknown = isinstance(failure, dict) and failure.get("unknown") is True
    if (is_unknown or kind == "OutcomeUnknown") and fails_on_unknown(commit.world, account, path):
        yield f"{path}: attempt {event.get('attempt')} after an unknown outcome"


def no_attempt_after_a_fault(commit: Commit, event: JsonObject) -> Texts:
    """No attempt follows one whose expression failed: the call has happened."""
    account, path = commit.account, text(event.get("path"))
    last = account.attempts.get(account.open_of.get(path, 0))
    if last is None or not last.ends:
        return
    if part(last.ends[0], "failure").get("type") == "ExpressionError":
        yield f"{path}: attempt {event.get('attempt')} after an expression that failed"


SCHEDULED = frozenset({"ActivityScheduled"})
CLAIMED = frozenset({"ActivityClaimed"})

CHECKS = (
    EventCheck("I-10", ENDING, one_end),
    EventCheck("I-10", ENDING | {"ActivityAccepted", "ActivityClaimed"}, open_still),
    EventCheck("I-13", SCHEDULED, in_sequence),
    EventCheck("I-13", SCHEDULED, after_back_off),
    EventCheck("I-13", SCHEDULED, same_request),
    EventCheck("I-13", SCHEDULED, no_attempt_after_a_fault),
    EventCheck("I-12", CLAIMING, numbered_claims),
    EventCheck("I-12", CLAIMING, own_claims, needs_log=True),
    EventCheck("I-12", CLAIMING, shown_alive, needs_log=True),
    EventCheck("I-12", CLAIMED, dead_claimants, needs_log=True),
    EventCheck("I-12", CLAIMED, no_blind_repeat),
    EventCheck("I-12", SCHEDULED, no_attempt_after_unknown),
)
