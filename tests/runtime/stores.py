"""An in-memory history store with the conflict semantics of the real one, and scripted outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from perdure.engine.events import HistoryEvent
from perdure.engine.fold import replay
from perdure.engine.state import State
from perdure.engine.values import JsonObject
from perdure.errors import NotOwnedError
from perdure.ports import (
    CommitOutcome,
    Committed,
    Conflict,
    Controls,
    Gone,
    InstanceHint,
    InstanceKey,
    Observed,
    Snapshot,
    Turn,
)
from perdure.testing.clock import BEGINNING


@dataclass
class Instance:
    """One instance as the API server holds it."""

    snapshot: Snapshot
    history: list[HistoryEvent] = field(default_factory=list)
    stalls: list[str] = field(default_factory=list)


class MemoryStore:
    """Implements HistoryStore. `script` gives the outcomes of the next commits.

    A commit with such an outcome is not made; None lets it happen, and ("lost", outcome) makes it
    and answers something else.
    """

    def __init__(self) -> None:
        self.instances: dict[InstanceKey, Instance] = {}
        self.script: list[CommitOutcome | tuple[str, CommitOutcome] | None] = []
        self.commits: list[Turn] = []
        self.loads: list[bool] = []
        self.held: dict[InstanceKey, Snapshot] = {}
        self.before_commit: list[Any] = []
        """Called, one per commit, before it is judged: what others do meanwhile."""
        self.foreign: set[str] = set()
        """Uids of instances that another process moves."""
        self.hidden: set[str] = set()
        """Uids of instances of which no status will show the commits."""

    def create(self, **controls: object) -> InstanceKey:
        """Create an instance; `controls` are fields of Controls."""
        name = "order-1"
        uid = f"0b7d3c1e-5a64-4f0e-9a38-{len(self.instances):012d}"
        key = InstanceKey("shop", name, uid)
        self.instances[key] = Instance(
            Snapshot(
                key=key,
                version=1,
                rev=None,
                generation=1,
                observed_generation=0,
                is_deleting=False,
                created_at=BEGINNING,
                annotations={},
                controls=Controls(definition="order", **controls),  # type: ignore[arg-type]  # its fields
                state=State(uid=uid, namespace="shop", name=name),
                observed=Observed(),
                store_data=None,
            )
        )
        return key

    def edit(self, key: InstanceKey, **controls: object) -> None:
        """Change the spec as its user does: the generation grows."""
        instance = self.instances[key]
        instance.snapshot = replace(
            instance.snapshot,
            version=instance.snapshot.version + 1,
            generation=instance.snapshot.generation + 1,
            controls=replace(instance.snapshot.controls, **controls),  # type: ignore[arg-type]  # its fields
        )

    def touch(self, key: InstanceKey, **fields: object) -> None:
        """Change other fields of the object."""
        instance = self.instances[key]
        version = instance.snapshot.version + 1
        instance.snapshot = replace(instance.snapshot, version=version, **fields)  # type: ignore[arg-type]  # its fields

    def remove(self, key: InstanceKey) -> None:
        """Delete the object."""
        del self.instances[key]

    def now(self, key: InstanceKey) -> Snapshot:
        """Return the instance as it stands."""
        return self.instances[key].snapshot

    def types(self, key: InstanceKey) -> list[str]:
        """Return the kinds of the events in its history."""
        return [type(event).__name__ for event in self.instances[key].history]

    # --- HistoryStore -------------------------------------------------------------------------

    def owns(self, uid: str) -> bool:
        return uid not in self.foreign

    async def shown(self, key: InstanceKey, rev: int) -> bool:
        return key.uid not in self.hidden

    async def load(self, key: InstanceKey, *, fresh: bool = False) -> Snapshot | None:
        self.loads.append(fresh)
        if key.uid in self.foreign:
            raise NotOwnedError("another process moves it")
        if not fresh and key in self.held:
            return self.held[key]
        instance = self.instances.get(key)
        if instance is None:
            return None
        self.held[key] = instance.snapshot
        return instance.snapshot

    async def commit(self, turns: Sequence[Turn]) -> list[CommitOutcome]:
        return [self._commit(turn) for turn in turns]

    def _commit(self, turn: Turn) -> CommitOutcome:
        self.commits.append(turn)
        if self.before_commit:
            self.before_commit.pop(0)()
        scripted = self.script.pop(0) if self.script else None
        if scripted is not None and not isinstance(scripted, tuple):
            return scripted
        outcome = self._judge(turn)
        return outcome if scripted is None else scripted[1]

    def _judge(self, turn: Turn) -> CommitOutcome:
        key = turn.base.key
        instance = self.instances.get(key)
        if instance is None:
            return Gone()
        now, base = instance.snapshot, turn.base
        moved = now.version != base.version if base.rev is None else now.rev != base.rev
        ends = turn.state.ended is not None and base.state.ended is None
        if moved or (ends and now.generation != base.generation):
            return Conflict()
        assert replay(now.state, turn.events) == turn.state, "the events lead to the state"
        instance.history += turn.events
        instance.snapshot = replace(
            now,
            version=now.version + 1,
            rev=(now.rev or 0) + 1,
            observed_generation=base.generation,
            state=turn.state,
            observed=turn.observed,
        )
        self.held[key] = instance.snapshot
        return Committed(instance.snapshot)

    async def stall(self, key: InstanceKey, reason: str, message: str) -> None:
        instance = self.instances.get(key)
        if instance is not None and reason not in instance.stalls:
            instance.stalls.append(reason)
            self.touch(key, observed=Observed(stalled=(reason, message)))

    def hint(self, body: JsonObject) -> InstanceHint | None:
        return None

    def forget(self, key: InstanceKey) -> None:
        self.held.pop(key, None)

    def removed(self, key: InstanceKey) -> None:
        self.forget(key)

    async def tidy(self) -> int:
        return 0


def hint_of(store: MemoryStore, key: InstanceKey, **fields: object) -> InstanceHint:
    """Return what a watch would tell of the instance now."""
    now = store.now(key)
    state = now.state
    told: dict[str, object] = {
        "key": key,
        "version": now.version,
        "rev": now.rev,
        "generation": now.generation,
        "observed_generation": now.observed_generation,
        "phase": "Pending" if state.ended is None else state.ended.ending.value,
        "definition": "order",
        "wake_at": None,
        "start_at": None,
        "created_at": now.created_at,
        "completed_at": None if state.ended is None else state.ended.at,
        "is_finished": state.ended is not None,
        "is_deleting": now.is_deleting,
        "has_calls": bool(state.activities),
        "size": 1000,
        "retention": {},
        "annotations": {},
    }
    return InstanceHint(**{**told, **fields})  # type: ignore[arg-type]  # its fields
