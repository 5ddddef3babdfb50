"""What the contract suites need of the world around a port: where objects come from."""

from datetime import UTC, datetime, timedelta
from typing import Protocol

from perdure.engine.events import (
    ActivityCompleted,
    ActivityScheduled,
    Claim,
    Ending,
    HistoryEvent,
    InstanceEnded,
    InstanceStarted,
    Purpose,
    Revision,
    TimerCreated,
)
from perdure.engine.recorder import Recorder
from perdure.engine.values import Json, JsonObject
from perdure.ports import (
    CommitOutcome,
    Committed,
    HistoryStore,
    InstanceKey,
    Observed,
    Snapshot,
    Turn,
)

NOW = datetime(2026, 1, 1, 12, 0, 0, 250_000, tzinfo=UTC)


class World(Protocol):
    """Instances as their users handle them, and stores as processes have them."""

    def store(self) -> HistoryStore:
        """Return a store with nothing cached, as another process would have it."""
        ...

    async def create(self, name: str, **spec: Json) -> InstanceKey:
        """Create an instance."""
        ...

    async def edit(self, key: InstanceKey, **spec: Json) -> None:
        """Change fields of its spec; its generation grows."""
        ...

    async def body(self, key: InstanceKey) -> JsonObject:
        """Return the object as a watch would."""
        ...

    async def remove(self, key: InstanceKey) -> None:
        """Delete the instance."""
        ...


def started(steps: int = 5, **values: Json) -> InstanceStarted:
    """Return the acceptance of an instance; `values` are its input."""
    return InstanceStarted(
        definition="order",
        revision=Revision(name="order-1", digest="d" * 64),
        input=dict(values),
        steps=steps,
    )


def scheduled(path: str, request: Json = None) -> ActivityScheduled:
    return ActivityScheduled(
        path=path,
        kind="http",
        attempt=1,
        claim=Claim(delivery=1, incarnation="perdure-0-1f2e", claim_id="0123456789abcdef"),
        request=request,
    )


def completed(scheduled_id: int, output: Json = None) -> ActivityCompleted:
    return ActivityCompleted(scheduled_id=scheduled_id, output=output)


def ended(output: Json = None) -> InstanceEnded:
    return InstanceEnded(ending=Ending.SUCCEEDED, output=output)


def timer(path: str, **delay: float) -> TimerCreated:
    return TimerCreated(path=path, purpose=Purpose.WAIT, fire_at=NOW + timedelta(**delay))


def turn(
    base: Snapshot,
    *events: HistoryEvent,
    commit_id: str = "c1",
    at: datetime = NOW,
    observed: Observed | None = None,
) -> Turn:
    """Return the turn that decides these events (they get their ids and times)."""
    recorder = Recorder(base.state, at)
    for event in events:
        recorder.add(event)
    return Turn(
        base=base,
        commit_id=commit_id,
        events=tuple(recorder.events),
        state=recorder.state,
        observed=observed or Observed(),
    )


async def loaded(store: HistoryStore, key: InstanceKey) -> Snapshot:
    snapshot = await store.load(key, fresh=True)
    assert snapshot is not None, f"{key.name} exists"
    return snapshot


async def outcome_of(store: HistoryStore, decided: Turn) -> CommitOutcome:
    (outcome,) = await store.commit([decided])
    return outcome


async def committed(
    store: HistoryStore,
    base: Snapshot,
    *events: HistoryEvent,
    commit_id: str = "c1",
    at: datetime = NOW,
) -> Snapshot:
    outcome = await outcome_of(store, turn(base, *events, commit_id=commit_id, at=at))
    assert isinstance(outcome, Committed), outcome
    return outcome.snapshot
