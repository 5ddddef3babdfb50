"""How the parts of an operator are joined: everything but the machine it runs on.

What differs between a process and a simulation of it (time, the network, names, threads) comes in
as `Surroundings`; from there on both are the same code.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Protocol

from perdure.definitions import Reviewer
from perdure.executors.connections import Sender
from perdure.executors.http import HttpExecutor
from perdure.executors.places import Resolver
from perdure.executors.policy import CallPolicy
from perdure.kubernetes.client import ApiClient
from perdure.kubernetes.informer import Change, ChangeKind, Informer
from perdure.kubernetes.instances import key_of
from perdure.kubernetes.log.parts import Log
from perdure.kubernetes.log.presence import TIMES
from perdure.kubernetes.objects import ApiObjects
from perdure.kubernetes.presence import LeasePresence
from perdure.kubernetes.store import KubernetesStore
from perdure.ports import (
    WORKFLOW_EVENTS,
    WORKFLOW_INSTANCES,
    Clock,
    HistoryStore,
    Meter,
    Presence,
    Resource,
)
from perdure.runtime.calls import Calls
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


class DefinitionSource(Protocol):
    """Tells of every change of a WorkflowDefinition."""

    def start(self) -> None:
        """Begin to watch."""
        ...

    def stop(self) -> None:
        """End the watch."""
        ...

    @property
    def is_alive(self) -> bool:
        """Whether it still watches."""
        ...


DefinitionSources = Callable[[Sequence[str], Callable[[str, str], None]], DefinitionSource]
"""Makes a source for these namespaces (none: all) that tells (namespace, name) of each change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """The world as one process meets it.

    `protected` are addresses that calls must never reach: those of the API server.
    `begun` is called once, when the first lists are complete and turns begin.
    """

    clock: Clock
    client: ApiClient
    sender: Sender
    resolver: Resolver
    protected: Sequence[str]
    review: Reviewer
    definitions: DefinitionSources
    meter: Meter
    begun: Callable[[], None]


