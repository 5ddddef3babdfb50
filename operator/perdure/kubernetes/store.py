"""The HistoryStore on the API server: one JSON patch of the status per commit.

The rules of a commit and of each outcome: docs/architecture.md#commit. In short: the patch tests
uid and rev; a conflict drops the decision; an unknown outcome is resolved by reading, never by
repeating; and a copy that is held never goes back in time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace

from perdure.engine.values import JsonObject, ValueRefusedError
from perdure.errors import (
    HistoryCorruptError,
    NewerHistoryError,
    ObjectConflictError,
    ObjectError,
    ObjectForbiddenError,
    ObjectNotFoundError,
    ObjectRejectedError,
    PerdureError,
    ThrottledError,
    TransientError,
    UnknownOutcomeError,
)
from perdure.kubernetes.histories import Histories, metadata_of
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
from perdure.kubernetes.payloads import PayloadTooLargeError
from perdure.kubernetes.plan import EventTooLargeError, Plan, Position, is_ending, plan
from perdure.kubernetes.status import stalled_status, with_commit
from perdure.ports import (
    WORKFLOW_INSTANCES,
    Clock,
    CommitOutcome,
    Committed,
    Conflict,
    Gone,
    InstanceHint,
    InstanceKey,
    Objects,
    Rejected,
    Snapshot,
    Throttled,
    Turn,
    Unknown,
)

NOT_SENT_SECONDS = 0.5
"""Until a commit that was not sent is tried again, where nobody says more."""

FORBIDDEN_SECONDS = 10.0
"""A 403 ends when an administrator acts or the namespace is gone: neither happens in a moment."""

logger = logging.getLogger(__name__)


class KubernetesStore:
    """Reads and writes engine state in WorkflowInstance statuses and WorkflowHistory objects.

    It holds the newest snapshot of each instance that was loaded or committed and not forgotten,
    and the bodies that `hint` saw and `load` has not used yet.
    """

    def __init__(self, objects: Objects, clock: Clock) -> None:
        self._objects = objects
        self._clock = clock
        self._histories = Histories(objects)
        self._loader = Loader(self._histories)
        self._snapshots: dict[str, Snapshot] = {}
        self._bodies: dict[str, tuple[int, JsonObject]] = {}
        self._unresolved: dict[str, set[str]] = {}

    def hint(self, body: JsonObject) -> InstanceHint | None:
        try:
            hint = hint_of(body)
        except (KeyError, ValueError):
            logger.warning("an object of a list or watch is no instance")
            return None
        uid, held = hint.key.uid, self._snapshots.get(hint.key.uid)
        if held is not None and held.version >= hint.version:
            return None
        if self._bodies.get(uid, (-1,))[0] < hint.version:
            self._bodies[uid] = hint.version, body
        return hint

    def forget(self, key: InstanceKey) -> None:
        self._snapshots.pop(key.uid, None)
        self._bodies.pop(key.uid, None)

    def unresolved(self, key: InstanceKey) -> frozenset[str]:
        """Return the own commit ids that may still land: their patches were sent, no answer came.

        One goes when it is found in the history, or when a later rev of our own is committed,
        whose test the lost patch can no longer pass.
        """
        return frozenset(self._unresolved.get(key.uid, ()))

    # Loading

    async def load(self, key: InstanceKey, *, fresh: bool = False) -> Snapshot | None:
        version, body = self._bodies.pop(key.uid, (-1, None))
        held = self._snapshots.get(key.uid)
        if not fresh:
            if body is not None and (held is None or held.version < version):
                return await self._read(key, body)
            if held is not None:
                return held
        body = await self._get(key)
        return None if body is None else await self._read(key, body)

    async def _get(self, key: InstanceKey) -> JsonObject | None:
        """Return the newest body, None if the instance is gone. Raises TransientError."""
        try:
            body = await self._objects.get(WORKFLOW_INSTANCES, key.namespace, key.name)
        except ObjectNotFoundError:
            body = None
        except ObjectError as error:
            raise TransientError(str(error), retry_after=FORBIDDEN_SECONDS) from error
        if body is not None and key_of(body).uid == key.uid:
            return body
        self.forget(key)
        self._unresolved.pop(key.uid, None)
        return None

    async def _read(self, key: InstanceKey, body: JsonObject) -> Snapshot | None:
        """Return the snapshot of a body, after a second look if its history seems damaged.

        An object that is missing may have gone with the instance, and a body that was held may
        be older than the chain of segments.
        """
        try:
            return self._keep(await self._folded(key, body))
        except HistoryCorruptError:
            again = await self._get(key)
            if again is None:
                return None
            if version_of(again) == version_of(body):
                raise
        return self._keep(await self._folded(key, again))

    async def _folded(self, key: InstanceKey, body: JsonObject) -> Snapshot:
        held = self._snapshots.get(key.uid)
        if held is not None and held.version >= version_of(body):
            return held
        head = head_of(body, key.uid)
        known = None if held is None else Known(held.state, _position(held).digest)
        loaded = await self._loader.load(key, head, known)
        position = Position(
            status=_without_history(status_of(body)),
            is_present=head.is_present,
            length=head.length,
            digest=head.digest,
            segments=head.segments,
            newest=head.newest,
            hot=loaded.hot,
        )
        self._note_found(key, {str(record.stored.get("commitId")) for record in loaded.hot})
        observed = observed_of(status_of(body) or {})
        return _snapshot(body, held, state=loaded.state, observed=observed, store_data=position)

    def _keep(self, snapshot: Snapshot) -> Snapshot:
        """Hold the snapshot unless a newer one is held; return the one that is."""
        held = self._snapshots.get(snapshot.key.uid)
        if held is not None and held.version > snapshot.version:
            return held
        self._snapshots[snapshot.key.uid] = snapshot
        if self._bodies.get(snapshot.key.uid, (-1,))[0] <= snapshot.version:
            self._bodies.pop(snapshot.key.uid, None)
        return snapshot

    def _note_found(self, key: InstanceKey, commit_ids: set[str]) -> None:
        lost = self._unresolved.get(key.uid)
        if lost is not None:
            lost -= commit_ids
            if not lost:
                del self._unresolved[key.uid]

    # Committing

    async def commit(self, turns: Sequence[Turn]) -> list[CommitOutcome]:
        if len(turns) == 1:
            return [await self._outcome(turns[0])]
        return list(await asyncio.gather(*(self._outcome(turn) for turn in turns)))

    async def _outcome(self, turn: Turn) -> CommitOutcome:
        """Return what became of the turn; a bug of ours is an outcome of its own turn alone."""
        try:
            return await self._commit(turn)
        except Exception as bug:
            logger.exception("a commit failed by a bug", extra={"instance": turn.base.key.name})
            return Unknown(f"a bug of the store: {bug!r}")

    async def _commit(self, turn: Turn) -> CommitOutcome:
        try:
            planned = plan(turn, self._clock.now())
        except (PayloadTooLargeError, EventTooLargeError) as error:
            return Rejected(str(error), is_too_large=True)
        except (ValueRefusedError, UnicodeEncodeError) as error:
            return Rejected(f"the events cannot be stored: {error}")
        except AssertionError as bug:
            logger.exception("a turn cannot be planned", extra={"instance": turn.base.key.name})
            return Rejected(f"a bug: {bug}")
        if not planned.operations:
            return Committed(turn.base)
        try:
            await self._create(turn.base.key, planned)
        except PerdureError as error:
            return _not_committed(error)
        return await self._patch(turn, planned)

    async def _create(self, key: InstanceKey, planned: Plan) -> None:
        """Create what the commit will refer to. Creating it is no effect: it may be orphaned."""
        for payload in planned.payloads:
            await self._histories.create(key, payload.reference.ref, payload.spec(key.uid), {})
        for segment in planned.segments:
            await self._histories.create(key, segment.link.name, segment.spec, segment.annotations)

    async def _patch(self, turn: Turn, planned: Plan) -> CommitOutcome:
        key = turn.base.key
        try:
            body = await self._objects.patch(
                WORKFLOW_INSTANCES,
                key.namespace,
                key.name,
                planned.operations,
                subresource="status",
            )
        except UnknownOutcomeError as error:
            return await self._after_unknown(turn, error)
        except ObjectNotFoundError:
            self.forget(key)
            return Gone()
        except ObjectRejectedError as error:
            return await self._after_refusal(turn, error)
        except PerdureError as error:
            return _not_committed(error)
        return Committed(self._committed(turn, planned, body))

    def _committed(self, turn: Turn, planned: Plan, body: JsonObject) -> Snapshot:
        """Go on from the body that the patch returned: nothing is read or folded again."""
        self._unresolved.pop(turn.base.key.uid, None)
        position = replace(planned.position, status=_without_history(status_of(body)))
        snapshot = _snapshot(
            body, turn.base, state=turn.state, observed=turn.observed, store_data=position
        )
        return self._keep(snapshot)

    async def _after_unknown(self, turn: Turn, error: UnknownOutcomeError) -> CommitOutcome:
        """Look for the commit in the history. A turn without events is written again, if at all."""
        if not turn.events:
            return Conflict()
        self._unresolved.setdefault(turn.base.key.uid, set()).add(turn.commit_id)
        try:
            return await self._found(turn)
        except TransientError:
            return Unknown(str(error))

    async def _found(self, turn: Turn) -> CommitOutcome:
        """Return Committed if the turn's events are in the history, Conflict if not (yet)."""
        key = turn.base.key
        try:
            snapshot = await self.load(key, fresh=True)
            if snapshot is None:
                return Gone()
            commit_id = await self._commit_id_at(snapshot, turn.base.state.last_id + 1)
        except (HistoryCorruptError, NewerHistoryError):
            return Conflict()  # Loading, which comes next, says what is wrong.
        if commit_id != turn.commit_id:
            return Conflict()
        self._note_found(key, {turn.commit_id})
        return Committed(snapshot)

    async def _commit_id_at(self, snapshot: Snapshot, event_id: int) -> object:
        """Return the commit id on an event; somebody may have committed on top of it."""
        position = _position(snapshot)
        stored = await self._loader.event_after(
            snapshot.key, position.newest, position.hot, event_id
        )
        return None if stored is None else stored.get("commitId")

    async def _after_refusal(self, turn: Turn, error: ObjectRejectedError) -> CommitOutcome:
        """A failed `test` and a fault of the schema look alike: only a read tells which it was."""
        is_too_large = error.status == 413
        if is_too_large:
            return Rejected(str(error), is_too_large=True)
        try:
            body = await self._get(turn.base.key)
        except TransientError:
            return Conflict()  # It was not committed; reading anew is what follows.
        if body is None:
            return Gone()
        if not has_moved(turn, body):
            return Rejected(str(error))
        self.hint(body)
        return Conflict()

    # Stalling

    async def stall(self, key: InstanceKey, reason: str, message: str) -> None:
        try:
            body = await self._get(key)
            if body is not None and observed_of(status_of(body) or {}).stalled != (reason, message):
                await self._show_stalled(key, body, reason, message)
        except PerdureError as error:
            logger.warning(
                "a stalled instance cannot be shown as such",
                extra={"instance": key.name, "error": str(error)},
            )

    async def _show_stalled(
        self, key: InstanceKey, body: JsonObject, reason: str, message: str
    ) -> None:
        status, rev = status_of(body) or {}, rev_of(body)
        generation = generation_of(body)
        shown = stalled_status(status, reason, message, generation, self._clock.now())
        shown = with_commit(shown, rev, self._clock.token())
        operations: list[JsonObject] = [
            {"op": "test", "path": "/metadata/uid", "value": key.uid},
            {
                "op": "test",
                "path": "/metadata/resourceVersion",
                "value": str(version_of(body)),
            },
        ]
        if not status:
            operations.append({"op": "add", "path": "/status", "value": {}})
        for field, value in shown.items():
            operations.append({"op": "add", "path": f"/status/{field}", "value": value})
        await self._objects.patch(
            WORKFLOW_INSTANCES, key.namespace, key.name, operations, subresource="status"
        )


