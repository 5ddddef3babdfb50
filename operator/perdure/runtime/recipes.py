"""Definitions: checked, given a revision, told apart from those that are not ready.

Level-triggered: one keyed queue; whatever changes, the definition is read fresh and its status
brought to what it should be. Two operators that do the same come to the same result.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from perdure.definitions import Reviewed, Reviewer, definition_status
from perdure.engine.events import Revision
from perdure.engine.values import Json, JsonObject
from perdure.errors import (
    ObjectConflictError,
    ObjectNotFoundError,
    ObjectRejectedError,
    PerdureError,
    TransientError,
)
from perdure.ports import (
    CONTROLLER_REVISIONS,
    WORKFLOW_DEFINITIONS,
    WORKFLOW_INSTANCES,
    Clock,
    Objects,
)
from perdure.runtime.marks import marking, unneeded_since
from perdure.runtime.queue import KeyedQueue, Lane
from perdure.runtime.retention import Retention
from perdure.runtime.revisions import DEFINITION_LABEL, Revisions

logger = logging.getLogger(__name__)

KEPT_REVISIONS = timedelta(hours=1)
"""How old a revision has to be to be marked as not needed, and a mark to be followed."""
COLLECT_SECONDS = 600.0
FINAL = ("Succeeded", "Failed", "Terminated")

Place = tuple[str, str]


class Recipes:
    """Reconciles WorkflowDefinitions."""

    def __init__(
        self,
        objects: Objects,
        revisions: Revisions,
        review: Reviewer,
        retention: Retention,
        clock: Clock,
        changed: Callable[[str, str], None],
    ) -> None:
        self._objects = objects
        self._revisions = revisions
        self._review = review
        self._retention = retention
        self._clock = clock
        self._changed = changed
        self._failures: dict[Place, int] = {}
        self.queue: KeyedQueue[Place] = KeyedQueue(self._process, workers=4)

    def observe(self, namespace: str, name: str) -> None:
        """Ask for a look at a definition: it is new, changed or gone."""
        self.queue.mark((namespace, name), Lane.CONTROL)

    async def _process(self, place: Place) -> None:
        try:
            await self._reconcile(*place)
            self._failures.pop(place, None)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001  one bad definition must never stop the others
            self._retry(place, error)

    def _retry(self, place: Place, error: Exception) -> None:
        failures = self._failures.get(place, 0)
        self._failures[place] = failures + 1
        seconds = min(0.2 * 2 ** min(failures, 12), 60.0)
        if isinstance(error, TransientError) and error.retry_after is not None:
            seconds = error.retry_after
        logger.log(
            logging.INFO if isinstance(error, PerdureError) else logging.ERROR,
            "A definition could not be brought up to date; it is tried again",
            extra={"namespace": place[0], "definition": place[1], "error": str(error)},
            exc_info=None if isinstance(error, PerdureError) else error,
        )
        asyncio.get_running_loop().call_later(seconds, self.observe, *place)

    async def _reconcile(self, namespace: str, name: str) -> None:
        try:
            body = await self._objects.get(WORKFLOW_DEFINITIONS, namespace, name)
        except ObjectNotFoundError:
            self._retention.set_policy(namespace, name, None)
            return
        meta, spec = body["metadata"], body.get("spec")
        assert isinstance(meta, dict), "a definition without metadata"
        if "deletionTimestamp" in meta or not isinstance(spec, dict):
            return
        reviewed = await self._review(spec)
        revision = None
        if reviewed.orchestrator is not None:
            revision = await self._revisions.ensure(namespace, name, spec)
        self._retention.set_policy(namespace, name, _policy(spec))
        await self._show(body, reviewed, revision)
        self._changed(namespace, name)

    async def _show(self, body: JsonObject, reviewed: Reviewed, revision: Revision | None) -> None:
        """Write the status, only where it differs."""
        meta = body["metadata"]
        assert isinstance(meta, dict), "a definition without metadata"
        status = definition_status(body, reviewed.faults, revision, self._clock.now())
        if status == body.get("status"):
            return
        operations: list[JsonObject] = [
            {"op": "test", "path": "/metadata/uid", "value": meta["uid"]},
            {"op": "test", "path": "/metadata/generation", "value": meta["generation"]},
            {"op": "add", "path": "/status", "value": status},
        ]
        try:
            await self._objects.patch(
                WORKFLOW_DEFINITIONS,
                str(meta["namespace"]),
                str(meta["name"]),
                operations,
                subresource="status",
            )
        except ObjectRejectedError as error:
            raise TransientError(f"the definition moved meanwhile: {error}") from error

    # --- old revisions ------------------------------------------------------------------------

    async def collect_forever(self, namespaces: Sequence[str | None]) -> None:
        """Collect revisions that nobody needs, now and then; None stands for all namespaces."""
        while True:
            await self._clock.sleep(COLLECT_SECONDS)
            for namespace in namespaces:
                try:
                    await self.collect(namespace)
                except PerdureError as error:
                    logger.info("Old revisions were not collected", extra={"error": str(error)})

    async def collect(self, namespace: str | None = None) -> int:
        """Mark old revisions that nobody needs, and delete those that were marked long ago.

        Needed is what is current, and what an unfinished instance pins or names. The revisions
        are read first, with their marks: why that order makes a deletion safe, marks.py says.
        Returns how many were deleted. Raises what `Objects.list`, `patch` and `delete` raise,
        but for conflicts.
        """
        found = await self._objects.list(CONTROLLER_REVISIONS, namespace, labels=DEFINITION_LABEL)
        old = [body for body in found if self._is_old(body)]
        if not old:
            return 0
        current = await self._current(namespace)
        old = [body for body in old if not _own_place(body) & current]
        if not old:  # As nearly always: all instances of a cluster are a lot to read.
            return 0
        needed = await self._pinned(namespace)
        done = 0
        for body in old:
            meta = body["metadata"]
            assert isinstance(meta, dict), "a revision without metadata"
            place = (str(meta["namespace"]), str(meta["name"]))
            if place in needed:
                continue
            # What moved since it was read may be needed: the next round looks at it again.
            with contextlib.suppress(ObjectNotFoundError, ObjectConflictError, ObjectRejectedError):
                done += await self._mark_or_delete(body, meta, place)
        return done

    async def _mark_or_delete(self, body: JsonObject, meta: JsonObject, place: Place) -> int:
        """Take the next step towards the end of a revision; return how many were deleted."""
        now, since = self._clock.now(), unneeded_since(body)
        if since is None:
            await self._objects.patch(CONTROLLER_REVISIONS, *place, marking(body, now))
            return 0
        if now - since <= KEPT_REVISIONS:
            return 0
        uid, version = str(meta["uid"]), str(meta["resourceVersion"])
        await self._objects.delete(CONTROLLER_REVISIONS, *place, uid=uid, version=version)
        return 1

    def _is_old(self, body: JsonObject) -> bool:
        meta = body["metadata"]
        assert isinstance(meta, dict), "a revision without metadata"
        created = datetime.fromisoformat(str(meta["creationTimestamp"]))
        return self._clock.now() - created > KEPT_REVISIONS

    async def _current(self, namespace: str | None) -> set[Place]:
        current: set[Place] = set()
        for body in await self._objects.list(WORKFLOW_DEFINITIONS, namespace):
            current |= _revision_in(body)
        return current

    async def _pinned(self, namespace: str | None) -> set[Place]:
        needed: set[Place] = set()
        for body in await self._objects.list(WORKFLOW_INSTANCES, namespace):
            status = body.get("status")
            phase = status.get("phase") if isinstance(status, dict) else None
            if phase not in FINAL:
                needed |= _revision_in(body) | _named_revision(body)
        return needed


def _policy(spec: JsonObject) -> dict[str, str] | None:
    retention = spec.get("retention")
    if not isinstance(retention, dict):
        return None
    return {outcome: str(age) for outcome, age in retention.items()}


def _revision_in(body: JsonObject) -> set[Place]:
    meta, status = body["metadata"], body.get("status")
    revision = status.get("revision") if isinstance(status, dict) else None
    return _place(meta, revision.get("name") if isinstance(revision, dict) else None)


def _own_place(body: JsonObject) -> set[Place]:
    meta = body["metadata"]
    return _place(meta, meta.get("name") if isinstance(meta, dict) else None)


def _named_revision(body: JsonObject) -> set[Place]:
    spec = body.get("spec")
    reference = spec.get("definitionRef") if isinstance(spec, dict) else None
    name = reference.get("revision") if isinstance(reference, dict) else None
    return _place(body["metadata"], name)


def _place(meta: Json, name: Json) -> set[Place]:
    if not isinstance(meta, dict) or not isinstance(name, str):
        return set()
    return {(str(meta["namespace"]), name)}
