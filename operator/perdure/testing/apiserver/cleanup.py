"""What controllers of a cluster clean up: what has no owner, and what is in a dying namespace.

Source: https://kubernetes.io/docs/concepts/architecture/garbage-collection/
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from perdure.engine.values import JsonObject
from perdure.testing.apiserver.deletion import FOREGROUND, ORPHAN, Deletion
from perdure.testing.apiserver.journal import Deed, Journal
from perdure.testing.apiserver.kinds import Catalogue
from perdure.testing.apiserver.storage import Key, Stored

COLLECTOR = "garbage-collector"
NAMESPACE_CONTROLLER = "namespace-controller"


class Cleanup:
    """The two controllers; each method is one round of one of them."""

    def __init__(self, journal: Journal, deletion: Deletion, catalogue: Catalogue) -> None:
        self._journal = journal
        self._deletion = deletion
        self._catalogue = catalogue

    # --- garbage ------------------------------------------------------------------------

    def collect_garbage(self) -> None:
        """Finish what deletions left to do, and delete what has lost all its owners."""
        for stored in list(self._all()):
            if not self._is_current(stored):
                continue
            metadata = cast("JsonObject", stored.body["metadata"])
            finalizers = metadata.get("finalizers", [])
            if "deletionTimestamp" in metadata and isinstance(finalizers, list):
                if ORPHAN in finalizers:
                    self._orphan(stored)
                elif FOREGROUND in finalizers:
                    self._delete_dependents(stored)
            elif "ownerReferences" in metadata:
                self._collect(stored)

    def _all(self) -> Iterator[Stored]:
        for kind in self._catalogue.kinds:
            yield from self._journal.storage.current(kind).values()

    def _is_current(self, stored: Stored) -> bool:
        return self._journal.storage.get(stored.kind, _key(stored)) is stored

    def _collect(self, stored: Stored) -> None:
        """Delete an object without owners; let it forget those that are gone."""
        owners = _owners(stored)
        solid = [owner for owner in owners if self._is_there(stored, owner)]
        if not solid:
            self._deletion.delete_stored(COLLECTOR, stored)
        elif len(solid) < len(owners):
            self._set_owners(stored, solid)

    def _is_there(self, stored: Stored, owner: JsonObject) -> bool:
        """Say whether an owner exists, by uid; one of a kind we do not know does."""
        kind = self._catalogue.owner(str(owner["apiVersion"]), str(owner["kind"]))
        if kind is None:
            return True
        namespace = _key(stored)[0] if kind.is_namespaced else ""
        found = self._journal.storage.get(kind, (namespace, str(owner["name"])))
        return found is not None and _metadata(found)["uid"] == owner["uid"]

    def _dependents(self, uid: object) -> list[Stored]:
        return [
            stored
            for stored in self._all()
            if any(owner["uid"] == uid for owner in _owners(stored))
        ]

    def _orphan(self, owner: Stored) -> None:
        uid = _metadata(owner)["uid"]
        for stored in self._dependents(uid):
            self._set_owners(stored, [each for each in _owners(stored) if each["uid"] != uid])
        self._drop_finalizer(owner, ORPHAN)

    def _delete_dependents(self, owner: Stored) -> None:
        """Delete those that depend on an object; it goes when none is left that blocks it."""
        uid = _metadata(owner)["uid"]
        is_blocked = False
        for stored in self._dependents(uid):
            self._deletion.delete_stored(COLLECTOR, stored)
            if self._journal.storage.get(stored.kind, _key(stored)) is not None:
                is_blocked |= any(
                    each.get("blockOwnerDeletion") is True and each["uid"] == uid
                    for each in _owners(stored)
                )
        if not is_blocked:
            self._drop_finalizer(owner, FOREGROUND)

    def _set_owners(self, stored: Stored, owners: list[JsonObject]) -> None:
        metadata = {key: _metadata(stored)[key] for key in _metadata(stored)}
        metadata.pop("ownerReferences")
        if owners:
            metadata["ownerReferences"] = list(owners)
        self._put(stored, metadata)

    def _drop_finalizer(self, stored: Stored, finalizer: str) -> None:
        metadata = dict(_metadata(stored))
        finalizers = cast("list[str]", metadata.pop("finalizers"))
        kept = [each for each in finalizers if each != finalizer]
        if kept:
            self._put(stored, {**metadata, "finalizers": list(kept)})
        else:
            self._journal.remove(Deed(COLLECTOR, "patch", stored.kind, _key(stored)))

    def _put(self, stored: Stored, metadata: JsonObject) -> None:
        deed = Deed(COLLECTOR, "patch", stored.kind, _key(stored))
        self._journal.put(deed, {**stored.body, "metadata": metadata})

    # --- namespaces ---------------------------------------------------------------------

    def finish_namespaces(self) -> None:
        """Delete everything in namespaces that are being deleted, then those that are empty."""
        namespaces = self._catalogue.plural("namespaces")
        for namespace in list(self._journal.storage.current(namespaces).values()):
            if "deletionTimestamp" not in _metadata(namespace):
                continue
            name = str(_metadata(namespace)["name"])
            for stored in self._inside(name):
                self._deletion.delete_stored(NAMESPACE_CONTROLLER, stored)
            if not self._inside(name):
                deed = Deed(NAMESPACE_CONTROLLER, "update", namespaces, ("", name), "finalize")
                self._journal.remove(deed)

    def _inside(self, namespace: str) -> list[Stored]:
        return [stored for stored in self._all() if _key(stored)[0] == namespace]


def _metadata(stored: Stored) -> JsonObject:
    return cast("JsonObject", stored.body["metadata"])


def _key(stored: Stored) -> Key:
    metadata = _metadata(stored)
    return (str(metadata.get("namespace", "")), str(metadata["name"]))


def _owners(stored: Stored) -> list[JsonObject]:
    return cast("list[JsonObject]", _metadata(stored).get("ownerReferences", []))