class Assembly:
    """The joined parts of one operator; made, started and stopped inside a running loop."""

    def __init__(self, settings: OperatorSettings, around: Surroundings) -> None:
        self.settings = settings
        self.clock = around.clock
        self.client = around.client
        self._meter = around.meter
        self._begun = around.begun
        objects = ApiObjects(around.client)
        self.presence = LeasePresence(
            ApiObjects(around.client, is_urgent=True, timeout=URGENT_SECONDS),
            self.clock,
            identity=settings.identity,
            namespace=settings.namespace,
            times=None if settings.lanes is None else TIMES,
        )
        self.log = self._log(settings)
        self.store: HistoryStore = (
            KubernetesStore(objects, self.clock) if self.log is None else self.log.store
        )
        presence: Presence = self.presence if self.log is None else self.log.presence
        desk = EventDesk(
            objects,
            self.clock,
            around.meter,
            self.store.shown,
            time_to_live=settings.event_ttl,
        )
        retention = Retention(objects, self.clock, around.meter, _limits(settings))
        revisions = Revisions(objects, around.review)
        polls = PollConditions(self.clock)
        self.http = HttpExecutor(
            objects,
            CallPolicy.parse(settings.http_allow, settings.service_map, around.protected),
            self.clock,
            until=polls.holds,
            resolver=around.resolver,
            sender=around.sender,
            may_send=lambda: self.presence.may_send,
        )
        calls = Calls(
            {"http": self.http},
            presence,
            around.meter,
            lambda key: self.instances.answered(key),
        )
        turns = Turns(
            self.store,
            revisions,
            desk,
            calls,
            presence,
            self.clock,
            retention,
            polls,
            around.meter,
        )
        self.instances = Instances(
            store=self.store,
            turns=turns,
            desk=desk,
            calls=calls,
            presence=presence,
            retention=retention,
            clock=self.clock,
            meter=around.meter,
        )
        self.recipes = Recipes(
            objects,
            revisions,
            around.review,
            retention,
            self.clock,
            self.instances.definition_changed,
        )
        self.informers = (
            self._informer(WORKFLOW_INSTANCES, self._instance_changed),
            self._informer(WORKFLOW_EVENTS, self._event_changed),
        )
        self.definitions = around.definitions(settings.watch_namespaces, self.recipes.observe)
        self.is_begun = False
        self._has_lease = False
        self._tasks: list[asyncio.Task[None]] = []

    def _log(self, settings: OperatorSettings) -> Log | None:
        if settings.lanes is None:
            return None
        return Log(
            self.client,
            self.clock,
            self.presence,
            identity=settings.identity,
            namespace=settings.namespace,
            namespaces=settings.watch_namespaces,
            lanes=settings.lanes,
            tenants=lambda: self.instances,
            news=lambda key: self.instances.answered(key),
        )

    def _informer(self, resource: Resource, on_change: Callable[[Change], None]) -> Informer:
        return Informer(
            self.client,
            resource,
            namespaces=self.settings.watch_namespaces,
            on_change=on_change,
            on_synced=self._synced,
            clock=self.clock,
        )

    # --- what the informers tell ----------------------------------------------------------

    def _instance_changed(self, change: Change) -> None:
        if change.kind is ChangeKind.DELETED:
            self.instances.removed(key_of(change.object))
            return
        hint = self.store.hint(change.object)
        if hint is None:
            return
        if self.is_begun:
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
        if self.is_begun or not all(informer.is_synced for informer in self.informers):
            return
        self.is_begun = True
        self.instances.start()
        self._begun()
        logger.info("Turns begin", extra={"instances": self.instances.count})

    # --- life -----------------------------------------------------------------------------

    async def start(self) -> None:
        """Take the Lease, begin to watch. Turns begin when the first lists are complete."""
        await self.presence.start()
        self._has_lease = True
        if self.log is not None:
            await self.log.start()
        self.recipes.queue.start()
        self.definitions.start()
        self._spawn(self.presence.run())
        for informer in self.informers:
            self._spawn(informer.run())
        namespaces = self.settings.watch_namespaces or (None,)
        self._spawn(self.recipes.collect_forever(namespaces))

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        self._tasks.append(asyncio.create_task(work))

    async def stop(self) -> None:
        """Start nothing, give open calls a while, abort; the Lease goes last."""
        self.definitions.stop()
        await self.instances.stop(GRACE_SECONDS)
        if self.log is not None:
            await self.log.stop()
        await self.recipes.queue.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.http.close()
        if self._has_lease:
            await self.presence.release()

    # --- how it is --------------------------------------------------------------------------

    def broken(self) -> str | None:
        """Return what makes it pointless to go on; None while all is well."""
        if self.presence.lost.is_set():
            return "another process runs under the same --identity"
        if self.log is not None and (why := self.log.broken()) is not None:
            return why
        for task in self._tasks:
            if task.done():
                return f"a part of the machinery ended: {task}"
        for failed in (self.instances.failed, self.recipes.queue.failed):
            if failed is not None:
                return f"a part of the machinery failed: {failed!r}"
        return None

    def deadly_problem(self) -> str | None:
        """Return why this process should be started again, None while it lives."""
        broken = self.broken()
        if broken is not None:
            return broken
        age = max(informer.age_seconds for informer in self.informers)
        is_reachable = self.client.answer_age_seconds < LIVELY_SECONDS
        if self.is_begun and is_reachable and age > DEAF_SECONDS:
            return f"a watch has heard nothing for {age:.0f} s while the API server answers others"
        if self._has_lease and not self.definitions.is_alive:  # begun with the Lease
            return "the watch of definitions is dead"
        return None

    def problem(self) -> str | None:
        """Return why this process does not do its work now, None while it does."""
        if not self.is_begun:
            return "the first lists are not complete"
        if not self.clock.is_trusted():
            return f"the clock is {self.client.skew_seconds:.1f} s off the API server's"
        if not self.presence.may_send:
            age = self.presence.lease_age_seconds
            return f"the Lease is {age:.0f} s old, or was late until a moment ago"
        return self.deadly_problem()

    def measure(self) -> None:
        """Bring the gauges up to date."""
        self.instances.measure()
        ages = [informer.age_seconds for informer in self.informers]
        self._meter.level("watch_age_seconds", max(ages))
        self._meter.level("clock_skew_seconds", self.client.skew_seconds)
        self._meter.level("lease_age_seconds", self.presence.lease_age_seconds)


def _limits(settings: OperatorSettings) -> Limits:
    return Limits(
        count=settings.retention_count,
        finished_bytes=settings.retention_bytes,
        total_bytes=settings.storage_budget,
    )
