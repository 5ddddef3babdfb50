"""A store on the log whose lanes are scripted, over instances in an API server in memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from tests.contract.worlds import turn
from tests.kubernetes.clocks import InstantClock
from tests.kubernetes.instances import ApiServerWorld
from tests.kubernetes.log.owners import Owned, Pen

from perdure.engine.events import HistoryEvent
from perdure.engine.values import JsonObject
from perdure.errors import PerdureError
from perdure.kubernetes.client import ApiClient
from perdure.kubernetes.instances import rev_of
from perdure.kubernetes.log.reflection import Reflection
from perdure.kubernetes.log.statuses import Later, Statuses
from perdure.kubernetes.log.statuses import Outcome as StatusOutcome
from perdure.kubernetes.log.store import LogStore
from perdure.kubernetes.objects import ApiObjects
from perdure.lanes.entry import LoggedTurn
from perdure.lanes.settling import Outcome, Stands
from perdure.ports import (
    CommitOutcome,
    Committed,
    InstanceKey,
    Observed,
    Resource,
    Snapshot,
    Turn,
)

Meanwhile = Callable[[], Awaitable[None]]


async def nothing() -> None:
    """What happens meanwhile, where nothing does."""


class MetObjects(ApiObjects):
    """`meanwhile` happens after each creation, `on_read` after each read; creations that fail meet
    `failing`."""

    def __init__(self, client: ApiClient) -> None:
        super().__init__(client)
        self.meanwhile: Meanwhile = nothing
        self.on_read: Meanwhile = nothing
        self.failing: PerdureError | None = None

    async def create(self, resource: Resource, namespace: str, body: JsonObject) -> JsonObject:
        if self.failing is not None:
            raise self.failing
        created = await super().create(resource, namespace, body)
        await self.meanwhile()
        return created

    async def get(self, resource: Resource, namespace: str, name: str) -> JsonObject:
        body = await super().get(resource, namespace, name)
        await self.on_read()
        return body


class ScriptedWrites:
    """The Writes port. Each turn meets the next outcome, or stands; `meanwhile` comes before."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.submitted: list[LoggedTurn] = []
        self.shows: list[tuple[str, int]] = []
        self.are_gone: list[str] = []
        self.meanwhile: Meanwhile = nothing

    async def submit(self, turn: LoggedTurn) -> Outcome:
        self.submitted.append(turn)
        await self.meanwhile()
        return self.outcomes.pop(0) if self.outcomes else Stands("nonce")

    def shown(self, uid: str, rev: int) -> None:
        self.shows.append((uid, rev))

    def gone(self, uid: str) -> None:
        self.are_gone.append(uid)


@dataclass
class Office:
    """A store that owns lane 0 of `lanes`, and what it has asked for."""

    world: ApiServerWorld
    lanes: int = 1
    wanted: list[tuple[str, float]] = field(default_factory=list)
    news: list[InstanceKey] = field(default_factory=list)
    suspects: list[InstanceKey] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pen = Pen(self.world)
        self.objects = MetObjects(self.world.client)
        self.writes = ScriptedWrites()
        clock = InstantClock()
        self._statuses = Statuses(self.objects, clock)
        self.store = LogStore(
            self.objects,
            clock,
            self.lanes,
            self.writes,
            wants=lambda uid, seconds: self.wanted.append((uid, seconds)),
            news=self.news.append,
            suspects=lambda: self.suspects,
        )
        self.adopt()

    # --- lanes ------------------------------------------------------------------------------

    def adopt(self, turns: Iterable[LoggedTurn] = ()) -> None:
        """Own lane 0, in which these turns stand."""
        self.store.adopt(0, 0, turns)

    def readopt(self) -> None:
        """Lose lane 0 and own it again, with every turn that was submitted."""
        self.store.lose(0)
        self.adopt(self.writes.submitted)

    # --- instances --------------------------------------------------------------------------

    async def owned(self, name: str = "order") -> Owned:
        """Return an instance that was just created."""
        return await self.pen.owned(name)

    async def base(self, name: str = "order") -> Snapshot:
        """Create an instance, and load it."""
        return await self.load((await self.owned(name)).key)

    async def load(self, key: InstanceKey, *, fresh: bool = False) -> Snapshot:
        snapshot = await self.store.load(key, fresh=fresh)
        assert snapshot is not None, f"{key.name} exists"
        return snapshot

    async def commit(
        self, base: Snapshot, *events: HistoryEvent, observed: Observed | None = None
    ) -> CommitOutcome:
        return await self.outcome(turn(base, *events, observed=observed))

    async def outcome(self, decided: Turn) -> CommitOutcome:
        (outcome,) = await self.store.commit([decided])
        return outcome

    async def committed(
        self, base: Snapshot, *events: HistoryEvent, observed: Observed | None = None
    ) -> Snapshot:
        outcome = await self.commit(base, *events, observed=observed)
        assert isinstance(outcome, Committed), outcome
        return outcome.snapshot

    # --- statuses ---------------------------------------------------------------------------

    def reflection(self, key: InstanceKey) -> Reflection:
        reflection = self.store.shelf.take(key.uid)
        assert reflection is not None, f"something of {key.name} is to be shown"
        return reflection

    async def write(self, reflection: Reflection) -> StatusOutcome:
        """Write a status; the store is told of it later."""
        outcome = await self._statuses.write(reflection)
        assert not isinstance(outcome, Later), outcome
        return outcome

    async def show(self, key: InstanceKey) -> StatusOutcome:
        """Write what is to be shown, as the reflector does, and tell the store."""
        outcome = await self.write(self.reflection(key))
        self.store.shelf.told(key.uid, outcome)
        return outcome

    async def shown_rev(self, key: InstanceKey) -> int | None:
        """Return the rev of the status."""
        return rev_of(await self.world.body(key))

    def wants(self) -> list[float]:
        """Return within how many seconds statuses were wanted since the last look."""
        wants = [seconds for _, seconds in self.wanted]
        self.wanted.clear()
        return wants
