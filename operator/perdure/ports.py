"""What the runtime needs of the world, as Protocols, and the values that cross.

A method names every error it may raise; adapters translate their libraries' errors into
`perdure.errors`. Only the store reads and writes engine state; informers deliver hints.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeAlias

from perdure.engine.events import HistoryEvent
from perdure.engine.orchestrator import Answer
from perdure.engine.state import State
from perdure.engine.values import Json, JsonObject
from perdure.engine.work import ActivityWork


@dataclass(frozen=True, slots=True, order=True)
class InstanceKey:
    """The identity of an instance: the uid is what counts, the names say where to find it."""

    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecEvent:
    """One entry of `spec.events`, as it stands in the object."""

    id: str
    name: str
    data: Json = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Controls:
    """The spec of an instance: what to run and what its users want of it."""

    definition: str
    revision: str | None = None
    input: Json = None
    start_at: datetime | None = None
    timeout: str | None = None
    is_suspended: bool = False
    suspend_reason: str | None = None
    terminate: str | None = None
    """The reason; "" where `spec.terminate` gives none; None when it is not set."""
    events: tuple[SpecEvent, ...] = ()
    retention: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What only the outside knows; it decides nothing and may be lost (`status.observed`).

    `pending` is (reason, message) of an instance that cannot start yet; `stalled` likewise of one
    that cannot go on.
    """

    pending: tuple[str, str] | None = None
    stalled: tuple[str, str] | None = None
    warning: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One instance as it was at `version`: its spec, and the state its history folds to.

    `rev` is the commit counter, None before the first commit. `store_data` is the store's own
    (position in history, digest, what of the status is written); nobody else looks into it.
    """

    key: InstanceKey
    version: int
    rev: int | None
    generation: int
    observed_generation: int
    is_deleting: bool
    created_at: datetime
    annotations: Mapping[str, str]
    controls: Controls
    state: State
    observed: Observed
    store_data: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One instance's decision, to be committed as a whole or not at all.

    `events` follow `base.state` and lead to `state`. Without events the turn only shows something
    (`observed`, `base.generation` as observed). `commit_id` is random and on the first event.
    """

    base: Snapshot
    commit_id: str
    events: tuple[HistoryEvent, ...]
    state: State
    observed: Observed


@dataclass(frozen=True, slots=True)
class Committed:
    """The turn is stored; go on from `snapshot`."""

    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class Conflict:
    """Something moved: drop the decision, load fresh, decide anew."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """The answer was lost and reading has not helped yet: load fresh before deciding anew."""

    message: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """The turn cannot be stored as it is (size, schema); the message says why."""

    message: str
    is_too_large: bool = False


@dataclass(frozen=True, slots=True)
class Gone:
    """The instance does not exist any more."""


@dataclass(frozen=True, slots=True)
class Throttled:
    """Too busy or not reachable: try again after so many seconds."""

    retry_after: float


CommitOutcome: TypeAlias = Committed | Conflict | Unknown | Rejected | Gone | Throttled


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceHint:
    """What the newest seen body of an instance says, without folding its history.

    A hint decides whether a turn is due and when, never what is decided in it. `size` is in bytes
    of the object as JSON.
    """

    key: InstanceKey
    version: int
    rev: int | None
    generation: int
    observed_generation: int
    phase: str
    definition: str
    wake_at: datetime | None
    start_at: datetime | None
    created_at: datetime
    completed_at: datetime | None
    is_finished: bool
    is_deleting: bool
    has_calls: bool
    """Whether an activity is in flight somewhere: `waitingFor` names one."""
    size: int
    retention: Mapping[str, str]
    annotations: Mapping[str, str]
    labels: Mapping[str, str] = field(default_factory=dict)
    """Of labels and annotations, only Perdure's own and OWNERSHIP_MARKS."""


OWNERSHIP_MARKS = frozenset(
    {
        "meta.helm.sh/release-name",
        "argocd.argoproj.io/tracking-id",
        "kustomize.toolkit.fluxcd.io/name",
        "helm.toolkit.fluxcd.io/name",
    }
)
"""Labels and annotations of tools that would create an instance again when it is purged."""


class HistoryStore(Protocol):
    """The only reader and writer of engine state."""

    def owns(self, uid: str) -> bool:
        """Return whether this process moves the instance now; others it only hears of."""
        ...

    async def load(self, key: InstanceKey, *, fresh: bool = False) -> Snapshot | None:
        """Return the instance, or None when it is gone (or another uid has its name).

        With `fresh` it is read from the API server with a quorum; else the newest known body
        may serve, as a hint. Raises TransientError, HistoryCorruptError (stored history does not
        add up), NewerHistoryError, NotOwnedError.
        """
        ...

    async def commit(self, turns: Sequence[Turn]) -> list[CommitOutcome]:
        """Store each turn by compare-and-set, each on its own; answers in the same order.

        Raises nothing but cancellation: whatever happens is an outcome.
        """
        ...

    async def shown(self, key: InstanceKey, rev: int) -> bool:
        """Wait until a status shows the commit of that rev, or the instance is gone.

        Only then may be destroyed what could bring that commit about again: an event that it took.
        False when this process will not learn it any more; whoever moves the instance next will.
        """
        ...

    async def stall(self, key: InstanceKey, reason: str, message: str) -> None:
        """Show that the instance cannot go on, without touching its history; best effort.

        Writes once per reason: an instance that shows it already is left alone. Raises nothing
        but cancellation.
        """
        ...

    def hint(self, body: JsonObject) -> InstanceHint | None:
        """Return what a body from a list or watch tells, and keep it for the next `load`.

        None when it tells nothing new (it is not newer than what is held: an echo of an own
        commit), or when it is no instance that can be read.
        """
        ...

    async def tidy(self) -> int:
        """Delete what this process's lost races left in storage; return how many objects.

        Raises nothing but cancellation: what fails is tried at the next call.
        """
        ...

    def forget(self, key: InstanceKey) -> None:
        """Drop what is cached about the instance."""
        ...

    def removed(self, key: InstanceKey) -> None:
        """Take note that a watch has told its deletion: nothing older of it will be told."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A kind of object at the API server; `group` is "" for the core one."""

    group: str
    version: str
    plural: str
    kind: str


