"""PUT and PATCH: changes of objects and of their status."""

from __future__ import annotations

from typing import cast

from perdure.engine.values import Json, JsonObject
from perdure.testing.apiserver.bodies import (
    cannot_handle,
    check_kind,
    check_options,
    decode_new,
    read_object,
    strict_error,
)
from perdure.testing.apiserver.creation import OWN, Creation
from perdure.testing.apiserver.equality import same, settle_numbers
from perdure.testing.apiserver.findings import Findings
from perdure.testing.apiserver.gates import Gates
from perdure.testing.apiserver.journal import Deed, Journal
from perdure.testing.apiserver.kinds import Kind
from perdure.testing.apiserver.messages import JSON_PATCH, MERGE_PATCH, Limits, Request
from perdure.testing.apiserver.metadata import (
    UndecodableError,
    check_change,
    check_metadata,
    clean,
)
from perdure.testing.apiserver.patches import (
    apply_operations,
    merge,
    parse_merge,
    parse_operations,
)
from perdure.testing.apiserver.refusals import (
    bad_request,
    conflict,
    internal,
    invalid_object,
    not_found,
    undecodable_patch,
    unsupported_media,
    version_required,
    wrong_uid,
)
from perdure.testing.apiserver.routes import Route
from perdure.testing.apiserver.storage import Stored, dump

PATCHES = (JSON_PATCH, MERGE_PATCH, "application/apply-patch+yaml")


class Updates:
    """Changes objects that are there."""

    def __init__(self, journal: Journal, gates: Gates, creation: Creation, limits: Limits) -> None:
        self._journal = journal
        self._gates = gates
        self._creation = creation
        self._limits = limits

    # --- PUT ----------------------------------------------------------------------------

    def replace(self, route: Route, request: Request) -> tuple[int, bytes]:
        """Return status and object. Raises Refusal."""
        check_options(request.params, "UpdateOptions")
        kind, findings = route.kind, Findings(is_relative=route.subresource is not None)
        body = decode_new(kind, read_object(kind, request), findings)
        _check_place(route, body)
        old = self._journal.storage.get(kind, route.key)
        if old is None:
            if not kind.creates_on_put:
                raise not_found(kind, route.key[1])
            asked_uid = cast("JsonObject", body["metadata"]).get("uid")
            if asked_uid:
                raise wrong_uid(kind, *route.key, str(asked_uid), "")
            return 201, self._creation.create_decoded(route, request, body, findings)
        _check_version(route, old, body)
        return 200, self._change(route, request, old, body, findings)

    # --- PATCH --------------------------------------------------------------------------

    def patch(self, route: Route, request: Request) -> bytes:
        """Return the object. Raises Refusal."""
        check_options(request.params, "PatchOptions")
        kind = route.kind
        media = (request.content_type or "").partition(";")[0].strip()
        if media not in (JSON_PATCH, MERGE_PATCH):
            raise unsupported_media(PATCHES)
        old = self._journal.storage.get(kind, route.key)
        if old is None:
            raise not_found(kind, route.key[1])
        patched = self._patched(kind, old, media, request.body or b"")
        findings = Findings(is_relative=route.subresource is not None)
        body = _decoded_patch(kind, old, patched, findings)
        _check_place(route, body)
        _check_version(route, old, body, is_patch=True)
        return self._change(route, request, old, body, findings)

    def _patched(self, kind: Kind, old: Stored, media: str, text: bytes) -> Json:
        if media == MERGE_PATCH:
            patch = parse_merge(text)
            if kind.is_custom:
                settle_numbers(patch)
            return merge(old.body, patch)
        operations = parse_operations(text, self._limits.patch_operations)
        if kind.is_custom:
            for operation in operations:
                if operation.get("op") != "test" and "value" in operation:
                    operation["value"] = settle_numbers(operation["value"])
        return apply_operations(old.body, operations, text)

    # --- both ---------------------------------------------------------------------------

    def _change(
        self, route: Route, request: Request, old: Stored, asked: JsonObject, findings: Findings
    ) -> bytes:
        body = self._admitted(route, request, old, asked, findings)
        body = _numbered(route.kind, body, old.body)
        self._gates.check_policy(request, old.body, body)
        if _is_same(body, old.body):
            return old.content
        if "dryRun" in request.params:
            return dump(route.kind, body)
        verb = "update" if request.method == "PUT" else "patch"
        deed = Deed(request.actor, verb, route.kind, route.key, route.subresource)
        metadata = cast("JsonObject", body["metadata"])
        if "deletionTimestamp" in metadata and not metadata.get("finalizers"):
            # The last finalizer is gone: the object goes without having been written again.
            self._journal.remove(deed)
            return dump(route.kind, body)
        return self._journal.put(deed, body).content

    def _admitted(
        self, route: Route, request: Request, old: Stored, asked: JsonObject, findings: Findings
    ) -> JsonObject:
        kind = route.kind
        body = _restricted(route, asked, old.body)
        try:
            body = kind.admit(body, old.body, findings)
        except UndecodableError as error:
            raise _undecodable(kind, request, body, str(error)) from error
        if findings.unknown and request.params.get("fieldValidation") == "Strict":
            raise _undecodable(kind, request, body, strict_error(findings.unknown))
        metadata = cast("JsonObject", body["metadata"])
        before = cast("JsonObject", old.body["metadata"])
        if metadata is not before:
            check_metadata(kind, metadata, findings)
            check_change(metadata, before, findings)
        causes = findings.judge(has_rules=kind.is_custom)
        if causes:
            raise invalid_object(kind, route.key[1], causes)
        return body


