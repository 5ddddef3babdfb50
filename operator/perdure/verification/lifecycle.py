"""The life of an instance: final is final, nothing begins where nothing may, pins stay.

Source: docs/architecture.md#what-is-promised-after-a-crash.
"""

from __future__ import annotations

import re

from perdure.engine.values import JsonObject
from perdure.verification.accounts import Account
from perdure.verification.bodies import as_written, items, number, part, text
from perdure.verification.chain import canonical, sha256
from perdure.verification.checks import (
    Commit,
    EventCheck,
    Showing,
    StatusCheck,
    Texts,
    TurnCheck,
    WriteCheck,
)
from perdure.verification.evidence import Write
from perdure.verification.histories import FINAL_PHASES
from perdure.verification.recipes import spec_of
from perdure.verification.world import INSTANCES, UNREADABLE, World

_STEP_END = re.compile(r"[.~\[]")
FROZEN = ("phase", "output", "error", "startedAt", "completedAt", "revision", "history")
IMMUTABLE = ("definitionRef", "input", "startAt", "timeout", "parent", "id", "worker")
LEGAL: dict[str, frozenset[str]] = {
    "": frozenset({"Pending", "Running", "Suspended", "Stalled"}) | FINAL_PHASES,
    "Pending": frozenset({"Running", "Suspended", "Stalled"}) | FINAL_PHASES,
    "Running": frozenset({"Suspended", "Stalled"}) | FINAL_PHASES,
    "Suspended": frozenset({"Running", "Stalled"}) | FINAL_PHASES,
    "Stalled": frozenset({"Pending", "Running", "Suspended"}) | FINAL_PHASES,
}
BEGINNING = frozenset(
    {
        "ActivityScheduled",
        "ActivityClaimed",
        "EventAwaited",
        "FlowEntered",
        "BranchTaken",
        "VariablesSet",
    }
)
"""Events by which something begins."""
SEEN = 3
"""Signs of a deletion after which it has been seen."""


def final_is_final(world: World, write: Write) -> Texts:
    """A finished instance does not change: phase, output, error, history, times, pin."""
    before, after = part(write.before, "status"), part(write.after, "status")
    if write.after is None or before.get("phase") not in FINAL_PHASES:
        return
    if before is after:
        return
    for name in FROZEN:
        if before.get(name) != after.get(name):
            yield f"{name} of an instance that {before.get('phase')} has changed"


def frozen_spec(world: World, write: Write) -> Texts:
    """What an instance was started with never changes; `terminate` is set once, events stay."""
    before, after = part(write.before, "spec"), part(write.after, "spec")
    if write.before is None or write.after is None or before is after:
        return
    names = [name for name in IMMUTABLE if before.get(name) != after.get(name)]
    if "terminate" in before and before["terminate"] != after.get("terminate"):
        names.append("terminate")
    for name in names:
        yield f"spec.{name} has changed"
    kept = {text(one.get("id")): one for one in items(after.get("events"))}
    for one in items(before.get("events")):
        if kept.get(text(one.get("id"))) != one:
            yield f"event {one.get('id')} of spec.events has changed"


def legal_moves(showing: Showing) -> Texts:
    """A phase moves only as docs/reference/workflowinstance.md says, edits of others apart."""
    before = text(showing.old_status.get("phase"))
    after = text(showing.status.get("phase"))
    if before == after or before in FINAL_PHASES or showing.account.is_edited:
        return
    if after not in LEGAL.get(before, frozenset()):
        yield f'the phase went from "{before}" to "{after}"'


def pinned_for_good(showing: Showing) -> Texts:
    """The pinned revision of an instance never changes."""
    before, after = part(showing.old_status, "revision"), part(showing.status, "revision")
    if before and before != after:
        yield f"the pin moved from {before.get('name')} to {after.get('name')}"


def started_once(commit: Commit, event: JsonObject) -> Texts:
    """An instance starts once, before any step of it."""
    account = commit.account
    if event.get("type") == "InstanceStarted":
        if account.started is not None:
            yield f"event {event.get('id')} starts the instance again"
    elif account.started is None:
        yield f"event {event.get('id')} ({event.get('type')}) comes before the start"


def own_input(commit: Commit, event: JsonObject) -> Texts:
    """The instance starts on the definition that its spec names."""
    wanted = part(commit.body, "spec", "definitionRef")
    if event.get("definition") != wanted.get("name"):
        yield f"started on {event.get('definition')}, the spec names {wanted.get('name')}"
    named = wanted.get("revision")
    if named is not None and part(event, "revision").get("name") != named:
        yield f"started on {part(event, 'revision').get('name')}, the spec names {named}"


