"""Instances of one quick step, one after the other: how long each takes while others suffer."""

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from datetime import datetime

from tests.e2e.world import World, call

EVERY_SECONDS = 0.25
LATE_SECONDS = 1.0
DEFINITION = "canary"
PATH = "/canary"


@dataclass(frozen=True, slots=True)
class Delays:
    """Seconds from before each creation to the end in the history, sorted."""

    seconds: list[float]
    late: list[tuple[str, float]]
    """Names and delays of those over a second."""

    def at(self, share: float) -> float:
        return self.seconds[min(int(len(self.seconds) * share), len(self.seconds) - 1)]

    def __str__(self) -> str:
        return (
            f"{len(self.seconds)} canaries: p50 {self.at(0.5):.3f} s, p99 {self.at(0.99):.3f} s, "
            f"max {self.seconds[-1]:.3f} s; late: {self.late}"
        )


@dataclass(slots=True)
class Canaries:
    """Sends them until told to stop."""

    world: World
    created: dict[str, float] = field(default_factory=dict)
    _task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self.world.define(DEFINITION, call("ask", PATH))
        self._task = asyncio.create_task(self._send())

    async def _send(self) -> None:
        while True:
            name = f"canary-{len(self.created)}"
            self.created[name] = time.time()  # noqa: TID251 - compared with the history
            await self.world.start(name, DEFINITION)
            await asyncio.sleep(EVERY_SECONDS)

    async def stop(self) -> Delays:
        """Send no more; return the delays when all have succeeded."""
        task = self._task
        assert task is not None, "started"
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        delays: dict[str, float] = {}
        for name, began in self.created.items():
            found = await self.world.api.find(self.world.path("WorkflowInstance", name))
            if found is None:
                continue  # stopped between the note and the call
            found = await self.world.succeeded(name)
            ended = datetime.fromisoformat(found["status"]["completedAt"])
            delays[name] = ended.timestamp() - began
        late = [(name, round(delay, 3)) for name, delay in delays.items() if delay > LATE_SECONDS]
        return Delays(sorted(delays.values()), late)
