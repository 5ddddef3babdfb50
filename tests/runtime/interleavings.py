"""Every order in which the calls of two processes can reach one API server, one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from itertools import count

import orjson
from tests.contract.memory_transport import MemoryTransport

from perdure.engine.values import JsonObject
from perdure.kubernetes.client import ApiClient, ClientLimits
from perdure.kubernetes.connection import FixedToken
from perdure.kubernetes.objects import ApiObjects
from perdure.kubernetes.responses import Response
from perdure.kubernetes.transport import Call
from perdure.ports import Resource
from perdure.testing import VirtualClock
from perdure.testing.apiserver import ApiServer, Request

NAMESPACE = "shop"


class Place:
    """An API server in memory, with a namespace and a clock."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        numbers = count(1)
        self.server = ApiServer(now=self.clock.now, uid=lambda *_: f"uid-{next(numbers)}")
        body = orjson.dumps({"metadata": {"name": NAMESPACE}})
        request = Request("POST", "/api/v1/namespaces", {}, body, "application/json", "tests")
        assert self.server.handle(request).status == 201

    def objects(self, gate: Gate | None = None) -> ApiObjects:
        """Return a client; before each of its calls it waits at the gate."""
        transport = MemoryTransport(self.server) if gate is None else Gated(self.server, gate)
        return ApiObjects(ApiClient(transport, FixedToken("tests"), self.clock, ClientLimits()))

    async def all(self, resource: Resource) -> Mapping[str, JsonObject]:
        """Return the objects of a kind by name."""
        found: dict[str, JsonObject] = {}
        for body in await self.objects().list(resource, NAMESPACE):
            assert isinstance(body["metadata"], dict)
            found[str(body["metadata"]["name"])] = body
        return found


class Gate:
    """Where a process stands before its next call; after `limit` calls it stands there for good."""

    def __init__(self, limit: int | None = None) -> None:
        self._limit = limit
        self._passed = 0
        self._waiting: asyncio.Future[None] | None = None
        self._arrived = asyncio.Event()

    @property
    def is_shut(self) -> bool:
        """Whether the process has made its last call: it is as good as dead."""
        return self._passed == self._limit

    async def wait(self) -> None:
        """Stand here until let go."""
        self._waiting = asyncio.get_running_loop().create_future()
        self._arrived.set()
        await self._waiting

    async def arrival(self) -> None:
        """Wait until somebody stands here."""
        await self._arrived.wait()

    def let_go(self) -> None:
        """Let the next call be made."""
        assert self._waiting is not None, "nobody stands at the gate"
        self._passed += 1
        waiting, self._waiting = self._waiting, None
        self._arrived.clear()
        waiting.set_result(None)


class Gated(MemoryTransport):
    """A transport with a gate before each request."""

    def __init__(self, server: ApiServer, gate: Gate) -> None:
        super().__init__(server)
        self._gate = gate

    async def exchange(self, call: Call, token: str | None, *, is_urgent: bool) -> Response:
        await self._gate.wait()
        return await super().exchange(call, token, is_urgent=is_urgent)


class Side:
    """One process at work; `step` lets it make one call and go on to the next."""

    def __init__(self, gate: Gate, work: Coroutine[None, None, object]) -> None:
        self._gate = gate
        self._task = asyncio.ensure_future(work)

    @property
    def can_go_on(self) -> bool:
        return not self._task.done() and not self._gate.is_shut

    async def step(self) -> None:
        self._gate.let_go()
        await self.settle()

    async def settle(self) -> None:
        """Wait until it stands before its next call, or has ended. Raises what it raised."""
        arrival = asyncio.ensure_future(self._gate.arrival())
        await asyncio.wait({self._task, arrival}, return_when=asyncio.FIRST_COMPLETED)
        arrival.cancel()
        if self._task.done():
            self._task.result()

    async def end(self) -> None:
        """Let it make whatever calls are left."""
        while self.can_go_on:
            await self.step()

    async def kill(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@asynccontextmanager
async def at_work(*sides: Side) -> AsyncIterator[None]:
    """Bring processes to their first call; afterwards nothing is left of them."""
    try:
        for side in sides:
            await side.settle()
        yield
    finally:
        for side in sides:
            await side.kill()


async def every_order(run: Callable[[Order], Awaitable[None]]) -> int:
    """Call `run` with every order there is, depth first; return how many there were."""
    done, chosen = 0, [0]
    while chosen:
        order = Order(chosen)
        await run(order)
        done += 1
        chosen = order.next_choices()
    return done


class Order:
    """Who is next, call by call: as chosen, and after that always the first who can go on."""

    def __init__(self, chosen: list[int]) -> None:
        self._chosen = chosen
        self._taken: list[tuple[int, int]] = []

    async def follow(self, *sides: Side) -> None:
        """Let the processes make their calls, one after the other, until none can go on."""
        while able := [side for side in sides if side.can_go_on]:
            step = len(self._taken)
            choice = self._chosen[step] if step < len(self._chosen) else 0
            self._taken.append((choice, len(able)))
            await able[choice].step()

    def next_choices(self) -> list[int]:
        """Return the choices of the next order; none after the last."""
        taken = list(self._taken)
        while taken:
            choice, able = taken.pop()
            if choice + 1 < able:
                return [*(before for before, _ in taken), choice + 1]
        return []