def _check_place(route: Route, body: JsonObject) -> None:
    """Check name and namespace of a body against the path; an absent namespace is filled in."""
    namespace, name = route.key
    metadata = cast("JsonObject", body["metadata"])
    if "name" not in metadata:
        raise bad_request(
            f"the name of the object ({name} based on URL) was undeterminable: name must be "
            "provided"
        )
    if metadata["name"] != name:
        raise bad_request(
            f"the name of the object ({metadata['name']}) does not match the name on the URL "
            f"({name})"
        )
    if metadata.get("namespace", namespace) != namespace:
        raise bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )


def _check_version(route: Route, old: Stored, body: JsonObject, *, is_patch: bool = False) -> None:
    """Check that the body is about the object as it is. Raises Refusal."""
    metadata = cast("JsonObject", body["metadata"])
    before = cast("JsonObject", old.body["metadata"])
    if metadata is before:
        return
    namespace, name = route.key
    uid = metadata.get("uid")
    if not is_patch and uid is not None and uid != before["uid"]:
        raise wrong_uid(route.kind, namespace, name, str(uid), str(before["uid"]))
    version = str(metadata.get("resourceVersion", "0"))
    if not version.isdecimal():
        raise internal(f'strconv.ParseUint: parsing "{version}": invalid syntax')
    if int(version) == 0:
        if not route.kind.is_unconditional:
            raise version_required(route.kind, name)
    elif int(version) != old.revision:
        raise conflict(route.kind, name)


def _decoded_patch(kind: Kind, old: Stored, patched: Json, findings: Findings) -> JsonObject:
    """Return a patched document as an object of the kind, unchanged metadata untouched."""
    if not isinstance(patched, dict):
        raise bad_request("the patched document is no object")
    check_kind(kind, patched)
    if patched.get("metadata") is old.body["metadata"]:
        return patched
    try:
        metadata = clean(patched.get("metadata"), findings)
    except UndecodableError as error:
        raise undecodable_patch(dump(kind, patched).decode(), str(error)) from error
    return {**patched, "metadata": metadata}


def _undecodable(kind: Kind, request: Request, body: JsonObject, why: str) -> Exception:
    if request.method == "PUT":
        return cannot_handle(kind, why)
    return undecodable_patch(dump(kind, body).decode(), why)


def _restricted(route: Route, asked: JsonObject, old: JsonObject) -> JsonObject:
    """Return what an endpoint may change: the status, or everything but the status."""
    if route.subresource is not None:
        return _with_status(old, asked)
    before = cast("JsonObject", old["metadata"])
    metadata = cast("JsonObject", asked["metadata"])
    if metadata is not before:
        # What only the server writes stays; a body that contradicts it is refused later.
        kept = {key: before[key] for key in (*OWN, "namespace") if key in before}
        metadata = {**kept, **metadata, "resourceVersion": before["resourceVersion"]}
        for field in ("creationTimestamp", "generation"):
            metadata.pop(field, None)
            if field in before:
                metadata[field] = before[field]
        asked = {**asked, "metadata": metadata}
    return _with_status(asked, old) if route.kind.has_status else asked


def _with_status(body: JsonObject, source: JsonObject) -> JsonObject:
    if "status" in source:
        return {**body, "status": source["status"]}
    return {key: value for key, value in body.items() if key != "status"}


def _numbered(kind: Kind, body: JsonObject, old: JsonObject) -> JsonObject:
    """Return the body with its generation, which counts changes beside metadata and status."""
    if not kind.has_generation or all(
        same(body.get(key), old.get(key))
        for key in {*body, *old}
        if key not in ("metadata", "status")
    ):
        return body
    metadata = cast("JsonObject", body["metadata"])
    generation = cast("int", metadata["generation"]) + 1
    return {**body, "metadata": {**metadata, "generation": generation}}


def _is_same(body: JsonObject, old: JsonObject) -> bool:
    return body.keys() == old.keys() and all(same(body[key], old[key]) for key in body)
