"""The Lease in which a process shows that it lives: its name, its body, what is read of others'.

Source: https://kubernetes.io/docs/concepts/architecture/leases/
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from perdure.engine.values import Json, JsonObject
from perdure.kubernetes.versions import metadata_of

LABEL = "perdure.dev/presence"
LANES = "perdure.dev/lanes"
"""Annotation: which lanes of the log its holder owns, as numbers with commas between."""
PREFIX = "perdure-"
MOST_NAME = 253  # of a DNS subdomain name, RFC 1123
VALID = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


def identity_of(incarnation: str) -> str:
    """Return the identity of a process start `<identity>_<16 hex digits>`."""
    return incarnation.rpartition("_")[0]


def lease_name(identity: str) -> str:
    """Return the name of the Lease of an identity: a DNS name, different for each of them."""
    name = PREFIX + identity
    if len(name) <= MOST_NAME and VALID.fullmatch(name):
        return name
    digest = hashlib.sha256(identity.encode()).hexdigest()[:10]
    room = MOST_NAME - len(PREFIX) - len(digest) - 1
    words = re.sub(r"[^a-z0-9]+", "-", identity.lower())[:room].strip("-")
    return f"{PREFIX}{words}-{digest}" if words else PREFIX + digest


@dataclass(frozen=True, slots=True)
class Lease:
    """What counts of a Lease; `holder` is "" where it has none."""

    holder: str
    version: str
    lanes: frozenset[int] = frozenset()


def holder_of(item: JsonObject) -> str:
    spec = item.get("spec")
    return str(spec.get("holderIdentity") or "") if isinstance(spec, dict) else ""


def renewed_at(item: JsonObject) -> datetime | None:
    """Return when its holder last wrote a Lease, by that one's clock; None where it says nothing
    that can be read."""
    spec = item.get("spec")
    text = spec.get("renewTime") if isinstance(spec, dict) else None
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return None if moment is None or moment.tzinfo is None else moment


def lanes_of(item: JsonObject) -> frozenset[int]:
    """Return the lanes that a Lease lists; what is no number is left out."""
    annotations = metadata_of(item).get("annotations")
    text = annotations.get(LANES) if isinstance(annotations, dict) else None
    words = text.split(",") if isinstance(text, str) else []
    return frozenset(int(word) for word in words if word.isascii() and word.isdigit())


def leases_by_name(items: Iterable[JsonObject]) -> Mapping[str, Lease]:
    return {
        str(metadata["name"]): Lease(
            holder_of(item), str(metadata["resourceVersion"]), lanes_of(item)
        )
        for item, metadata in ((item, metadata_of(item)) for item in items)
    }


def new_lease(name: str, namespace: str) -> JsonObject:
    """Return a Lease without a holder."""
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"leaseTransitions": 0},
    }


def held(
    lease: JsonObject,
    holder: str,
    now: datetime,
    duration_seconds: float,
    lanes: Collection[int] = (),
) -> JsonObject:
    """Return the Lease as `holder` writes it now, its version kept for the test; "" gives it up.

    It always differs from the one before: a write that changes nothing moves no version, so that a
    process whose clock stands still would be dead to all others.
    """
    metadata, spec = dict(metadata_of(lease)), lease.get("spec")
    labels = metadata.get("labels")
    metadata["labels"] = {**(labels if isinstance(labels, dict) else {}), LABEL: "true"}
    annotations = _with_lanes(metadata.pop("annotations", None), lanes)
    if annotations:
        metadata["annotations"] = annotations
    metadata.pop("managedFields", None)
    fields = dict(spec) if isinstance(spec, dict) else {}
    moment = _written(now)
    if moment == fields.get("renewTime"):
        moment = _written(now + timedelta(microseconds=1))
    if holder != holder_of(lease):
        transitions = fields.get("leaseTransitions")
        fields["leaseTransitions"] = (transitions if isinstance(transitions, int) else 0) + 1
        fields["acquireTime"] = moment
    fields["holderIdentity"] = holder
    fields["renewTime"] = moment
    fields["leaseDurationSeconds"] = max(1, round(duration_seconds))
    return {**lease, "metadata": metadata, "spec": fields}


def _with_lanes(annotations: Json, lanes: Collection[int]) -> JsonObject:
    kept = dict(annotations) if isinstance(annotations, dict) else {}
    kept.pop(LANES, None)
    return {**kept, LANES: ",".join(map(str, sorted(lanes)))} if lanes else kept


def _written(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
