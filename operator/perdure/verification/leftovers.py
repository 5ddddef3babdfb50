"""What stands in the end: nothing that nobody needs, and all that somebody does: I-4, I-9, I-27.

Source: docs/architecture.md#history.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from perdure.verification.accounts import Account
from perdure.verification.bodies import EPOCH, is_deleting, number, part, text, time_of
from perdure.verification.checks import EndCheck, Finding, Trial
from perdure.verification.evidence import Disturbance
from perdure.verification.liveness import is_quiet
from perdure.verification.world import Kept

TIDIED = timedelta(minutes=2)
"""How long after the last disturbance whoever lives has tidied up."""
DEATHS = frozenset({"F1", "F2", "F3", "F19"})
"""Disturbances by which processes end; those of users take their Leases."""
COLLECTED = timedelta(minutes=10)
"""How long after it nothing is left over."""

Findings = Iterator[Finding]


def nothing_left(trial: Trial) -> Findings:
    """Two minutes after the last disturbance no segment or payload is left that nobody needs.

    What is left of an instance that is gone the cluster deletes, within ten minutes.
    """
    healed, ended = trial.evidence.healed_at, trial.evidence.ended_at
    if healed is None or ended is None or ended - healed < TIDIED:
        return
    for (namespace, name), kept in trial.world.histories.items():
        account = trial.world.accounts.get(text(kept.spec.get("instanceUid")))
        if account is None or not account.is_sound:
            continue
        if account.gone is not None:
            if ended - max(account.gone.at, healed) > COLLECTED:
                yield Finding(f"{namespace}/{name}", "is left of an instance that is gone")
            continue
        newest = account.shown.newest
        moved = ended if newest is None else max(kept.write.at, newest.at, _last_commit(account))
        is_left = ended - moved > TIDIED and _is_orphan(account, name, kept)
        if is_left and not _is_forgotten(trial, account, kept):
            yield Finding(f"{namespace}/{name}", f"is left over of {account.subject}")


def _last_commit(account: Account) -> datetime:
    return account.commits[-1].write.at if account.commits else EPOCH


def _is_orphan(account: Account, name: str, kept: Kept) -> bool:
    first_id = number(kept.spec.get("firstId"))
    if name in account.shown.segments or name in account.payloads:
        return False
    if kept.spec.get("kind") == "Segment":
        return first_id <= account.shown.moved
    return first_id <= account.length


def _is_forgotten(trial: Trial, account: Account, kept: Kept) -> bool:
    """Return whether whoever created it died before it could tidy up: it goes with its instance.

    Where a call is taken over from the dead, whoever commits its end tidies up, unless it dies.
    """
    deaths = [one for one in trial.evidence.disturbances if one.kind in DEATHS]
    if not any(one.victim == kept.write.actor and _is_since(one, kept.write.at) for one in deaths):
        return False
    ends = [
        attempt.ended_at
        for attempt in account.attempts.values()
        if attempt.ended_at is not None and len(attempt.claims) > 1
    ]
    last = max(ends, default=EPOCH)
    return last <= kept.write.at or any(_is_since(one, last) for one in deaths)


def _is_since(one: Disturbance, at: datetime) -> bool:
    return one.ended is None or one.ended >= at


def nothing_unanswered(trial: Trial) -> Findings:
    """A WorkflowEvent is answered, or gone, ten minutes after its instance took it or ended."""
    ended = trial.evidence.ended_at
    healed = trial.evidence.healed_at if trial.evidence.is_complete else EPOCH
    if ended is None or healed is None:
        return
    limit = ended - COLLECTED
    for sent in trial.world.events.values():
        account = trial.world.living(sent.write.namespace, text(sent.spec.get("instance")))
        if account is None or not sent.is_for(account) or is_deleting(sent.body):
            continue
        closed = account.taken.get(sent.event_id) or account.ended
        since = max(sent.write.at, time_of(part(closed).get("at")), healed)
        if closed is not None and not sent.answers and since < limit:
            yield Finding(
                f"{sent.write.namespace}/{sent.write.name}",
                f"still waits for {account.subject}, which has taken it or ended",
            )


def pins_stand(trial: Trial) -> Findings:
    """The revision that an unfinished instance pins stands."""
    deleted = {
        (write.namespace, write.name)
        for write in trial.evidence.writes
        if write.after is None and not trial.world.is_operator(write.actor)
    }
    for account in trial.standing():
        pin = text(part(account.started, "revision").get("name"))
        place = (account.namespace, pin)
        is_due = is_quiet(trial) or not trial.evidence.is_complete
        if account.ended is not None or account.started is None or not is_due:
            continue
        if place not in trial.world.revisions and place not in deleted:
            yield Finding(account.subject, f"its revision {pin} does not exist")


def segments_stand(trial: Trial) -> Findings:
    """Every segment and payload that a history refers to stands."""
    for account in trial.standing():
        if not account.is_sound:
            continue
        for name in (*account.shown.segments, *sorted(account.payloads)):
            if trial.world.kept(account, name) is None and not _by_user(trial, account, name):
                yield Finding(account.subject, f"WorkflowHistory {name} is missing")


def _by_user(trial: Trial, account: Account, name: str) -> bool:
    return any(
        (write.namespace, write.name) == (account.namespace, name)
        and write.verb == "delete"
        and not trial.world.is_operator(write.actor)
        for write in trial.evidence.writes
    )


CHECKS = (
    EndCheck("I-27", nothing_left),
    EndCheck("I-27", nothing_unanswered, needs_log=False),
    EndCheck("I-9", pins_stand, needs_log=False),
    EndCheck("I-4", segments_stand, needs_log=False),
)
