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

from perdure.engine.values import Json, JsonObject, ValueRefusedError
from perdure.errors import (
    HistoryCorruptError,
    NewerHistoryError,
    ObjectConflictError,
    ObjectForbiddenError,
    ObjectNotFoundError,
    ObjectRejectedError,
    PerdureError,
    ThrottledError,
    TransientError,
    UnknownOutcomeError,
)
from perdure.kubernetes.histories import Histories, is_absence
from perdure.kubernetes.instances import (
    status_of,
    version_of,
)
from perdure.kubernetes.loading import Loader
from perdure.kubernetes.payloads import PayloadTooLargeError, reference_of, unescaped, value_of
from perdure.kubernetes.plan import Plan, Position, history_json, plan
from perdure.kubernetes.reading import (
    FORBIDDEN_SECONDS,
    Reader,
    position_of,
    snapshot_of,
    without_history,
)
from perdure.kubernetes.records import EventTooLargeError
from perdure.kubernetes.segments import as_written
from perdure.kubernetes.stalling import Stalling
from perdure.kubernetes.tidying import Tidying, ends_a_takeover
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

logger = logging.getLogger(__name__)


class KubernetesStore:
    """Reads and writes engine state in WorkflowInstance statuses and WorkflowHistory objects.

    Methods without a docstring are those of `perdure.ports.HistoryStore`.
    """

    def __init__(self, objects: Objects, clock: Clock) -> None:
        self._objects = objects
        self._clock = clock
        self._histories = Histories(objects)
        self._loader = Loader(self._histories)
        self._reader = Reader(objects, self._loader)
        self._stalling = Stalling(objects, self._reader.get, clock, counts=True)
        self._tidying = Tidying(self._histories, self._reader.get)

    def hint(self, body: JsonObject) -> InstanceHint | None:
        hint = self._reader.hint(body)
        if hint is not None:
            self._tidying.moved(hint.key.uid)
        return hint

    def owns(self, uid: str) -> bool:
        return True

    def forget(self, key: InstanceKey) -> None:
        self._reader.forget(key)

    def removed(self, key: InstanceKey) -> None:
        self._reader.forget(key)

    async def shown(self, key: InstanceKey, rev: int) -> bool:
        return True  # A commit is the status that shows it.

    async def load(self, key: InstanceKey, *, fresh: bool = False) -> Snapshot | None:
        return await self._reader.load(key, fresh=fresh)

    def unresolved(self, key: InstanceKey) -> frozenset[str]:
        """Return the own commit ids that may still land: their patches were sent, no answer came.

        One goes when it is found in the history, or when a later rev of our own is committed,
        whose test the lost patch can no longer pass.
        """
        return self._reader.unresolved(key)

    async def resolve(self, key: InstanceKey, stored: Json) -> Json:
        """Return the value that `status.output` shows, or refers to.

        Raises TransientError, and HistoryCorruptError when what it refers to is not there.
        """
        reference = reference_of(stored)
        if reference is None:
            return unescaped(stored, {})
        spec = await self._histories.get(key, reference.ref)
        return unescaped(stored, {} if spec is None else {reference.ref: value_of(spec, reference)})

    async def collect(self, key: InstanceKey) -> int:
        """Delete what lost races left of the instance; `Tidying.collect` says more."""
        return await self._tidying.collect(key)

    async def tidy(self) -> int:
        return await self._tidying.tidy()

    # Committing

    async def commit(self, turns: Sequence[Turn]) -> list[CommitOutcome]:
        if len(turns) == 1:
            return [await self._outcome(turns[0])]
        return list(await asyncio.gather(*(self._outcome(turn) for turn in turns)))

    async def _outcome(self, turn: Turn) -> CommitOutcome:
        """Return what became of the turn; a bug of ours is an outcome of its own turn alone."""
        try:
            outcome = await self._commit(turn)
        except Exception as bug:
            logger.exception("a commit failed by a bug", extra={"instance": turn.base.key.name})
            return Unknown(f"a bug of the store: {bug!r}")
        if isinstance(outcome, Committed) and ends_a_takeover(turn):
            self._tidying.suspect(turn.base.key)
        return outcome

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
            self._suspect(turn, planned)
            return not_committed(error)
        outcome = await self._patch(turn, planned)
        self._tidying.moved(turn.base.key.uid)
        if not isinstance(outcome, Committed):
            self._suspect(turn, planned)
        return outcome

    def _suspect(self, turn: Turn, planned: Plan) -> None:
        if planned.payloads or planned.segments:
            self._tidying.suspect(turn.base.key)

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
        except ObjectNotFoundError as error:
            if not is_absence(error):
                return Throttled(NOT_SENT_SECONDS)
            self.forget(key)
            return Gone()
        except ObjectRejectedError as error:
            return await self._after_refusal(turn, error)
        except PerdureError as error:
            return not_committed(error)
        self._reader.settle(key)
        if not is_as_written(body, planned.position):
            return Conflict()  # Somebody edited its events: loading, which comes next, says so.
        return Committed(self._committed(turn, planned, body))

    def _committed(self, turn: Turn, planned: Plan, body: JsonObject) -> Snapshot:
        """Go on from the body that the patch returned: nothing is read or folded again."""
        position = replace(planned.position, status=without_history(status_of(body)))
        snapshot = snapshot_of(body, turn.base, turn.state, turn.observed, position)
        return self._reader.keep(snapshot)

    async def _after_unknown(self, turn: Turn, error: UnknownOutcomeError) -> CommitOutcome:
        """Look for the commit in the history. A turn without events is written again, if at all."""
        if not turn.events:
            return Conflict()
        self._reader.remember(turn.base.key, turn.commit_id)
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
        self._reader.found(key, {turn.commit_id})
        return Committed(snapshot)

    async def _commit_id_at(self, snapshot: Snapshot, event_id: int) -> object:
        """Return the commit id on an event; somebody may have committed on top of it."""
        position = position_of(snapshot)
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
            body = await self._reader.get(turn.base.key)
        except TransientError:
            return Conflict()  # It was not committed; reading anew is what follows.
        if body is None:
            return Gone()
        if not has_moved(turn, body):
            return Rejected(str(error))
        self.hint(body)
        return Conflict()

    async def stall(self, key: InstanceKey, reason: str, message: str) -> None:
        await self._stalling.show(key, reason, message)


def has_moved(turn: Turn, body: JsonObject) -> bool:
    """Return whether `body` is another version than the one that the turn was based on.

    Then it may be that which the patch stumbled over: a value that it tested, or a field that
    somebody else took away. Whether the turn is rejected the next one shows, on a fresh base.
    """
    return version_of(body) != turn.base.version


def is_as_written(body: JsonObject, position: Position) -> bool:
    """Return whether the history in a status is the one of `position`, event for event.

    Its digest was tested by the patch; what the digest stands for was not.
    """
    if not position.is_present:
        return True
    history = (status_of(body) or {}).get("history")
    if not isinstance(history, dict):
        return False
    expected = history_json(position, [record.stored for record in position.hot])
    found = {field: history.get(field) for field in expected}
    # The API server may have printed numbers in its own way: rare, so only now.
    return found == expected or as_written(found) == expected


def not_committed(error: PerdureError) -> CommitOutcome:
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