def true_pin(commit: Commit, event: JsonObject) -> Texts:
    """The digest of a pin is that of the recipe in the revision which it names."""
    pin = part(event, "revision")
    found = commit.world.revisions.get((commit.account.namespace, text(pin.get("name"))))
    if found is None or found.after is UNREADABLE:
        return  # One that is gone is written again after the commit: an end check asks for it.
    digest = sha256(canonical(as_written(part(found.after, "data", "spec"))))
    if digest != pin.get("digest"):
        yield f"{pin.get('name')} holds another recipe than the one that was pinned"


def of_its_recipe(commit: Commit, event: JsonObject) -> Texts:
    """Where another recipe stands in the place of the pinned one, nothing of it begins."""
    pin = part(commit.account.started, "revision")
    standing = commit.world.revisions.get((commit.account.namespace, text(pin.get("name"))))
    pinned = spec_of(commit.world, commit.account)
    if standing is None or not pinned or part(standing.after, "data", "spec") == pinned:
        return
    claimed = commit.account.attempts.get(number(event.get("scheduledId")))
    path = text(event.get("path")) if claimed is None else claimed.path
    name = _STEP_END.split(path)[0]
    if all(step.get("name") != name for step in items(pinned.get("steps"))):
        yield f"event {event.get('id')} begins {path}, which is not in its recipe"


def nothing_after_the_end(commit: Commit, event: JsonObject) -> Texts:
    """The end is the last event, and what is decided to end begins nothing any more."""
    account, kind = commit.account, event.get("type")
    if account.ended is not None:
        yield f"event {event.get('id')} ({kind}) comes after the end"
    elif account.end_requested is not None and kind != "InstanceEnded":
        yield f"event {event.get('id')} ({kind}) comes after EndRequested"


def nothing_while_suspended(commit: Commit, event: JsonObject) -> Texts:
    """While an instance is suspended nothing is scheduled, claimed or fired."""
    if not commit.account.is_suspended:
        return
    if event.get("type") == "TimerCreated" and event.get("purpose") == "Retry":
        return
    yield f"event {event.get('id')} ({event.get('type')}) while suspended"


def nothing_while_deleted(commit: Commit) -> Texts:
    """An operator that has seen the deletion of an instance schedules nothing of it any more."""
    signs = commit.account.after_deletion[commit.write.actor]
    if signs >= SEEN and commit.has(*BEGINNING, "TimerCreated"):
        yield f"{commit.write.actor} goes on scheduling, although it has seen the deletion"


def note_deletion(account: Account, write: Write, *, is_commit: bool, is_showing: bool) -> None:
    """Count the signs of its deletion that a writer has had once this write is answered.

    A status that is written tells all, if the commit is that write: it is answered with the whole
    object before the next one is decided. With the log the answer to one status is known when the
    next one is written, and the turn that was on its way meanwhile when one more has followed.
    """
    signs = account.after_deletion
    if is_commit and is_showing:
        signs[write.actor] = SEEN
    elif is_showing:
        signs[write.actor] = max(signs[write.actor], min(signs[write.actor] + 1, SEEN - 1))
    elif signs[write.actor] == SEEN - 1:
        signs[write.actor] = SEEN


def shows_conditions(showing: Showing) -> Texts:
    """The conditions Completed and Succeeded say what the phase says."""
    phase = showing.status.get("phase")
    found = {one.get("type"): one.get("status") for one in items(showing.status.get("conditions"))}
    is_final = phase in FINAL_PHASES
    if (found.get("Completed") == "True") != is_final:
        yield f"{phase}, but Completed={found.get('Completed')}"
    if (found.get("Succeeded") == "True") != (phase == "Succeeded"):
        yield f"{phase}, but Succeeded={found.get('Succeeded')}"


CHECKS = (
    WriteCheck("I-7", frozenset({INSTANCES}), final_is_final),
    WriteCheck("I-9", frozenset({INSTANCES}), frozen_spec),
    StatusCheck("I-8", legal_moves),
    StatusCheck("I-9", pinned_for_good),
    EventCheck("I-9", frozenset({"InstanceStarted"}), own_input),
    EventCheck("I-9", frozenset({"InstanceStarted"}), true_pin),
    EventCheck("I-20", BEGINNING | {"InstanceStarted", "EndRequested"}, started_once),
    EventCheck("I-9", BEGINNING, of_its_recipe),
    EventCheck("I-7", frozenset(), nothing_after_the_end),
    EventCheck(
        "I-26", BEGINNING | {"TimerCreated", "TimerFired", "EventsMatched"}, nothing_while_suspended
    ),
    TurnCheck("I-26", nothing_while_deleted),
    StatusCheck("I-28", shows_conditions, needs_log=False),
)
