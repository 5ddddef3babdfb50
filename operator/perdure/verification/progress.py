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
        if account.length:
            return Fault("I-2", f"the history of {account.length} events is gone")
        return Progress([], [], [], account.base, account.digest, 0)
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
    old = account.hot
    if tail[: len(old)] != old:
        return Fault("I-2", f"events before {account.length + 1} are not what they were")
    new = tail[len(old) :]
    length = account.length + len(new)
    gap = _gap(new, account.length, head)
    if gap is not None:
        return gap
    digest = text(head.get("digest"))
    links = verified(account.digest, new, digest)
    if links is None:
        return Fault("I-3", f"the events up to {length} do not make status.history.digest")
    base = account.base
    for segment in found:
        broken = _broken(account, segment, base)
        if broken is not None:
            return broken
        base = segment.digest
    if found and verified(base, hot, digest) is None:
        return Fault("I-3", "the events in the status do not follow the newest segment")
    return Progress(links, [one.name for one in found], hot, base, digest, length)


def _gap(new: Sequence[JsonObject], length: int, head: JsonObject) -> Fault | None:
    for expected, event in enumerate(new, length + 1):
        if event.get("id") != expected:
            return Fault("I-1", f"event {event.get('id')} stands where {expected} should")
    if head.get("length") != length + len(new):
        return Fault("I-1", f"the length is {head.get('length')} after event {length + len(new)}")
    return None


def _new_segments(world: World, account: Account, segments: JsonObject) -> list[_Segment] | Fault:
    """Return the segments that the account does not know yet, oldest first."""
    known = account.segments[-1] if account.segments else None
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
    count = len(account.segments) + len(found)
    if number(segments.get("count")) != count:
        return Fault("I-4", f"{segments.get('count')} segments are counted, {count} are there")
    return found


def _unusable(account: Account, name: str, kept: Kept | None) -> Fault | None:
    if not name:
        return Fault("I-4", f"the chain of segments does not reach {account.segments[-1]}")
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


def enter(account: Account, progress: Progress) -> None:
    """Bring the account to where the history stands; its events are entered one by one."""
    account.hot, account.base = progress.hot, progress.base
    account.digest, account.length = progress.digest, progress.length
    account.segments += progress.segments
    sizes = [*account.sizes, *(link.size + 1 for link in progress.new)]
    account.sizes = sizes[len(sizes) - len(progress.hot) :]


def referred(event: JsonObject) -> list[JsonObject]:
    """Return the references to payloads that an event holds: `{ref, size, digest}` each."""
    found = []
    for value in event.values():
        if isinstance(value, dict) and len(value) == 1 and "$payload" in value:
            found.append(part(value, "$payload"))
    return found
