"""What recipes and specs ask for, against what was done: attempts, recipes, and how long to keep.

Source: docs/language.md#retry, docs/architecture.md#claims, docs/reference/workflowinstance.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from perdure.engine.values import JsonObject
from perdure.language.durations import parse_duration
from perdure.verification.accounts import Account
from perdure.verification.activities import MAX_DELIVERIES
from perdure.verification.bodies import as_written, generation_of, number, part, text, time_of
from perdure.verification.chain import canonical, sha256
from perdure.verification.checks import (
    Commit,
    EndCheck,
    EventCheck,
    Finding,
    Texts,
    Trial,
    WriteCheck,
)
from perdure.verification.evidence import Write
from perdure.verification.histories import FINAL_PHASES
from perdure.verification.recipes import spec_of, step_at
from perdure.verification.world import DEFINITIONS, INSTANCES, World

DEFAULT_AGES = {
    "Succeeded": timedelta(days=7),
    "Failed": timedelta(days=30),
    "Terminated": timedelta(days=7),
}
SCARCE = 1000
"""From so many instances on some may go before their time, to make room."""
SCHEDULED = frozenset({"ActivityScheduled"})


def within_attempts(commit: Commit, event: JsonObject) -> Texts:
    """A step is tried as often as its `retry` says, no more."""
    spec = spec_of(commit.world, commit.account)
    step = step_at(spec, text(event.get("path")))
    if not step:
        return
    policy = {**part(spec, "defaults", "retry"), **part(step, "retry")}
    allowed, attempt = number(policy.get("attempts", 1)), number(event.get("attempt"))
    if allowed != -1 and attempt > allowed:
        yield f"{event.get('path')}: attempt {attempt} of {allowed}"


def first_request(commit: Commit, event: JsonObject) -> Texts:
    """A request is resolved once: an attempt that follows another refers to what that one sent."""
    path = text(event.get("path"))
    if "requestOf" not in event and path in commit.account.open_of:
        yield f"{path}: attempt {event.get('attempt')} makes a request of its own"


def abandoned_last(commit: Commit, event: JsonObject) -> Texts:
    """An attempt is given up as Abandoned after 20 deliveries, not before."""
    attempt = commit.account.attempts.get(number(event.get("scheduledId")))
    if attempt is None or part(event, "failure").get("type") != "Abandoned":
        return
    delivery = attempt.claims[-1].delivery
    if delivery < MAX_DELIVERIES:
        yield f"{attempt.path}: abandoned after delivery {delivery}"


def started_on_current(trial: Trial) -> Iterator[Finding]:
    """An instance starts on its definition as it stood at some time after it was created."""
    for account in trial.world.accounts.values():
        if account.started is None or not account.commits or not _by_name(account):
            continue
        pinned = text(part(account.started, "revision").get("digest"))
        since, until = account.created.at, account.commits[0].write.at
        found = set(_recipes(trial, account, since - trial.world.bounds.stamps, until))
        if pinned not in found:
            yield Finding(account.subject, "started on a recipe that was not current any more")


def _by_name(account: Account) -> bool:
    """Return whether it started on the newest recipe of the definition that its spec names."""
    reference = part(account.created.after, "spec", "definitionRef")
    return "revision" not in reference and reference.get("name") == part(account.started).get(
        "definition"
    )


def _recipes(trial: Trial, account: Account, since: datetime, until: datetime) -> Iterator[str]:
    """Yield the digests of all recipes that the definition held in this span."""
    name, before = text(part(account.started).get("definition")), ""
    for write in trial.evidence.writes:
        if write.at > until:
            break
        if (write.resource, write.namespace, write.name) != (DEFINITIONS, account.namespace, name):
            continue
        if write.at > since and before:
            yield before
        before = "" if write.after is None else _digest(write.after)
    if before:
        yield before


def _digest(definition: JsonObject) -> str:
    return sha256(canonical(as_written(part(definition, "spec"))))


def kept_long_enough(world: World, write: Write) -> Texts:
    """A finished instance is kept for as long as its own `retention` says, or the default."""
    if not world.is_operator(write.actor) or write.verb != "delete":
        return
    status, phase = part(write.before, "status"), _phase(write)
    kept = _to_keep(world, write, phase)
    if phase not in FINAL_PHASES or kept is None:
        return
    age = write.at - time_of(status.get("completedAt"))
    slack = world.between_clocks + timedelta(seconds=1)
    if age + slack < kept:
        yield f"{write.actor} deleted it {age} after its end; it was to be kept for {kept}"


def _phase(write: Write) -> str:
    return text(part(write.before, "status").get("phase"))


def _to_keep(world: World, write: Write, phase: str) -> timedelta | None:
    """Return how long to keep it; None where its definition says so, or room may be scarce."""
    own = text(part(write.before, "spec", "retention").get(phase.lower()))
    if own:
        return parse_duration(own)
    name = text(part(write.before, "spec", "definitionRef").get("name"))
    definition = world.definitions.get((write.namespace, name))
    if definition is None or len(world.accounts) > SCARCE:
        return None
    if "retention" in part(definition, "spec") or generation_of(definition) > 1:
        return None  # What it said before may be what the operator knew.
    return DEFAULT_AGES.get(phase)


CHECKS = (
    EventCheck("I-13", SCHEDULED, within_attempts),
    EventCheck("I-13", SCHEDULED, first_request),
    EventCheck("I-13", frozenset({"ActivityFailed"}), abandoned_last),
    EndCheck("I-9", started_on_current),
    WriteCheck("I-27", frozenset({INSTANCES}), kept_long_enough),
)
