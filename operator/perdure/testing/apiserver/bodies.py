"""Reading the bodies of requests: objects and options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import orjson

from perdure.engine.values import Json, JsonObject
from perdure.testing.apiserver.equality import settle_numbers
from perdure.testing.apiserver.findings import Findings
from perdure.testing.apiserver.kinds import Kind
from perdure.testing.apiserver.messages import JSON, Request
from perdure.testing.apiserver.metadata import UndecodableError, clean
from perdure.testing.apiserver.refusals import (
    Cause,
    bad_request,
    failed_precondition,
    invalid,
    invalid_option,
    unsupported_media,
)

OBJECT_TYPES = (JSON, "application/yaml", "application/vnd.kubernetes.protobuf")
VALIDATIONS = ("", "Ignore", "Strict", "Warn")
POLICIES = ("Foreground", "Background", "Orphan")
TYPES = ("apiVersion", "kind")


def check_options(params: Mapping[str, str], options: str) -> None:
    """Raises Refusal for values of `fieldValidation` and `dryRun` that there are not."""
    mode = params.get("fieldValidation", "")
    if mode not in VALIDATIONS:
        known = ", ".join(f'"{each}"' for each in VALIDATIONS)
        text = f'Unsupported value: "{mode}": supported values: {known}'
        raise invalid_option(options, Cause("FieldValueNotSupported", text, "fieldValidation"))
    if params.get("dryRun", "All") != "All":
        text = f'Unsupported value: ["{params["dryRun"]}"]: supported values: "All"'
        raise invalid_option(options, Cause("FieldValueNotSupported", text, "dryRun"))


def read_object(kind: Kind, request: Request) -> JsonObject:
    """Return the object of a POST or PUT; apiVersion and kind are there and right.

    Raises Refusal for everything else.
    """
    media = (request.content_type or JSON).partition(";")[0].strip()
    if media not in OBJECT_TYPES:
        raise unsupported_media(OBJECT_TYPES)
    unrecognized = f"the object provided is unrecognized (must be of type {kind.kind}): "
    try:
        body = orjson.loads(request.body or b"")
    except ValueError as error:
        text = f"{unrecognized}couldn't get version/kind; json parse error: {error}"
        raise bad_request(text) from error
    if body is not None and not isinstance(body, dict):
        text = f"{unrecognized}couldn't get version/kind; json parse error: json: cannot unmarshal"
        raise bad_request(text)
    return check_types(kind, body or {}, unrecognized)


def check_types(kind: Kind, body: JsonObject, unrecognized: str) -> JsonObject:
    """Return a body that is of the kind; built-in kinds need not be named."""
    if not kind.is_custom:
        body = {"apiVersion": kind.api_version, "kind": kind.kind, **body}
    if not body.get("kind"):
        raise bad_request(f"{unrecognized}Object 'Kind' is missing in")
    if body.get("apiVersion") != kind.api_version:
        raise bad_request(
            f"the API version in the data ({body.get('apiVersion') or ''}) does not match the "
            f"expected API version ({kind.api_version})"
        )
    check_kind(kind, body)
    return body


def check_kind(kind: Kind, body: JsonObject) -> None:
    """Raises Refusal for an object that says it is of another kind."""
    named = str(body.get("kind"))
    if not kind.is_custom and named != kind.kind:
        raise bad_request(f'no kind "{named}" is registered for version "{kind.api_version}"')
    for field, wanted in (("kind", kind.kind), ("apiVersion", kind.api_version)):
        if body.get(field) != wanted:
            name = str(cast("JsonObject", body.get("metadata") or {}).get("name", ""))
            text = f'Invalid value: "{body.get(field)}": must be {wanted}'
            raise invalid(kind.group, named, name, [Cause("FieldValueInvalid", text, field)])


def decode(kind: Kind, body: JsonObject, findings: Findings) -> JsonObject:
    """Return a body with clean metadata and the numbers its kind keeps.

    Takes hold of the body: its lists and dicts may be changed. Raises UndecodableError.
    """
    metadata = clean(body.get("metadata"), findings)
    content: JsonObject = {key: value for key, value in body.items() if key != "metadata"}
    if kind.is_custom:
        settle_numbers(content)
    return {**content, "metadata": metadata}


def decode_new(kind: Kind, body: JsonObject, findings: Findings) -> JsonObject:
    """Return a decoded body of a POST or PUT. Raises Refusal for what cannot be decoded."""
    try:
        return decode(kind, body, findings)
    except UndecodableError as error:
        raise cannot_handle(kind, str(error)) from error


def cannot_handle(kind: Kind, why: str) -> Exception:
    text = f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: {why}'
    return bad_request(text)


def strict_error(unknown: list[str]) -> str:
    """Return the words for fields that are not known, under fieldValidation=Strict."""
    fields = ", ".join(f'unknown field "{field}"' for field in unknown)
    return f"strict decoding error: {fields}"


# --- DELETE ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """How something is to be deleted; None where nothing is said."""

    uid: str | None
    version: str | None
    policy: str | None
    is_dry_run: bool

    def check(self, kind: Kind, metadata: JsonObject) -> None:
        """Raises Refusal if the object is not the one that is meant."""
        name = str(metadata["name"])
        if self.uid is not None and self.uid != metadata["uid"]:
            raise failed_precondition(
                kind,
                name,
                f"the UID in the precondition ({self.uid}) does not match the UID in record "
                f"({metadata['uid']}). The object might have been deleted and then recreated",
            )
        if self.version is not None and self.version != metadata["resourceVersion"]:
            raise failed_precondition(
                kind,
                name,
                f"the ResourceVersion in the precondition ({self.version}) does not match the "
                f"ResourceVersion in record ({metadata['resourceVersion']}). The object might "
                "have been modified",
            )


def read_delete_options(request: Request) -> DeleteOptions:
    """Return the options of the body, or where there is none those of the query.

    Raises Refusal for a body that holds none, and for options that there are not.
    """
    if not request.body:
        options: JsonObject = dict(request.params)
    else:
        options = _delete_body(request.body)
    policy = _policy(options)
    preconditions = options.get("preconditions")
    asked = preconditions if isinstance(preconditions, dict) else {}
    is_dry_run = bool(options.get("dryRun")) or "dryRun" in request.params
    uid, version = _optional(asked, "uid"), _optional(asked, "resourceVersion")
    return DeleteOptions(uid, version, policy, is_dry_run)


def _delete_body(body: bytes) -> JsonObject:
    try:
        options = orjson.loads(body)
    except ValueError as error:
        text = f"couldn't get version/kind; json parse error: {error}"
        raise bad_request(text) from error
    if not isinstance(options, dict):
        raise bad_request("couldn't get version/kind; json parse error: json: cannot unmarshal")
    kind = options.get("kind", "DeleteOptions")
    if kind != "DeleteOptions":
        version = options.get("apiVersion", "")
        raise bad_request(f'no kind "{kind}" is registered for version "{version}" in scheme')
    return options


def _policy(options: JsonObject) -> str | None:
    policy = _optional(options, "propagationPolicy")
    if policy is not None and policy not in POLICIES:
        known = ", ".join(f'"{each}"' for each in (*POLICIES, "nil"))
        text = f'Unsupported value: "{policy}": supported values: {known}'
        cause = Cause("FieldValueNotSupported", text, "propagationPolicy")
        raise invalid_option("DeleteOptions", cause)
    return policy


def _optional(options: Mapping[str, Json], key: str) -> str | None:
    value = options.get(key)
    return None if value is None else str(value)
