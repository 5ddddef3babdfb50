"""What operators may write and delete beside commits: I-31, and nothing too early.

Source: docs/architecture.md#history, #claims, and docs/reference/workflowevent.md.
"""

from __future__ import annotations

from datetime import timedelta

from perdure.verification.accounts import Account
from perdure.verification.bodies import identity_of, number, part, text
from perdure.verification.checks import Texts, WriteCheck
from perdure.verification.evidence import Write
from perdure.verification.external import is_shown_taken, marks_are_true
from perdure.verification.histories import FINAL_PHASES
from perdure.verification.leases import holder_of
from perdure.verification.world import (
    DEFINITIONS,
    EVENTS,
    HISTORIES,
    INSTANCES,
    LEASES,
    REVISIONS,
    World,
    answers_of,
)

KEPT_REFUSED = timedelta(hours=24)
PIN_SEEN = timedelta(seconds=60)
"""A pin that is older than this was there when the list was read that a deletion follows."""
UNNEEDED_SINCE = "perdure.dev/unneeded-since"
OWNERSHIP_MARKS = frozenset(
    {
        "meta.helm.sh/release-name",
        "argocd.argoproj.io/tracking-id",
        "kustomize.toolkit.fluxcd.io/name",
        "helm.toolkit.fluxcd.io/name",
    }
)


def through_status(world: World, write: Write) -> Texts:
    """An operator writes instances and definitions through `/status` alone, and creates none."""
    if not world.is_operator(write.actor) or write.verb == "delete":
        return
    if write.before is None:
        yield f"{write.actor} created it"
    elif write.subresource != "status":
        yield f"{write.actor} wrote it, not its status"


def purged_after_the_end(world: World, write: Write) -> Texts:
    """An operator deletes only finished instances, and none that a deployment tool owns."""
    if not world.is_operator(write.actor) or write.verb != "delete":
        return
    phase = part(write.before, "status").get("phase")
    if phase not in FINAL_PHASES:
        yield f"{write.actor} deleted it while {phase}"
    metadata = part(write.before, "metadata")
    marks = {*part(metadata, "labels"), *part(metadata, "annotations")} & OWNERSHIP_MARKS
    if marks and "retention" not in part(write.before, "spec"):
        yield f"{write.actor} deleted what {', '.join(sorted(marks))} owns"


def taken_before_gone(world: World, write: Write) -> Texts:
    """A WorkflowEvent is deleted when a status shows it as taken, or a day after a refusal."""
    sent = world.events.get((write.namespace, write.name))
    if not world.is_operator(write.actor) or write.verb != "delete" or sent is None:
        return
    if is_shown_taken(world, sent):
        return
    refused = sent.answers.get("Refused")
    if refused is None:
        yield f"{write.actor} deleted it before any status showed it taken"
        return
    kept = KEPT_REFUSED - world.between_clocks - timedelta(seconds=1)
    if write.at - refused[0] < kept:
        yield f"{write.actor} deleted it {write.at - refused[0]} after it was refused"


def marked_truly(world: World, write: Write) -> Texts:
    """Nobody writes to a WorkflowEvent before it is consumed; its answer is true and final."""
    sent = world.events.get((write.namespace, write.name))
    if not world.is_operator(write.actor) or sent is None or write.after is None:
        return
    if write.subresource != "status" and write.verb != "delete":
        yield f"{write.actor} wrote to it"
        return
    for kind, reason in answers_of(write.after).items():
        if kind not in sent.answers:
            yield from marks_are_true(world, sent, kind, reason, write.at)
        elif sent.answers[kind][1] != reason:
            yield f"{kind} changed from {sent.answers[kind][1]} to {reason}"


def orphans_only(world: World, write: Write) -> Texts:
    """A segment or payload is deleted only when nothing can refer to it any more."""
    kept = world.histories.get((write.namespace, write.name))
    if not world.is_operator(write.actor) or write.verb != "delete" or kept is None:
        return
    account = world.accounts.get(text(kept.spec.get("instanceUid")))
    if account is None or account.gone is not None:
        return
    if write.name in account.payloads or write.name in account.shown.segments:
        yield f"{write.actor} deleted what the history refers to"
    elif _may_be_needed(account, kept.spec.get("kind"), number(kept.spec.get("firstId"))):
        yield f"{write.actor} deleted what a commit under way may still refer to"


def _may_be_needed(account: Account, kind: object, first_id: int) -> bool:
    """Return whether a commit could still come that refers to it."""
    if kind == "Segment":
        return first_id > account.shown.moved
    return first_id > account.length


def content_stays(world: World, write: Write) -> Texts:
    """A segment or payload never changes: neither do the recipes in revisions."""
    if write.before is None or write.after is None:
        return
    for field in ("spec", "data"):
        before, after = write.before.get(field), write.after.get(field)
        if before is not after and before != after:
            yield f"{field} of {write.name} has changed"


def revisions_stay(world: World, write: Write) -> Texts:
    """A revision is deleted only when it was marked, and no unfinished instance pins it."""
    if not world.is_operator(write.actor) or write.verb != "delete":
        return
    place = (write.namespace, write.name)
    if UNNEEDED_SINCE not in part(write.before, "metadata", "annotations"):
        yield f"{write.actor} deleted it without a mark"
    for account in world.accounts.values():
        pin = part(account.started, "revision").get("name")
        is_pinned = (account.namespace, pin) == place and account.gone is None
        if is_pinned and account.ended is None and _is_settled(account, write):
            yield f"{write.actor} deleted what {account.subject} has pinned"


def _is_settled(account: Account, write: Write) -> bool:
    """Return whether the pin was there to be seen in a status; else the revision is written again.

    A deletion names the version of the revision that was read before the instances were listed.
    """
    pin = account.shown.first
    if pin is None:
        return False
    read = text(part(write.before, "metadata").get("resourceVersion"))
    was_listed = read.isdecimal() and pin.revision < int(read)
    return was_listed or write.at - pin.at > PIN_SEEN


def no_return(world: World, write: Write) -> Texts:
    """A process whose Lease went to another incarnation never writes it again."""
    holder = holder_of(write)
    if identity_of(holder) != write.actor:
        return
    if world.leases.was_given_up(write.namespace, write.name, holder):
        yield f"{holder} holds the Lease again, after another had it"


def own_lease(world: World, write: Write) -> Texts:
    """A process renews its own Lease; whoever takes one over does it under the same identity."""
    holder = holder_of(write)
    if not world.is_operator(write.actor) or not holder or write.after is None:
        return
    if identity_of(holder) != write.actor:
        yield f"{write.actor} wrote the Lease for {holder}"


CHECKS = (
    WriteCheck("I-31", frozenset({INSTANCES, DEFINITIONS}), through_status),
    WriteCheck("I-27", frozenset({INSTANCES}), purged_after_the_end),
    WriteCheck("I-16", frozenset({EVENTS}), taken_before_gone),
    WriteCheck("I-16", frozenset({EVENTS}), marked_truly),
    WriteCheck("I-4", frozenset({HISTORIES}), orphans_only),
    WriteCheck("I-4", frozenset({HISTORIES, REVISIONS}), content_stays),
    WriteCheck("I-9", frozenset({REVISIONS}), revisions_stay),
    WriteCheck("I-12", frozenset({LEASES}), no_return),
    WriteCheck("I-12", frozenset({LEASES}), own_lease),
)
