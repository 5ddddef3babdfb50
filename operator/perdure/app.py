"""The composition root: the one place that builds clients and wires the layers."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
from collections.abc import Coroutine
from urllib.parse import urlsplit

from perdure.controller.definitions import DefinitionWatch
from perdure.controller.metrics import PrometheusMeter
from perdure.controller.probes import ProbeServer
from perdure.definitions import Reviewed, review
from perdure.engine.values import JsonObject
from perdure.errors import SettingsError
from perdure.executors.http import HttpExecutor
from perdure.executors.places import SystemResolver
from perdure.executors.policy import CallPolicy
from perdure.kubernetes.client import ApiClient
from perdure.kubernetes.informer import Change, ChangeKind, Informer
from perdure.kubernetes.instances import key_of
from perdure.kubernetes.login import log_in
from perdure.kubernetes.objects import ApiObjects
from perdure.kubernetes.presence import LeasePresence
from perdure.kubernetes.store import KubernetesStore
from perdure.ports import WORKFLOW_EVENTS, WORKFLOW_INSTANCES
from perdure.runtime.calls import Calls
from perdure.runtime.clock import SystemClock
from perdure.runtime.events import EventDesk
from perdure.runtime.instances import Instances
from perdure.runtime.polling import PollConditions
from perdure.runtime.queue import Lane
from perdure.runtime.recipes import Recipes
from perdure.runtime.retention import Limits, Retention
from perdure.runtime.revisions import Revisions
from perdure.runtime.turn import Turns
from perdure.settings import OperatorSettings

logger = logging.getLogger(__name__)

GRACE_SECONDS = 4.0
DEAF_SECONDS = 90.0
LIVELY_SECONDS = 30.0
"""An API server that answered within this time is there; otherwise a restart would not help."""
URGENT_SECONDS = 4.0


class Operator:
    """One operator process. `run` serves until told to stop; its result is the exit code."""

    def __init__(self, settings: OperatorSettings) -> None:
        self.settings = settings
        self.clock = SystemClock(lambda: self.client.skew_seconds)
        connection = log_in(self.clock, kubeconfig=settings.kubeconfig, context=settings.context)
        self.connection = connection
        self.client = ApiClient(connection, self.clock)
        self.objects = ApiObjects(self.client)
        self.meter = PrometheusMeter()
        self.store = KubernetesStore(self.objects, self.clock)
        self.presence = LeasePresence(
            ApiObjects(self.client, is_urgent=True, timeout=URGENT_SECONDS),
            self.clock,
            identity=settings.identity,
            namespace=settings.namespace,
        )
        self.desk = EventDesk(self.objects, self.clock, self.meter, time_to_live=settings.event_ttl)
        self.retention = Retention(self.objects, self.clock, self.meter, _limits(settings))
        self.revisions = Revisions(self.objects, reviewed)
        self.polls = PollConditions(self.clock)
        self.http = HttpExecutor(
            self.objects,
            CallPolicy.parse(
                settings.http_allow, settings.service_map, _addresses(connection.server)
            ),
            self.clock,
            until=self.polls.holds,
            resolver=SystemResolver(),
        )
        self.calls = Calls(
            {"http": self.http}, self.presence, self.meter, lambda key: self.instances.answered(key)
        )
        self.instances = Instances(
            store=self.store,
            turns=Turns(
                self.store,
                self.revisions,
                self.desk,
                self.calls,
                self.presence,
                self.clock,
                self.retention,
                self.polls,
                self.meter,
            ),
            desk=self.desk,
            calls=self.calls,
            presence=self.presence,
            retention=self.retention,
            clock=self.clock,
            meter=self.meter,
        )
        self.recipes = Recipes(
            self.objects,
            self.revisions,
            reviewed,
            self.retention,
            self.clock,
            self.instances.definition_changed,
        )
        self.informers = self._informers()
        self.definitions = DefinitionWatch(
            connection, settings.watch_namespaces, self.recipes.observe
        )
        self.probes = ProbeServer(
            alive=self.deadly_problem, ready=self.problem, metrics=self._metrics
        )
        self._stop = asyncio.Event()
        self._has_lease = False
        self._is_started = False
        self._tasks: list[asyncio.Task[None]] = []

    def _informers(self) -> tuple[Informer, Informer]:
        namespaces = self.settings.watch_namespaces
        instances = Informer(
            self.client,
            WORKFLOW_INSTANCES,
            namespaces=namespaces,
            on_change=self._instance_changed,
            on_synced=self._synced,
            clock=self.clock,
        )
        events = Informer(
            self.client,
            WORKFLOW_EVENTS,
            namespaces=namespaces,
            on_change=self._event_changed,
            on_synced=self._synced,
            clock=self.clock,
        )
        return instances, events

    # --- what the informers tell ----------------------------------------------------------

    def _instance_changed(self, change: Change) -> None:
        if change.kind is ChangeKind.DELETED:
            self.instances.removed(key_of(change.object))
            return
        hint = self.store.hint(change.object)
        if hint is None:
            return
        if self._is_started:
            self.instances.observe(hint)
            return
        # Thousands of bodies would wait for their first turn: those are read again instead.
        self.store.forget(hint.key)
        self.instances.observe(hint, lane=Lane.RESYNC)

    def _event_changed(self, change: Change) -> None:
        if change.kind is ChangeKind.DELETED:
            self.instances.removed_event(change.uid)
        else:
            self.instances.observe_event(change.object)

    def _synced(self) -> None:
        """Let turns run once the first lists of everything are complete."""
        if self._is_started or not all(informer.is_synced for informer in self.informers):
            return
        self._is_started = True
        self.instances.start()
        gc.collect()
        gc.freeze()
        logger.info("Turns begin", extra={"instances": self.instances.count})

    # --- life -----------------------------------------------------------------------------

    async def run(self) -> int:
        """Serve until a signal (0), or until the machinery itself is broken (1)."""
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, self._stop.set)
        try:
            if await self._started():
                return await self._serve()
            return 0
        finally:
            await self.stop()

    async def _started(self) -> bool:
        """Start, however long the API server takes; False when told to stop before that."""
        starting = asyncio.create_task(self.start())
        stopping = asyncio.create_task(self._stop.wait())
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not starting.done():
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            return False
        await starting
        return True

    async def start(self) -> None:
        """Take the Lease, begin to watch. Turns begin when the first lists are complete."""
        try:
            ports = await self.probes.start(
                health_port=self.settings.health_port, metrics_port=self.settings.metrics_port
            )
        except OSError as error:
            raise SettingsError(
                f"--health-port or --metrics-port cannot be used: {error}"
            ) from error
        logger.info("Probes listen", extra={"health_port": ports[0], "metrics_port": ports[1]})
        await self.presence.start()
        self._has_lease = True
        self.recipes.queue.start()
        self.definitions.start()
        self._spawn(self.presence.run())
        for informer in self.informers:
            self._spawn(informer.run())
        namespaces = self.settings.watch_namespaces or (None,)
        self._spawn(self.recipes.collect_forever(namespaces))

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        self._tasks.append(asyncio.create_task(work))

    async def _serve(self) -> int:
        """Wait for the end: asked for, or forced."""
        while not self._stop.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    await self._stop.wait()
            broken = self._broken()
            if broken is not None:
                logger.critical("The operator ends", extra={"reason": broken})
                return 1
        logger.info("The operator stops")
        return 0

    def _broken(self) -> str | None:
        """Return what makes it pointless to go on; None while all is well."""
        if self.presence.lost.is_set():
            return "another process runs under the same --identity"
        for task in self._tasks:
            if task.done():
                return f"a part of the machinery ended: {task}"
        for failed in (self.instances.failed, self.recipes.queue.failed):
            if failed is not None:
                return f"a part of the machinery failed: {failed!r}"
        return None

    async def stop(self) -> None:
        """Start nothing, give open calls a while, abort; the Lease goes last."""
        self.definitions.stop()
        await self.instances.stop(GRACE_SECONDS)
        await self.recipes.queue.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.http.close()
        if self._has_lease:
            await self.presence.release()
        await self.probes.stop()
        await self.client.close()

    # --- what probes ask ------------------------------------------------------------------

    def deadly_problem(self) -> str | None:
        """Return why this process should be started again, None while it lives."""
        broken = self._broken()
        if broken is not None:
            return broken
        age = max(informer.age_seconds for informer in self.informers)
        is_reachable = self.client.answer_age_seconds < LIVELY_SECONDS
        if self._is_started and is_reachable and age > DEAF_SECONDS:
            return f"a watch has heard nothing for {age:.0f} s while the API server answers others"
        if not self.definitions.is_alive:
            return "the watch of definitions is dead"
        return None

    def problem(self) -> str | None:
        """Return why this process does not do its work now, None while it does."""
        if not self._is_started:
            return "the first lists are not complete"
        if not self.clock.is_trusted():
            return f"the clock is {self.client.skew_seconds:.1f} s off the API server's"
        if not self.presence.may_send:
            age = self.presence.lease_age_seconds
            return f"the Lease is {age:.0f} s old, or was late until a moment ago"
        return self.deadly_problem()

    def _metrics(self) -> bytes:
        self.instances.measure()
        ages = [informer.age_seconds for informer in self.informers]
        self.meter.level("watch_age_seconds", max(ages))
        self.meter.level("clock_skew_seconds", self.client.skew_seconds)
        self.meter.level("lease_age_seconds", self.presence.lease_age_seconds)
        return self.meter.render()


async def reviewed(spec: JsonObject) -> Reviewed:
    """Review a definition in a thread, so that a large one holds up nobody."""
    return await asyncio.to_thread(review, spec)


def _limits(settings: OperatorSettings) -> Limits:
    return Limits(
        count=settings.retention_count,
        finished_bytes=settings.retention_bytes,
        total_bytes=settings.storage_budget,
    )


def _addresses(server: str) -> list[str]:
    """Return the addresses of the API server: calls must never reach it."""
    host = urlsplit(server).hostname or ""
    try:
        found = socket.getaddrinfo(host, None, proto=socket.IPPROTO_TCP)
    except OSError:
        return []
    return sorted({str(address[4][0]) for address in found})


async def run_operator(settings: OperatorSettings) -> int:
    """Run one operator process to its end; return the exit code.

    Raises SettingsError for settings that cannot be used.
    """
    gc.set_threshold(50_000, 50, 100)
    return await Operator(settings).run()
