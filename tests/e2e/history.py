"""The whole history of an instance as it is stored, and what must hold of every history.

Digests are computed here from the description of the format (docs/architecture.md#history), not by
the code that wrote them.
"""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.cluster.api import Api, Object, Objects

from perdure.kubernetes.segments import as_written

GROUP = "/apis/perdure.dev/v1alpha1"
UID_LABEL = "perdure.dev/instance-uid"
FINAL_PHASES = frozenset({"Succeeded", "Failed", "Terminated"})


@dataclass(frozen=True, slots=True)
class Dump:
    """An instance with its WorkflowHistory objects, all as the API server returned them."""

    instance: Object
    objects: Objects

    @property
    def name(self) -> str:
        return str(self.instance["metadata"]["name"])

    @property
    def uid(self) -> str:
        return str(self.instance["metadata"]["uid"])

    @property
    def status(self) -> Object:
        found: Object = self.instance.get("status", {})
        return found


@dataclass(frozen=True, slots=True)
class History:
    """The events in stored form, oldest first; payloads by the name of their object."""

    events: Objects
    payloads: Mapping[str, Any]

    def of(self, *types: str) -> Iterator[Object]:
        """Yield the events of these types."""
        return (event for event in self.events if event["type"] in types)

    def by_id(self) -> dict[int, Object]:
        return {event["id"]: event for event in self.events}


class HistoryFaultError(AssertionError):
    """A history is not as it must be."""


def moment(text: str) -> datetime:
    """Return the time of an event."""
    return datetime.fromisoformat(text)


# --- reading --------------------------------------------------------------------------------


async def dump_of(api: Api, namespace: str, name: str) -> Dump:
    """Read one instance; its status is read first, so that every segment it names is there."""
    instance = await api.get(f"{instances_path(namespace)}/{name}")
    selector = f"{UID_LABEL}={instance['metadata']['uid']}"
    objects = await api.list(histories_path(namespace), labelSelector=selector)
    return Dump(instance, objects)


async def dumps_of(api: Api, namespace: str) -> list[Dump]:
    """Read every instance of a namespace, by name."""
    instances = await api.list(instances_path(namespace))
    objects: dict[str, Objects] = {}
    for found in await api.list(histories_path(namespace)):
        objects.setdefault(found["metadata"]["labels"][UID_LABEL], []).append(found)
    dumps = [Dump(each, objects.get(each["metadata"]["uid"], [])) for each in instances]
    return sorted(dumps, key=lambda dump: dump.name)


def instances_path(namespace: str) -> str:
    return f"{GROUP}/namespaces/{namespace}/workflowinstances"


def events_path(namespace: str) -> str:
    return f"{GROUP}/namespaces/{namespace}/workflowevents"


def definitions_path(namespace: str) -> str:
    return f"{GROUP}/namespaces/{namespace}/workflowdefinitions"


def histories_path(namespace: str) -> str:
    return f"{GROUP}/namespaces/{namespace}/workflowhistories"


def write_dumps(dumps: Sequence[Dump], file: Path) -> None:
    """Write one JSON object per line, so that `python -m tests.e2e.refold` can read them."""
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps({"instance": d.instance, "objects": d.objects}) for d in dumps)
    file.write_text("".join(f"{line}\n" for line in lines))


def read_dumps(file: Path) -> list[Dump]:
    with file.open() as lines:
        return [Dump(**json.loads(line)) for line in lines]


# --- what must hold -------------------------------------------------------------------------


def history_of(dump: Dump) -> History:
    """Return the history, its chain checked from the first event to `status.history.digest`.

    Raises HistoryFaultError with everything that is wrong with it.
    """
    head = dump.status.get("history")
    if head is None:
        return History([], {})
    specs = {found["metadata"]["name"]: found["spec"] for found in dump.objects}
    faults: list[str] = []
    chain = segments_of(head, specs, faults)
    events = [as_object(event) for _, spec in chain for event in spec["events"]]
    events += [as_object(event) for event in head["events"]]
    faults += chain_faults(dump.uid, chain, head)
    faults += event_faults(events)
    faults += status_faults(dump.status, events)
    payloads = payloads_of(specs, faults)
    if faults:
        raise HistoryFaultError(f"history of {dump.name}: " + "; ".join(faults))
    return History(events, payloads)


