"""POST: new objects."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import cast

from perdure.engine.values import JsonObject
from perdure.testing.apiserver.bodies import (
    cannot_handle,
    check_options,
    decode_new,
    read_object,
    strict_error,
)
from perdure.testing.apiserver.findings import Findings
from perdure.testing.apiserver.gates import Gates
from perdure.testing.apiserver.journal import Deed, Journal
from perdure.testing.apiserver.kinds import Kind
from perdure.testing.apiserver.messages import Request
from perdure.testing.apiserver.metadata import UndecodableError, check_metadata
from perdure.testing.apiserver.refusals import (
    already_exists,
    bad_request,
    internal,
    invalid_object,
    method_not_allowed,
)
from perdure.testing.apiserver.routes import Route
from perdure.testing.apiserver.storage import dump

ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
SUFFIX = 5
"""Characters that are added to a generateName."""
OWN = (
    "uid",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
)
"""Fields of metadata that only the server writes."""


class Creation:
    """Creates objects; `uid` makes one from resource, namespace and name."""

    def __init__(self, journal: Journal, gates: Gates, uid: Callable[[str, str, str], str]) -> None:
        self._journal = journal
        self._gates = gates
        self._uid = uid

    def create(self, route: Route, request: Request) -> bytes:
        """Return the object as it was created. Raises Refusal."""
        check_options(request.params, "CreateOptions")
        if route.kind.is_namespaced and route.namespace is None:
            raise method_not_allowed(route.kind, "create")
        body = read_object(route.kind, request)
        findings = Findings()
        decoded = decode_new(route.kind, body, findings)
        self._place(route, decoded)
        return self.create_decoded(route, request, decoded, findings)

    def create_decoded(
        self, route: Route, request: Request, body: JsonObject, findings: Findings
    ) -> bytes:
        """Create what a PUT brought where nothing was; its resourceVersion does not count."""
        kind = route.kind
        complete = self._complete(kind, route.namespace or "", body)
        metadata = cast("JsonObject", complete["metadata"])
        admitted = self._admitted(kind, request, complete, findings)
        name = str(metadata.get("name", ""))
        self._gates.check_namespace(kind, route.namespace, name)
        check_metadata(kind, metadata, findings)
        causes = findings.judge(has_rules=kind.is_custom)
        if causes:
            raise invalid_object(kind, name, causes)
        self._gates.check_policy(request, None, admitted)
        key = (route.namespace or "", name)
        if self._journal.storage.get(kind, key) is not None:
            raise already_exists(kind, name)
        if "dryRun" in request.params:
            return dump(kind, admitted)
        return self._journal.put(Deed(request.actor, "create", kind, key), admitted).content

    @staticmethod
    def _place(route: Route, body: JsonObject) -> None:
        """Check what the body says of its name and namespace against the path."""
        metadata = cast("JsonObject", body["metadata"])
        if metadata.get("namespace", route.namespace) != route.namespace:
            raise bad_request(
                "the namespace of the provided object does not match the namespace sent on the "
                "request"
            )
        if route.name is not None:
            metadata.setdefault("name", route.name)
        if "resourceVersion" in metadata:
            raise internal("resourceVersion should not be set on objects to be created")

    def _complete(self, kind: Kind, namespace: str, body: JsonObject) -> JsonObject:
        """Return the body with the metadata that the server gives it."""
        given = cast("JsonObject", body["metadata"])
        metadata = {
            key: value
            for key, value in given.items()
            if key not in OWN and key != "resourceVersion"
        }
        if "generateName" in metadata and "name" not in metadata:
            metadata["name"] = self._generated(str(metadata["generateName"]))
        if kind.is_namespaced:
            metadata["namespace"] = namespace
        if "name" in metadata:
            metadata["uid"] = self._uid(kind.plural, namespace, str(metadata["name"]))
        metadata["creationTimestamp"] = self._journal.today()
        if kind.has_generation:
            metadata["generation"] = 1
        status = ("status",) if kind.has_status else ()
        rest = {key: value for key, value in body.items() if key not in status}
        return {**rest, "metadata": metadata}

    def _generated(self, prefix: str) -> str:
        seed = f"{prefix} {self._journal.storage.revision}".encode()
        digest = hashlib.sha256(seed).digest()
        return prefix + "".join(ALPHABET[byte % len(ALPHABET)] for byte in digest[:SUFFIX])

    @staticmethod
    def _admitted(kind: Kind, request: Request, body: JsonObject, findings: Findings) -> JsonObject:
        try:
            admitted = kind.admit(body, None, findings)
        except UndecodableError as error:
            raise cannot_handle(kind, str(error)) from error
        if findings.unknown and request.params.get("fieldValidation") == "Strict":
            raise cannot_handle(kind, strict_error(findings.unknown))
        return admitted
