"""What users do in a simulation: one frozen value per action, as plain data.

`at` is in virtual seconds from the beginning of the run. `user` says who does it: one user does
one thing after the other, several act at the same time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from perdure.engine.values import Json, JsonObject

NAMESPACE = "shop"
"""Where nearly everything happens; a second one is there to be mistaken for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What all actions have."""

    at: float
    user: str = "anna"
    namespace: str = NAMESPACE


@dataclass(frozen=True, slots=True, kw_only=True)
class Define(Act):
    """Apply a definition: create it, or give it another spec."""

    definition: str
    spec: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Undefine(Act):
    """Delete a definition."""

    definition: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Start(Act):
    """Create an instance.

    `spec` is that of the object, complete but for `startAt`: that is so many seconds after the
    beginning of the run, where `starts_after` says so.
    """

    instance: str
    spec: JsonObject
    starts_after: float | None = None

    @property
    def definition(self) -> str:
        """Return the name of the definition it is to run."""
        ref = self.spec["definitionRef"]
        assert isinstance(ref, dict), "an instance without definitionRef"
        return str(ref["name"])


@dataclass(frozen=True, slots=True, kw_only=True)
class RaiseInSpec(Act):
    """Append an event to `spec.events`."""

    instance: str
    event: JsonObject
    """`{id, name, data?}`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RaiseAsObject(Act):
    """Create a WorkflowEvent; `is_bound` sets instanceUid where the instance exists by then.

    Its id is the object's name, unless `event_id` gives another one.
    """

    instance: str
    object_name: str
    event_name: str
    event_id: str | None = None
    data: Json = None
    is_bound: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspend(Act):
    """Set `spec.suspend`."""

    instance: str
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume(Act):
    """Unset `spec.suspend`."""

    instance: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminate(Act):
    """Set `spec.terminate`."""

    instance: str
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete(Act):
    """Delete an instance."""

    instance: str


class Edit(StrEnum):
    """An edit that is refused, or must not matter, or that only an administrator can do."""

    INPUT = "input"
    DEFINITION = "definition"
    UNTERMINATE = "unterminate"
    DROP_EVENT = "dropEvent"
    CHANGE_EVENT = "changeEvent"
    LABEL = "label"
    ANNOTATE = "annotate"
    RETRY = "retry"
    HOLD = "hold"
    """Add a foreign finalizer, so that a deletion takes until it is stripped."""
    STRIP = "strip"
    """Remove all finalizers."""
    KEEP = "keep"
    """Keep it for long after its end."""
    ADOPT = "adopt"
    """Mark it as what a deployment tool owns."""
    STATUS_MESSAGE = "statusMessage"
    STATUS_WAKE = "statusWake"
    STATUS_OUTPUT = "statusOutput"
    STATUS_PHASE = "statusPhase"
    STATUS_HISTORY = "statusHistory"
    STATUS_REMOVED = "statusRemoved"
    STATUS_EVENT = "statusEvent"
    """Change an event of the history, and nothing else."""
    STATUS_FORM = "statusForm"
    """Say that the history is of a newer form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tamper(Act):
    """Edit an instance in a way that users should not."""

    instance: str
    edit: Edit


class Spoilt(StrEnum):
    """What an instance stands on beside its own object."""

    SEGMENT_DELETED = "segmentDeleted"
    SEGMENT_REPLACED = "segmentReplaced"
    RECIPE_DELETED = "recipeDeleted"
    RECIPE_REPLACED = "recipeReplaced"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoil(Act):
    """Delete what an instance stands on, or replace it; `recipe` is what a revision then holds."""

    instance: str
    what: Spoilt
    recipe: JsonObject


Action: TypeAlias = (
    Define
    | Undefine
    | Start
    | RaiseInSpec
    | RaiseAsObject
    | Suspend
    | Resume
    | Terminate
    | Delete
    | Tamper
    | Spoil
)
Raise: TypeAlias = RaiseInSpec | RaiseAsObject
OfInstance: TypeAlias = (
    Start | RaiseInSpec | RaiseAsObject | Suspend | Resume | Terminate | Delete | Tamper | Spoil
)


@dataclass(frozen=True, slots=True)
class Subject:
    """An instance or a definition as actions name it."""

    namespace: str
    name: str


def instance_of(action: Action) -> Subject | None:
    """Return the instance that the action is about, None for those about definitions."""
    if isinstance(action, Define | Undefine):
        return None
    return Subject(action.namespace, action.instance)


def in_order(actions: Iterable[Action]) -> tuple[Action, ...]:
    """Return the actions by their times; those of one time stay as they were given."""
    return tuple(sorted(actions, key=lambda action: action.at))
