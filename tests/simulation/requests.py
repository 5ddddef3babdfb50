"""What an action asks of the API server: how to send it, and how to see whether it is done.

A request is sent as often as it takes. What it reads once (a uid, the spec of an event) it keeps,
so that a second try asks for the same thing as the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Protocol

from tests.simulation.edits import patch_of
from tests.simulation.manifests import REQUEST_MARK, found, manifest, metadata_of, spec_of, uid_of
from tests.simulation.raising import Appending, Raising
from tests.simulation.spoiling import Spoiling
from tests.simulation.workloads.actions import (
    Action,
    Define,
    Delete,
    RaiseAsObject,
    RaiseInSpec,
    Resume,
    Spoil,
    Start,
    Suspend,
    Tamper,
    Terminate,
    Undefine,
)

from perdure.engine.values import Json, JsonObject
from perdure.errors import ObjectConflictError, ObjectNotFoundError, TransientError
from perdure.ports import (
    WORKFLOW_DEFINITIONS,
    WORKFLOW_INSTANCES,
    Objects,
    Resource,
)
from perdure.verification.evidence import Deed


class Request(Protocol):
    """One action on its way. Both methods raise what the Objects port raises."""

    deed: Deed
    name: str
    """Of the instance or definition that is meant."""

    async def send(self, objects: Objects) -> str:
        """Ask for it; return the uid of what is meant, "" where that is not known."""
        ...

    async def look(self, objects: Objects) -> str | None:
        """Return the uid if things are as asked for; None if they are not, or nobody can tell."""
        ...

    def details(self) -> Mapping[str, Json]:
        """Return what was asked for, as `ClientCall.details` has it."""
        ...


def request_for(action: Action, *, begin: datetime, mark: str) -> Request:
    """Return the request of an action; `begin` is the time of its run, `mark` tells it apart."""
    match action:
        case Define():
            return Defining(action)
        case Undefine():
            return Deleting(WORKFLOW_DEFINITIONS, action.namespace, action.definition)
        case Start():
            return Starting(action, begin, mark)
        case RaiseInSpec():
            return Appending(action)
        case RaiseAsObject():
            return Raising(action)
        case Suspend() | Resume() | Terminate():
            return Controlling(action)
        case Delete():
            return Deleting(WORKFLOW_INSTANCES, action.namespace, action.instance)
        case Tamper():
            return Tampering(action, mark)
        case Spoil():
            return Spoiling(action)


class Defining:
    """Apply a definition, as `kubectl apply` does: create it, or replace its spec."""

    deed = Deed.DEFINE

    def __init__(self, action: Define) -> None:
        self._action = action
        self.name = action.definition

    async def send(self, objects: Objects) -> str:
        """See Request; one that another user created meanwhile is looked for again."""
        where = (WORKFLOW_DEFINITIONS, self._action.namespace)
        replaced: JsonObject = {"op": "replace", "path": "/spec", "value": self._action.spec}
        try:
            await objects.get(*where, self.name)
            return uid_of(await objects.patch(*where, self.name, [replaced]))
        except ObjectNotFoundError:
            pass
        body = manifest(WORKFLOW_DEFINITIONS, self.name, self._action.spec)
        try:
            return uid_of(await objects.create(*where, body))
        except ObjectConflictError as error:
            raise TransientError(f"{self.name} was created meanwhile") from error

    async def look(self, objects: Objects) -> str | None:
        """See Request."""
        body = await found(objects, WORKFLOW_DEFINITIONS, self._action.namespace, self.name)
        return None if body is None or body["spec"] != self._action.spec else uid_of(body)

    def details(self) -> Mapping[str, Json]:
        """See Request."""
        return {}


class Starting:
    """Create an instance; the mark tells whether one that is there is this user's."""

    deed = Deed.START

    def __init__(self, action: Start, begin: datetime, mark: str) -> None:
        self._action = action
        self._mark = mark
        self.name = action.instance
        self._spec = {**action.spec}
        if action.starts_after is not None:
            start_at = begin + timedelta(seconds=action.starts_after)
            self._spec["startAt"] = start_at.isoformat().replace("+00:00", "Z")

    async def send(self, objects: Objects) -> str:
        """See Request."""
        body = manifest(WORKFLOW_INSTANCES, self.name, self._spec, mark=self._mark)
        return uid_of(await objects.create(WORKFLOW_INSTANCES, self._action.namespace, body))

    async def look(self, objects: Objects) -> str | None:
        """See Request."""
        body = await found(objects, WORKFLOW_INSTANCES, self._action.namespace, self.name)
        if body is None:
            return None
        annotations = metadata_of(body).get("annotations")
        is_ours = isinstance(annotations, dict) and annotations.get(REQUEST_MARK) == self._mark
        return uid_of(body) if is_ours else None

    def details(self) -> Mapping[str, Json]:
        """See Request."""
        given = {"input": self._spec["input"]} if "input" in self._spec else {}
        return {"definition": self._action.definition, **given}


