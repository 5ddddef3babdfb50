"""The kinds of Kubernetes itself, as shallow as this project needs them."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from typing import Any, TypeAlias, cast

from perdure.engine.values import Json, JsonObject
from perdure.testing.apiserver.checks import ABSENT, INVALID, REQUIRED, TYPE
from perdure.testing.apiserver.equality import same
from perdure.testing.apiserver.findings import Findings, Path
from perdure.testing.apiserver.kinds import Admit, Kind, NameRule
from perdure.testing.apiserver.metadata import UndecodableError
from perdure.testing.apiserver.schemas import compile_schema

Finish: TypeAlias = "Callable[[JsonObject, JsonObject | None, Findings], JsonObject]"

ANY: dict[str, Any] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
TEXT: dict[str, Any] = {"type": "string"}
TEXTS: dict[str, Any] = {"type": "object", "additionalProperties": TEXT}
WHOLE: dict[str, Any] = {"type": "integer"}
MICRO_TIME: dict[str, Any] = {"type": "string", "format": "micro-time"}
FINALIZERS = "kubernetes"
IMMUTABLE = "Forbidden: field is immutable when `immutable` is set"


def _admission(finish: Finish, **properties: dict[str, Any]) -> Admit:
    """Return what checks a kind with these top-level fields, then does what is special to it.

    Values of a wrong type cannot be decoded, other than in custom resources.
    """
    common: dict[str, dict[str, Any]] = {"apiVersion": TEXT, "kind": TEXT, "metadata": ANY}
    check = compile_schema({"type": "object", "properties": {**common, **properties}})

    def admit(new: JsonObject, old: JsonObject | None, findings: Findings) -> JsonObject:
        given: JsonObject = {key: value for key, value in new.items() if value is not None}
        result = check(given, ABSENT, None, findings)
        for cause in findings.causes:
            if cause.reason == TYPE:
                raise UndecodableError(f"json: cannot unmarshal {cause.field}: {cause.message}")
        return finish(cast("JsonObject", result), old, findings)

    return admit


def _object(body: JsonObject, field: str) -> JsonObject:
    value = body.get(field)
    return value if isinstance(value, dict) else {}


# --- one by one -----------------------------------------------------------------------------


def _lease(new: JsonObject, old: JsonObject | None, findings: Findings) -> JsonObject:
    spec = _object(new, "spec")
    for field, least in (("leaseDurationSeconds", 1), ("leaseTransitions", 0)):
        value = spec.get(field)
        if isinstance(value, int) and value < least:
            what = "greater than 0" if least else "greater than or equal to 0"
            where: Path = ((None, "spec"), field)
            findings.add(INVALID, f"Invalid value: {value}: must be {what}", where)
    return {**new, "spec": {key: value for key, value in spec.items() if value is not None}}


def _revision(new: JsonObject, old: JsonObject | None, findings: Findings) -> JsonObject:
    number = new.get("revision", 0)
    if isinstance(number, int) and number < 0:
        text = f"Invalid value: {number}: must be greater than or equal to 0"
        findings.add(INVALID, text, (None, "revision"))
    data = new.get("data")
    if data is None:
        findings.add(REQUIRED, "Required value: data is mandatory", (None, "data"))
    elif not isinstance(data, dict):
        text = "Required value: data must be a valid JSON object"
        findings.add(REQUIRED, text, (None, "data"))
    elif old is not None and not same(data, old["data"]):
        shown = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
        text = f"Invalid value: {shown}: field is immutable"
        findings.add(INVALID, text, (None, "data"))
    return {**new, "revision": number}


def _config_map(new: JsonObject, old: JsonObject | None, findings: Findings) -> JsonObject:
    _keep_immutable(new, old, findings)
    return {key: value for key, value in new.items() if value != {}}


def _secret(new: JsonObject, old: JsonObject | None, findings: Findings) -> JsonObject:
    data = dict(_object(new, "data"))
    for value in data.values():
        _check_base64(str(value))
    for key, value in _object(new, "stringData").items():
        data[key] = base64.b64encode(str(value).encode()).decode()
    whole = {key: value for key, value in new.items() if key != "stringData"}
    whole = {**whole, "data": data, "type": new.get("type", "Opaque")}
    _keep_immutable(whole, old, findings)
    return {key: value for key, value in whole.items() if value != {}}


def _check_base64(text: str) -> None:
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise UndecodableError("illegal base64 data at input byte 0") from error


def _keep_immutable(new: JsonObject, old: JsonObject | None, findings: Findings) -> None:
    if old is None or old.get("immutable") is not True:
        return
    if new.get("immutable") is not True:
        findings.add("FieldValueForbidden", IMMUTABLE, (None, "immutable"))
    if not same(_object(new, "data"), _object(old, "data")):
        findings.add("FieldValueForbidden", IMMUTABLE, (None, "data"))


def _service(new: JsonObject, old: JsonObject | None, findings: Findings) -> JsonObject:
    spec: JsonObject = {"type": "ClusterIP", "sessionAffinity": "None", **_object(new, "spec")}
    if spec["type"] != "ExternalName":
        given = cast("list[Json]", spec.get("ports", []))
        if not given and spec.get("clusterIP") != "None":
            findings.add(REQUIRED, "Required value", ((None, "spec"), "ports"))
        if given:
            spec["ports"] = [_port(port) for port in given if isinstance(port, dict)]
        spec = {"ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", **spec}
        spec["internalTrafficPolicy"] = spec.get("internalTrafficPolicy", "Cluster")
    return {**new, "spec": spec, "status": {"loadBalancer": {}}}


def _port(port: JsonObject) -> JsonObject:
    return {"protocol": "TCP", "targetPort": port.get("port"), **port}


def _namespace(new: JsonObject, old: JsonObject | None, findings: Findings) -> JsonObject:
    metadata = _object(new, "metadata")
    labels = _object(metadata, "labels") | {"kubernetes.io/metadata.name": metadata.get("name")}
    phase: Json = {"phase": "Active"} if old is None else old["status"]
    return {
        **new,
        "metadata": {**metadata, "labels": labels},
        "spec": {"finalizers": [FINALIZERS]},
        "status": phase,
    }


def _pod(new: JsonObject, old: JsonObject | None, findings: Findings) -> JsonObject:
    if not _object(new, "spec").get("containers"):
        findings.add(REQUIRED, "Required value", ((None, "spec"), "containers"))
    return {**new, "status": _object(new, "status") or {"phase": "Pending"}}


LEASE_SPEC: dict[str, Any] = {
    "type": "object",
    "properties": {
        "holderIdentity": {**TEXT, "nullable": True},
        "leaseDurationSeconds": {**WHOLE, "nullable": True},
        "acquireTime": {**MICRO_TIME, "nullable": True},
        "renewTime": {**MICRO_TIME, "nullable": True},
        "leaseTransitions": {**WHOLE, "nullable": True},
        "strategy": {**TEXT, "nullable": True},
        "preferredHolder": {**TEXT, "nullable": True},
    },
}

BUILT_IN = (
    Kind(
        group="",
        version="v1",
        kind="Namespace",
        plural="namespaces",
        admit=_admission(_namespace, spec=ANY, status=ANY),
        is_namespaced=False,
        has_status=True,
        name_rule=NameRule.LABEL,
        selectable=("status.phase",),
    ),
    Kind(
        group="",
        version="v1",
        kind="Service",
        plural="services",
        admit=_admission(_service, spec=ANY, status=ANY),
        has_status=True,
        is_unconditional=True,
        creates_on_put=True,
        returns_deleted=True,
        name_rule=NameRule.SERVICE,
        selectable=("spec.clusterIP", "spec.type"),
    ),
    Kind(
        group="",
        version="v1",
        kind="ConfigMap",
        plural="configmaps",
        admit=_admission(_config_map, data=TEXTS, binaryData=TEXTS, immutable={"type": "boolean"}),
        is_unconditional=True,
    ),
    Kind(
        group="",
        version="v1",
        kind="Secret",
        plural="secrets",
        admit=_admission(
            _secret, data=TEXTS, stringData=TEXTS, type=TEXT, immutable={"type": "boolean"}
        ),
        is_unconditional=True,
        selectable=("type",),
    ),
    Kind(
        group="",
        version="v1",
        kind="Pod",
        plural="pods",
        admit=_admission(_pod, spec=ANY, status=ANY),
        has_status=True,
        has_generation=True,
        is_unconditional=True,
        returns_deleted=True,
        selectable=("spec.nodeName", "status.phase"),
    ),
    Kind(
        group="coordination.k8s.io",
        version="v1",
        kind="Lease",
        plural="leases",
        admit=_admission(_lease, spec=LEASE_SPEC),
        creates_on_put=True,
    ),
    Kind(
        group="apps",
        version="v1",
        kind="ControllerRevision",
        plural="controllerrevisions",
        admit=_admission(
            _revision, data={"x-kubernetes-preserve-unknown-fields": True}, revision=WHOLE
        ),
        is_unconditional=True,
    ),
)
