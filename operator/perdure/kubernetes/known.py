"""What an informer remembers of the objects of one scope: who they are, never what is in them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from perdure.engine.values import JsonObject
from perdure.kubernetes.versions import is_newer, metadata_of, version_of
from perdure.ports import Resource


class ChangeKind(StrEnum):
    ADDED = "Added"
    MODIFIED = "Modified"
    DELETED = "Deleted"


@dataclass(frozen=True, slots=True)
class Change:
    """Something happened to an object; a hint, as it may have changed again since.

    `object` is whole except for a deletion that was not seen but concluded: then it is apiVersion,
    kind and the metadata namespace, name, uid, resourceVersion. Of one object the versions only
    grow, and nothing follows its deletion.
    """

    kind: ChangeKind
    object: JsonObject
    uid: str
    version: int


Entry: TypeAlias = "tuple[str, str, int]"


class KnownObjects:
    """uid → (namespace, name, version); under 300 bytes each."""

    def __init__(self, resource: Resource) -> None:
        self._resource = resource
        self._entries: dict[str, Entry] = {}
        self._newest = 0

    def __len__(self) -> int:
        return len(self._entries)

    def is_news(self, item: JsonObject) -> bool:
        """Return whether the state of an object is not known yet.

        Raises KeyError, TypeError or ValueError if it is no Kubernetes object.
        """
        uid, _, version = _identity_of(item)
        return self._is_news(uid, version)

    def put(self, item: JsonObject) -> Change | None:
        """Take the state of an object; None if it is not news. Raises like `is_news`."""
        uid, name, version = _identity_of(item)
        if not self._is_news(uid, version):
            return None
        kind = ChangeKind.MODIFIED if uid in self._entries else ChangeKind.ADDED
        namespace = sys.intern(str(metadata_of(item).get("namespace") or ""))
        self._entries[uid] = (namespace, name, version)
        self.reach(version)
        return Change(kind, item, uid, version)

    def drop(self, item: JsonObject) -> Change | None:
        """Take the last state of a deleted object; None if unknown. Raises like `is_news`."""
        uid, version = str(metadata_of(item)["uid"]), version_of(item)
        self.reach(version)
        if self._entries.pop(uid, None) is None:
            return None
        return Change(ChangeKind.DELETED, item, uid, version)

    def reach(self, version: int) -> None:
        """Note that the scope is known up to a version."""
        self._newest = max(self._newest, version)

    def begin(self, version: int) -> bool:
        """Begin a list read at `version`; say whether the server has gone back in time.

        It does when etcd was restored from a backup. What was known about versions is void then:
        every object of the list is news.
        """
        is_back = is_newer(self._newest, version)
        if is_back:
            self._entries = {uid: (*entry[:2], -1) for uid, entry in self._entries.items()}
            self._newest = version
        self.reach(version)
        return is_back

    def drop_absent(self, seen: set[str], version: int) -> Iterator[Change]:
        """Conclude the deletion of all that a complete list, read at `version`, did not show."""
        for uid in [uid for uid in self._entries if uid not in seen]:
            namespace, name, _ = self._entries.pop(uid)
            yield Change(
                ChangeKind.DELETED, self._stub(namespace, name, uid, version), uid, version
            )

    def _is_news(self, uid: str, version: int) -> bool:
        known = self._entries.get(uid)
        return known is None or is_newer(version, known[2])

    def _stub(self, namespace: str, name: str, uid: str, version: int) -> JsonObject:
        group = f"{self._resource.group}/" if self._resource.group else ""
        metadata: JsonObject = {"name": name, "uid": uid, "resourceVersion": str(version)}
        if namespace:
            metadata["namespace"] = namespace
        return {
            "apiVersion": f"{group}{self._resource.version}",
            "kind": self._resource.kind,
            "metadata": metadata,
        }


def _identity_of(item: JsonObject) -> tuple[str, str, int]:
    """Return uid, name and version of an object."""
    metadata = metadata_of(item)
    return str(metadata["uid"]), str(metadata["name"]), version_of(item)
