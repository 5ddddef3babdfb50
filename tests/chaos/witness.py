"""Every accepted write, read from etcd itself: no fault of ours can hide one.

What was seen goes to a file, one JSON line per write in order of revision, because an hour of
versions does not fit into memory. `accepted` reads it back. The API server has to store all kinds
as JSON (tests/cluster/components.py).
"""

import asyncio
import base64
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import aiohttp
from tests.cluster.api import Object
from tests.cluster.cluster import Cluster
from tests.cluster.errors import ClusterError
from tests.e2e.history import FINAL_PHASES
from tests.e2e.trial import now

PREFIX = "/registry/"
KEPT = {
    "perdure.dev/workflowinstances": "workflowinstances",
    "perdure.dev/workflowevents": "workflowevents",
    "perdure.dev/workflowhistories": "workflowhistories",
    "perdure.dev/workflowlogs": "workflowlogs",
    "perdure.dev/workflowdefinitions": "workflowdefinitions",
    "controllerrevisions": "controllerrevisions",
    "leases": "leases",
}
PRESENCE = "/perdure-"
RETRY_SECONDS = 0.1  # etcd is down for a moment now and then


@dataclass(frozen=True, slots=True)
class Seen:
    """One write: `value` is the whole object, None for a deletion; `at` is when it was seen."""

    revision: int
    at: float
    place: str
    """resource/namespace/name."""
    value: Object | None


@dataclass(slots=True)
class Progress:
    """How far the instances are, by uid."""

    phases: dict[str, str] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    writes: Counter[str] = field(default_factory=Counter)

    @property
    def finished(self) -> int:
        """Return how many have ended or were deleted."""
        return sum(u in self.gone or p in FINAL_PHASES for u, p in self.phases.items())

    @property
    def open(self) -> int:
        """Return how many exist and have not ended."""
        return len(self.phases) - self.finished

    def note(self, seen: Seen, uid: str) -> None:
        self.writes[seen.place.partition("/")[0]] += 1
        if seen.place.startswith("workflowinstances/"):
            if seen.value is None:
                self.gone.add(uid)
            else:
                self.phases[uid] = seen.value.get("status", {}).get("phase", "Pending")


class Witness:
    """Follows etcd from its present revision on; an async context manager."""

    def __init__(self, cluster: Cluster, file: Path) -> None:
        self._url = f"http://127.0.0.1:{cluster.ports.etcd}/v3/watch"
        self._cluster, self._file = cluster, file
        self._uids: dict[str, str] = {}
        self.progress = Progress()
        self.revision = 0
        """The newest revision that was seen."""

    async def __aenter__(self) -> "Witness":
        status = await asyncio.to_thread(self._cluster.etcd, "/v3/maintenance/status", {})
        self.revision = int(status["header"]["revision"])
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._journal = self._file.open("w")
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None))
        self.task = asyncio.create_task(self._follow())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self._session.close()
        self._journal.close()

    async def caught_up(self) -> None:
        """Wait until everything is seen that was written before."""
        status = await asyncio.to_thread(self._cluster.etcd, "/v3/maintenance/status", {})
        target = int(status["header"]["revision"])
        while self.revision < target:
            if self.task.done():
                self.task.result()
            await asyncio.sleep(RETRY_SECONDS)
        self._journal.flush()

    async def _follow(self) -> None:
        """Watch for ever, over every restart of etcd; ends only by a revision that was missed."""
        while True:
            try:
                await self._watch()
            except (aiohttp.ClientError, ConnectionError):
                await asyncio.sleep(RETRY_SECONDS)

    async def _watch(self) -> None:
        request = {
            "key": encoded(PREFIX),
            "range_end": encoded(PREFIX[:-1] + chr(ord("/") + 1)),
            "start_revision": self.revision + 1,
            "progress_notify": True,
        }
        rest = b""
        async with self._session.post(self._url, json={"create_request": request}) as answer:
            async for chunk in answer.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in filter(None, lines):
                    self._receive(json.loads(line), self._journal)

    def _receive(self, message: dict[str, Any], journal: IO[str]) -> None:
        result = message.get("result", {})
        if result.get("canceled") or "error" in message:
            raise ClusterError(f"the witness missed revisions after {self.revision}: {message}")
        at = now()
        for event in result.get("events", []):
            stored = event["kv"]
            self.revision = int(stored["mod_revision"])
            place = place_of(base64.b64decode(stored["key"]).decode())
            if place is not None:
                self._note(Seen(self.revision, at, place, value_of(event)), journal)
        if "events" not in result and not result.get("created"):
            self.revision = max(self.revision, int(result["header"]["revision"]))

    def _note(self, seen: Seen, journal: IO[str]) -> None:
        if seen.value is not None:
            self._uids[seen.place] = seen.value["metadata"]["uid"]
        self.progress.note(seen, self._uids.get(seen.place, ""))
        row = [seen.revision, seen.at, seen.place, seen.value]
        journal.write(json.dumps(row, separators=(",", ":")) + "\n")


def accepted(file: Path) -> Iterator[Seen]:
    """Yield what a witness has written down, oldest first."""
    with file.open() as lines:
        for line in lines:
            yield Seen(*json.loads(line))


def place_of(key: str) -> str | None:
    """Return resource/namespace/name of an etcd key; None for kinds that are not kept."""
    if key.startswith(f"{PREFIX}leases/") and PRESENCE not in key:
        return None  # the API server has some of its own
    for prefix, resource in KEPT.items():
        if key.startswith(f"{PREFIX}{prefix}/"):
            return f"{resource}/{key.removeprefix(f'{PREFIX}{prefix}/')}"
    return None


def value_of(event: dict[str, Any]) -> Object | None:
    """Return the object as the API server shows it: its version is etcd's revision."""
    if event.get("type") == "DELETE":
        return None
    stored = event["kv"]
    value: Object = json.loads(base64.b64decode(stored["value"]))
    value["metadata"]["resourceVersion"] = stored["mod_revision"]
    value["metadata"].pop("managedFields", None)
    return value


def encoded(key: str) -> str:
    return base64.b64encode(key.encode()).decode()
