"""The desk for WorkflowEvents: what waits for whom, and what becomes of each object.

Nobody writes to a WorkflowEvent before it is consumed. Taken: deleted when a status shows the
commit that took it (or, with a time to live, marked `Taken` then and deleted later). Refused:
marked with the reason, deleted after a day.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from perdure.engine.values import JsonObject
from perdure.errors import (
    ObjectConflictError,
    ObjectNotFoundError,
    ObjectRejectedError,
    PerdureError,
)
from perdure.ports import (
    WORKFLOW_EVENTS,
    WORKFLOW_INSTANCES,
    Clock,
    InstanceKey,
    Meter,
    Objects,
    Snapshot,
)
from perdure.runtime.inbox import EventObject, Inbox, parse_event

logger = logging.getLogger(__name__)

KEPT_UNANSWERED = timedelta(hours=24)
KEPT_REFUSED = timedelta(hours=24)


Shown = Callable[[InstanceKey, int], Awaitable[bool]]
"""Waits until a status shows a commit: `perdure.ports.HistoryStore.shown`."""


@dataclass(frozen=True, slots=True)
class _Taken:
    """An event, and the commit after which its instance had certainly taken it."""

    event: EventObject
    key: InstanceKey
    rev: int


class EventDesk:
    """Keeps the inbox of event objects and carries out their clean-up in the background.

    Clean-up is level-triggered: what fails is seen again by the sweep, because the object is
    still there.
    """

    def __init__(
        self,
        objects: Objects,
        clock: Clock,
        meter: Meter,
        shown: Shown,
        *,
        time_to_live: timedelta,
    ) -> None:
        self.inbox = Inbox()
        self._objects = objects
        self._shown = shown
        self._clock = clock
        self._meter = meter
        self._time_to_live = time_to_live
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._unfinished: dict[str, _Taken] = {}
        """Events that were taken and could not be cleaned up, by their uid."""
        self._unmarked: dict[str, tuple[EventObject, str, str]] = {}
        """Events that were refused and could not be marked so."""

    def waiting(self, key: InstanceKey) -> list[EventObject]:
        """Return what waits for the instance, oldest first."""
        return self.inbox.for_instance(key)

    def has_news(self, base: Snapshot) -> bool:
        """Return whether something waits that the instance has not taken."""
        return any(e.event_id not in base.state.taken for e in self.waiting(base.key))

    def taken(self, base: Snapshot) -> list[EventObject]:
        """Return the event objects whose id the instance has taken."""
        return [e for e in self.waiting(base.key) if e.event_id in base.state.taken]

    async def refresh(self, key: InstanceKey) -> None:
        """List the instance's events with a quorum. Raises TransientError and its kin."""
        known = self.inbox.all_of(key.namespace, key.name)
        found = await self._objects.list(
            WORKFLOW_EVENTS, key.namespace, fields=f"spec.instance={key.name}"
        )
        self.inbox.replace(known, [parse_event(body) for body in found])

    def consumed(self, events: Iterable[EventObject], base: Snapshot) -> None:
        """Clean up after events that the instance has taken by now, when a status shows it."""
        self._clean_up(_Taken(event, base.key, base.rev or 0) for event in events)

    def _clean_up(self, taken: Iterable[_Taken]) -> None:
        for one in list(taken):
            self._unfinished[one.event.uid] = one
            self._unmarked.pop(one.event.uid, None)
            self._begin(one.event, self._end(one))

    async def _end(self, taken: _Taken) -> None:
        """Take an event away that has done its work."""
        event = taken.event
        if not await self._shown(taken.key, taken.rev):
            return  # Whoever moves the instance now finds that it has taken the event.
        if self._time_to_live > timedelta(0):
            await self._mark(event, "Taken", "Taken", "taken by its instance")
        else:
            await self._delete(event)

    def refused(self, refusals: Iterable[tuple[EventObject, str, str]]) -> None:
        """Mark events that cannot be taken."""
        for event, reason, message in refusals:
            self._unmarked[event.uid] = (event, reason, message)
            self._begin(event, self._mark(event, "Refused", reason, message))

    def refuse_ended(self, base: Snapshot) -> None:
        """Refuse what came after the end."""
        text = f'WorkflowInstance "{base.key.name}" has ended; start a new one'
        late = [e for e in self.waiting(base.key) if e.event_id not in base.state.taken]
        self.refused([(event, "Ended", text) for event in late])

    def sweep(self, living: dict[tuple[str, str], str]) -> None:
        """Answer what nobody will take: `living` maps (namespace, name) to the uid there."""
        now = self._clock.now()
        self._clean_up(self._unfinished.values())
        self.refused(list(self._unmarked.values()))
        for event in self.inbox.everything():
            if event.answer is not None:
                self._expire(event, now)
                continue
            uid = living.get((event.namespace, event.instance))
            reason = self._hopeless(event, uid, now)
            if reason is not None:
                self._begin(event, self._refuse_unless_there(event, *reason))

    async def _refuse_unless_there(self, event: EventObject, reason: str, message: str) -> None:
        """Refuse after a fresh look: the watch of instances may be behind that of events."""
        try:
            found = await self._objects.get(WORKFLOW_INSTANCES, event.namespace, event.instance)
        except ObjectNotFoundError:
            await self._mark(event, "Refused", reason, message)
            return
        meta = found["metadata"]
        assert isinstance(meta, dict), "an instance without metadata"
        if event.instance_uid not in (None, meta["uid"]):
            await self._mark(event, "Refused", reason, message)

    def _hopeless(
        self, event: EventObject, uid: str | None, now: datetime
    ) -> tuple[str, str] | None:
        if event.instance_uid is not None and event.instance_uid != uid:
            return "InstanceGone", f"the instance with uid {event.instance_uid} is gone"
        if uid is None and now - event.created_at > KEPT_UNANSWERED:
            text = f'no WorkflowInstance "{event.instance}" appeared within 24 hours'
            return "NoInstance", text
        return None

    def _expire(self, event: EventObject, now: datetime) -> None:
        """Delete an answered event when it has been shown long enough."""
        kept = self._time_to_live if event.answer == "Taken" else KEPT_REFUSED
        if event.answered_at is not None and now - event.answered_at > kept:
            self._begin(event, self._delete(event))

    def _begin(self, event: EventObject, work: Coroutine[None, None, None]) -> None:
        if event.uid in self._busy:
            work.close()
            return
        task = asyncio.create_task(self._guarded(event, work))
        self._busy[event.uid] = task
        task.add_done_callback(lambda _: self._busy.pop(event.uid, None))

    async def _guarded(self, event: EventObject, work: Coroutine[None, None, None]) -> None:
        try:
            await work
            self._forget(event)
        except (ObjectNotFoundError, ObjectConflictError, ObjectRejectedError):
            # Somebody else was faster, or it changed: the sweep looks again.
            self._forget(event)
        except PerdureError as error:
            logger.info(
                "Cleaning up after a WorkflowEvent failed; it is tried again",
                extra={
                    "namespace": event.namespace,
                    "workflow_event": event.object_name,
                    "error": str(error),
                },
            )

    def _forget(self, event: EventObject) -> None:
        self._unfinished.pop(event.uid, None)
        self._unmarked.pop(event.uid, None)

    async def _delete(self, event: EventObject) -> None:
        await self._objects.delete(
            WORKFLOW_EVENTS, event.namespace, event.object_name, uid=event.uid
        )
        self.inbox.drop(event.uid)

    async def _mark(self, event: EventObject, kind: str, reason: str, message: str) -> None:
        now = self._clock.now().isoformat(timespec="seconds").replace("+00:00", "Z")
        condition: JsonObject = {
            "type": kind,
            "status": "True",
            "reason": reason,
            "message": message,
            "lastTransitionTime": now,
        }
        operations: Sequence[JsonObject] = [
            {"op": "test", "path": "/metadata/uid", "value": event.uid},
            {"op": "test", "path": "/metadata/resourceVersion", "value": str(event.version)},
            {"op": "add", "path": "/status", "value": {"conditions": [condition]}},
        ]
        body = await self._objects.patch(
            WORKFLOW_EVENTS, event.namespace, event.object_name, operations, subresource="status"
        )
        self.inbox.put(parse_event(body))

    async def drain(self) -> None:
        """Wait for the clean-up that has begun."""
        await asyncio.gather(*self._busy.values(), return_exceptions=True)
