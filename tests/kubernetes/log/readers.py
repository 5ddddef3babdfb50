"""A reader of instances in an API server in memory, whose reads are counted and may be met."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from tests.contract.worlds import completed, scheduled, started
from tests.kubernetes.instances import ApiServerWorld
from tests.kubernetes.log.bodies import logged_turns
from tests.kubernetes.log.owners import Owned, Pen

from perdure.engine.values import JsonObject
from perdure.kubernetes.histories import Histories
from perdure.kubernetes.instances import Head, version_of
from perdure.kubernetes.loading import Known, Loaded, Loader
from perdure.kubernetes.log.holding import Held
from perdure.kubernetes.log.reading import LogReader
from perdure.kubernetes.objects import ApiObjects
from perdure.kubernetes.reading import Bodies
from perdure.lanes.entry import LoggedTurn
from perdure.lanes.ring import lane_of
from perdure.ports import InstanceKey, Snapshot

Meanwhile = Callable[[], Awaitable[None]]


async def nothing() -> None:
    """What happens meanwhile, where nothing does."""


class MetBodies(Bodies):
    """Counts reads by name; `meanwhile` happens between a read and its answer, once."""

    def __init__(self, world: ApiServerWorld) -> None:
        super().__init__(ApiObjects(world.client))
        self.reads: list[str] = []
        self.meanwhile: Meanwhile = nothing

    async def get(self, key: InstanceKey) -> JsonObject | None:
        self.reads.append(key.name)
        body = await super().get(key)
        meanwhile, self.meanwhile = self.meanwhile, nothing
        await meanwhile()
        return body


class MetLoader(Loader):
    """`meanwhile` happens while a history is loaded, once; `gate` holds all loads up."""

    def __init__(self, world: ApiServerWorld) -> None:
        super().__init__(Histories(ApiObjects(world.client)))
        self.meanwhile: Meanwhile = nothing
        self.gate = asyncio.Event()
        self.gate.set()
        self.waiting = 0

    async def load(self, key: InstanceKey, head: Head, known: Known | None) -> Loaded:
        loaded = await super().load(key, head, known)
        self.waiting += 1
        await self.gate.wait()
        meanwhile, self.meanwhile = self.meanwhile, nothing
        await meanwhile()
        return loaded


@dataclass
class Library:
    """A reader that owns nothing yet, and the world that it reads. `gone` are uids it was told."""

    world: ApiServerWorld
    lanes: int = 1
    gone: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pen = Pen(self.world)
        self.bodies, self.loader = MetBodies(self.world), MetLoader(self.world)
        self.shown: list[tuple[str, int]] = []
        self.reader = LogReader(
            self.bodies,
            self.loader,
            self.lanes,
            shown=lambda uid, rev: self.shown.append((uid, rev)),
            gone=self.gone.append,
        )

    async def running(self, name: str = "order") -> Owned:
        """Return an instance whose start a status shows."""
        owned = await self.pen.owned(name)
        owned.commit(started())
        await self.pen.show(owned)
        return owned

    async def in_lane(self, lane: int) -> Owned:
        """Return a running instance of a lane."""
        for number in range(100):
            owned = await self.running(f"order-{lane}-{number}")
            if lane_of(owned.key.uid, self.lanes) == lane:
                return owned
        raise AssertionError("a hash spreads")

    def adopt(self, since: int = 0, turns: Iterable[LoggedTurn] = (), lane: int = 0) -> None:
        self.reader.adopt(lane, since, turns)

    async def body(self, owned: Owned) -> JsonObject:
        return await self.world.body(owned.key)

    async def version(self, owned: Owned) -> int:
        return version_of(await self.body(owned))

    async def load(self, owned: Owned, *, fresh: bool = False) -> Snapshot:
        snapshot = await self.reader.load(owned.key, fresh=fresh)
        assert snapshot is not None, f"{owned.key.name} exists"
        return snapshot

    def held(self, owned: Owned) -> Held:
        held = self.reader.held(owned.key.uid)
        assert held is not None, f"{owned.key.name} is held"
        return held

    def waiter(self, owned: Owned, rev: int) -> asyncio.Future[bool]:
        """Return what is answered to who waits until a status of what is held shows `rev`."""
        waiter: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.held(owned).waiters.append((rev, waiter))
        return waiter

    def reads(self) -> int:
        """Return how many bodies were read since the last look."""
        count = len(self.bodies.reads)
        self.bodies.reads.clear()
        return count


def left_over(owned: Owned) -> list[LoggedTurn]:
    """Commit two more turns that no status shows; return them as they stand in the log."""
    owned.commit(scheduled("a"))
    owned.commit(completed(2))
    return logged_turns(owned)
