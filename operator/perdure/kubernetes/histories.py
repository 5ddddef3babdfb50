"""WorkflowHistory objects: created so that success means "this very content is there", and read.

Names are content-addressed, so creating one again is harmless. What is there under the name only
counts after a look at it: it may be about to be deleted, or somebody else's. Source:
docs/architecture.md#history.
"""

from __future__ import annotations

from perdure.engine.values import Json, JsonObject, canonical
from perdure.errors import (
    ObjectConflictError,
    ObjectError,
    ObjectNotFoundError,
    ObjectRejectedError,
    TransientError,
    UnknownOutcomeError,
)
from perdure.kubernetes.naming import INSTANCE_LABEL, INSTANCE_UID_LABEL
from perdure.kubernetes.segments import as_written
from perdure.ports import WORKFLOW_HISTORIES, WORKFLOW_INSTANCES, InstanceKey, Objects

RETRY_SECONDS = 0.5
"""An object that is in the way while it is being deleted is gone soon."""

NOT_SERVED = ("could not find the requested resource", "page not found")
"""What a 404 says that is not about one object."""

API_VERSION = f"{WORKFLOW_INSTANCES.group}/{WORKFLOW_INSTANCES.version}"


class Histories:
    """The WorkflowHistory objects of instances."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def create(
        self, key: InstanceKey, name: str, spec: JsonObject, annotations: dict[str, str]
    ) -> None:
        """Make sure that the object is there with exactly this spec.

        Raises TransientError when that is not certain (try the whole turn again), and
        ObjectError: ObjectRejectedError also when the name is taken by another content.
        """
        try:
            await self._objects.create(
                WORKFLOW_HISTORIES, key.namespace, _body(key, name, spec, annotations)
            )
        except (ObjectConflictError, UnknownOutcomeError):
            await self._check(key, name, spec)

    async def _check(self, key: InstanceKey, name: str, spec: JsonObject) -> None:
        try:
            found = await self._objects.get(WORKFLOW_HISTORIES, key.namespace, name)
        except ObjectNotFoundError:
            raise TransientError(
                f"WorkflowHistory {name} has not been created", retry_after=RETRY_SECONDS
            ) from None
        if "deletionTimestamp" in metadata_of(found):
            raise TransientError(
                f"WorkflowHistory {name} is being deleted", retry_after=RETRY_SECONDS
            )
        if canonical(as_written(spec_of(found))) != canonical(spec):
            raise ObjectRejectedError(
                f"WorkflowHistory {name} exists with another content: delete it if it is none of "
                "Perdure's",
                status=409,
                reason="AlreadyExists",
            )

    async def get(self, key: InstanceKey, name: str) -> JsonObject | None:
        """Return the spec of an object, None when there is none. Raises TransientError."""
        try:
            return spec_of(await self._objects.get(WORKFLOW_HISTORIES, key.namespace, name))
        except ObjectNotFoundError as error:
            if not is_absence(error):
                raise TransientError(str(error)) from error
            return None
        except ObjectError as error:
            raise TransientError(str(error)) from error

    async def all(self, key: InstanceKey) -> list[JsonObject]:
        """Return all objects of an instance. Raises TransientError."""
        return await self._objects.list(
            WORKFLOW_HISTORIES, key.namespace, labels=f"{INSTANCE_UID_LABEL}={key.uid}"
        )

    async def delete(self, key: InstanceKey, found: JsonObject) -> None:
        """Delete this very object. Raises ObjectConflictError, TransientError, UnknownOutcome…"""
        metadata = metadata_of(found)
        await self._objects.delete(
            WORKFLOW_HISTORIES, key.namespace, str(metadata["name"]), uid=str(metadata["uid"])
        )


def is_absence(error: ObjectNotFoundError) -> bool:
    """Return whether a 404 says that the object is not there, and not that its kind is not served.

    The latter is what a restarting API server, a proxy or a CRD that is being replaced answers:
    no reason to take an instance for deleted.
    """
    return not any(words in str(error) for words in NOT_SERVED)


def metadata_of(body: JsonObject) -> JsonObject:
    """Return `metadata`; empty where the object has none."""
    metadata = body.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def spec_of(body: JsonObject) -> JsonObject:
    """Return `spec`; empty where the object has none."""
    spec = body.get("spec")
    return spec if isinstance(spec, dict) else {}


def _body(key: InstanceKey, name: str, spec: JsonObject, annotations: dict[str, str]) -> JsonObject:
    owner: Json = {
        "apiVersion": API_VERSION,
        "kind": WORKFLOW_INSTANCES.kind,
        "name": key.name,
        "uid": key.uid,
    }
    return {
        "apiVersion": API_VERSION,
        "kind": WORKFLOW_HISTORIES.kind,
        "metadata": {
            "name": name,
            "namespace": key.namespace,
            "labels": {INSTANCE_UID_LABEL: key.uid, INSTANCE_LABEL: key.name},
            "annotations": dict(annotations),
            "ownerReferences": [owner],
        },
        "spec": spec,
    }
