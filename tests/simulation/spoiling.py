"""Requests of administrators who spoil what an instance stands on: its objects, its recipe."""

from __future__ import annotations

from collections.abc import Mapping

from tests.simulation.manifests import found, metadata_of, spec_of, uid_of
from tests.simulation.workloads.actions import Spoil, Spoilt

from perdure.engine.values import Json, JsonObject
from perdure.ports import (
    CONTROLLER_REVISIONS,
    WORKFLOW_HISTORIES,
    WORKFLOW_INSTANCES,
    Objects,
    Resource,
)
from perdure.verification.evidence import Deed


class Spoiling:
    """Delete an object of an instance, and perhaps create another one in its place."""

    deed = Deed.EDIT

    def __init__(self, action: Spoil) -> None:
        self._action = action
        self.name = action.instance

    async def send(self, objects: Objects) -> str:
        """See `tests.simulation.requests.Request`; there may be nothing to spoil."""
        namespace = self._action.namespace
        instance = await objects.get(WORKFLOW_INSTANCES, namespace, self.name)
        resource, body = await self._victim(objects, instance)
        if body is not None:
            metadata = metadata_of(body)
            name = str(metadata["name"])
            await objects.delete(resource, namespace, name, uid=str(metadata["uid"]))
            if self._action.what in (Spoilt.SEGMENT_REPLACED, Spoilt.RECIPE_REPLACED):
                await objects.create(resource, namespace, self._other(body))
        return uid_of(instance)

    async def look(self, objects: Objects) -> str | None:
        """See Request: nobody can tell."""
        return None

    def details(self) -> Mapping[str, Json]:
        """See Request."""
        return {"edit": self._action.what.value}

    async def _victim(
        self, objects: Objects, instance: JsonObject
    ) -> tuple[Resource, JsonObject | None]:
        if self._action.what in (Spoilt.RECIPE_DELETED, Spoilt.RECIPE_REPLACED):
            return CONTROLLER_REVISIONS, await self._recipe(objects, instance)
        name = name_in(instance, "status", "history", "segments", "newest")
        where = (WORKFLOW_HISTORIES, self._action.namespace)
        return WORKFLOW_HISTORIES, None if name is None else await found(objects, *where, name)

    async def _recipe(self, objects: Objects, instance: JsonObject) -> JsonObject | None:
        name = name_in(instance, "status", "revision")
        where = (CONTROLLER_REVISIONS, self._action.namespace)
        return None if name is None else await found(objects, *where, name)

    def _other(self, body: JsonObject) -> JsonObject:
        """Return what looks like the object and says something else."""
        metadata = metadata_of(body)
        kept = {
            key: metadata[key] for key in ("name", "labels", "ownerReferences") if key in metadata
        }
        other: JsonObject = {**body, "metadata": kept}
        if self._action.what is Spoilt.RECIPE_REPLACED:
            other["data"] = {"spec": self._action.recipe}
            return other
        spec = spec_of(body)
        events = spec["events"]
        assert isinstance(events, list), "a segment without events"
        last = events[-1]
        assert isinstance(last, dict), "an event is an object"
        other["spec"] = {**spec, "events": [*events[:-1], {**last, "at": "2020-01-01T00:00:00Z"}]}
        return other


def name_in(body: JsonObject, *keys: str) -> str | None:
    """Return the name in a reference, None where there is none."""
    found_here: Json = body
    for key in keys:
        found_here = found_here.get(key) if isinstance(found_here, dict) else None
    return str(found_here["name"]) if isinstance(found_here, dict) else None
