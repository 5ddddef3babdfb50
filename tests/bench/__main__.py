"""`python -m tests.bench [--quick]`: measure, print the table, write build/bench.json."""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

from tests.bench.figures import Figures, percentile
from tests.bench.raw import raw_patch_rate
from tests.bench.workflows import (
    STEPS,
    Endings,
    definition_of_calls,
    definition_of_waiting,
    instance,
    is_ready,
    path_of,
    say,
)
from tests.cluster.api import JSON_PATCH, Api, Object
from tests.cluster.audit import AuditRecord
from tests.cluster.cluster import Cluster
from tests.cluster.control_plane import ROOT
from tests.cluster.identities import SERVICE_ACCOUNT_USER
from tests.e2e.operators import OperatorProcess
from tests.e2e.services import LedgerService

MIB = 2**20
CREATORS = 32


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is run."""

    alone: int
    loaded: int
    in_flight: int
    waiting: int
    raw_seconds: float


FULL = Sizes(alone=20, loaded=300, in_flight=30, waiting=5000, raw_seconds=8.0)
QUICK = Sizes(alone=5, loaded=60, in_flight=30, waiting=500, raw_seconds=2.0)


class Bench:
    """One run: a cluster, an operator, a service, and the figures that come of it."""

    def __init__(self, cluster: Cluster, api: Api, service: LedgerService, sizes: Sizes) -> None:
        self.cluster = cluster
        self.api = api
        self.sizes = sizes
        self.figures = Figures()
        self.operator = OperatorProcess(cluster, "bench", services={"bench": service.url})

    async def run(self) -> None:
        """Measure everything, in an order in which nothing disturbs what follows."""
        self.cluster.create_namespace("bench-raw")
        rate = await raw_patch_rate(self.api, "bench-raw", self.sizes.raw_seconds)
        self.figures.add("raw.status_patches", rate, "1/s", "32 at once, no operator")
        self.figures.add("start.empty", self.operator.start(), "s", "to ready, nothing there")
        await self._alone()
        await self._loaded()
        await self._waiting()
        self.operator.stop()

    async def _alone(self) -> None:
        say("one instance at a time")
        namespace = await self._namespace("bench-alone", definition_of_calls("calls"))
        start = self.cluster.audit.end()
        took: list[float] = []
        async with Endings(self.api, namespace) as endings:
            for number in range(self.sizes.alone):
                began = time.monotonic()
                await self._create(namespace, f"a{number}", "calls")
                await endings.wait_for(number + 1, 60)
                took.append((time.monotonic() - began) / STEPS * 1000)
        writes = self._writes(namespace, start)
        patches = len(writes) / self.sizes.alone
        self.figures.add("alone.writes", patches, "writes/instance", f"{STEPS} calls; at most 7")
        self.figures.add("alone.step_p50", percentile(took, 0.5), "ms", "create to end seen, ÷ 5")
        self.figures.add("alone.step_p99", percentile(took, 0.99), "ms", "the same")

    async def _loaded(self) -> None:
        say(f"{self.sizes.loaded} instances, {self.sizes.in_flight} in flight")
        namespace = await self._namespace("bench-loaded", definition_of_calls("calls"))
        start, cpu = self.cluster.audit.end(), self.operator.cpu_seconds
        began = time.monotonic()
        async with Endings(self.api, namespace) as endings:
            await self._keep_in_flight(namespace, endings)
        seconds = time.monotonic() - began
        count = self.sizes.loaded
        cpu = (self.operator.cpu_seconds - cpu) * 1000 / count / STEPS
        writes = self._writes(namespace, start)
        raw = self.figures.value("raw.status_patches")
        self.figures.add("loaded.workflows", count / seconds, "1/s", f"{STEPS} calls each")
        self.figures.add("loaded.writes", len(writes) / count, "writes/instance", "at most 7")
        rate = len(writes) / seconds
        self.figures.add("loaded.status_patches", rate, "1/s", f"raw: {raw:.0f}")
        self.figures.add("loaded.share_of_raw", rate / raw * 100, "%", "at least 50")
        self.figures.add("loaded.operator_cpu", cpu, "ms/step", "call included")

    async def _keep_in_flight(self, namespace: str, endings: Endings) -> None:
        slots = asyncio.Semaphore(self.sizes.in_flight)

        async def refill() -> None:
            done = 0
            while done < self.sizes.loaded:
                await endings.wait_for(done + 1, 120)
                while done < len(endings.ended):
                    done += 1
                    slots.release()

        refilling = asyncio.create_task(refill())
        for number in range(self.sizes.loaded):
            await slots.acquire()
            await self._create(namespace, f"l{number}", "calls")
        await refilling

    async def _waiting(self) -> None:
        count = self.sizes.waiting
        say(f"{count} waiting instances")
        namespace = await self._namespace("bench-waiting", definition_of_waiting("waits"))
        self.operator.stop()
        self.operator.start()
        idle = self.operator.rss_bytes
        async with Endings(self.api, namespace) as endings:
            numbers = iter(range(count))
            await asyncio.gather(*(self._creator(namespace, numbers) for _ in range(CREATORS)))
            await endings.wait_running(count, 300)
            self.figures.add("waiting.operator_idle", idle / MIB, "MiB", "nothing live")
            grown = (self.operator.rss_bytes - idle) / MIB
            self.figures.add("waiting.grown", grown, "MiB", f"{count} accepted; at most 100")
            await self._quiet()
            await self._restart(namespace, endings)
        grown = (self.operator.rss_bytes - idle) / MIB
        self.figures.add("waiting.after_restart", grown, "MiB", f"{count} waiting; at most 100")

    async def _quiet(self) -> None:
        seconds = 60.0 if self.sizes is FULL else 10.0
        start = self.cluster.audit.end()
        await asyncio.sleep(seconds)  # the measurement itself: nothing may be written meanwhile
        writes = [w for w in self._all_writes(start) if w.resource != "leases"]
        self.figures.add("waiting.writes", len(writes), "writes", f"in {seconds:.0f} s, no Lease")

    async def _restart(self, namespace: str, endings: Endings) -> None:
        self.operator.kill()
        began = time.monotonic()
        self.operator.spawn()
        path = path_of(namespace, "workflowinstances", "w0")
        event = {"id": "e", "name": "go", "data": {"by": "bench"}}
        operations = [{"op": "add", "path": "/spec/events/-", "value": event}]
        await self.api.patch(path, operations, JSON_PATCH)
        await endings.wait_for(1, 120)
        seconds = time.monotonic() - began
        self.figures.add("waiting.restart", seconds, "s", "SIGKILL to an event acted on; 20")
        self.operator.wait_ready()

    # --- small things -----------------------------------------------------------------------

    async def _namespace(self, name: str, definition: Object) -> str:
        self.cluster.create_namespace(name)
        created = await self.api.create(path_of(name, "workflowdefinitions"), definition)
        path = path_of(name, "workflowdefinitions", created["metadata"]["name"])
        await self.api.wait_for(path, is_ready, "the definition to be ready")
        return name

    async def _create(self, namespace: str, name: str, definition: str) -> None:
        path = path_of(namespace, "workflowinstances")
        await self.api.create(path, instance(name, definition))

    async def _creator(self, namespace: str, numbers: Iterator[int]) -> None:
        for number in numbers:
            await self._create(namespace, f"w{number}", "waits")

    def _writes(self, namespace: str, start: int) -> list[AuditRecord]:
        """Return what the operator wrote in a namespace, recipes and revisions aside."""
        return [
            record
            for record in self._all_writes(start)
            if record.namespace == namespace and record.resource == "workflowinstances"
        ]

    def _all_writes(self, start: int) -> list[AuditRecord]:
        return self.cluster.audit.writes(SERVICE_ACCOUNT_USER, start)


async def measure(sizes: Sizes) -> Figures:
    """Run the bench on a cluster of its own."""
    cluster = Cluster(f"bench-{os.getpid()}", say)
    try:
        cluster.up()
        cluster.apply_crds()
        async with AsyncExitStack() as stack:
            service = stack.enter_context(LedgerService("bench"))
            api = await stack.enter_async_context(cluster.api())
            bench = Bench(cluster, api, service, sizes)
            stack.callback(bench.operator.kill)
            await bench.run()
            return bench.figures
    finally:
        cluster.down()


def main() -> None:
    """Parse, measure, show, write."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of it, to try the bench")
    sizes = QUICK if parser.parse_args().quick else FULL
    figures = asyncio.run(measure(sizes))
    figures.show()
    figures.write(ROOT / "build" / "bench.json")


if __name__ == "__main__":
    main()
