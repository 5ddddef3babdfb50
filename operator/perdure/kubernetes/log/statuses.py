"""One status write: its patch, what it takes before, and what became of it.

Only what stands in the log is shown, so that a patch may be late or come from a process that has
lost the lane: it tests where the status stood. Source: docs/log.md#reflecting.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from perdure.engine.values import JsonObject
from perdure.errors import (
    ObjectForbiddenError,
    ObjectNotFoundError,
    ObjectRejectedError,
    PerdureError,
    TransientError,
    UnknownOutcomeError,
)
from perdure.kubernetes.histories import Histories
from perdure.kubernetes.log.reflection import (
    Reflection,
    basis_after,
    has_moved,
    is_shown,
    planned,
)
from perdure.kubernetes.plan import Basis, Plan
from perdure.kubernetes.reading import FORBIDDEN_SECONDS, Bodies
from perdure.kubernetes.store import is_as_written
from perdure.ports import WORKFLOW_INSTANCES, Clock, InstanceKey, Objects

TOO_LARGE = 413


@dataclass(frozen=True, slots=True)
class Shown:
    """The status shows the reflection; the next one builds on `basis`.

    `body` is the object as it was seen then, None where it did not have to be written.
    """

    basis: Basis
    body: JsonObject | None


@dataclass(frozen=True, slots=True)
class Gone:
    """The instance does not exist any more, or another one has its name: it counts as shown."""


@dataclass(frozen=True, slots=True)
class Moved:
    """The instance is not as the reflection took it to be; `body` is newer. `take` is next."""

    body: JsonObject


@dataclass(frozen=True, slots=True)
class Refused:
    """The status cannot be written as it is, though nothing has moved. It is tried again later."""

    message: str
    is_too_large: bool


Outcome: TypeAlias = Shown | Gone | Moved | Refused


@dataclass(frozen=True, slots=True)
class Later:
    """Nothing is known to have been written; try again, no sooner than after so many seconds."""

    retry_after: float | None = None


class Statuses:
    """Writes reflections to the statuses of instances, each once."""

    def __init__(self, objects: Objects, clock: Clock) -> None:
        self._objects, self._clock = objects, clock
        self._bodies = Bodies(objects)
        self._histories = Histories(objects)
        self._suspects: dict[str, InstanceKey] = {}

    def suspects(self) -> list[InstanceKey]:
        """Return, once, the instances for which segments were created that no status may name."""
        suspects, self._suspects = [*self._suspects.values()], {}
        return suspects

    async def write(self, reflection: Reflection) -> Outcome | Later:
        """Make the status show the reflection; return what became of it. Raises only bugs."""
        plan = planned(reflection, self._clock.now())
        if not plan.operations:
            return Shown(reflection.basis, None)
        outcome = await self._written(reflection, plan)
        if plan.segments and not isinstance(outcome, Shown):
            key = reflection.basis.key
            self._suspects[key.uid] = key
        return outcome

    async def _written(self, reflection: Reflection, plan: Plan) -> Outcome | Later:
        key = reflection.basis.key
        try:
            body = await self._sent(key, plan)
        except ObjectRejectedError as error:
            is_too_large = error.status == TOO_LARGE
            refused = Refused(str(error), is_too_large)
            return refused if is_too_large else await self._seen(reflection, plan, refused)
        except (UnknownOutcomeError, ObjectNotFoundError):
            return await self._seen(reflection, plan, Later())
        except ObjectForbiddenError:
            return Later(FORBIDDEN_SECONDS)
        except PerdureError as error:
            return _later(error)
        if is_as_written(body, plan.position):
            return Shown(basis_after(reflection, plan, body), body)
        return Moved(body)

    async def _sent(self, key: InstanceKey, plan: Plan) -> JsonObject:
        """Create the segments, then patch the status; return the new body."""
        for segment in plan.segments:
            link = segment.link
            await self._histories.create(key, link.name, segment.spec, segment.annotations)
        return await self._objects.patch(
            WORKFLOW_INSTANCES, key.namespace, key.name, plan.operations, subresource="status"
        )

    async def _seen(
        self, reflection: Reflection, plan: Plan, otherwise: Outcome | Later
    ) -> Outcome | Later:
        """Return what a quorum read tells; `otherwise` if all is as it was before the write."""
        try:
            body = await self._bodies.get(reflection.basis.key)
        except PerdureError as error:
            return _later(error)
        if body is None:
            return Gone()
        if is_shown(reflection, plan, body):
            return Shown(basis_after(reflection, plan, body), body)
        return Moved(body) if has_moved(reflection, body) else otherwise


def _later(error: PerdureError) -> Later:
    return Later(error.retry_after if isinstance(error, TransientError) else None)
