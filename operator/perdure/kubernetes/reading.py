"""The instances as they are known: newest snapshots, bodies that a watch brought, lost commits.

A copy that is held never goes back in time: whatever is older than it is dropped.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from perdure.engine.state import State
from perdure.engine.values import Json, JsonObject
from perdure.errors import (
    HistoryCorruptError,
    NewerHistoryError,
    ObjectError,
    ObjectNotFoundError,
    TransientError,
)
from perdure.kubernetes.histories import is_absence, metadata_of
from perdure.kubernetes.instances import (
    controls_of,
    created_at_of,
    generation_of,
    head_of,
    hint_of,
    key_of,
    observed_of,
    rev_of,
    status_of,
    texts_of,
    version_of,
)
from perdure.kubernetes.loading import Known, Loader
from perdure.kubernetes.plan import Position
from perdure.ports import (
    WORKFLOW_INSTANCES,
    InstanceHint,
    InstanceKey,
    Objects,
    Observed,
    Snapshot,
)

FORBIDDEN_SECONDS = 10.0
"""A 403 ends when an administrator acts or the namespace is gone: neither happens in a moment."""

MAX_FLOORS = 20_000
"""Floors that are kept; some are never met, as their instance was deleted. 150 bytes each."""

logger = logging.getLogger(__name__)


class Bodies:
    """Reads instances by their names, and tells those that are meant from others of that name."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def get(self, key: InstanceKey) -> JsonObject | None:
        """Return the newest body, None if the instance is gone. Raises TransientError."""
        try:
            body = await self._objects.get(WORKFLOW_INSTANCES, key.namespace, key.name)
        except ObjectNotFoundError as error:
            if not is_absence(error):
                raise TransientError(str(error)) from error
            return None
        except ObjectError as error:
            raise TransientError(str(error), retry_after=FORBIDDEN_SECONDS) from error
        return body if key_of(body).uid == key.uid else None


