"""Whether a simulated world has come to rest: nothing moves any more that need not wait."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import cast

from perdure.engine.values import Json, JsonObject

FINAL = ("Succeeded", "Failed", "Terminated")


def is_at_rest(
    instances: Iterable[JsonObject], events: Iterable[JsonObject], horizon: float
) -> bool:
    """Return whether no instance moves by itself until `horizon` (POSIX), nor owes an answer."""
    known = list(instances)
    if any(moves(body, horizon) for body in known):
        return False
    answering = {place(body): body for body in known if answers(body)}
    uids = {cast("JsonObject", body["metadata"])["uid"] for body in known}
    waiting = [event for event in events if not is_answered(event)]
    return not any(waits(event, answering) or is_orphaned(event, uids) for event in waiting)


def is_over(body: JsonObject) -> bool:
    """Return whether an instance has come to its end."""
    status = body.get("status")
    return isinstance(status, dict) and status.get("phase") in FINAL


def moves(body: JsonObject, horizon: float) -> bool:
    """Return whether an instance still has to do something by itself until then."""
    metadata, spec = cast("JsonObject", body["metadata"]), cast("JsonObject", body["spec"])
    status = body.get("status")
    status = status if isinstance(status, dict) else {}
    if status.get("phase") in FINAL or "deletionTimestamp" in metadata:
        return status.get("observedGeneration") != metadata["generation"] and (
            "deletionTimestamp" not in metadata
        )
    if status.get("phase") == "Stalled":
        return True
    if spec.get("suspend"):
        return status.get("phase") != "Suspended"
    wake = status.get("wakeAt")
    if isinstance(wake, str) and datetime.fromisoformat(wake).timestamp() < horizon:
        return True
    waiting = cast("list[JsonObject]", status.get("waitingFor") or [])
    return status.get("phase") == "Running" and any(e.get("what") == "Activity" for e in waiting)


def place(body: JsonObject) -> tuple[str, str]:
    """Return namespace and name."""
    metadata = cast("JsonObject", body["metadata"])
    return str(metadata["namespace"]), str(metadata["name"])


def answers(body: JsonObject) -> bool:
    """Return whether an instance takes or refuses at once what is sent to it."""
    metadata, status = cast("JsonObject", body["metadata"]), body.get("status")
    phase = status.get("phase") if isinstance(status, dict) else None
    return phase in ("Running", *FINAL) and "deletionTimestamp" not in metadata


def waits(event: JsonObject, answering: dict[tuple[str, str], JsonObject]) -> bool:
    """Return whether a WorkflowEvent waits for an instance that takes or refuses it."""
    metadata, spec = cast("JsonObject", event["metadata"]), cast("JsonObject", event["spec"])
    instance = answering.get((str(metadata["namespace"]), str(spec["instance"])))
    if instance is None:
        return False
    return spec.get("instanceUid") in (None, cast("JsonObject", instance["metadata"])["uid"])


def is_answered(event: JsonObject) -> bool:
    """Return whether a WorkflowEvent is answered, or going."""
    metadata = cast("JsonObject", event["metadata"])
    return "deletionTimestamp" in metadata or bool(event.get("status"))


def is_orphaned(event: JsonObject, uids: Collection[Json]) -> bool:
    """Return whether a WorkflowEvent is for an instance that is gone: the sweep refuses it."""
    uid = cast("JsonObject", event["spec"]).get("instanceUid")
    return uid is not None and uid not in uids
