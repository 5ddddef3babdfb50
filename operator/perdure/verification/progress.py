"""What a commit did to the stored history: I-1 to I-4, with the new events as the result.

Only what is new is hashed. Segments are read when the status first names them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from perdure.engine.values import Json, JsonObject
from perdure.verification.accounts import Account
from perdure.verification.bodies import is_deleting, items, number, part, text
from perdure.verification.chain import Link, verified
from perdure.verification.entries import LoggedTurn
from perdure.verification.evidence import Write
from perdure.verification.world import Kept, World

FORM = 1
"""The stored form of histories that is known here."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a history is no good continuation of the one before."""

    invariant: str
    text: str


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a history stands after a write: what the account takes over.

    `new` are the events that the write added as they were hashed, `segments` the names of the new
    segments, `hot` the events that the status holds as they stand there.
    """

    new: list[Link]
    segments: list[str]
    hot: list[JsonObject]
    base: str
    digest: str
    length: int


@dataclass(frozen=True, slots=True)
class _Segment:
    name: str
    digest: str
    spec: JsonObject


def progress_of(world: World, account: Account, after: JsonObject) -> Progress | Fault:
    """Return what the history of the object `after` adds to the account, or what is wrong."""
    status = part(after, "status")
    if "history" not in status:
        shown = account.shown
        if shown.length:
            return Fault("I-2", f"the history of {shown.length} events is gone")
        return Progress([], [], [], shown.base, shown.digest, 0)
    head = part(status, "history")
    listed = head.get("events")
    hot = items(listed)
    if not isinstance(listed, list) or len(hot) != len(listed):
        return Fault("I-1", "status.history.events is no list of objects")
    found = _new_segments(world, account, part(head, "segments"))
    if isinstance(found, Fault):
        return found
    tail = [event for one in found for event in items(one.spec.get("events"))] + hot
    return _continued(account, head, found, tail, hot)


def _continued(
    account: Account,
    head: JsonObject,
    found: Sequence[_Segment],
    tail: list[JsonObject],
    hot: list[JsonObject],
) -> Progress | Fault:
    shown, old = account.shown, account.shown.hot
    if tail[: len(old)] != old:
        return Fault("I-2", f"events before {shown.length + 1} are not what they were")
    new = tail[len(old) :]
    length = shown.length + len(new)
    gap = _gap(new, shown.length)
    if gap is not None:
        return gap
    if head.get("length") != length:
        return Fault("I-1", f"the length is {head.get('length')} after event {length}")
    digest = text(head.get("digest"))
    links = verified(shown.digest, new, digest)
    if links is None:
        return Fault("I-3", f"the events up to {length} do not make status.history.digest")
    base = shown.base
    for segment in found:
        broken = _broken(account, segment, base)
        if broken is not None:
            return broken
        base = segment.digest
    if found and verified(base, hot, digest) is None:
        return Fault("I-3", "the events in the status do not follow the newest segment")
    return Progress(links, [one.name for one in found], hot, base, digest, length)


def _gap(new: Sequence[JsonObject], length: int) -> Fault | None:
    for expected, event in enumerate(new, length + 1):
        if event.get("id") != expected:
            return Fault("I-1", f"event {event.get('id')} stands where {expected} should")
    return None


def _new_segments(world: World, account: Account, segments: JsonObject) -> list[_Segment] | Fault:
    """Return the segments that the account does not know yet, oldest first."""
    known = account.shown.segments[-1] if account.shown.segments else None
    link = part(segments, "newest")
    found: list[_Segment] = []
    while (text(link.get("name")) or None) != known:
        name = text(link.get("name"))
        kept = world.kept(account, name)
        fault = _unusable(account, name, kept)
        if fault is not None:
            return fault
        assert kept is not None, "an absent one is unusable"
        found.insert(0, _Segment(name, text(link.get("digest")), kept.spec))
        link = part(kept.spec, "previous")
    count = len(account.shown.segments) + len(found)
    if number(segments.get("count")) != count:
        return Fault("I-4", f"{segments.get('count')} segments are counted, {count} are there")
    return found


def _unusable(account: Account, name: str, kept: Kept | None) -> Fault | None:
    if not name:
        return Fault("I-4", f"the chain of segments does not reach {account.shown.segments[-1]}")
    if kept is None:
        return Fault("I-4", f"segment {name} is referred to and does not exist")
    if is_deleting(kept.body):
        return Fault("I-4", f"segment {name} is referred to while it is being deleted")
    spec = kept.spec
    if spec.get("kind") != "Segment" or spec.get("instanceUid") != account.uid:
        return Fault("I-4", f"{name} is no segment of this instance")
    return None


def _broken(account: Account, segment: _Segment, base: str) -> Fault | None:
    """Return how a segment differs from what it should hold, given the digest before it."""
    spec, listed = segment.spec, items(segment.spec.get("events"))
    ids: tuple[Json, Json] = (spec.get("firstId"), spec.get("lastId"))
    if not listed or ids != (listed[0].get("id"), listed[-1].get("id")):
        return Fault("I-4", f"segment {segment.name} does not hold the events that it says")
    if verified(base, listed, segment.digest) is None or spec.get("digest") != segment.digest:
        return Fault("I-3", f"the events of segment {segment.name} do not make its digest")
    return None


def show(account: Account, progress: Progress, write: Write) -> None:
    """Bring what the status shows to where its history stands."""
    shown = account.shown
    shown.hot, shown.base = progress.hot, progress.base
    shown.digest, shown.length = progress.digest, progress.length
    shown.segments += progress.segments
    sizes = [*shown.sizes, *(link.size + 1 for link in progress.new)]
    shown.sizes = sizes[len(sizes) - len(progress.hot) :]
    if progress.new:
        shown.first, shown.newest = shown.first or write, write


def joined(account: Account, turn: LoggedTurn) -> list[Link] | Fault:
    """Return the events of a turn of the log that follows the newest commit, or what is wrong."""
    gap = _gap(turn.events, account.length)
    if gap is not None:
        return gap
    links = verified(account.digest, turn.events, turn.after)
    if links is None:
        return Fault("I-3", f"the events of turn {turn.rev} do not make the digest after it")
    return links


def referred(event: JsonObject) -> list[JsonObject]:
    """Return the references to payloads that an event holds: `{ref, size, digest}` each."""
    found = []
    for value in event.values():
        if isinstance(value, dict) and len(value) == 1 and "$payload" in value:
            found.append(part(value, "$payload"))
    return found
