"""How fast this API server takes status patches, with nobody else at work."""

from __future__ import annotations

import asyncio
import time

from tests.bench.workflows import instance, path_of
from tests.cluster.api import JSON_PATCH, Api, Object

AT_ONCE = 32
OBJECTS = 64
EVENT_BYTES = 200
STATUS_BYTES = 2_400


async def raw_patch_rate(api: Api, namespace: str, seconds: float) -> float:
    """Return JSON patches of `/status` per second: test and raise rev, append one event.

    The objects are of the size of a five-step instance half-way, and are put back when they
    have grown, so that the rate is that of such objects.
    """
    paths = [path_of(namespace, "workflowinstances", f"raw{n}") for n in range(OBJECTS)]
    for number, path in enumerate(paths):
        body = instance(f"raw{number}", "none")
        await api.create(path_of(namespace, "workflowinstances"), body)
        await api.patch(f"{path}/status", {"status": first_status()})
    revs = dict.fromkeys(paths, 1)
    queue: asyncio.Queue[str] = asyncio.Queue()
    for path in paths:
        queue.put_nowait(path)
    deadline = time.monotonic() + seconds
    counts = await asyncio.gather(*(patch(api, queue, revs, deadline) for _ in range(AT_ONCE)))
    return sum(counts) / seconds


def first_status() -> Object:
    """Return a status with history, of STATUS_BYTES or so."""
    count = STATUS_BYTES // EVENT_BYTES
    events = [{"id": n + 1, "type": "X", "text": "x" * (EVENT_BYTES - 40)} for n in range(count)]
    history = {"version": 1, "length": count, "digest": "d", "segments": {"count": 0}}
    return {"rev": 1, "phase": "Running", "history": {**history, "events": events}}


async def patch(api: Api, queue: asyncio.Queue[str], revs: dict[str, int], deadline: float) -> int:
    """Patch one object after the other until the time is over; return how many."""
    done = 0
    while time.monotonic() < deadline:
        path = await queue.get()
        rev = revs[path]
        event = {"id": rev + 100, "type": "X", "text": "x" * (EVENT_BYTES - 40)}
        operations = [
            {"op": "test", "path": "/status/rev", "value": rev},
            {"op": "replace", "path": "/status/rev", "value": rev + 1},
            {"op": "add", "path": "/status/history/events/-", "value": event},
            {"op": "remove", "path": "/status/history/events/0"},
        ]
        await api.patch(f"{path}/status", operations, JSON_PATCH)
        revs[path] = rev + 1
        queue.put_nowait(path)
        done += 1
    return done