def has_moved(turn: Turn, body: JsonObject) -> bool:
    """Return whether a value that the turn's patch tested is another one in `body`."""
    if turn.base.rev is None:
        is_same = version_of(body) == turn.base.version
    else:
        is_same = rev_of(body) == turn.base.rev
    if is_ending(turn):
        is_same = is_same and generation_of(body) == turn.base.generation
    return not is_same


def _not_committed(error: PerdureError) -> CommitOutcome:
    """Return the outcome of an error after which the commit has certainly not happened."""
    match error:
        case ThrottledError() | TransientError():
            return Throttled(error.retry_after or NOT_SENT_SECONDS)
        case UnknownOutcomeError():
            return Throttled(NOT_SENT_SECONDS)
        case ObjectForbiddenError():
            return Throttled(FORBIDDEN_SECONDS)
        case ObjectConflictError() | ObjectNotFoundError():
            return Conflict()
        case ObjectRejectedError():
            return Rejected(str(error), is_too_large=error.status == 413)
        case _:
            return Throttled(FORBIDDEN_SECONDS)


def _position(snapshot: Snapshot) -> Position:
    assert isinstance(snapshot.store_data, Position)
    return snapshot.store_data


def _without_history(status: JsonObject | None) -> JsonObject | None:
    if status is None:
        return None
    return {key: item for key, item in status.items() if key != "history"}


def _snapshot(body: JsonObject, held: Snapshot | None, **parts: object) -> Snapshot:
    """Return the snapshot of a body; the spec is read again only where it changed."""
    generation = generation_of(body)
    if held is not None and held.generation == generation:
        controls = held.controls
    else:
        controls = controls_of(body)
    metadata, status = metadata_of(body), status_of(body) or {}
    observed_generation = status.get("observedGeneration")
    return Snapshot(
        key=key_of(body),
        version=version_of(body),
        rev=rev_of(body),
        generation=generation,
        observed_generation=observed_generation if isinstance(observed_generation, int) else 0,
        is_deleting="deletionTimestamp" in metadata,
        created_at=created_at_of(body),
        annotations=texts_of(metadata.get("annotations")),
        controls=controls,
        **parts,  # type: ignore[arg-type]  # state, observed and store_data, named by the callers
    )
