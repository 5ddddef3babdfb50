"""What the bench runs: five calls in a row, and a wait for an event that does not come."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

from tests.cluster.api import Api, Object

STEPS = 5


def definition_of_calls(name: str, count: int = STEPS) -> Object:
    """Return a definition of so many calls in a row."""
    steps = [
        {"name": f"call{n}", "http": {"method": "POST", "service": "bench", "path": f"/{n}"}}
        for n in range(count)
    ]
    return _definition(name, {"steps": steps})


def definition_of_waiting(name: str) -> Object:
    """Return a definition that waits for an event, for an hour at most."""
    step = {"name": "go", "event": {"name": "go"}, "timeout": "1h"}
    return _definition(name, {"steps": [step], "output": {"by": "${steps.go.output.data.by}"}})


def _definition(name: str, spec: dict[str, Any]) -> Object:
    return {
        "apiVersion": "perdure.dev/v1alpha1",
        "kind": "WorkflowDefinition",
        "metadata": {"name": name},
        "spec": spec,
    }


def instance(name: str, definition: str) -> Object:
    """Return an instance of a definition."""
    return {
        "apiVersion": "perdure.dev/v1alpha1",
        "kind": "WorkflowInstance",
        "metadata": {"name": name},
        "spec": {"definitionRef": {"name": definition}, "input": {"number": 7}},
    }


def path_of(namespace: str, plural: str, name: str = "") -> str:
    """Return the API path of a kind of ours, or of one object."""
    path = f"/apis/perdure.dev/v1alpha1/namespaces/{namespace}/{plural}"
    return f"{path}/{name}" if name else path


def is_ready(body: Object | None) -> bool:
    """Return whether a definition is Ready."""
    status = (body or {}).get("status")
    conditions = status.get("conditions", []) if isinstance(status, dict) else []
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def say(text: str) -> None:
    """Show what is being measured."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


class Endings:
    """Follows the instances of a namespace by one watch: who has ended, and when it was seen."""

    def __init__(self, api: Api, namespace: str) -> None:
        self._api = api
        self._path = path_of(namespace, "workflowinstances")
        self.ended: dict[str, Object] = {}
        self.phases: dict[str, str] = {}
        self._changed = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Endings:
        found = await self._api.get(self._path, limit="1")
        version = found["metadata"]["resourceVersion"]
        self._task = asyncio.create_task(self._follow(version))
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None, "entered"
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _follow(self, version: str) -> None:
        while True:
            async for event in self._events(version):
                version = event["object"]["metadata"]["resourceVersion"]
                await self._note(event["object"])

    async def _events(self, version: str) -> AsyncIterator[Object]:
        async for event in self._api.watch(self._path, version, timeout_seconds=300):
            yield event

    async def _note(self, body: Object) -> None:
        name, phase = body["metadata"]["name"], body.get("status", {}).get("phase", "")
        async with self._changed:
            self.phases[name] = phase
            if phase in ("Succeeded", "Failed", "Terminated"):
                self.ended[name] = body
            self._changed.notify_all()

    async def wait_for(self, count: int, seconds: float) -> None:
        """Wait until so many instances have ended."""
        await self._wait(lambda: len(self.ended) >= count, f"{count} instances to end", seconds)

    async def wait_running(self, count: int, seconds: float) -> None:
        """Wait until so many instances run."""

        def look() -> bool:
            return sum(phase == "Running" for phase in self.phases.values()) >= count

        await self._wait(look, f"{count} instances to run", seconds)

    async def _wait(self, look: Any, what: str, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(look)
        except TimeoutError:
            raise SystemExit(f"bench: waited {seconds:g} s in vain for {what}") from None
