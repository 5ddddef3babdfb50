"""The only place that reads and compares resource versions.

That they are integers and comparable within a kind is official since Kubernetes 1.35, and has
been true of every API server on etcd. Source:
https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions
"""

from __future__ import annotations

from typing import cast

from perdure.engine.values import JsonObject


def metadata_of(item: JsonObject) -> JsonObject:
    """Return the metadata. Raises KeyError or TypeError if it is no Kubernetes object."""
    metadata = item["metadata"]
    if not isinstance(metadata, dict):
        raise TypeError("metadata is not an object")
    return metadata


def version_of(item: JsonObject) -> int:
    """Return the resource version. Raises KeyError, TypeError or ValueError if it has none."""
    return int(cast("str", metadata_of(item)["resourceVersion"]))


def is_newer(version: int, known: int) -> bool:
    """Say whether `version` is a later state of an object than the one that is `known`."""
    return version > known
