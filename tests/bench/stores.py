"""Both stores under the same loads, one after the other on one cluster: ratios and counts.

`python -m tests.bench.stores [--quick]`; the figures are added to build/stores.json.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, replace

from tests.bench.figures import Figures, percentile
from tests.bench.workflows import Endings, definition_of_calls, instance, is_ready, path_of, say
from tests.cluster.api import Api
from tests.cluster.cluster import Cluster
from tests.cluster.control_plane import ROOT
from tests.cluster.identities import SERVICE_ACCOUNT_USER
from tests.e2e.operators import OperatorProcess
from tests.e2e.services import LedgerService

LANES = 3
STORES = ("patches", "log")
GUARD_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Load:
    """So many runs of so many calls in sequence, so many of them in flight at once."""

    name: str
    steps: int
    runs: int
    in_flight: int
    aim: float
    """At least so many times the runs per second of the patches; 0 where latency counts."""


LOADS = (
    Load("alone", 5, 20, 1, 0),
    Load("five-at-30", 5, 400, 30, 1.5),
    Load("five-at-350", 5, 1400, 350, 2.2),
    Load("fifteen-at-100", 15, 300, 100, 2.5),
)


class Stores:
    """One run of every load by an operator with each store."""

    def __init__(
        self, cluster: Cluster, api: Api, service: LedgerService, loads: Sequence[Load]
    ) -> None:
        self._cluster, self._api, self._loads = cluster, api, loads
        self._url = service.url
        self.figures = Figures()

    async def run(self) -> None:
        """Measure everything."""
        for store in STORES:
            with self._operator(store) as operator:
                for load in self._loads:
                    say(f"{load.name} by {store}")
                    await self._measure(store, load, operator)
        for load in self._loads:
            self._compare(load)

    @contextmanager
    def _operator(self, store: str) -> Iterator[OperatorProcess]:
        lanes = LANES if store == "log" else None
        services = {"bench": self._url}
        operator = OperatorProcess(self._cluster, f"bench-{store}", services=services, lanes=lanes)
        with operator:
            yield operator
            operator.stop()

    async def _measure(self, store: str, load: Load, operator: OperatorProcess) -> None:
        namespace = f"{load.name}-{store}"
        self._cluster.create_namespace(namespace)
        await self._define(namespace, load.steps)
        runs = load.runs
        offset, server, own = self._cluster.audit.end(), self._server_cpu(), operator.cpu_seconds
        began = time.monotonic()
        async with Endings(self._api, namespace) as endings:
            took = await self._keep_in_flight(namespace, load, runs, endings)
        seconds = time.monotonic() - began
        self._add(store, load, "runs", runs / seconds, "1/s")
        self._add(store, load, "p50", percentile(took, 0.5) * 1000, "ms")
        self._add(store, load, "server_cpu", (self._server_cpu() - server) / runs * 1000, "ms/run")
        cpu = (operator.cpu_seconds - own) / runs / load.steps * 1000
        self._add(store, load, "operator_cpu", cpu, "ms/step")
        writes = self._cluster.audit.writes(SERVICE_ACCOUNT_USER, offset)
        for resource in ("workflowinstances", "workflowlogs"):
            count = sum(write.resource == resource for write in writes)
            self._add(store, load, resource, count / runs, "writes/run")

    def _add(self, store: str, load: Load, what: str, value: float, unit: str) -> None:
        self.figures.add(f"{load.name}.{store}.{what}", value, unit)

    def _compare(self, load: Load) -> None:
        def ratio(what: str) -> float:
            ours, theirs = (
                self.figures.value(f"{load.name}.{s}.{what}") for s in ("log", "patches")
            )
            return ours / theirs

        aim = f"at least {load.aim}" if load.aim else "latency: at most 1.1"
        what = "runs" if load.aim else "p50"
        self.figures.add(f"{load.name}.ratio.{what}", ratio(what), "×", aim)
        self.figures.add(f"{load.name}.ratio.server_cpu", ratio("server_cpu"), "×", "per run")

    async def _define(self, namespace: str, steps: int) -> None:
        definition = definition_of_calls("calls", steps)
        await self._api.create(path_of(namespace, "workflowdefinitions"), definition)
        path = path_of(namespace, "workflowdefinitions", "calls")
        await self._api.wait_for(path, is_ready, "the definition to be ready")

    async def _keep_in_flight(
        self, namespace: str, load: Load, runs: int, endings: Endings
    ) -> list[float]:
        """Run so many instances, so many at once; return the seconds that each took."""
        places, began = asyncio.Semaphore(load.in_flight), dict[str, float]()
        took: list[float] = []

        async def refill() -> None:
            seen: set[str] = set()
            while len(seen) < runs:
                await endings.wait_for(len(seen) + 1, GUARD_SECONDS)
                for name in set(endings.ended) - seen:
                    seen.add(name)
                    took.append(time.monotonic() - began[name])
                    places.release()

        refilling = asyncio.create_task(refill())
        creating: set[asyncio.Task[object]] = set()
        for number in range(runs):
            await places.acquire()
            name = f"r{number}"
            began[name] = time.monotonic()
            path = path_of(namespace, "workflowinstances")
            task = asyncio.create_task(self._api.create(path, instance(name, "calls")))
            creating.add(task)
            task.add_done_callback(creating.discard)
        await refilling
        return took

    def _server_cpu(self) -> float:
        """Return the processor seconds that the API server has used."""
        pid = self._cluster.status()["apiserver"]
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure(loads: Sequence[Load]) -> Figures:
    """Run the loads on a cluster of their own."""
    cluster = Cluster(f"stores-{os.getpid()}", say)
    try:
        cluster.up()
        cluster.apply_crds()
        async with AsyncExitStack() as stack:
            service = stack.enter_context(LedgerService("bench"))
            api = await stack.enter_async_context(cluster.api())
            stores = Stores(cluster, api, service, loads)
            await stores.run()
            return stores.figures
    finally:
        cluster.down()


def main() -> None:
    """Parse, measure, show, write."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.stores", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of it, to try the bench")
    parser.add_argument("--load", action="append", choices=[load.name for load in LOADS])
    options = parser.parse_args()
    loads = [load for load in LOADS if not options.load or load.name in options.load]
    if options.quick:
        loads = [replace(each, runs=max(each.runs // 10, each.in_flight)) for each in loads]
    figures = asyncio.run(measure(loads))
    figures.show()
    figures.write(ROOT / "build" / "stores.json")


if __name__ == "__main__":
    main()
