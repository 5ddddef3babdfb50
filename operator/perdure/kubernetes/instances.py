"""WorkflowInstance objects read: controls, hints, and where their history stands.

Specs have passed the CRD's schema. A status may have been damaged by whoever may write it, so that
its history is checked here and in `loading`; the rest of it is only shown, never decided from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson

from perdure.engine.values import Json, JsonObject, first_link
from perdure.errors import HistoryCorruptError
from perdure.kubernetes.codec import check_version
from perdure.kubernetes.histories import metadata_of, spec_of
from perdure.kubernetes.segments import MAX_SEGMENT_BYTES, Link, as_written
from perdure.ports import (
    OWNERSHIP_MARKS,
    Controls,
    InstanceHint,
    InstanceKey,
    Observed,
    SpecEvent,
)

FINISHED = frozenset({"Succeeded", "Failed", "Terminated"})
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """`status.history` as read: events after the newest segment, and what vouches for all.

    `is_present` is false for an instance without history.
    """

    is_present: bool
    version: int
    length: int
    digest: str
    segments: int
    newest: Link | None
    events: list[Json]

    @property
    def first_id(self) -> int:
        """Return the id of the first event in the status, or that would be."""
        return self.length - len(self.events) + 1


def key_of(body: JsonObject) -> InstanceKey:
    """Return the identity of an object."""
    metadata = metadata_of(body)
    return InstanceKey(
        str(metadata.get("namespace", "")), str(metadata["name"]), str(metadata["uid"])
    )


def version_of(body: JsonObject) -> int:
    """Return the resourceVersion; comparable since Kubernetes 1.35 says so (KEP-5504)."""
    return int(str(metadata_of(body)["resourceVersion"]))


def generation_of(body: JsonObject) -> int:
    return _integer(metadata_of(body).get("generation")) or 0


def status_of(body: JsonObject) -> JsonObject | None:
    """Return `status`, None where the object has none yet."""
    status = body.get("status")
    return status if isinstance(status, dict) else None


def rev_of(body: JsonObject) -> int | None:
    """Return the commit counter, None before the first commit."""
    return _integer((status_of(body) or {}).get("rev"))


def head_of(body: JsonObject, uid: str) -> Head:
    """Return where the history stands. Raises HistoryCorruptError, NewerHistoryError."""
    status = status_of(body) or {}
    history = status.get("history")
    if history is None and "startedAt" in status:
        raise HistoryCorruptError("the instance has started, but status.history is missing")
    if history is None:
        return Head(
            is_present=False,
            version=0,
            length=0,
            digest=first_link(uid),
            segments=0,
            newest=None,
            events=[],
        )
    version = history.get("version") if isinstance(history, dict) else None
    check_version(version)
    match history:
        case {
            "version": int(form),
            "length": int(length),
            "digest": str(digest),
            "segments": dict(segments),
            "events": list(events),
        } if length >= len(events):
            return Head(
                is_present=True,
                version=form,
                length=length,
                digest=digest,
                segments=_integer(segments.get("count")) or 0,
                newest=link_of(segments.get("newest")),
                events=events,
            )
        case _:
            pass
    raise HistoryCorruptError("status.history lacks its length, digest, segments or events")


def link_of(value: Json) -> Link | None:
    """Return the reference to a segment, None where there is none."""
    match value:
        case None:
            return None
        case {"name": str(name), "digest": str(digest)}:
            return Link(name, digest)
        case _:
            text = str(value)[:200]
            raise HistoryCorruptError(f"the reference to a segment is damaged: {text}")


def controls_of(body: JsonObject) -> Controls:
    """Return what the spec says; numbers as they are before normalisation by the engine."""
    spec = spec_of(body)
    reference = _object(spec.get("definitionRef"))
    terminate = spec.get("terminate")
    return Controls(
        definition=_text(reference.get("name")) or "",
        revision=_text(reference.get("revision")),
        input=as_written(spec.get("input")),
        start_at=time_of(spec.get("startAt")),
        timeout=_text(spec.get("timeout")),
        is_suspended=spec.get("suspend") is True,
        suspend_reason=_text(spec.get("suspendReason")),
        terminate=_text(terminate.get("reason")) or "" if isinstance(terminate, dict) else None,
        events=tuple(_spec_events(spec.get("events"))),
        retention=texts_of(spec.get("retention")),
    )


def _spec_events(events: Json) -> list[SpecEvent]:
    listed = events if isinstance(events, list) else []
    return [
        SpecEvent(
            id=str(event.get("id", "")),
            name=str(event.get("name", "")),
            data=as_written(event.get("data")),
        )
        for event in listed
        if isinstance(event, dict)
    ]


def observed_of(status: Mapping[str, Json]) -> Observed:
    """Return `status.observed`; what does not fit is left out, as nothing depends on it."""
    observed = _object(status.get("observed"))
    return Observed(
        pending=_reason_of(observed.get("pending")),
        stalled=_reason_of(observed.get("stalled")),
        warning=_text(observed.get("warning")),
    )


def _reason_of(value: Json) -> tuple[str, str] | None:
    match value:
        case {"reason": str(reason), "message": str(message)}:
            return reason, message
        case _:
            return None


def hint_of(body: JsonObject) -> InstanceHint:
    """Return what the body tells without its history. Raises KeyError, ValueError if it is none."""
    metadata, spec, status = metadata_of(body), spec_of(body), status_of(body) or {}
    phase = _text(status.get("phase")) or ""
    history = _object(status.get("history"))
    segments = _integer(_object(history.get("segments")).get("count")) or 0
    return InstanceHint(
        key=key_of(body),
        version=version_of(body),
        rev=rev_of(body),
        generation=generation_of(body),
        observed_generation=_integer(status.get("observedGeneration")) or 0,
        phase=phase,
        wake_at=time_of(status.get("wakeAt")),
        is_finished=phase in FINISHED,
        is_deleting="deletionTimestamp" in metadata,
        has_calls=_has_calls(status.get("waitingFor")),
        definition=_text(_object(spec.get("definitionRef")).get("name")) or "",
        start_at=time_of(spec.get("startAt")),
        created_at=created_at_of(body),
        completed_at=time_of(status.get("completedAt")),
        size=len(orjson.dumps(body)) + segments * MAX_SEGMENT_BYTES,
        retention=texts_of(spec.get("retention")),
        labels=_marks(metadata.get("labels")),
        annotations=_marks(metadata.get("annotations")),
    )


def _has_calls(waiting: Json) -> bool:
    """Return whether an activity is shown; they come first, so that it is never cut off."""
    first = waiting[0] if isinstance(waiting, list) and waiting else None
    return isinstance(first, dict) and first.get("what") == "Activity"


def _marks(value: Json) -> Mapping[str, str]:
    return {key: text for key, text in texts_of(value).items() if _is_mark(key)}


def _is_mark(key: str) -> bool:
    return key in OWNERSHIP_MARKS or key.startswith("perdure.dev/")


def created_at_of(body: JsonObject) -> datetime:
    return time_of(metadata_of(body).get("creationTimestamp")) or EPOCH


def time_of(value: Json) -> datetime | None:
    """Return an RFC 3339 time in UTC; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        time = datetime.fromisoformat(value.upper())
    except ValueError:
        return None
    return None if time.tzinfo is None else time.astimezone(UTC)


def texts_of(value: Json) -> dict[str, str]:
    """Return the entries of an object that are text."""
    return {key: text for key, text in _object(value).items() if isinstance(text, str)}


def _object(value: Json) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) else None


def _integer(value: Json) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
