"""What the trials with kills have in common: orders under way, witnesses, and the verdict."""

import argparse
import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.cluster.api import Api
from tests.cluster.cluster import Cluster
from tests.cluster.control_plane import remove
from tests.cluster.errors import ClusterError
from tests.e2e.history import dumps_of, events_path
from tests.e2e.operators import LOGS, OperatorProcess
from tests.e2e.orders import Client, Order, plan_orders, script_service
from tests.e2e.recorder import Recorder, record
from tests.e2e.services import LedgerService
from tests.e2e.verdict import Evidence, Kill, Verdict, judge

POLL_SECONDS = 0.05
CLEAN_SECONDS = 30.0

Report = Callable[[str], None]
Trial = Callable[[Cluster, str, argparse.Namespace, Report], Coroutine[None, None, Verdict]]


@dataclass(slots=True)
class Stage:
    """Orders under way in one namespace; a permit lets the client create one more instance."""

    namespace: str
    orders: list[Order]
    permits: asyncio.Semaphore
    service: LedgerService
    client: Client
    recorder: Recorder
    admin: Api
    tasks: list[asyncio.Task[None]]
    kills: list[Kill] = field(default_factory=list)

    async def until(self, holds: Callable[[], bool], what: str, timeout_seconds: float) -> None:
        """Wait for a condition.

        Raises ClusterError when its time is over, or when something has gone wrong for good.
        """
        deadline = time.monotonic() + timeout_seconds
        while not holds():
            self._check()
            if time.monotonic() > deadline:
                text = f"waited {timeout_seconds:g} s in vain for {what}; {self.progress()}"
                raise ClusterError(text)
            await asyncio.sleep(POLL_SECONDS)

    def _check(self) -> None:
        if self.recorder.faults:
            raise ClusterError("; ".join(self.recorder.faults[:5]))
        for task in self.tasks:
            if task.done():
                task.result()

    async def kill(self, operator: OperatorProcess) -> Kill:
        """Kill an operator and write down when, and what it was torn from."""
        open_requests = await asyncio.to_thread(self.service.in_flight)
        running, began = self.recorder.running, now()
        await asyncio.to_thread(operator.kill)
        kill = Kill(operator.identity, began, now(), open_requests, running)
        self.kills.append(kill)
        return kill

    def progress(self) -> str:
        return (
            f"created {self.client.created}, events raised {self.client.raised}, "
            f"running {self.recorder.running}, finished {self.recorder.finished} "
            f"of {len(self.orders)}"
        )

    async def verdict(self) -> Verdict:
        """Collect what the witnesses know, and judge."""
        left = await self._left_events()
        dumps = await dumps_of(self.admin, self.namespace)
        requests = await asyncio.to_thread(self.service.requests)
        evidence = Evidence(self.orders, dumps, requests, self.kills, left, self.recorder)
        file = LOGS / self.namespace / "histories.jsonl"
        return await asyncio.to_thread(judge, evidence, file)

    async def _left_events(self) -> list[dict[str, object]]:
        """Return the WorkflowEvents that nobody cleaned up in time."""
        deadline = time.monotonic() + CLEAN_SECONDS
        while left := await self.admin.list(events_path(self.namespace)):
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(POLL_SECONDS)
        return left


@asynccontextmanager
async def staged(
    cluster: Cluster, namespace: str, service: LedgerService, count: int, seed: int
) -> AsyncIterator[Stage]:
    """Begin to record and to send orders; the definition is sent too, and waits for an operator."""
    orders = plan_orders(count, seed)
    script_service(service)
    async with cluster.api("admin") as admin, cluster.api("user") as user:
        client, permits = Client(user, namespace, orders), asyncio.Semaphore(0)
        recorder, watching = await record(admin, namespace)
        sending = asyncio.create_task(send(client, permits))
        tasks = [watching, sending]
        try:
            yield Stage(namespace, orders, permits, service, client, recorder, admin, tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def send(client: Client, permits: asyncio.Semaphore) -> None:
    await client.define()
    await client.run(permits)


# --- running by hand --------------------------------------------------------------------------


def now() -> float:
    return time.time()  # noqa: TID251 - compared with times in histories and in the ledger


def run_by_hand(trial: Trial, parser: argparse.ArgumentParser) -> int:
    """Run the trial on a cluster of its own, print its figures; return the exit status."""
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that all is cleaned up
    cluster = Cluster(f"{arguments.name}-{os.getpid()}", say)
    began = time.monotonic()
    try:
        cluster.up()
        cluster.apply_crds()
        cluster.create_namespace(arguments.name)
        verdict = asyncio.run(trial(cluster, arguments.name, arguments, say))
    except ClusterError as error:
        say(f"error: {error}")
        return 1
    finally:
        cluster.down()
        remove(cluster.layout.root)
    say(told(verdict))
    say(f"took {time.monotonic() - began:.0f} s, seed {arguments.seed}")
    return 1 if verdict.faults else 0


def told(verdict: Verdict) -> str:
    """Return the figures and the faults as lines to read."""
    lines = [f"{name:52}{value}" for name, value in verdict.figures.items()]
    lines += [f"FAULT {fault}" for fault in verdict.faults[:50]]
    lines.append(f"{len(verdict.faults)} faults" if verdict.faults else "all of it holds")
    return "\n".join(lines)


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
