"""DELETE: of one object, and of collections.

Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/finalizers/ and
https://kubernetes.io/docs/concepts/architecture/garbage-collection/
"""

from __future__ import annotations

from typing import cast

from perdure.engine.values import Json, JsonObject
from perdure.testing.apiserver.bodies import DeleteOptions, read_delete_options
from perdure.testing.apiserver.gates import Gates
from perdure.testing.apiserver.journal import Deed, Journal
from perdure.testing.apiserver.kinds import Kind
from perdure.testing.apiserver.messages import Request
from perdure.testing.apiserver.refusals import not_found
from perdure.testing.apiserver.routes import Route
from perdure.testing.apiserver.selectors import matcher
from perdure.testing.apiserver.storage import Stored

ORPHAN, FOREGROUND = "orphan", "foregroundDeletion"
FINALIZERS = {"Orphan": ORPHAN, "Foreground": FOREGROUND}
"""What a policy leaves to the garbage collector, which removes it when its work is done."""


class Deletion:
    """Deletes objects, or marks them where finalizers keep them."""

    def __init__(self, journal: Journal, gates: Gates) -> None:
        self._journal = journal
        self._gates = gates

    def delete(self, route: Route, request: Request) -> Stored | None:
        """Return the object as it stands from now on, None if it is gone. Raises Refusal."""
        stored = self._journal.storage.get(route.kind, route.key)
        options = read_delete_options(request)
        if stored is None:
            raise not_found(route.kind, route.key[1])
        options.check(route.kind, cast("JsonObject", stored.body["metadata"]))
        self._gates.check_policy(request, stored.body, None)
        return self._delete(request.actor, route.kind, stored, options)

    def delete_matching(self, route: Route, request: Request) -> list[Stored]:
        """Delete what the selectors match, and return it as it was. Raises Refusal."""
        matches = matcher(route.kind, request.params)
        options = read_delete_options(request)
        found = [
            stored
            for key, stored in sorted(self._journal.storage.current(route.kind).items())
            if route.namespace in (None, key[0]) and (matches is None or matches(stored.body))
        ]
        for stored in found:
            self._gates.check_policy(request, stored.body, None)
            self._delete(request.actor, route.kind, stored, options)
        return found

    def delete_stored(self, actor: str, stored: Stored) -> None:
        """Delete an object in the background, as controllers do."""
        self._delete(actor, stored.kind, stored, DeleteOptions(None, None, "Background", False))

    def _delete(
        self, actor: str, kind: Kind, stored: Stored, options: DeleteOptions
    ) -> Stored | None:
        metadata = cast("JsonObject", stored.body["metadata"])
        key = (str(metadata.get("namespace", "")), str(metadata["name"]))
        deed = Deed(actor, "delete", kind, key)
        finalizers = _finalizers(metadata, options.policy)
        body = stored.body
        if kind.plural == "namespaces":
            body = {**body, "status": {"phase": "Terminating"}}
        elif not finalizers:
            if not options.is_dry_run:
                self._journal.remove(deed)
            return None
        if "deletionTimestamp" in metadata and finalizers == metadata.get("finalizers", []):
            return stored
        marked = {**body, "metadata": self._marked(kind, metadata, finalizers)}
        return stored if options.is_dry_run else self._journal.put(deed, marked)

    def _marked(self, kind: Kind, metadata: JsonObject, finalizers: list[Json]) -> JsonObject:
        """Return metadata that say that the object is being deleted."""
        marked = {**metadata, "finalizers": finalizers} if finalizers else dict(metadata)
        if "deletionTimestamp" in metadata:
            return marked
        marked["deletionTimestamp"] = self._journal.today()
        if kind.is_namespaced:
            marked["deletionGracePeriodSeconds"] = 0
        if kind.has_generation:
            marked["generation"] = cast("int", metadata["generation"]) + 1
        return marked


def _finalizers(metadata: JsonObject, policy: str | None) -> list[Json]:
    """Return the finalizers that keep an object from now on."""
    present = cast("list[Json]", metadata.get("finalizers", []))
    if policy is None:
        return present
    kept = [each for each in present if each not in FINALIZERS.values()]
    return [*kept, FINALIZERS[policy]] if policy in FINALIZERS else kept
