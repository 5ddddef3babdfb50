"""Short ways to the objects of one namespace, for tests that make something happen there."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.cluster.api import JSON_PATCH, MERGE_PATCH, Api, Object
from tests.cluster.cluster import Cluster
from tests.e2e.services import LedgerService, Reply, Request

GROUP = "perdure.dev/v1alpha1"
ENDED_SECONDS = 60.0  # a guard against hanging; nearly everything takes less than two
PLURALS = {
    "WorkflowDefinition": "workflowdefinitions",
    "WorkflowInstance": "workflowinstances",
    "WorkflowEvent": "workflowevents",
    "WorkflowHistory": "workflowhistories",
}


@dataclass(frozen=True, slots=True)
class World:
    """A namespace of a cluster, and the service that its workflows call as `shop`."""

    api: Api
    cluster: Cluster
    namespace: str
    ledger: LedgerService
    told: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Words that `kubectl describe wfi` has to say of an instance, by its name."""

    def path(self, kind: str, name: str = "") -> str:
        path = f"/apis/{GROUP}/namespaces/{self.namespace}/{PLURALS[kind]}"
        return f"{path}/{name}" if name else path

    # --- definitions ------------------------------------------------------------------------

    async def define(self, name: str, *steps: Object, **spec: Any) -> Object:
        """Create a definition and wait until instances can start."""
        body = manifest("WorkflowDefinition", name, {"steps": list(steps), **spec})
        await self.api.create(self.path("WorkflowDefinition"), body)
        return await self.checked(name, is_ready=True)

    async def redefine(self, name: str, *steps: Object, **spec: Any) -> Object:
        """Change a definition and wait until instances can start with the new steps."""
        found = await self.api.get(self.path("WorkflowDefinition", name))
        found["spec"] = {"steps": list(steps), **spec}
        await self.api.replace(self.path("WorkflowDefinition", name), found)
        return await self.checked(name, is_ready=True)

    async def checked(self, name: str, *, is_ready: bool) -> Object:
        """Return a definition when its newest generation is checked, with this outcome."""

        def look(found: Object | None) -> bool:
            assert found is not None, "it exists"
            status = found.get("status", {})
            if status.get("observedGeneration") != found["metadata"]["generation"]:
                return False
            return conditions_of(found)["Ready"][0] == str(is_ready)

        path = self.path("WorkflowDefinition", name)
        found = await self.api.wait_for(path, look, f"{name} to be checked", ENDED_SECONDS)
        assert found is not None
        return found

    # --- instances --------------------------------------------------------------------------

    async def start(self, name: str, definition: str | None = None, **spec: Any) -> Object:
        """Create an instance, by default of the definition of its own name."""
        reference = {"definitionRef": {"name": definition or name}}
        body = manifest("WorkflowInstance", name, reference | spec)
        return await self.api.create(self.path("WorkflowInstance"), body)

    async def run(self, name: str, *steps: Object, **spec: Any) -> Object:
        """Define and start; `input` goes to the instance, all else to the definition."""
        given = {"input": spec.pop("input")} if "input" in spec else {}
        await self.define(name, *steps, **spec)
        return await self.start(name, **given)

    async def look(self, name: str) -> Object:
        return await self.api.get(self.path("WorkflowInstance", name))

    async def until(self, name: str, holds: Callable[[Object], bool], what: str) -> Object:
        """Return the instance when a condition over its status holds."""

        def look(found: Object | None) -> bool:
            assert found is not None, f"{name} exists"
            return holds(found.get("status", {}))

        path = self.path("WorkflowInstance", name)
        found = await self.api.wait_for(path, look, f"{name}: {what}", ENDED_SECONDS)
        assert found is not None
        return found

    async def end(self, name: str) -> Object:
        return await self.until(name, lambda status: "completedAt" in status, "the end")

    async def waits(self, name: str, what: str) -> Object:
        """Return the instance when the first thing that it waits for is of this kind."""

        def holds(status: Object) -> bool:
            return bool(status.get("waitingFor", [{}])[0].get("what") == what)

        return await self.until(name, holds, f"to wait for {what}")

    async def patch(self, name: str, *operations: Object) -> Object:
        """Change an instance by a JSON patch."""
        return await self.api.patch(
            self.path("WorkflowInstance", name), list(operations), JSON_PATCH
        )

    async def merge(self, name: str, spec: Object) -> Object:
        """Change the spec of an instance by a merge patch."""
        return await self.api.patch(
            self.path("WorkflowInstance", name), {"spec": spec}, MERGE_PATCH
        )

    async def raise_in_spec(self, name: str, event: Object) -> Object:
        return await self.patch(name, {"op": "add", "path": "/spec/events/-", "value": event})

    async def raise_object(self, object_name: str, instance: str, **spec: Any) -> Object:
        """Create a WorkflowEvent `go` for an instance."""
        body = manifest("WorkflowEvent", object_name, {"instance": instance, "name": "go"} | spec)
        return await self.api.create(self.path("WorkflowEvent"), body)

    async def delete(self, kind: str, name: str) -> None:
        """Delete an object and wait until it is gone."""
        path = self.path(kind, name)
        await self.api.delete(path)
        await self.api.wait_for(path, lambda found: found is None, f"{name} to be gone")

    # --- outcomes ---------------------------------------------------------------------------

    async def failed(
        self, name: str, error: str, words: str, code: int | None = None, step: str | None = ""
    ) -> Object:
        """Return the instance when it has failed so, and says so everywhere.

        `step` is the path of the step that failed, None where it is the instance itself, "" where
        the test does not care.
        """
        found = await self.end(name)
        status = found["status"]
        assert status["phase"] == "Failed", status
        assert (status["error"]["type"], status["error"].get("code")) == (error, code), status
        assert words in status["error"]["message"], status["error"]
        assert words in status["message"]
        if step != "":
            assert status["error"].get("step") == step
        conditions = conditions_of(found)
        assert conditions["Succeeded"] == ("False", error)
        assert conditions["Completed"] == ("True", "Failed")
        assert conditions["Stalled"] == ("True", "InstanceFailed")
        self.told[name] = ("Phase: Failed", f"Type: {error}", words)
        return found

    async def succeeded(self, name: str, output: Any = ...) -> Object:
        """Return the instance when it has succeeded, with this output if one is given."""
        found = await self.end(name)
        status = found["status"]
        assert status["phase"] == "Succeeded", status
        if output is not ...:
            assert status.get("output") == output, status
        conditions = conditions_of(found)
        assert conditions["Succeeded"] == ("True", "Succeeded")
        assert conditions["Completed"] == ("True", "Succeeded")
        assert "Stalled" not in conditions
        self.told[name] = ("Phase: Succeeded", "Message: succeeded")
        return found

    # --- the service ------------------------------------------------------------------------

    async def script(self, path: str, *replies: Reply, per_key: bool = False) -> None:
        await asyncio.to_thread(self.ledger.script, path, *replies, per_key=per_key)

    async def requests(self, path: str) -> list[Request]:
        return await asyncio.to_thread(self.ledger.requests, path)

    async def kubectl(self, *args: str) -> str:
        """Return what kubectl prints to a user of the namespace."""
        done = await asyncio.to_thread(
            self.cluster.kubectl, "-n", self.namespace, *args, identity="user", check=False
        )
        return done.stdout + done.stderr


def manifest(kind: str, name: str, spec: Object) -> Object:
    return {"apiVersion": GROUP, "kind": kind, "metadata": {"name": name}, "spec": spec}


def call(name: str, path: str, **fields: Any) -> Object:
    """Return a step that posts its uid and name to a path of the service `shop`."""
    http = {"method": "POST", "service": "shop", "path": path, "body": own_body(name)}
    return {"name": name, "http": http, **fields}


def own_body(step: str) -> Object:
    return {"uid": "${workflow.uid}", "step": step}


def conditions_of(found: Object) -> dict[str, tuple[str, str]]:
    listed = found.get("status", {}).get("conditions", [])
    return {one["type"]: (one["status"], one["reason"]) for one in listed}


def history_of(found: Object) -> list[Object]:
    """Return the events of an instance that are in its status."""
    events: list[Object] = found["status"]["history"]["events"]
    return events


def of_type(found: Object, kind: str) -> list[Object]:
    return [event for event in history_of(found) if event["type"] == kind]


def size_of(value: object) -> int:
    return len(json.dumps(value))
