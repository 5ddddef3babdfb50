"""Requests that raise an event, by either door. See `tests.simulation.requests.Request`."""

from __future__ import annotations

from collections.abc import Mapping

from tests.simulation.manifests import found, manifest, spec_of, uid_of
from tests.simulation.workloads.actions import RaiseAsObject, RaiseInSpec

from perdure.engine.values import Json, JsonObject
from perdure.errors import ObjectConflictError, PerdureError, UnknownOutcomeError
from perdure.ports import WORKFLOW_EVENTS, WORKFLOW_INSTANCES, Objects
from perdure.verification.evidence import Deed


class Appending:
    """Append an event to `spec.events`. The server refuses a second one of the same id."""

    deed = Deed.RAISE

    def __init__(self, action: RaiseInSpec) -> None:
        self._action = action
        self.name = action.instance

    async def send(self, objects: Objects) -> str:
        """See Request."""
        append: JsonObject = {"op": "add", "path": "/spec/events/-", "value": self._action.event}
        where = (WORKFLOW_INSTANCES, self._action.namespace, self.name)
        return uid_of(await objects.patch(*where, [append]))

    async def look(self, objects: Objects) -> str | None:
        """See Request."""
        body = await found(objects, WORKFLOW_INSTANCES, self._action.namespace, self.name)
        events = [] if body is None else spec_of(body).get("events")
        is_there = isinstance(events, list) and self._action.event in events
        return uid_of(body) if is_there and body is not None else None

    def details(self) -> Mapping[str, Json]:
        """See Request."""
        event = self._action.event
        shown = {"id": event["id"], "name": event["name"], "data": event.get("data")}
        return {**shown, "door": "spec"}


class Raising:
    """Create a WorkflowEvent; one that is there already is this one if its spec is equal."""

    deed = Deed.RAISE

    def __init__(self, action: RaiseAsObject) -> None:
        self._action = action
        self.name = action.instance
        self._spec: JsonObject | None = None

    async def send(self, objects: Objects) -> str:
        """See Request. An object that is gone again before it can be compared is sent anew.

        The uid is known where the instance was the same before and after.
        """
        before = await self._instance(objects)
        if self._spec is None:
            self._spec = self._written(before)
        body = manifest(WORKFLOW_EVENTS, self._action.object_name, self._spec)
        try:
            await objects.create(WORKFLOW_EVENTS, self._action.namespace, body)
        except ObjectConflictError:
            if await self._is_other(objects):
                raise
        return before if before and before == await self._after(objects) else ""

    async def _after(self, objects: Objects) -> str:
        """Return the uid of the instance now; "" where it cannot be read: the event is there."""
        try:
            return await self._instance(objects)
        except PerdureError:
            return ""

    async def look(self, objects: Objects) -> str | None:
        """See Request. An object that is not there was never there, or has been taken."""
        body = await self._event(objects)
        return "" if body is not None and spec_of(body) == self._spec else None

    def details(self) -> Mapping[str, Json]:
        """See Request."""
        action = self._action
        bound = {} if self._spec is None else self._spec
        shown: dict[str, Json] = {
            "id": action.event_id or action.object_name,
            "name": action.event_name,
            "data": action.data,
            "door": "object",
            "object": action.object_name,
        }
        return shown | {key: bound[key] for key in ("instanceUid",) if key in bound}

    def _written(self, uid: str) -> JsonObject:
        action = self._action
        spec: JsonObject = {"instance": action.instance, "name": action.event_name}
        if action.event_id is not None:
            spec["id"] = action.event_id
        if action.data is not None:
            spec["data"] = action.data
        if action.is_bound and uid:
            spec["instanceUid"] = uid
        return spec

    async def _is_other(self, objects: Objects) -> bool:
        body = await self._event(objects)
        if body is None:
            raise UnknownOutcomeError(f"{self._action.object_name} was there and is gone")
        return spec_of(body) != self._spec

    async def _event(self, objects: Objects) -> JsonObject | None:
        where = (WORKFLOW_EVENTS, self._action.namespace)
        return await found(objects, *where, self._action.object_name)

    async def _instance(self, objects: Objects) -> str:
        body = await found(objects, WORKFLOW_INSTANCES, self._action.namespace, self.name)
        return "" if body is None else uid_of(body)
