"""Showing of an instance that it cannot go on, without touching its history."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from perdure.engine.values import Json, JsonObject
from perdure.errors import PerdureError
from perdure.kubernetes.instances import (
    FINISHED,
    generation_of,
    observed_of,
    rev_of,
    status_of,
    version_of,
)
from perdure.kubernetes.status import stalled_status, with_commit
from perdure.ports import WORKFLOW_INSTANCES, Clock, InstanceKey, Objects

logger = logging.getLogger(__name__)

Get: TypeAlias = "Callable[[InstanceKey], Awaitable[JsonObject | None]]"
"""Reads an instance with a quorum; None when it is gone."""


class Stalling:
    """Writes `observed.stalled` and what follows from it, once per reason.

    With `counts` it raises `rev` as every commit does; where the log has the turns, it must not.
    """

    def __init__(self, objects: Objects, get: Get, clock: Clock, *, counts: bool) -> None:
        self._objects = objects
        self._get = get
        self._clock = clock
        self._counts = counts

    async def show(self, key: InstanceKey, reason: str, message: str) -> None:
        """Show it, if it is not shown yet. Raises nothing but cancellation: best effort."""
        try:
            body = await self._get(key)
            if body is not None and not _is_shown(status_of(body) or {}, reason):
                await self._write(key, body, reason, message)
        except PerdureError as error:
            logger.warning(
                "a stalled instance cannot be shown as such",
                extra={"instance": key.name, "error": str(error)},
            )

    async def _write(self, key: InstanceKey, body: JsonObject, reason: str, message: str) -> None:
        status = status_of(body) or {}
        shown = stalled_status(status, reason, message, generation_of(body), self._clock.now())
        if self._counts:
            shown = with_commit(shown, rev_of(body), self._clock.token())
        operations: list[JsonObject] = [
            {"op": "test", "path": "/metadata/uid", "value": key.uid},
            {"op": "test", "path": "/metadata/resourceVersion", "value": str(version_of(body))},
        ]
        if not status:
            operations.append({"op": "add", "path": "/status", "value": {}})
        for field, value in shown.items():
            operations.append({"op": "add", "path": f"/status/{field}", "value": value})
        await self._objects.patch(
            WORKFLOW_INSTANCES, key.namespace, key.name, operations, subresource="status"
        )


def _is_shown(status: Mapping[str, Json], reason: str) -> bool:
    """Return whether a status says so already, or belongs to the past: the end is frozen."""
    stalled = observed_of(status).stalled
    return status.get("phase") in FINISHED or (stalled is not None and stalled[0] == reason)
