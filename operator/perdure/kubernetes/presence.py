"""Presence by Leases: showing that this process lives, and seeing who does not.

Source: docs/architecture.md#claims
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass

from perdure.engine.values import JsonObject
from perdure.errors import (
    ObjectConflictError,
    ObjectNotFoundError,
    PerdureError,
    TransientError,
    UnknownOutcomeError,
)
from perdure.kubernetes.backoff import Backoff
from perdure.kubernetes.leases import (
    LABEL,
    Lease,
    held,
    holder_of,
    identity_of,
    lanes_of,
    lease_name,
    leases_by_name,
    new_lease,
)
from perdure.kubernetes.vigil import Vigil
from perdure.ports import LEASES, Clock, Objects

LOG = logging.getLogger(__name__)

RELEASE_ATTEMPTS = 3  # the process is about to end; without it others wait 15 s instead


@dataclass(frozen=True, slots=True, kw_only=True)
class PresenceTimes:
    """Seconds. Between `mute_seconds` and `dead_seconds` lies the time for calls under way.

    `settle_seconds` is how long one that was mute stays so after it has renewed its Lease: longer
    than two looks, so that whoever took it for dead has heard of it before it sends again.
    """

    renew_seconds: float = 2.0
    look_seconds: float = 2.0
    mute_seconds: float = 10.0
    dead_seconds: float = 15.0
    settle_seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class Look:
    """All Leases by name, as a list showed them that was asked for at `began` (monotonic)."""

    began: float
    leases: Mapping[str, Lease]


class LeasePresence:
    """The Presence port; `start` before the first claim, then `run`, at last `release`.

    `identity` outlives the process and is unique among the live ones: whoever starts takes its
    Lease over, and the one who had it finds out and sets `lost`, upon which it has to exit.
    `objects` should be the urgent ones, with a time-out of a few seconds, so that renewals do not
    queue behind other requests.
    """

    def __init__(
        self,
        objects: Objects,
        clock: Clock,
        *,
        identity: str,
        namespace: str,
        times: PresenceTimes | None = None,
    ) -> None:
        self._objects, self._clock = objects, clock
        self._identity, self._namespace = identity, namespace
        self._times = times or PresenceTimes()
        self._incarnation = f"{identity}_{clock.token()}"
        self._lease = new_lease(lease_name(identity), namespace)
        self._renewed_at = -math.inf
        self._settled_at = -math.inf
        self._writing = asyncio.Lock()
        self._is_released = False
        self._vigil = Vigil(
            dead_seconds=self._times.dead_seconds, longest_step=2 * self._times.look_seconds
        )
        self._is_watching = asyncio.Event()
        self._follows_all = False
        self._lanes: frozenset[int] = frozenset()
        self._newest: Look | None = None
        self._looked = asyncio.Condition()
        self._deaths: asyncio.Queue[str] = asyncio.Queue()
        self.lost = asyncio.Event()
        """Set when another process has, or may have, taken the Lease over: this one has to exit."""

    @property
    def incarnation(self) -> str:
        return self._incarnation

    @property
    def may_send(self) -> bool:
        return not self.lost.is_set() and not self._is_released and not self._is_mute

    @property
    def _is_mute(self) -> bool:
        is_settled = self._clock.monotonic() >= self._settled_at
        return not is_settled or self.lease_age_seconds >= self._times.mute_seconds

    @property
    def lease_age_seconds(self) -> float:
        """Seconds since the request that last renewed the Lease was sent."""
        return self._clock.monotonic() - self._renewed_at

    # --- our own Lease ------------------------------------------------------------------

    async def start(self) -> None:
        """Create the Lease, or take it over; goes on trying until the API server answers.

        Raises ObjectForbiddenError, ObjectRejectedError, and ObjectNotFoundError without the
        namespace.
        """
        backoff, began = Backoff(self._clock), self._clock.monotonic()
        while True:
            try:
                await self._acquire()
                self._settle(since=began)
                return
            except (TransientError, UnknownOutcomeError, ObjectConflictError) as error:
                LOG.warning("the Lease cannot be taken yet", extra=self._fields(error))
                await backoff.failed(getattr(error, "retry_after", None))

    async def run(self) -> None:
        """Renew the Lease, and look after the watched ones; ends only by cancellation."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_renewing())
            group.create_task(self._keep_looking())

    async def list_lanes(self, lanes: Collection[int]) -> bool:
        """Show in the Lease which lanes this process owns; return whether that is written.

        If not, every renewal tries it again.
        """
        self._lanes = frozenset(lanes)
        async with self._writing:
            if self._is_released or self.lost.is_set():
                return False
            await self._renew()
        return lanes_of(self._lease) == self._lanes

    async def release(self) -> None:
        """Give the Lease up, as the last act of a process that ends in good order.

        Others may take over our claims at once. Raises nothing: without it they wait.
        """
        self._is_released = True
        for _ in range(RELEASE_ATTEMPTS):
            try:
                async with self._writing:
                    await self._give_up()
                return
            except PerdureError as error:
                LOG.warning("the Lease could not be released", extra=self._fields(error))

    async def _acquire(self) -> None:
        name = lease_name(self._identity)
        sent = self._clock.monotonic()
        try:
            found = await self._objects.get(LEASES, self._namespace, name)
        except ObjectNotFoundError:
            found = new_lease(name, self._namespace)
            self._lease = await self._objects.create(LEASES, self._namespace, self._ours(found))
        else:
            self._lease = await self._objects.replace(LEASES, self._namespace, self._ours(found))
        self._renewed_at = sent

    async def _keep_renewing(self) -> None:
        while not self.lost.is_set():
            await self._clock.sleep(self._times.renew_seconds)
            async with self._writing:
                if self._is_released:
                    return
                await self._renew()

    async def _renew(self) -> None:
        try:
            try:
                sent = self._clock.monotonic()
                body = self._ours(self._lease)
                self._lease = await self._objects.replace(LEASES, self._namespace, body)
                self._renewed(sent)
            except (ObjectConflictError, ObjectNotFoundError, UnknownOutcomeError):
                await self._look_at_own()
        except PerdureError as error:
            LOG.warning("the Lease could not be renewed", extra=self._fields(error))

    def _renewed(self, sent: float) -> None:
        """Note a renewal by a request that was sent then."""
        self._settle(since=self._renewed_at)
        self._renewed_at = sent

    def _settle(self, since: float) -> None:
        """Send nothing for a while after a long silence: others may hold this process for dead.

        An earlier try whose answer was lost may have shown them the Lease as long ago as `since`.
        """
        now = self._clock.monotonic()
        if now - since >= self._times.mute_seconds:
            self._settled_at = now + self._times.settle_seconds

    async def _look_at_own(self) -> None:
        """Find out why a renewal did not go as expected; the next one goes on from there."""
        try:
            found = await self._objects.get(LEASES, self._namespace, lease_name(self._identity))
        except ObjectNotFoundError:
            # Who had it meanwhile cannot be seen any more; to others this process may be dead.
            LOG.error("the Lease is gone", extra=self._fields())
            self.lost.set()
            return
        if holder_of(found) == self._incarnation:
            self._lease = found
        else:
            LOG.error("another process has this identity", extra=self._fields())
            self.lost.set()

    async def _give_up(self) -> None:
        found = await self._objects.get(LEASES, self._namespace, lease_name(self._identity))
        if holder_of(found) == self._incarnation:
            body = held(found, "", self._clock.now(), self._times.dead_seconds)
            await self._objects.replace(LEASES, self._namespace, body)

    def _ours(self, lease: JsonObject) -> JsonObject:
        seconds = self._times.dead_seconds
        return held(lease, self._incarnation, self._clock.now(), seconds, self._lanes)

    # --- the others ---------------------------------------------------------------------

    def is_dead(self, incarnation: str) -> bool:
        if incarnation == self._incarnation:
            return False
        # We have its Lease: it was displaced, or ended before we started.
        return identity_of(incarnation) == self._identity or self._vigil.is_dead(
            incarnation, self._clock.monotonic()
        )

    def has_let_go(self, incarnation: str, uid: str) -> bool:
        return self.is_dead(incarnation)

    def watch(self, incarnation: str) -> None:
        """Begin to look after an incarnation, every 2 s; a dead one is told by `deaths` at once."""
        if incarnation == self._incarnation:
            return
        if self.is_dead(incarnation):
            self._deaths.put_nowait(incarnation)
        else:
            self._vigil.watch(incarnation)
            self._is_watching.set()

    def unwatch(self, incarnation: str) -> None:
        """End it; while nobody is watched nothing is read."""
        self._vigil.unwatch(incarnation)

    def follow_all(self) -> None:
        """Look after everybody who has a Lease, from now on."""
        self._follows_all = True
        self._is_watching.set()

    def living(self) -> list[Lease]:
        """Return the Leases of all others that are not known to be dead, by the newest look."""
        leases = () if self._newest is None else self._newest.leases.values()
        return [one for one in leases if one.holder and not self._is_ours_or_dead(one.holder)]

    def _is_ours_or_dead(self, incarnation: str) -> bool:
        return incarnation == self._incarnation or self.is_dead(incarnation)

    @property
    def newest_look(self) -> Look | None:
        """Return the newest look at all Leases, None before the first one."""
        return self._newest

    async def next_look(self) -> Look:
        """Wait for a look at all Leases that begins after this call, and return it."""
        asked = self._clock.monotonic()
        async with self._looked:
            await self._looked.wait_for(
                lambda: self._newest is not None and self._newest.began > asked
            )
        assert self._newest is not None
        return self._newest

    async def deaths(self) -> AsyncIterator[str]:
        """Yield watched incarnations as they are found dead, each to one consumer."""
        while True:
            yield await self._deaths.get()

    async def _keep_looking(self) -> None:
        while True:
            await self._is_watching.wait()
            if len(self._vigil) == 0 and not self._follows_all:
                self._is_watching.clear()
                self._vigil.miss()
                continue
            await self._look()
            await self._clock.sleep(self._times.look_seconds)

    async def _look(self) -> None:
        began, of = self._clock.monotonic(), self._vigil.watched
        try:
            items = await self._objects.list(LEASES, self._namespace, labels=f"{LABEL}=true")
        except PerdureError as error:
            self._vigil.miss()
            LOG.warning("the Leases of others could not be read", extra=self._fields(error))
            return
        leases, ended = leases_by_name(items), self._clock.monotonic()
        for dead in self._vigil.look(leases, of=of, began=began, ended=ended):
            LOG.warning("a process is dead", extra={**self._fields(), "dead": dead})
            self._deaths.put_nowait(dead)
        if self._follows_all:
            for holder in {lease.holder for lease in leases.values()} - {"", self._incarnation}:
                self._vigil.watch(holder)
        self._newest = Look(began, leases)
        async with self._looked:
            self._looked.notify_all()

    def _fields(self, error: Exception | None = None) -> dict[str, object]:
        fields: dict[str, object] = {"incarnation": self._incarnation}
        return fields if error is None else {**fields, "error": str(error)}
