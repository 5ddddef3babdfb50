"""Whole objects as users write and read them."""

from __future__ import annotations

from perdure.engine.values import JsonObject
from perdure.errors import ObjectNotFoundError
from perdure.ports import Objects, Resource

API_VERSION = "perdure.dev/v1alpha1"
REQUEST_MARK = "example.com/request"
"""The annotation by which a user knows an object that they have created."""


def manifest(
    resource: Resource, name: str, spec: JsonObject, mark: str | None = None
) -> JsonObject:
    """Return a whole object, with the user's mark where there is one."""
    metadata: JsonObject = {"name": name}
    if mark is not None:
        metadata["annotations"] = {REQUEST_MARK: mark}
    return {
        "apiVersion": API_VERSION,
        "kind": resource.kind,
        "metadata": metadata,
        "spec": spec,
    }


async def found(
    objects: Objects, resource: Resource, namespace: str, name: str
) -> JsonObject | None:
    """Return the object, None where there is none."""
    try:
        return await objects.get(resource, namespace, name)
    except ObjectNotFoundError:
        return None


def metadata_of(body: JsonObject) -> JsonObject:
    """Return the metadata of an object."""
    metadata = body["metadata"]
    assert isinstance(metadata, dict), "an object without metadata"
    return metadata


def spec_of(body: JsonObject) -> JsonObject:
    """Return the spec of an object."""
    spec = body["spec"]
    assert isinstance(spec, dict), "an object without spec"
    return spec


def uid_of(body: JsonObject) -> str:
    """Return the uid of an object."""
    return str(metadata_of(body)["uid"])