class Objects(Protocol):
    """Objects of the cluster other than engine state, as plain JSON.

    All raise TransientError (also 5xx; ThrottledError for 429), ObjectForbiddenError; writes
    raise UnknownOutcomeError when the answer was lost.
    """

    async def get(self, resource: Resource, namespace: str, name: str) -> JsonObject:
        """Return the object, read with a quorum. Raises ObjectNotFoundError."""
        ...

    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        labels: str | None = None,
        fields: str | None = None,
    ) -> list[JsonObject]:
        """Return all objects, read page by page with a quorum; all namespaces where None."""
        ...

    async def create(self, resource: Resource, namespace: str, body: JsonObject) -> JsonObject:
        """Create. Raises ObjectConflictError (exists), ObjectRejectedError."""
        ...

    async def replace(self, resource: Resource, namespace: str, body: JsonObject) -> JsonObject:
        """PUT with the body's resourceVersion. Raises ObjectConflictError, …NotFoundError."""
        ...

    async def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        operations: Sequence[JsonObject],
        *,
        subresource: str | None = None,
    ) -> JsonObject:
        """Apply a JSON patch. Raises ObjectRejectedError (a `test` failed, or the schema)."""
        ...

    async def delete(
        self, resource: Resource, namespace: str, name: str, *, uid: str, version: str | None = None
    ) -> None:
        """Delete with preconditions; gone already is success. Raises ObjectConflictError."""
        ...


class Executor(Protocol):
    """Carries out one kind of activity. It reports; it does not decide."""

    async def execute(self, work: ActivityWork) -> Answer:
        """Carry out one delivery and return what it came to.

        What goes wrong with the call is a Failure in the Answer. An Answer with `accepted` is
        committed first; `execute` is then called again with `work.is_accepted` and only polls.
        Cancellation propagates: the call is aborted.
        """
        ...


class Meter(Protocol):
    """Counts and measures, with labels from closed lists only. Names: docs/reference/metrics.md."""

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        """Add to a counter."""
        ...

    def level(self, name: str, value: float, **labels: str) -> None:
        """Set a gauge."""
        ...

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        """Add to a histogram."""
        ...


class Presence(Protocol):
    """Who is alive, by Leases. Source: docs/architecture.md#claims."""

    @property
    def incarnation(self) -> str:
        """This process start."""
        ...

    @property
    def may_send(self) -> bool:
        """Whether this process has renewed its Lease lately enough to make calls."""
        ...

    def is_dead(self, incarnation: str) -> bool:
        """Whether that process is known to be dead. An unknown one is alive until observed."""
        ...

    def has_let_go(self, incarnation: str, uid: str) -> bool:
        """Whether that process makes no calls of the instance any more: it is dead, or has said so.

        Then its claims may be taken over.
        """
        ...

    def watch(self, incarnation: str) -> None:
        """Begin to observe a foreign incarnation; `deaths` tells of its end."""
        ...

    def deaths(self) -> AsyncIterator[str]:
        """Yield watched incarnations as they are found dead."""
        ...


class Clock(Protocol):
    """Time and random values."""

    def now(self) -> datetime:
        """Aware UTC by this machine's clock."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...

    def token(self) -> str:
        """A random name of 16 hex digits."""
        ...

    def is_trusted(self) -> bool:
        """False while this clock and the API server's are too far apart to fire timers."""
        ...


WORKFLOW_DEFINITIONS = Resource(
    group="perdure.dev", version="v1alpha1", plural="workflowdefinitions", kind="WorkflowDefinition"
)
WORKFLOW_INSTANCES = Resource(
    group="perdure.dev", version="v1alpha1", plural="workflowinstances", kind="WorkflowInstance"
)
WORKFLOW_EVENTS = Resource(
    group="perdure.dev", version="v1alpha1", plural="workflowevents", kind="WorkflowEvent"
)
WORKFLOW_HISTORIES = Resource(
    group="perdure.dev", version="v1alpha1", plural="workflowhistories", kind="WorkflowHistory"
)
WORKFLOW_LOGS = Resource(
    group="perdure.dev", version="v1alpha1", plural="workflowlogs", kind="WorkflowLog"
)
CONTROLLER_REVISIONS = Resource(
    group="apps", version="v1", plural="controllerrevisions", kind="ControllerRevision"
)
SERVICES = Resource(group="", version="v1", plural="services", kind="Service")
LEASES = Resource(group="coordination.k8s.io", version="v1", plural="leases", kind="Lease")
