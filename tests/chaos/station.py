"""One operator with all that stands between it and the world: wire, exchange, clock, supervisor."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from types import TracebackType

from tests.chaos.clocks import WallClock
from tests.chaos.exchange import Exchange
from tests.chaos.mischief import Dice
from tests.chaos.sightings import Sightings
from tests.chaos.wire import Wire
from tests.cluster.cluster import Cluster
from tests.cluster.errors import ClusterError
from tests.cluster.kubeconfig import token_user, write_kubeconfig
from tests.e2e.operators import LOGS, OperatorProcess

STARTING_SECONDS = 90.0  # a start may meet an API server that is down, or a wire that is cut
PROBE_SECONDS = 1.0
UNHEALTHY_PROBES = 15  # in a row; about what the liveness probe of a pod allows


class Station:
    """An async context manager: proxies first, then the process; it ends in SIGKILL.

    `busy` is held by whoever does something to the process, so that no two do at once.
    """

    def __init__(
        self,
        cluster: Cluster,
        identity: str,
        namespace: str,
        services: Mapping[str, str],
        sightings: Sightings,
        seed: int,
    ) -> None:
        self.identity = identity
        self.busy = asyncio.Lock()
        self.clock = WallClock(LOGS / namespace / f"clock-{identity}")
        self.exchange = Exchange(cluster, identity, sightings, Dice(seed))
        self.deaths: list[str] = []
        """What ended the process when nobody of us did, or why its health had it restarted."""
        self.pardons = 0
        """How many ends are due to faults that make a process exit."""
        self._cluster, self._namespace, self._services = cluster, namespace, services

    async def __aenter__(self) -> "Station":
        self._stack = AsyncExitStack()
        await self._stack.__aenter__()
        await self._stack.enter_async_context(self.exchange)
        self.wire = await self._stack.enter_async_context(Wire(self.exchange.port))
        self.process = self._process()
        self._stack.callback(self.process.kill)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    def _process(self) -> OperatorProcess:
        layout = self._cluster.layout
        user = token_user(layout.root / "token")
        server = f"https://127.0.0.1:{self.wire.port}"
        write_kubeconfig(layout.kubeconfig(self.identity), server, layout.pki, user)
        return OperatorProcess(
            self._cluster,
            self.identity,
            self.identity,
            [self._namespace],
            self._services,
            environment=self.clock.environment,
        )

    async def start(self) -> None:
        """Start the process and wait until it is ready, however long its surroundings take."""
        await asyncio.to_thread(self.process.start, STARTING_SECONDS)

    async def supervise(self) -> None:
        """Start a process again that ended by itself, or whose health stays bad: as a kubelet."""
        bad = 0
        while True:
            await asyncio.sleep(PROBE_SECONDS)
            if self.busy.locked():
                bad = 0
                continue
            async with self.busy:
                if not self.process.is_running:
                    await self._revive(f"ended with {self.process.exit_code}")
                    continue
                status, text = await asyncio.to_thread(self.process.probe, "/healthz")
                bad = 0 if status == 200 else bad + 1
                if bad >= UNHEALTHY_PROBES:
                    bad = 0
                    await asyncio.to_thread(self.process.kill)
                    await self._revive(f"was unhealthy: {text}")

    async def _revive(self, why: str) -> None:
        if self.pardons:
            self.pardons -= 1
        else:
            self.deaths.append(f"{self.identity} {why}: {self.process.log_tail(3)}")
        self.process.spawn()

    async def ready(self, timeout_seconds: float) -> None:
        """Wait until the process is ready; raises ClusterError with the end of its log."""
        if not self.process.is_running:
            raise ClusterError(f"{self.identity} does not run: {self.process.log_tail()}")
        await asyncio.to_thread(self.process.wait_ready, timeout_seconds)
