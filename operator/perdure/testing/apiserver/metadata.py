"""The metadata of an object: what is kept of it, and what may stand in it.

Source: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/ and
https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import cast

from perdure.engine.values import Json, JsonObject
from perdure.testing.apiserver.checks import INVALID, REQUIRED, TOO_LONG
from perdure.testing.apiserver.findings import Findings, Path
from perdure.testing.apiserver.kinds import Kind, NameRule

META: Path = (None, "metadata")
ANNOTATION_BYTES = 256 * 2**10
MOST_NAME = {NameRule.SUBDOMAIN: 253, NameRule.LABEL: 63, NameRule.SERVICE: 63}

LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
SUBDOMAIN = rf"{LABEL}(\.{LABEL})*"
NAMES: Mapping[NameRule, tuple[str, str]] = {
    NameRule.SUBDOMAIN: (
        SUBDOMAIN,
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, "
        "'-' or '.', and must start and end with an alphanumeric character (e.g. "
        f"'example.com', regex used for validation is '{SUBDOMAIN}')",
    ),
    NameRule.LABEL: (
        LABEL,
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
        "and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', "
        f"regex used for validation is '{LABEL}')",
    ),
    NameRule.SERVICE: (
        r"[a-z]([-a-z0-9]*[a-z0-9])?",
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with "
        "an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or "
        "'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
    ),
}
KEY_NAME = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
BAD_KEY = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
    f"validation is '{KEY_NAME}')"
)
LABEL_VALUE = rf"({KEY_NAME})?"
BAD_VALUE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value', "
    " or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)


class UndecodableError(ValueError):
    """The JSON does not fit the types of the metadata."""


# --- what is kept ---------------------------------------------------------------------------


def _text(value: Json) -> bool:
    return isinstance(value, str)


def _texts(value: Json) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _text_map(value: Json) -> bool:
    return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())


def _objects(value: Json) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _whole(value: Json) -> bool:
    return type(value) is int


FIELDS: Mapping[str, Callable[[Json], bool]] = {
    "name": _text,
    "generateName": _text,
    "namespace": _text,
    "selfLink": _text,
    "uid": _text,
    "resourceVersion": _text,
    "generation": _whole,
    "creationTimestamp": _text,
    "deletionTimestamp": _text,
    "deletionGracePeriodSeconds": _whole,
    "labels": _text_map,
    "annotations": _text_map,
    "ownerReferences": _objects,
    "finalizers": _texts,
    "managedFields": _objects,
}
DROPPED = ("selfLink", "managedFields")


def clean(raw: Json, findings: Findings) -> JsonObject:
    """Return metadata without nulls, empty values and unknown fields.

    Raises UndecodableError for values of other types than metadata have.
    """
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise UndecodableError("json: cannot unmarshal into Go value of type v1.ObjectMeta")
    kept: JsonObject = {}
    for key, value in raw.items():
        fits = FIELDS.get(key)
        if fits is None:
            findings.add_unknown((META, key))
        elif value is None:
            continue
        elif not fits(value):
            raise UndecodableError(f"json: cannot unmarshal into Go struct field ObjectMeta.{key}")
        elif key not in DROPPED and value not in ("", [], {}):
            kept[key] = value
    return kept


# --- what may stand in it -------------------------------------------------------------------


def check_metadata(kind: Kind, metadata: JsonObject, findings: Findings) -> None:
    """Find what is wrong with the names, labels, annotations, owners and finalizers."""
    _check_names(kind, metadata, findings)
    labels = cast("Mapping[str, str]", metadata.get("labels", {}))
    for key, value in labels.items():
        _check_label(key, value, findings)
    _check_annotations(cast("Mapping[str, str]", metadata.get("annotations", {})), findings)
    _check_owners(cast("list[JsonObject]", metadata.get("ownerReferences", [])), findings)
    for finalizer in cast("list[str]", metadata.get("finalizers", [])):
        _check_key(finalizer, "name part", (META, "finalizers"), findings)


def _check_names(kind: Kind, metadata: JsonObject, findings: Findings) -> None:
    if "generateName" in metadata:
        prefix = str(metadata["generateName"])
        _check_name(kind, prefix.rstrip("-") or "-", prefix, "generateName", findings)
    if "name" not in metadata:
        text = "Required value: name or generateName is required"
        findings.add(REQUIRED, text, (META, "name"))
        return
    name = str(metadata["name"])
    _check_name(kind, name, name, "name", findings)


def _check_name(kind: Kind, name: str, shown: str, field: str, findings: Findings) -> None:
    pattern, text = NAMES[kind.name_rule]
    most = MOST_NAME[kind.name_rule]
    if len(name) > most:
        text_long = f'Invalid value: "{shown}": must be no more than {most} characters'
        findings.add(INVALID, text_long, (META, field))
    if kind.name_rule is NameRule.LABEL and re.fullmatch(SUBDOMAIN, name) and "." in name:
        text = "must not contain dots"
    elif re.fullmatch(pattern, name):
        return
    findings.add(INVALID, f'Invalid value: "{shown}": {text}', (META, field))


def _check_label(key: str, value: str, findings: Findings) -> None:
    where: Path = (META, "labels")
    _check_key(key, "a valid label key", where, findings)
    if len(value) > 63:
        findings.add(INVALID, f'Invalid value: "{value}": must be no more than 63 bytes', where)
    if not re.fullmatch(LABEL_VALUE, value):
        findings.add(INVALID, f'Invalid value: "{value}": {BAD_VALUE}', where)


def _check_annotations(annotations: Mapping[str, str], findings: Findings) -> None:
    where: Path = (META, "annotations")
    for key in annotations:
        _check_key(key.lower(), "a valid annotation key", where, findings)
    size = sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items())
    if size > ANNOTATION_BYTES:
        text = f"Too long: may not be more than {ANNOTATION_BYTES} bytes"
        findings.add(TOO_LONG, text, where)


def _check_key(key: str, what: str, where: Path, findings: Findings) -> None:
    """Check a name with an optional DNS prefix, such as labels and finalizers have."""
    prefix, slash, name = key.rpartition("/")
    if key.count("/") > 1:
        text = f"{what} {BAD_KEY} with an optional DNS subdomain prefix and '/' (e.g. "
        findings.add(INVALID, f"Invalid value: \"{key}\": {text}'example.com/MyName')", where)
        return
    if slash and not re.fullmatch(SUBDOMAIN, prefix):
        text = f"prefix part {NAMES[NameRule.SUBDOMAIN][1]}"
        findings.add(INVALID, f'Invalid value: "{key}": {text}', where)
    if not re.fullmatch(KEY_NAME, name) or len(name) > 63:
        findings.add(INVALID, f'Invalid value: "{key}": name part {BAD_KEY}', where)


def _check_owners(owners: Iterable[JsonObject], findings: Findings) -> None:
    where: Path = (META, "ownerReferences")
    controllers = []
    for owner in owners:
        for field in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(field):
                text = 'Invalid value: "": must not be empty'
                findings.add(INVALID, text, (where, field))
        if owner.get("controller") is True:
            controllers.append(f"{owner.get('kind')}/{owner.get('name')}")
    if len(controllers) > 1:
        first, second, *_ = controllers
        shown = json.dumps(list(owners), separators=(",", ":"))
        text = (
            f"Invalid value: {shown}: Only one reference can have Controller set to true. Found "
            f'"true" in references for {first} and {second}'
        )
        findings.add(INVALID, text, where)


def check_change(metadata: JsonObject, old: JsonObject, findings: Findings) -> None:
    """Find changes of what does not change, and finalizers added too late."""
    fields = ("uid", "deletionTimestamp", "deletionGracePeriodSeconds")
    for field in fields:
        if metadata.get(field) != old.get(field):
            text = f"Invalid value: {json.dumps(metadata.get(field))}: field is immutable"
            findings.add(INVALID, text, (META, field))
    if "deletionTimestamp" in old:
        _check_late_finalizers(metadata, old, findings)


def _check_late_finalizers(metadata: JsonObject, old: JsonObject, findings: Findings) -> None:
    known = cast("list[str]", old.get("finalizers", []))
    asked = cast("list[str]", metadata.get("finalizers", []))
    added = sorted(set(asked) - set(known))
    if added:
        shown = ", ".join(f'"{each}"' for each in added)
        text = (
            "Forbidden: no new finalizers can be added if the object is being deleted, "
            f"found new finalizers []string{{{shown}}}"
        )
        findings.add("FieldValueForbidden", text, (META, "finalizers"))