class Reader:
    """Holds the newest snapshot of each instance that was loaded or committed, until forgotten.

    Also the bodies that `hint` saw and `load` has not used yet, and the commits whose outcome is
    not known.
    """

    def __init__(self, objects: Objects, loader: Loader) -> None:
        self._objects = Bodies(objects)
        self._loader = loader
        self._snapshots: dict[str, Snapshot] = {}
        self._bodies: dict[str, tuple[int, JsonObject]] = {}
        self._unresolved: dict[str, set[str]] = {}
        # The version of what was forgotten, or could not be read, until the watch has caught up
        # with it: an older echo would show work as open that has been closed.
        self._floors: dict[str, int] = {}

    def hint(self, body: JsonObject) -> InstanceHint | None:
        try:
            hint = hint_of(body)
        except (KeyError, ValueError):
            logger.warning("an object of a list or watch is no instance")
            return None
        uid, held = hint.key.uid, self._snapshots.get(hint.key.uid)
        if held is not None and held.version >= hint.version:
            # The echo of an end is told even so: what has ended is counted by what is told.
            return hint if held.version == hint.version and hint.is_finished else None
        if self._floors.get(uid, 0) > hint.version:
            return None
        self._floors.pop(uid, None)
        if self._bodies.get(uid, (-1,))[0] < hint.version:
            self._bodies[uid] = hint.version, body
        return hint

    def forget(self, key: InstanceKey) -> None:
        held = self._snapshots.pop(key.uid, None)
        self._bodies.pop(key.uid, None)
        if held is not None:
            self._lift(key.uid, held.version)

    def _lift(self, uid: str, version: int) -> None:
        """Take nothing for news any more that is older than this version."""
        self._floors[uid] = max(version, self._floors.get(uid, 0))
        if len(self._floors) > MAX_FLOORS:
            del self._floors[next(iter(self._floors))]

    def unresolved(self, key: InstanceKey) -> frozenset[str]:
        return frozenset(self._unresolved.get(key.uid, ()))

    def remember(self, key: InstanceKey, commit_id: str) -> None:
        """Keep a commit that may still land: its patch was sent, and no answer came."""
        self._unresolved.setdefault(key.uid, set()).add(commit_id)

    def settle(self, key: InstanceKey) -> None:
        """Forget lost commits: after a later rev of our own none of them can land any more."""
        self._unresolved.pop(key.uid, None)

    def found(self, key: InstanceKey, commit_ids: set[str]) -> None:
        """Forget the lost commits among these."""
        lost = self._unresolved.get(key.uid)
        if lost is not None:
            lost -= commit_ids
            if not lost:
                del self._unresolved[key.uid]

    async def load(self, key: InstanceKey, *, fresh: bool = False) -> Snapshot | None:
        version, body = self._bodies.get(key.uid, (-1, None))
        held = self._snapshots.get(key.uid)
        if not fresh:
            if body is not None and (held is None or held.version < version):
                return await self._read(key, body)
            if held is not None:
                return held
        body = await self.get(key)
        return None if body is None else await self._read(key, body)

    async def get(self, key: InstanceKey) -> JsonObject | None:
        """Return the newest body, None if the instance is gone. Raises TransientError."""
        body = await self._objects.get(key)
        if body is not None:
            return body
        self.forget(key)
        self._floors.pop(key.uid, None)
        self.settle(key)
        return None

    async def _read(self, key: InstanceKey, body: JsonObject) -> Snapshot | None:
        """Return the snapshot of a body, after a second look if its history seems damaged.

        An object that is missing may have gone with the instance, and a body that was held may
        be older than the chain of segments.
        """
        try:
            return self.keep(await self._folded(key, body))
        except HistoryCorruptError:
            again = await self.get(key)
            if again is None:
                return None
            if version_of(again) == version_of(body):
                raise
        return self.keep(await self._folded(key, again))

    async def _folded(self, key: InstanceKey, body: JsonObject) -> Snapshot:
        held = self._snapshots.get(key.uid)
        if held is not None and held.version >= version_of(body):
            return held
        known = None if held is None else Known(held.state, position_of(held).digest)
        try:
            head = head_of(body, key.uid)
            loaded = await self._loader.load(key, head, known)
        except (HistoryCorruptError, NewerHistoryError):
            # What cannot be read is not held, but it is what stands there now.
            self._lift(key.uid, version_of(body))
            raise
        position = Position(
            status=without_history(status_of(body)),
            is_present=head.is_present,
            length=head.length,
            digest=head.digest,
            segments=head.segments,
            newest=head.newest,
            hot=loaded.hot,
        )
        self.found(key, {str(record.stored.get("commitId")) for record in loaded.hot})
        observed = observed_of(status_of(body) or {})
        return snapshot_of(body, held, loaded.state, observed, position)

    def keep(self, snapshot: Snapshot) -> Snapshot:
        """Hold the snapshot unless a newer one is held; return the one that is."""
        held = self._snapshots.get(snapshot.key.uid)
        if held is not None and held.version > snapshot.version:
            return held
        self._snapshots[snapshot.key.uid] = snapshot
        if self._bodies.get(snapshot.key.uid, (-1,))[0] <= snapshot.version:
            self._bodies.pop(snapshot.key.uid, None)
        return snapshot


def position_of(snapshot: Snapshot) -> Position:
    """Return where the history of a snapshot of this store stands."""
    assert isinstance(snapshot.store_data, Position)
    return snapshot.store_data


def without_history(status: JsonObject | None) -> JsonObject | None:
    """Return what a Position keeps of a status."""
    if status is None:
        return None
    return {key: item for key, item in status.items() if key != "history"}


def snapshot_of(
    body: JsonObject, held: Snapshot | None, state: State, observed: Observed, position: object
) -> Snapshot:
    """Return the snapshot of a body; the spec is read again only where it changed."""
    generation = generation_of(body)
    is_same = held is not None and held.generation == generation
    metadata, status = metadata_of(body), status_of(body) or {}
    return Snapshot(
        key=key_of(body),
        version=version_of(body),
        rev=rev_of(body),
        generation=generation,
        observed_generation=observed_generation_of(status),
        is_deleting="deletionTimestamp" in metadata,
        created_at=created_at_of(body),
        annotations=texts_of(metadata.get("annotations")),
        controls=held.controls if is_same and held is not None else controls_of(body),
        state=state,
        observed=observed,
        store_data=position,
    )


def observed_generation_of(status: Mapping[str, Json]) -> int:
    generation = status.get("observedGeneration")
    return generation if isinstance(generation, int) else 0
