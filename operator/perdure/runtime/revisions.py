"""Revisions: which recipe an instance pins, and the orchestrator that runs it.

A revision is a ControllerRevision without owner: deleting a definition must not take the recipe
from running instances. The pin is name and full digest; both are verified when it is loaded.
Whoever needs one takes off the mark of those that nobody needs: see marks.py.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import timedelta

from perdure.definitions import Reviewed, Reviewer, revision_name, spec_digest
from perdure.engine.events import Revision
from perdure.engine.orchestrator import Acceptance, Orchestrator
from perdure.engine.values import JsonObject
from perdure.errors import (
    HistoryCorruptError,
    InvalidDefinitionError,
    ObjectConflictError,
    ObjectNotFoundError,
    ObjectRejectedError,
    TransientError,
)
from perdure.language.durations import parse_duration
from perdure.ports import (
    CONTROLLER_REVISIONS,
    WORKFLOW_DEFINITIONS,
    Objects,
    Snapshot,
)
from perdure.runtime.marks import is_marked, unmarking

KEPT_PROGRAMS = 256
DEFINITION_LABEL = "perdure.dev/definition"


@dataclass(frozen=True, slots=True)
class NotYet:
    """Why an instance cannot be accepted now; shown as its Pending reason."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """What an instance is to run, and the spec it came from (to write the revision again)."""

    acceptance: Acceptance
    orchestrator: Orchestrator
    spec: JsonObject


class RevisionMissingError(HistoryCorruptError):
    """The pinned revision is gone or is not what was pinned."""


class Revisions:
    """Reads definitions and revisions; keeps compiled programs by digest."""

    def __init__(self, objects: Objects, review: Reviewer) -> None:
        self._objects = objects
        self._review = review
        self._programs: OrderedDict[str, Orchestrator] = OrderedDict()

    async def accept(self, base: Snapshot) -> Accepted | NotYet:
        """Return what the instance is to run, from a fresh look at its definition.

        Raises TransientError and its kin.
        """
        controls, namespace = base.controls, base.key.namespace
        if controls.revision is not None:
            return await self._accept_named(base, controls.revision)
        try:
            body = await self._objects.get(WORKFLOW_DEFINITIONS, namespace, controls.definition)
        except ObjectNotFoundError:
            return NotYet(
                "DefinitionNotFound",
                f'WorkflowDefinition "{controls.definition}" does not exist in namespace '
                f'"{namespace}"; the instance starts when it is there',
            )
        not_ready = _not_ready(body)
        if not_ready is not None:
            return not_ready
        spec = body["spec"]
        assert isinstance(spec, dict), "a definition without spec"
        return await self._accepted(base, spec)

    async def _accept_named(self, base: Snapshot, name: str) -> Accepted | NotYet:
        try:
            body = await self._objects.get(CONTROLLER_REVISIONS, base.key.namespace, name)
        except ObjectNotFoundError:
            return NotYet(
                "DefinitionNotFound",
                f'definitionRef.revision names "{name}", which does not exist; '
                f"`kubectl get controllerrevisions -l {DEFINITION_LABEL}="
                f"{base.controls.definition}` lists those that do",
            )
        spec = spec_of(body)
        if _label(body) != base.controls.definition:
            return NotYet(
                "DefinitionNotFound",
                f'revision "{name}" is not one of definition "{base.controls.definition}"',
            )
        await self._unmark(base.key.namespace, body)
        return await self._accepted(base, spec)

    async def _accepted(self, base: Snapshot, spec: JsonObject) -> Accepted:
        controls = base.controls
        digest = spec_digest(spec)
        revision = Revision(name=revision_name(controls.definition, digest), digest=digest)
        timeout = None if controls.timeout is None else parse_duration(controls.timeout)
        acceptance = Acceptance(
            definition=controls.definition,
            revision=revision,
            input=controls.input,
            timeout_seconds=_seconds(timeout),
        )
        return Accepted(acceptance, await self._program(digest, spec), spec)

    async def load(self, namespace: str, revision: Revision) -> Orchestrator:
        """Return the orchestrator of a pinned revision.

        Raises RevisionMissingError when it is gone or differs from the pin, TransientError.
        """
        program = self._programs.get(revision.digest)
        if program is not None:
            self._programs.move_to_end(revision.digest)
            return program
        try:
            body = await self._objects.get(CONTROLLER_REVISIONS, namespace, revision.name)
        except ObjectNotFoundError as error:
            raise RevisionMissingError(
                f'the pinned ControllerRevision "{revision.name}" is gone; restore it, or '
                f"terminate the instance"
            ) from error
        spec = spec_of(body)
        if spec_digest(spec) != revision.digest:
            raise RevisionMissingError(
                f'ControllerRevision "{revision.name}" is not what the instance pinned'
            )
        return await self._program(revision.digest, spec)

    async def _program(self, digest: str, spec: JsonObject) -> Orchestrator:
        program = self._programs.get(digest)
        if program is None:
            program = _usable(await self._review(spec))
        self._programs[digest] = program
        self._programs.move_to_end(digest)
        if len(self._programs) > KEPT_PROGRAMS:
            self._programs.popitem(last=False)
        return program

    async def ensure(self, namespace: str, definition: str, spec: JsonObject) -> Revision:
        """Return the revision of a spec, written if it is not there, and marked no more.

        Raises TransientError and its kin, also where it went while it was looked at, and
        ObjectConflictError when another recipe has its name.
        """
        digest = spec_digest(spec)
        revision = Revision(name=revision_name(definition, digest), digest=digest)
        try:
            found = await self._objects.get(CONTROLLER_REVISIONS, namespace, revision.name)
        except ObjectNotFoundError:
            found = await self._create(namespace, definition, revision, spec)
        if spec_digest(spec_of(found)) != digest:
            raise ObjectConflictError(
                f'ControllerRevision "{revision.name}" exists with another recipe; delete it',
                status=409,
            )
        await self._unmark(namespace, found)
        return revision

    async def _unmark(self, namespace: str, found: JsonObject) -> None:
        """Take off the mark under which the revision would be deleted.

        Raises TransientError where it has moved since it was read: it is to be read again.
        """
        if not is_marked(found):
            return
        meta = found["metadata"]
        assert isinstance(meta, dict), "a revision without metadata"
        name = str(meta["name"])
        try:
            await self._objects.patch(CONTROLLER_REVISIONS, namespace, name, unmarking(found))
        except (ObjectNotFoundError, ObjectConflictError, ObjectRejectedError) as error:
            raise TransientError(f'revision "{name}" moved meanwhile: {error}') from error

    async def _create(
        self, namespace: str, definition: str, revision: Revision, spec: JsonObject
    ) -> JsonObject:
        body: JsonObject = {
            "apiVersion": "apps/v1",
            "kind": "ControllerRevision",
            "metadata": {
                "name": revision.name,
                "namespace": namespace,
                "labels": {DEFINITION_LABEL: definition},
            },
            "revision": 1,
            "data": {"spec": spec},
        }
        try:
            return await self._objects.create(CONTROLLER_REVISIONS, namespace, body)
        except ObjectConflictError:
            return await self._objects.get(CONTROLLER_REVISIONS, namespace, revision.name)


def _usable(reviewed: Reviewed) -> Orchestrator:
    """Return the orchestrator of a spec that was found good when it was written.

    Raises InvalidDefinitionError with the first fault: a newer version wrote it.
    """
    if reviewed.orchestrator is None:
        raise InvalidDefinitionError(reviewed.faults[0].render())
    return reviewed.orchestrator


def _not_ready(body: JsonObject) -> NotYet | None:
    meta, status = body["metadata"], body.get("status")
    assert isinstance(meta, dict), "a definition without metadata"
    name = meta["name"]
    if "deletionTimestamp" in meta:
        return NotYet("DefinitionNotFound", f'WorkflowDefinition "{name}" is being deleted')
    if not isinstance(status, dict) or status.get("observedGeneration") != meta["generation"]:
        return NotYet("DefinitionNotReady", f'WorkflowDefinition "{name}" has not been checked yet')
    for condition in _list(status.get("conditions")):
        if condition.get("type") == "Ready" and condition.get("status") == "True":
            return None
    return NotYet(
        "DefinitionNotReady",
        f'WorkflowDefinition "{name}" has faults; `kubectl describe wfd {name}` shows them',
    )


def _list(value: object) -> list[JsonObject]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def spec_of(body: JsonObject) -> JsonObject:
    """Return the definition's spec that a ControllerRevision holds; {} when it holds none."""
    data = body.get("data")
    spec = data.get("spec") if isinstance(data, dict) else None
    return spec if isinstance(spec, dict) else {}


def _label(body: JsonObject) -> str | None:
    meta = body.get("metadata")
    labels = meta.get("labels") if isinstance(meta, dict) else None
    value = labels.get(DEFINITION_LABEL) if isinstance(labels, dict) else None
    return value if isinstance(value, str) else None


def _seconds(length: timedelta | None) -> float | None:
    return None if length is None else length.total_seconds()
