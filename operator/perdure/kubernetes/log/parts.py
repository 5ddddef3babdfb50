"""The parts of the log, joined for one process. Source: docs/log.md."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Sequence
from contextlib import aclosing

from perdure.kubernetes.client import ApiClient
from perdure.kubernetes.log.claiming import Claimant
from perdure.kubernetes.log.keeper import LaneKeeper, Tenants
from perdure.kubernetes.log.opening import Opener
from perdure.kubernetes.log.presence import LanePresence
from perdure.kubernetes.log.reflector import Reflector
from perdure.kubernetes.log.slots import Slots
from perdure.kubernetes.log.store import LogStore
from perdure.kubernetes.log.writer import LogWriter
from perdure.kubernetes.objects import ApiObjects
from perdure.kubernetes.paging import pages
from perdure.kubernetes.paths import path_of
from perdure.kubernetes.presence import LeasePresence
from perdure.ports import WORKFLOW_INSTANCES, Clock, InstanceKey

SLOT_SECONDS = 4.0
"""After which a request for a slot is given up: what became of it is found out by reading."""
STOP_SECONDS = 2.0
"""For which statuses are still written when the process stops."""


class Log:
    """Store, writer, reflector and keeper of one process."""

    def __init__(
        self,
        client: ApiClient,
        clock: Clock,
        leases: LeasePresence,
        *,
        identity: str,
        namespace: str,
        namespaces: Sequence[str],
        lanes: int,
        tenants: Callable[[], Tenants],
        news: Callable[[InstanceKey], None],
    ) -> None:
        objects = ApiObjects(client)
        slots = Slots(ApiObjects(client, timeout=SLOT_SECONDS), namespace)
        self._client, self._clock, self._namespaces = client, clock, namespaces
        self._writer = LogWriter(
            slots,
            clock,
            lanes,
            on_fenced=lambda lane: self._keeper.fenced(lane),
            on_damaged=lambda lane, why: self._keeper.damaged(lane, why),
            on_due=lambda uids: self._urge(uids),
        )
        self.store = LogStore(
            objects,
            clock,
            lanes,
            self._writer,
            wants=lambda uid, seconds: self.reflector.want(uid, seconds),
            news=news,
            suspects=lambda: self.reflector.suspects(),
        )
        self.reflector = Reflector(objects, clock, self.store.shelf)
        self._opener = Opener(slots, clock, lanes)
        self._keeper = LaneKeeper(
            clock=clock,
            presence=leases,
            writer=self._writer,
            store=self.store,
            tenants=tenants,
            newest=self._newest,
            identity=identity,
            lanes=lanes,
        )
        self.presence = LanePresence(leases, self._keeper)
        self._slots, self._incarnation = slots, leases.incarnation
        self._keeping: asyncio.Task[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Find the lanes, or open them, and begin to look after them.

        Goes on trying while the API server does not answer. Raises SettingsError where there is
        another number of lanes, LogDamagedError, NewerLogError, ObjectForbiddenError and
        ObjectRejectedError.
        """
        generation = await self._opener.open()
        claimant = Claimant(self._slots, self._clock, generation, self._incarnation)
        self._spawn(self._writer.run())
        self._spawn(self.reflector.run())
        self._keeping = self._spawn(self._keeper.run(claimant))

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.append(task)
        return task

    async def stop(self) -> None:
        """Give the lanes back, then show for a while what is not shown yet."""
        if self._keeping is not None:
            self._keeping.cancel()  # It would take what is free, and leave it without a word.
            await self._keeper.release_all()
            await self.reflector.flush(self.store.shelf.unshown(), STOP_SECONDS)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def broken(self) -> str | None:
        """Return what makes it pointless to go on; None while all is well."""
        if self._keeper.over.is_set():
            return "the lanes of the log were closed for another number of them"
        for task in self._tasks:
            if task.done():
                return f"a part of the log ended: {task}"
        return None

    def _urge(self, uids: Collection[str]) -> None:
        for uid in uids:
            self.reflector.urge(uid)

    async def _newest(self) -> int:
        """Return the version of instances now. Raises what a list does."""
        namespace = self._namespaces[0] if self._namespaces else None
        found = pages(self._client, WORKFLOW_INSTANCES, path_of(WORKFLOW_INSTANCES, namespace), {})
        async with aclosing(found):
            async for page in found:
                return page.version
        raise AssertionError("a list has at least one page")
