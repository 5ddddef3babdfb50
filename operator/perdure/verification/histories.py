"""One whole stored history: read from an instance and its WorkflowHistory objects, and judged.

This is for whoever wants to read the events themselves; `progress.py` follows a history write by
write.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from perdure.engine.values import Json, JsonObject
from perdure.verification.bodies import (
    as_written,
    items,
    number,
    part,
    text,
    time_of,
)
from perdure.verification.chain import end_of, sha256, start_of

FINAL_PHASES = frozenset({"Succeeded", "Failed", "Terminated"})


@dataclass(frozen=True, slots=True)
class Dump:
    """An instance with its WorkflowHistory objects, all as the API server returned them."""

    instance: JsonObject
    objects: list[JsonObject]

    @property
    def name(self) -> str:
        return text(part(self.instance, "metadata").get("name"))

    @property
    def uid(self) -> str:
        return text(part(self.instance, "metadata").get("uid"))

    @property
    def status(self) -> JsonObject:
        return part(self.instance, "status")


@dataclass(frozen=True, slots=True)
class History:
    """The events in stored form, oldest first; payloads by the name of their object."""

    events: list[JsonObject]
    payloads: Mapping[str, Json]


class HistoryFaultError(AssertionError):
    """A history is not as it must be."""


def history_of(dump: Dump) -> History:
    """Return the history, its chain checked from the first event to `status.history.digest`.

    Raises HistoryFaultError with everything that is wrong with it.
    """
    if dump.status.get("history") is None:
        return History([], {})
    head = part(dump.status, "history")
    specs = {
        text(part(found, "metadata").get("name")): part(found, "spec") for found in dump.objects
    }
    faults: list[str] = []
    chain = _segments_of(head, specs, faults)
    events = [event for _, spec in chain for event in items(as_written(spec.get("events")))]
    events += items(as_written(head.get("events")))
    faults += chain_faults(dump.uid, chain, head)
    faults += event_faults(events)
    faults += status_faults(dump.status, events)
    payloads = _payloads_of(specs, faults)
    if faults:
        raise HistoryFaultError(f"history of {dump.name}: " + "; ".join(faults))
    return History(events, payloads)


def _segments_of(
    head: JsonObject, specs: Mapping[str, JsonObject], faults: list[str]
) -> list[tuple[str, JsonObject]]:
    """Return (digest by reference, spec) of the segments that the status names, oldest first."""
    chain: list[tuple[str, JsonObject]] = []
    segments = part(head, "segments")
    link = part(segments, "newest")
    while link and len(chain) <= len(specs):
        spec = specs.get(text(link.get("name")))
        if spec is None:
            faults.append(f"the segment {link.get('name')} is missing")
            break
        chain.insert(0, (text(link.get("digest")), spec))
        link = part(spec, "previous")
    if len(chain) != segments.get("count"):
        faults.append(f"{segments.get('count')} segments are counted, {len(chain)} found")
    return chain


def chain_faults(
    uid: str, chain: Sequence[tuple[str, JsonObject]], head: JsonObject
) -> Iterator[str]:
    """Yield where a digest is another one than the events before it make, or a gap is."""
    digest, last = start_of(uid), 0
    for expected, spec in chain:
        events = items(as_written(spec.get("events")))
        digest = end_of(digest, events)
        if not digest == expected == spec.get("digest"):
            yield f"the segment from event {spec.get('firstId')} on does not fit its digest"
        if (spec.get("firstId"), spec.get("lastId")) != (last + 1, last + len(events)):
            yield f"the segment after event {last} says {spec.get('firstId')}-{spec.get('lastId')}"
        if spec.get("instanceUid") != uid:
            yield f"the segment from event {spec.get('firstId')} on is another instance's"
        last = number(spec.get("lastId"))
    events = items(as_written(head.get("events")))
    if end_of(digest, events) != head.get("digest"):
        yield "the events do not fit status.history.digest"
    if last + len(events) != head.get("length"):
        yield f"{last + len(events)} events, but the length is {head.get('length')}"


def event_faults(events: Sequence[JsonObject]) -> Iterator[str]:
    """Yield where ids have a gap, time runs back, or commit ids are wrong."""
    ids = [event.get("id") for event in events]
    if ids != list(range(1, len(events) + 1)):
        yield f"the event ids are {ids}"
    for earlier, later in pairwise(events):
        if time_of(later.get("at")) < time_of(earlier.get("at")):
            yield f"event {later.get('id')} is at {later.get('at')}, before {earlier.get('at')}"
    commits = [event["commitId"] for event in events if "commitId" in event]
    if events and "commitId" not in events[0]:
        yield "the first event has no commit id"
    if len({str(commit) for commit in commits}) != len(commits):
        yield f"a commit id is on two events: {commits}"
    ends = [event.get("id") for event in events if event.get("type") == "InstanceEnded"]
    if ends not in ([], [len(events)]):
        yield f"the end is at {ends} of {len(events)} events"


def status_faults(status: JsonObject, events: Sequence[JsonObject]) -> Iterator[str]:
    """Yield where the status disagrees with its history about the end and the commits."""
    has_ended = bool(events) and events[-1].get("type") == "InstanceEnded"
    if has_ended != (status.get("phase") in FINAL_PHASES):
        yield f"the phase is {status.get('phase')}, the last event {events[-1:]}"
    commits = sum("commitId" in event for event in events)
    if number(status.get("rev")) < commits:
        yield f"{commits} commits of events, but rev is {status.get('rev')}"


def _payloads_of(specs: Mapping[str, JsonObject], faults: list[str]) -> dict[str, Json]:
    values: dict[str, Json] = {}
    for name, spec in specs.items():
        if spec.get("kind") == "Payload":
            value = payload_of(spec)
            if value is None:
                faults.append(f"the payload {name} does not fit its digest")
            else:
                values[name] = value.value
    return values


@dataclass(frozen=True, slots=True)
class Payload:
    """A value that was kept in an object of its own, and how many bytes it takes."""

    value: Json
    size: int


def payload_of(spec: JsonObject) -> Payload | None:
    """Return the value of a payload's spec, None when its content is not what its digest says."""
    try:
        data = base64.b64decode(text(spec.get("data")), validate=True)
        if sha256(data) != spec.get("digest"):
            return None
        return Payload(json.loads(data), len(data))
    except (binascii.Error, ValueError):
        return None
