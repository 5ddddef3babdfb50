"""The edits of an instance that users should not make, as JSON patches."""

from __future__ import annotations

from dataclasses import dataclass

from tests.simulation.workloads.actions import Edit, Spoilt

from perdure.engine.values import Json, JsonObject
from perdure.verification.evidence import ClientCall, Outcome

HOLD = "example.com/hold"
DAMAGE = frozenset(
    {
        *Spoilt,
        Edit.STATUS_HISTORY,
        Edit.STATUS_EVENT,
        Edit.STATUS_FORM,
        Edit.STATUS_REMOVED,
    }
)
"""What corrupts an instance, which is met when it is read."""


@dataclass(frozen=True, slots=True)
class Patch:
    """Operations, and on which part of the object."""

    operations: tuple[JsonObject, ...]
    subresource: str | None = None


def is_damage(call: ClientCall) -> bool:
    """Return whether a call has corrupted an instance, as far as its user knows."""
    return call.outcome is Outcome.ACKNOWLEDGED and call.details.get("edit") in DAMAGE


def patch_of(edit: Edit, body: JsonObject, mark: str) -> Patch:
    """Return the patch of an edit for the instance as it was read; `mark` tells edits apart."""
    metadata = body["metadata"]
    assert isinstance(metadata, dict), "an object without metadata"
    match edit:
        case Edit.INPUT:
            return _add("/spec/input", {"n": 99, "edited": mark})
        case Edit.DEFINITION:
            return _add("/spec/definitionRef/name", "another")
        case Edit.UNTERMINATE:
            return _remove("/spec/terminate")
        case Edit.DROP_EVENT:
            return _remove("/spec/events/0")
        case Edit.CHANGE_EVENT:
            return _add("/spec/events/0/data", mark)
        case Edit.LABEL:
            return _add("/metadata/labels", {**_map(metadata, "labels"), "team": mark})
        case Edit.ANNOTATE:
            return _annotate(metadata, "example.com/note", mark)
        case Edit.RETRY:
            return _annotate(metadata, "perdure.dev/retry", mark)
        case Edit.KEEP:
            return _add("/spec/retention", dict.fromkeys(("succeeded", "failed"), "30d"))
        case Edit.ADOPT:
            return _annotate(metadata, "meta.helm.sh/release-name", mark)
        case Edit.HOLD:
            others = metadata.get("finalizers")
            held = [*others] if isinstance(others, list) else []
            return _add("/metadata/finalizers", [*held, HOLD] if HOLD not in held else held)
        case Edit.STRIP:
            return _remove("/metadata/finalizers")
        case _:
            return _of_status(edit)


def _of_status(edit: Edit) -> Patch:
    """Return what an administrator may do to the status, who may patch that too."""
    if edit is Edit.STATUS_WAKE:
        return _remove("/status/wakeAt", "status")
    if edit is Edit.STATUS_REMOVED:
        return _remove("/status", "status")
    values: dict[Edit, tuple[str, Json]] = {
        Edit.STATUS_MESSAGE: ("message", "edited"),
        Edit.STATUS_OUTPUT: ("output", {"edited": True}),
        Edit.STATUS_PHASE: ("phase", "Running"),
        Edit.STATUS_HISTORY: ("history/digest", "0" * 64),
        Edit.STATUS_EVENT: ("history/events/0/at", "2020-01-01T00:00:00Z"),
        Edit.STATUS_FORM: ("history/version", 2),
    }
    field, value = values[edit]
    return _add(f"/status/{field}", value, "status")


def _annotate(metadata: JsonObject, name: str, value: str) -> Patch:
    return _add("/metadata/annotations", {**_map(metadata, "annotations"), name: value})


def _map(metadata: JsonObject, field: str) -> JsonObject:
    value = metadata.get(field)
    return value if isinstance(value, dict) else {}


def _add(path: str, value: Json, subresource: str | None = None) -> Patch:
    return Patch(({"op": "add", "path": path, "value": value},), subresource)


def _remove(path: str, subresource: str | None = None) -> Patch:
    return Patch(({"op": "remove", "path": path},), subresource)