class Controlling:
    """Suspend, resume or terminate an instance."""

    def __init__(self, action: Suspend | Resume | Terminate) -> None:
        self._action = action
        self.name = action.instance
        self.deed, self._wanted = _control(action)

    async def send(self, objects: Objects) -> str:
        """See Request."""
        operations: list[JsonObject] = [
            {"op": "add", "path": f"/spec/{field}", "value": value}
            for field, value in self._wanted.items()
        ]
        where = (WORKFLOW_INSTANCES, self._action.namespace, self.name)
        return uid_of(await objects.patch(*where, operations))

    async def look(self, objects: Objects) -> str | None:
        """See Request."""
        body = await found(objects, WORKFLOW_INSTANCES, self._action.namespace, self.name)
        if body is None:
            return None
        spec = spec_of(body)
        is_done = all(spec.get(field) == value for field, value in self._wanted.items())
        return uid_of(body) if is_done else None

    def details(self) -> Mapping[str, Json]:
        """See Request."""
        return dict(self._wanted)


def _control(action: Suspend | Resume | Terminate) -> tuple[Deed, JsonObject]:
    match action:
        case Suspend():
            reason = {} if action.reason is None else {"suspendReason": action.reason}
            return Deed.SUSPEND, {"suspend": True, **reason}
        case Resume():
            return Deed.RESUME, {"suspend": False}
        case Terminate():
            why: JsonObject = {} if action.reason is None else {"reason": action.reason}
            return Deed.TERMINATE, {"terminate": why}


class Deleting:
    """Delete what has the name at the first look, by its uid; what follows it is left alone."""

    def __init__(self, resource: Resource, namespace: str, name: str) -> None:
        self.deed = Deed.DELETE if resource is WORKFLOW_INSTANCES else Deed.UNDEFINE
        self.name = name
        self._where = (resource, namespace)
        self._uid: str | None = None

    async def send(self, objects: Objects) -> str:
        """See Request."""
        if self._uid is None:
            self._uid = uid_of(await objects.get(*self._where, self.name))
        await objects.delete(*self._where, self.name, uid=self._uid)
        return self._uid

    async def look(self, objects: Objects) -> str | None:
        """See Request. One that is held by a finalizer counts as deleted."""
        body = await found(objects, *self._where, self.name)
        is_there = (
            body is not None
            and uid_of(body) == self._uid
            and "deletionTimestamp" not in metadata_of(body)
        )
        return None if is_there else self._uid

    def details(self) -> Mapping[str, Json]:
        """See Request."""
        return {}


class Tampering:
    """Edit an instance. Whether that worked can not be told by looking."""

    deed = Deed.EDIT

    def __init__(self, action: Tamper, mark: str) -> None:
        self._action = action
        self._mark = mark
        self.name = action.instance

    async def send(self, objects: Objects) -> str:
        """See Request."""
        where = (WORKFLOW_INSTANCES, self._action.namespace, self.name)
        patch = patch_of(self._action.edit, await objects.get(*where), self._mark)
        body = await objects.patch(*where, patch.operations, subresource=patch.subresource)
        return uid_of(body)

    async def look(self, objects: Objects) -> str | None:
        """See Request."""
        return None

    def details(self) -> Mapping[str, Json]:
        """See Request."""
        return {"edit": self._action.edit.value}
