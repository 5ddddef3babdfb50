"""Every version of every instance of a namespace, as a watch shows them.

The commits of several operators meet in the API server: here it shows whether one of them ever
undid another's.
"""

import asyncio
import json
from dataclasses import dataclass, field

from tests.cluster.api import Api, Object
from tests.e2e.history import FINAL_PHASES, instances_path, sha256

WATCH_SECONDS = 300
BAD_PHASES = frozenset({"Failed", "Terminated", "Stalled"})


@dataclass(slots=True)
class Recorder:
    """What the versions were.

    `faults` are commits or events that were two things at once, and orders that cannot succeed.
    """

    versions: int = 0
    commits: dict[tuple[str, int], str] = field(default_factory=dict)
    """Commit id by uid and rev."""
    events: dict[tuple[str, int], str] = field(default_factory=dict)
    """Digest of each history event by uid and id."""
    phases: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    @property
    def finished(self) -> int:
        return sum(phase in FINAL_PHASES for phase in self.phases.values())

    @property
    def running(self) -> int:
        """Return how many instances have begun and not ended."""
        return sum(phase == "Running" for phase in self.phases.values())

    def note(self, instance: Object) -> None:
        """Write one version down."""
        status, uid = instance.get("status", {}), instance["metadata"]["uid"]
        self.versions += 1
        if "rev" not in status:
            return
        self._note_commit(uid, status)
        for event in status.get("history", {}).get("events", []):
            digest = sha256(json.dumps(event, sort_keys=True).encode())
            if self.events.setdefault((uid, event["id"]), digest) != digest:
                self.faults.append(f"{uid}: history event {event['id']} was two events")
        before = self.phases.get(uid)
        if before in FINAL_PHASES and before != status["phase"]:
            self.faults.append(f"{uid}: {before} became {status['phase']}")
        if before != status["phase"] in BAD_PHASES:
            name = instance["metadata"]["name"]
            self.faults.append(f"{name} is {status['phase']}: {status.get('message')}")
        self.phases[uid] = status["phase"]

    def _note_commit(self, uid: str, status: Object) -> None:
        rev, commit = status["rev"], status["commitId"]
        if self.commits.setdefault((uid, rev), commit) != commit:
            self.faults.append(f"{uid}: rev {rev} is of two commits")
        known = self.commits.get((uid, rev + 1))
        if known is not None:
            self.faults.append(f"{uid}: rev {rev} was written after rev {rev + 1}")


async def record(api: Api, namespace: str) -> tuple[Recorder, "asyncio.Task[None]"]:
    """Record from now on, by a task that ends only by a version that was missed."""
    recorder, path = Recorder(), instances_path(namespace)
    listed = await api.get(path)
    for instance in listed["items"]:
        recorder.note(instance)
    version = listed["metadata"]["resourceVersion"]
    return recorder, asyncio.create_task(follow(api, path, version, recorder))


async def follow(api: Api, path: str, version: str, recorder: Recorder) -> None:
    """Watch for ever; a 410 is passed on, because versions would be missing."""
    while True:
        async for event in api.watch(path, version, timeout_seconds=WATCH_SECONDS):
            version = event["object"]["metadata"]["resourceVersion"]
            if event["type"] != "DELETED":
                recorder.note(event["object"])
