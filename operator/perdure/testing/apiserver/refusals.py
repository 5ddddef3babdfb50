"""The errors of the server, as `Status` objects.

Source: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/; the texts
were measured on a kube-apiserver 1.35 and are compared with it by tests/contract/api_server.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from perdure.engine.values import Json, JsonObject
from perdure.testing.apiserver.kinds import Kind

NOWHERE = "<nil>"
"""The field of a cause that concerns the whole object."""

MODIFIED = (
    "the object has been modified; please apply your changes to the latest version and try again"
)
EXPIRED_LIST = (
    "The provided continue parameter is too old to display a consistent list result. You can "
    "start a new list without the continue parameter, or use the continue token in this response "
    "to retrieve the remainder of the results. Continuing with the provided token results in an "
    "inconsistent list - objects that were created, modified, or deleted between the time the "
    "first chunk was returned and now may show up in the list."
)


@dataclass(frozen=True, slots=True)
class Cause:
    """One field that is wrong: `reason` such as FieldValueInvalid, `message`, and where."""

    reason: str
    message: str
    field: str


class Refusal(Exception):  # noqa: N818 - a refusal is an answer, not a failure of the server
    """Ends a request with a `Status`."""

    def __init__(
        self, code: int, reason: str, message: str, details: JsonObject | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details

    @property
    def retry_after(self) -> int | None:
        """Seconds after which to try again, where the server says so."""
        seconds = (self.details or {}).get("retryAfterSeconds")
        return seconds if isinstance(seconds, int) else None

    def as_json(self) -> JsonObject:
        """Return the Status object."""
        status: JsonObject = {"kind": "Status", "apiVersion": "v1", "metadata": {}}
        status |= {"status": "Failure", "message": self.message}
        if self.reason:
            status["reason"] = self.reason
        if self.details is not None:
            status["details"] = self.details
        return status | {"code": self.code}


def resource_details(kind: Kind, name: str) -> JsonObject:
    """Return details that name an object by its plural."""
    return _details(name, kind.group, kind.plural)


def _details(name: str, group: str, kind: str) -> JsonObject:
    parts = {"name": name, "group": group, "kind": kind}
    return {key: value for key, value in parts.items() if value}


def no_resource() -> Refusal:
    """A path of a group that is served, to a resource that is not."""
    text = "the server could not find the requested resource"
    return Refusal(404, "NotFound", text, {})


def not_found(kind: Kind, name: str) -> Refusal:
    text = f'{kind.qualified} "{name}" not found'
    return Refusal(404, "NotFound", text, resource_details(kind, name))


def already_exists(kind: Kind, name: str) -> Refusal:
    text = f'{kind.qualified} "{name}" already exists'
    return Refusal(409, "AlreadyExists", text, resource_details(kind, name))


def conflict(kind: Kind, name: str, why: str = MODIFIED) -> Refusal:
    text = f'Operation cannot be fulfilled on {kind.qualified} "{name}": {why}'
    return Refusal(409, "Conflict", text, resource_details(kind, name))


def wrong_uid(kind: Kind, namespace: str, name: str, asked: str, found: str) -> Refusal:
    """A PUT with the uid of another object."""
    group = f"{kind.group}/" if kind.is_custom else ""
    key = f"/registry/{group}{kind.plural}/{namespace}/{name}"
    return conflict(
        kind,
        name,
        f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, "
        f"AdditionalErrorMsg: Precondition failed: UID in precondition: {asked}, "
        f"UID in object meta: {found}",
    )


def failed_precondition(kind: Kind, name: str, why: str) -> Refusal:
    """A DELETE whose preconditions do not hold; named by kind, unlike other conflicts."""
    text = f'Operation cannot be fulfilled on {kind.qualified_kind} "{name}": {why}'
    return Refusal(409, "Conflict", text, _details(name, kind.group, kind.kind))


def bad_request(message: str) -> Refusal:
    return Refusal(400, "BadRequest", message)


def internal(message: str) -> Refusal:
    """An error that the real server did not expect either: it has no reason."""
    return Refusal(500, "", message)


def forbidden(kind: Kind, name: str, why: str, cause: Cause) -> Refusal:
    details = resource_details(kind, name) | {"causes": _causes([cause])}
    return Refusal(403, "Forbidden", f'{kind.qualified} "{name}" is forbidden: {why}', details)


def method_not_allowed(kind: Kind, verb: str) -> Refusal:
    text = f'{verb} is not supported on resources of kind "{kind.qualified}"'
    return Refusal(405, "MethodNotAllowed", text, _details("", kind.group, kind.plural))


def unsupported_media(accepted: Iterable[str]) -> Refusal:
    text = "the body of the request was in an unknown format - accepted media types include: "
    return Refusal(415, "UnsupportedMediaType", text + ", ".join(accepted))


def too_large(why: str) -> Refusal:
    return Refusal(413, "RequestEntityTooLarge", f"Request entity too large: {why}")


def patch_failed() -> Refusal:
    """A JSON patch that does not apply, a failed `test` included."""
    text = "the server rejected our request due to an error in our request"
    return Refusal(422, "Invalid", text, {})


def undecodable_patch(document: str, why: str) -> Refusal:
    """A patch whose result is no object of the kind."""
    return Refusal(
        422, "Invalid", f' "" is invalid: patch: Invalid value: {json.dumps(document)}: {why}'
    )


def expired(message: str) -> Refusal:
    return Refusal(410, "Expired", message)


def expired_watch(asked: int, oldest: int) -> Refusal:
    return expired(f"too old resource version: {asked} ({oldest})")


def too_new(asked: int, current: int) -> Refusal:
    """A version that was not reached yet, even after waiting a while."""
    text = f"Timeout: Too large resource version: {asked}, current: {current}"
    cause = Cause("ResourceVersionTooLarge", "Too large resource version", "")
    details: JsonObject = {"causes": _causes([cause]), "retryAfterSeconds": 1}
    return Refusal(504, "Timeout", text, details)


def invalid(group: str, kind: str, name: str, causes: Sequence[Cause]) -> Refusal:
    """Fields that are wrong; each cause is told once."""
    told = list(dict.fromkeys(causes))
    texts = [f"{cause.field}: {cause.message}" for cause in told]
    text = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    details = _details(name, group, kind) | {"causes": _causes(told)}
    qualified = f"{kind}.{group}" if group else kind
    return Refusal(422, "Invalid", f'{qualified} "{name}" is invalid: {text}', details)


def invalid_object(kind: Kind, name: str, causes: Sequence[Cause]) -> Refusal:
    return invalid(kind.group, kind.kind, name, causes)


def invalid_option(options: str, cause: Cause) -> Refusal:
    """A query parameter, or a field of DeleteOptions, that has no such value."""
    return invalid("meta.k8s.io", options, "", [cause])


def version_required(kind: Kind, name: str) -> Refusal:
    text = "Invalid value: 0: must be specified for an update"
    cause = Cause("FieldValueInvalid", text, "metadata.resourceVersion")
    return invalid(kind.group, kind.plural, name, [cause])


def _causes(causes: Sequence[Cause]) -> list[Json]:
    return [
        {key: value for key, value in fields if value}
        for fields in (
            (("reason", cause.reason), ("message", cause.message), ("field", cause.field))
            for cause in causes
        )
    ]
