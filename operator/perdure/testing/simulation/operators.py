"""Operators in a simulation: the same assembly as in a process, on simulated surroundings."""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from perdure.assembly import Assembly, Surroundings
from perdure.definitions import Reviewed, review, spec_digest
from perdure.engine.values import JsonObject, ValueRefusedError
from perdure.executors.places import Resolver
from perdure.kubernetes.client import ApiClient, ClientLimits
from perdure.kubernetes.connection import FixedToken
from perdure.kubernetes.informer import Change, Informer
from perdure.kubernetes.transport import Transport
from perdure.kubernetes.versions import metadata_of
from perdure.ports import WORKFLOW_DEFINITIONS, Clock
from perdure.settings import OperatorSettings
from perdure.testing.simulation.calls import SimulatedSender
from perdure.testing.simulation.clocks import SimulatedClock
from perdure.testing.simulation.hosts import Host
from perdure.testing.simulation.scheduler import Scheduler

NAMESPACE = "perdure-system"
KEPT_REVIEWS = 2000
LOOK_SECONDS = 5.0
"""How often a process asks itself whether it is of use."""


class Silence:
    """A Meter that nobody reads."""

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        """Count nothing."""

    def level(self, name: str, value: float, **labels: str) -> None:
        """Show nothing."""

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        """Measure nothing."""


class Reviews:
    """Reviews definitions, each once for all processes and seeds: a review is a pure function."""

    def __init__(self) -> None:
        self._reviewed: OrderedDict[str, Reviewed] = OrderedDict()

    async def __call__(self, spec: JsonObject) -> Reviewed:
        return await asyncio.to_thread(self._review, spec)

    def _review(self, spec: JsonObject) -> Reviewed:
        try:
            digest = spec_digest(spec)
        except ValueRefusedError:
            return review(spec)
        if digest not in self._reviewed:
            self._reviewed[digest] = review(spec)
        self._reviewed.move_to_end(digest)
        if len(self._reviewed) > KEPT_REVIEWS:
            self._reviewed.popitem(last=False)
        return self._reviewed[digest]


class WatchedDefinitions:
    """Tells of definitions by an informer, in the place of kopf, which has a loop of its own."""

    def __init__(
        self,
        client: ApiClient,
        clock: Clock,
        namespaces: Sequence[str],
        observe: Callable[[str, str], None],
    ) -> None:
        self._informer = Informer(
            client,
            WORKFLOW_DEFINITIONS,
            namespaces=namespaces,
            on_change=self._changed,
            on_synced=lambda: None,
            clock=clock,
        )
        self._observe = observe
        self._task: asyncio.Task[None] | None = None

    def _changed(self, change: Change) -> None:
        metadata = metadata_of(change.object)
        self._observe(str(metadata["namespace"]), str(metadata["name"]))

    def start(self) -> None:
        self._task = asyncio.create_task(self._informer.run())

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    @property
    def is_alive(self) -> bool:
        return self._task is not None and not self._task.done()


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorProgram:
    """What runs on the host of an operator."""

    scheduler: Scheduler
    settings: OperatorSettings
    transport: Callable[[Host], Transport]
    sender: Callable[[Host], SimulatedSender]
    resolver: Resolver
    reviews: Reviews

    async def __call__(self, host: Host) -> None:
        """Serve until asked to stop, or until it is of no use any more."""
        host.stopping = stopping = asyncio.Event()
        assembly = self._assembly(host)
        try:
            await assembly.start()
            while not stopping.is_set() and assembly.broken() is None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS):
                        await stopping.wait()
            self._complain(host, assembly)
        finally:
            await assembly.stop()

    @staticmethod
    def _complain(host: Host, assembly: Assembly) -> None:
        """Note an end that no fault explains: machinery that failed by a bug."""
        broken = assembly.broken()
        if broken is not None and not assembly.presence.lost.is_set():
            host.problems.append(broken)

    def _assembly(self, host: Host) -> Assembly:
        clock = SimulatedClock(self.scheduler, host.watch, host.random, lambda: client.skew_seconds)
        client = ApiClient(self.transport(host), FixedToken(host.name), clock, ClientLimits())
        return Assembly(
            self.settings,
            Surroundings(
                clock=clock,
                client=client,
                sender=self.sender(host),
                resolver=self.resolver,
                protected=(),
                review=self.reviews,
                definitions=lambda namespaces, observe: WatchedDefinitions(
                    client, clock, namespaces, observe
                ),
                meter=Silence(),
                begun=lambda: None,
            ),
        )
