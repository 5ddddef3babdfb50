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
from perdure.verification.checks import Commit, CommitCheck, EventCheck, Texts
from perdure.verification.histories import payload_of
from perdure.verification.progress import referred

MAX_EVENTS = 500
MAX_STATUS = 32 * 1024
SMALL = 8 * 1024
"""Bytes of events below which a status cannot be too large, whatever else it shows."""
MAX_SEGMENT = 128 * 1024
MAX_PAYLOAD = 1024 * 1024


def one_step(commit: Commit) -> Texts:
    """Every commit raises `status.rev` by one, and no rev is written twice."""
    before, after = commit.old_status.get("rev"), commit.status.get("rev")
    expected = number(before) + 1
    if after != expected:
        yield f"rev went from {before} to {after}"


def own_id(commit: Commit) -> Texts:
    """Every commit has an id of its own, carried by its first event and by no other."""
    commit_id = text(commit.status.get("commitId"))
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


def has_reason(commit: Commit) -> Texts:
    """A commit without events shows something new; nothing is written for its own sake."""
    if commit.new:
        return
    before, after = commit.old_status, commit.status
    shown = ("observed", "observedGeneration", "phase", "message", "waitingFor", "wakeAt")
    if all(before.get(name) == after.get(name) for name in shown):
        yield "a commit without events shows nothing new"


def on_record(commit: Commit) -> Texts:
    """The newest generation of the spec has been seen by commits that decide or make an end."""
    if not commit.has("EndRequested", "InstanceEnded"):
        return
    seen, newest = commit.status.get("observedGeneration"), generation_of(commit.after)
    if seen != newest:
        yield f"its end is of generation {seen}, when generation {newest} was accepted already"


def small_status(commit: Commit) -> Texts:
    """The status of an instance takes at most 32 KiB; older events move to segments."""
    events = sum(commit.account.sizes)
    if not commit.new or events < SMALL:
        return
    history = {**part(commit.status, "history"), "events": []}
    size = events + len(canonical({**commit.status, "history": history}))
    if size > MAX_STATUS:
        yield f"the status has {size} bytes"


def small_segments(commit: Commit) -> Texts:
    """A segment takes at most 128 KiB of events, or one larger event alone."""
    for name in commit.segments:
        kept = commit.world.kept(commit.account, name)
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
    CommitCheck("I-5", one_step),
    CommitCheck("I-5", own_id),
    EventCheck("I-5", frozenset(), one_commit_each),
    CommitCheck("I-33", bounded),
    CommitCheck("I-33", within_limit),
    CommitCheck("I-33", has_reason),
    CommitCheck("I-33", small_status),
    CommitCheck("I-33", small_segments),
    CommitCheck("I-31", on_record),
    EventCheck("I-6", frozenset(), forward),
    EventCheck("I-6", frozenset(), from_no_future, needs_log=True),
    EventCheck("I-4", frozenset(), payloads_first),
)
