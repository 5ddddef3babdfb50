"""Commits: one writer per step, one id each, bounded, and dated by an honest clock.

Source: docs/architecture.md#commit and docs/architecture.md#time.
"""

from __future__ import annotations

from perdure.engine.values import JsonObject
from perdure.verification.bodies import (
    generation_of,
    is_deleting,
    items,
    number,
    part,
    text,
    time_of,
)
from perdure.verification.chain import canonical
from perdure.verification.checks import Commit, EventCheck, Showing, StatusCheck, Texts, TurnCheck
from perdure.verification.histories import payload_of
from perdure.verification.progress import referred

MAX_EVENTS = 500
MAX_STATUS = 32 * 1024
SMALL = 8 * 1024
"""Bytes of events below which a status cannot be too large, whatever else it shows."""
MAX_SEGMENT = 128 * 1024
MAX_PAYLOAD = 1024 * 1024


def one_step(commit: Commit) -> Texts:
    """Every commit has the rev after that of the one before it, and no rev is written twice."""
    if commit.rev != number(commit.old_rev) + 1:
        yield f"rev went from {commit.old_rev} to {commit.rev}"


def own_id(commit: Commit) -> Texts:
    """Every commit has an id of its own, carried by its first event and by no other."""
    commit_id = commit.commit_id
    if not commit_id:
        yield "the commit has no id"
    elif commit_id in commit.account.commit_ids:
        yield f"commit id {commit_id} was used before"
    carriers = [event for event in commit.new if "commitId" in event]
    if commit.new and (carriers != commit.new[:1] or carriers[0]["commitId"] != commit_id):
        yield f"the ids on the new events are {[one['commitId'] for one in carriers]}"


def one_commit_each(commit: Commit, event: JsonObject) -> Texts:
    """No commit id stands on two events of a history, and the first event has one."""
    commit_id = event.get("commitId")
    if commit_id is None:
        if event.get("id") == 1:
            yield "the first event has no commit id"
    elif commit_id in commit.account.commit_ids:
        yield f"commit id {commit_id} stands on an event again"


def bounded(commit: Commit) -> Texts:
    """One commit adds at most 500 events."""
    if len(commit.new) > MAX_EVENTS:
        yield f"{len(commit.new)} events in one commit"


def within_limit(commit: Commit) -> Texts:
    """From 90,000 events on an instance is only ended: it fails with HistoryLimit."""
    account, limit = commit.account, commit.world.bounds.history_events
    length = account.length - len(commit.new)
    is_ending = account.end_requested is not None or account.ended is not None
    if commit.new and length >= limit and not is_ending:
        yield f"goes on after {length} events, {limit} are allowed"


def has_reason(showing: Showing) -> Texts:
    """A status without new events shows something new; nothing is written for its own sake."""
    if showing.new:
        return
    before, after = showing.old_status, showing.status
    shown = ("observed", "observedGeneration", "phase", "message", "waitingFor", "wakeAt")
    if all(before.get(name) == after.get(name) for name in shown):
        yield "a status without new events shows nothing new"


def on_record(showing: Showing) -> Texts:
    """A status that makes or decides an end has seen the newest generation of the spec.

    An entry of the log may decide or make one without: it does not test the spec. The final status
    does in any case.
    """
    is_decided = showing.commit is not None and showing.has("EndRequested")
    if not is_decided and not showing.has("InstanceEnded"):
        return
    seen, newest = showing.status.get("observedGeneration"), generation_of(showing.after)
    if seen != newest:
        yield f"its end is of generation {seen}, when generation {newest} was accepted already"


def accepted_generation(commit: Commit) -> Texts:
    """A turn has seen a generation of the spec that was accepted, and none before the last one."""
    oldest, newest = commit.account.generation, generation_of(commit.body)
    if not oldest <= commit.generation <= newest:
        yield (
            f"it has seen generation {commit.generation}; the turn before saw {oldest}, accepted "
            f"was {newest}"
        )


def small_status(showing: Showing) -> Texts:
    """The status of an instance takes at most 32 KiB; older events move to segments."""
    events = sum(showing.account.shown.sizes)
    if not showing.new or events < SMALL:
        return
    history = {**part(showing.status, "history"), "events": []}
    size = events + len(canonical({**showing.status, "history": history}))
    if size > MAX_STATUS:
        yield f"the status has {size} bytes"


def small_segments(showing: Showing) -> Texts:
    """A segment takes at most 128 KiB of events, or one larger event alone."""
    for name in showing.segments:
        kept = showing.world.kept(showing.account, name)
        listed = items(kept.spec.get("events")) if kept is not None else []
        size = sum(len(canonical(event)) for event in listed)
        if len(listed) > 1 and size > MAX_SEGMENT:
            yield f"segment {name} has {size} bytes"


def forward(commit: Commit, event: JsonObject) -> Texts:
    """The time of an event is never before that of the event before it."""
    if time_of(event.get("at")) < commit.account.last_at:
        yield f"event {event.get('id')} is at {event.get('at')}, before {commit.account.last_at}"


def from_no_future(commit: Commit, event: JsonObject) -> Texts:
    """An event is dated no later than its writer's clock can have shown."""
    account, write = commit.account, commit.write
    latest = max(account.last_at, write.at + commit.world.bounds.clock_of(write.actor))
    if time_of(event.get("at")) > latest:
        yield f"event {event.get('id')} is at {event.get('at')}, written at {write.at}"


def payloads_first(commit: Commit, event: JsonObject) -> Texts:
    """A payload that an event refers to was created before, with the content that it says."""
    for reference in referred(event):
        name = text(reference.get("ref"))
        kept = commit.world.kept(commit.account, name)
        if kept is None or kept.spec.get("instanceUid") != commit.account.uid:
            yield f"event {event.get('id')} refers to payload {name}, which does not exist"
            continue
        if is_deleting(kept.body):
            yield f"event {event.get('id')} refers to payload {name}, which is being deleted"
        payload = payload_of(kept.spec)
        if payload is None or kept.spec.get("digest") != reference.get("digest"):
            yield f"payload {name} does not fit its digest"
        elif payload.size > MAX_PAYLOAD or payload.size != reference.get("size"):
            yield f"payload {name} has {payload.size} bytes, {reference.get('size')} by its event"


CHECKS = (
    TurnCheck("I-5", one_step),
    TurnCheck("I-5", own_id),
    EventCheck("I-5", frozenset(), one_commit_each),
    TurnCheck("I-33", bounded),
    TurnCheck("I-33", within_limit),
    StatusCheck("I-33", has_reason),
    StatusCheck("I-33", small_status),
    StatusCheck("I-33", small_segments),
    StatusCheck("I-31", on_record),
    TurnCheck("I-31", accepted_generation),
    EventCheck("I-6", frozenset(), forward),
    EventCheck("I-6", frozenset(), from_no_future, needs_log=True),
    EventCheck("I-4", frozenset(), payloads_first),
)
