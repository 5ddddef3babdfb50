"""WorkflowEvents: those that wait for their instance, in the order of their resourceVersion."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from perdure.engine.events import Door
from perdure.engine.orchestrator import ExternalEvent
from perdure.engine.values import Json, JsonObject, ValueRefusedError, normalise
from perdure.ports import InstanceKey


@dataclass(frozen=True, slots=True, kw_only=True)
class EventObject:
    """A WorkflowEvent object. `event_id` defaults to the object's name."""

    namespace: str
    object_name: str
    uid: str
    version: int
    instance: str
    instance_uid: str | None
    event_id: str
    name: str
    data: Json
    created_at: datetime
    answer: str | None
    """`Taken` or `Refused`, where the object says so already."""
    answered_at: datetime | None
    is_deleting: bool
    fault: str | None
    """Why its data cannot be stored at all."""

    def as_fact(self) -> ExternalEvent:
        """Return what the engine is told."""
        return ExternalEvent(
            id=self.event_id,
            name=self.name,
            data=self.data,
            door=Door.OBJECT,
            time=self.created_at,
        )


def parse_event(body: JsonObject) -> EventObject:
    """Return the event that a WorkflowEvent object holds; the API server checked its shape."""
    meta, spec = body["metadata"], body["spec"]
    assert isinstance(meta, dict), "an object without metadata"
    assert isinstance(spec, dict), "a WorkflowEvent without spec"
    data, fault = _data(spec.get("data"))
    answer, answered_at = _answer(body.get("status"))
    return EventObject(
        namespace=str(meta["namespace"]),
        object_name=str(meta["name"]),
        uid=str(meta["uid"]),
        version=int(str(meta["resourceVersion"])),
        instance=str(spec["instance"]),
        instance_uid=_text(spec.get("instanceUid")),
        event_id=str(spec.get("id") or meta["name"]),
        name=str(spec["name"]),
        data=data,
        created_at=datetime.fromisoformat(str(meta["creationTimestamp"])),
        answer=answer,
        answered_at=answered_at,
        is_deleting="deletionTimestamp" in meta,
        fault=fault,
    )


def _text(value: Json) -> str | None:
    return None if value is None else str(value)


def _data(value: Json) -> tuple[Json, str | None]:
    try:
        return normalise(value, "spec.data"), None
    except ValueRefusedError as error:
        return None, str(error)


def _answer(status: Json) -> tuple[str | None, datetime | None]:
    """Return which of Taken and Refused the object says, and since when."""
    conditions = status.get("conditions") if isinstance(status, dict) else None
    for condition in conditions if isinstance(conditions, list) else []:
        if not isinstance(condition, dict) or condition.get("status") != "True":
            continue
        if condition.get("type") in ("Taken", "Refused"):
            since = datetime.fromisoformat(str(condition["lastTransitionTime"]))
            return str(condition["type"]), since
    return None, None


class Inbox:
    """What has arrived and is not consumed, by the instance it names."""

    def __init__(self) -> None:
        self._by_instance: dict[tuple[str, str], dict[str, EventObject]] = {}
        self._place: dict[str, tuple[str, str]] = {}

    def put(self, event: EventObject) -> None:
        """Keep an event, in the newest version seen."""
        place = (event.namespace, event.instance)
        events = self._by_instance.setdefault(place, {})
        known = events.get(event.uid)
        if known is None or known.version < event.version:
            events[event.uid] = event
            self._place[event.uid] = place

    def drop(self, uid: str) -> None:
        """Forget an event object that is gone."""
        place = self._place.pop(uid, None)
        if place is None:
            return
        events = self._by_instance[place]
        events.pop(uid, None)
        if not events:
            del self._by_instance[place]

    def replace(self, known: Iterable[EventObject], events: Iterable[EventObject]) -> None:
        """Take a fresh list; of what was `known` before it was asked for, the rest is gone.

        What came by the watch while the list was on its way is in neither, and stays.
        """
        fresh = list(events)
        for uid in {e.uid for e in known} - {e.uid for e in fresh}:
            self.drop(uid)
        for event in fresh:
            self.put(event)

    def all_of(self, namespace: str, instance: str) -> list[EventObject]:
        """Return every event that names the instance, oldest first."""
        events = self._by_instance.get((namespace, instance), {})
        return sorted(events.values(), key=lambda event: event.version)

    def for_instance(self, key: InstanceKey) -> list[EventObject]:
        """Return what waits for exactly this instance, oldest first."""
        return [
            event
            for event in self.all_of(key.namespace, key.name)
            if event.answer is None
            and not event.is_deleting
            and event.instance_uid in (None, key.uid)
        ]

    def everything(self) -> list[EventObject]:
        """Return all events, in no order."""
        return [e for events in self._by_instance.values() for e in events.values()]