def segments_of(
    head: Object, specs: Mapping[str, Object], faults: list[str]
) -> list[tuple[str, Object]]:
    """Return (digest by reference, spec) of the segments that the status names, oldest first."""
    chain: list[tuple[str, Object]] = []
    link = head["segments"].get("newest")
    while link is not None:
        spec = specs.get(link["name"])
        if spec is None:
            faults.append(f"the segment {link['name']} is missing")
            break
        chain.insert(0, (link["digest"], spec))
        link = spec.get("previous")
    if len(chain) != head["segments"]["count"]:
        faults.append(f"{head['segments']['count']} segments are counted, {len(chain)} found")
    return chain


def chain_faults(uid: str, chain: Sequence[tuple[str, Object]], head: Object) -> Iterator[str]:
    """Yield where a digest is another one than the events before it make, or a gap is."""
    digest, last = sha256(uid.encode()), 0
    for expected, spec in chain:
        digest = after(digest, spec["events"])
        if not digest == expected == spec["digest"]:
            yield f"the segment from event {spec['firstId']} on does not fit its digest"
        if (spec["firstId"], spec["lastId"]) != (last + 1, last + len(spec["events"])):
            yield f"the segment after event {last} says {spec['firstId']}-{spec['lastId']}"
        if spec["instanceUid"] != uid:
            yield f"the segment from event {spec['firstId']} on is another instance's"
        last = spec["lastId"]
    if after(digest, head["events"]) != head["digest"]:
        yield "the events do not fit status.history.digest"
    if last + len(head["events"]) != head["length"]:
        yield f"{last + len(head['events'])} events, but the length is {head['length']}"


def event_faults(events: Sequence[Object]) -> Iterator[str]:
    """Yield where ids have a gap, time runs back, or commit ids are wrong."""
    ids = [event["id"] for event in events]
    if ids != list(range(1, len(events) + 1)):
        yield f"the event ids are {ids}"
    for earlier, later in pairwise(events):
        if moment(later["at"]) < moment(earlier["at"]):
            yield f"event {later['id']} is at {later['at']}, the one before at {earlier['at']}"
    commits = [event["commitId"] for event in events if "commitId" in event]
    if events and "commitId" not in events[0]:
        yield "the first event has no commit id"
    if len(set(commits)) != len(commits):
        yield f"a commit id is on two events: {commits}"
    ends = [event["id"] for event in events if event["type"] == "InstanceEnded"]
    if ends not in ([], [len(events)]):
        yield f"the end is at {ends} of {len(events)} events"


def status_faults(status: Object, events: Sequence[Object]) -> Iterator[str]:
    """Yield where the status disagrees with its history about the end and the commits."""
    has_ended = bool(events) and events[-1]["type"] == "InstanceEnded"
    if has_ended != (status["phase"] in FINAL_PHASES):
        yield f"the phase is {status['phase']}, the last event {events[-1:]}"
    commits = sum("commitId" in event for event in events)
    if status["rev"] < commits:
        yield f"{commits} commits of events, but rev is {status['rev']}"


def payloads_of(specs: Mapping[str, Object], faults: list[str]) -> dict[str, Any]:
    values = {}
    for name, spec in specs.items():
        if spec["kind"] == "Payload":
            data = base64.b64decode(spec["data"])
            if sha256(data) != spec["digest"]:
                faults.append(f"the payload {name} does not fit its digest")
            values[name] = json.loads(data)
    return values


def after(digest: str, events: Sequence[Object]) -> str:
    """Return the digest after these events: sha256 of the one before and the canonical event."""
    for event in events:
        text = json.dumps(
            as_written(event), sort_keys=True, separators=(",", ":"), ensure_ascii=False
        )
        digest = sha256(digest.encode() + text.encode())
    return digest


def as_object(event: Object) -> Object:
    read = as_written(event)
    assert isinstance(read, dict)
    return read


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
