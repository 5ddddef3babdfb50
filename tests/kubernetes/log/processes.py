"""A few processes that share lanes, on virtual time, with a network that does its worst.

Each claims lanes at random, commits turns for their instances, and shows some of them. Nobody
asks who is alive: any claim at any time must be safe.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
from collections.abc import Collection
from datetime import UTC, datetime
from random import Random  # noqa: TID251 - seeded
from unittest.mock import patch

import orjson
from tests.kubernetes.log.judging import GONE, LOGS, Judge, Statuses
from tests.kubernetes.log.weather import Rough, SlowPost, TornLists, weather_of

from perdure.errors import PerdureError
from perdure.kubernetes.client import ApiClient, ClientLimits
from perdure.kubernetes.connection import FixedToken
from perdure.kubernetes.log import owning
from perdure.kubernetes.log.claiming import Claimant, Claimed
from perdure.kubernetes.log.opening import Opener
from perdure.kubernetes.log.slots import Slots
from perdure.kubernetes.log.writer import LogWriter
from perdure.lanes import ring
from perdure.lanes.carrying import OwnedRing
from perdure.lanes.entry import Entry, EntryKind, LoggedTurn, logged
from perdure.lanes.ring import LaneView, lane_of, slot_name
from perdure.lanes.settling import Fenced, Stands
from perdure.ports import InstanceKey
from perdure.testing.apiserver import ApiServer, Request
from perdure.testing.simulation.clocks import SimulatedClock
from perdure.testing.simulation.cluster import Cluster
from perdure.testing.simulation.fates import Record
from perdure.testing.simulation.hosts import Host
from perdure.testing.simulation.meddling import Meddler
from perdure.testing.simulation.network import SimulatedTransport
from perdure.testing.simulation.scheduler import Scheduler

NAMESPACE = "perdure-system"
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
LANES = 2
UIDS = ("a", "b", "c", "d", "e", "f")
SECONDS = 14.0
"""How long a run is."""
MOST_TURNS = 10
"""Of one instance."""
READS_EARLY = False
"""Whether statuses are read before a claim: a fault that may be planted."""


class Program:
    """What runs on one host."""

    def __init__(self, host: Host, world: World) -> None:
        self.random = Random(f"{world.seed} {host.name} {host.starts}")
        self.judge, self.statuses = world.judge, world.statuses
        self._pause_seconds = world.weather.pause_seconds
        self.clock = SimulatedClock(world.scheduler, host.watch, host.random, lambda: 0.0)
        client = ApiClient(world.transport(host), FixedToken("t"), self.clock, ClientLimits())
        self.slots = Slots(TornLists(client, self.clock, self.random), NAMESPACE)
        self.incarnation = f"{host.name}_{host.starts}"
        self.writer = LogWriter(
            self.slots,
            self.clock,
            LANES,
            on_fenced=lambda _: self.judge.seen.update(["fenced"]),
            on_damaged=self._damaged,
            on_due=self._show_some,
        )
        self._standing: dict[str, int] = {}
        """The newest rev of each instance that is known here to stand."""
        self._terms: dict[int, int] = {}
        """The number of our newest claim in each lane."""

    async def run(self) -> None:
        generation = await Opener(self.slots, self.clock, LANES).open()
        self.claimant = Claimant(self.slots, self.clock, generation, self.incarnation)
        async with asyncio.TaskGroup() as group:
            group.create_task(self.writer.run())
            for lane in range(LANES):
                group.create_task(self._mind(lane, group))

    async def _mind(self, lane: int, group: asyncio.TaskGroup) -> None:
        """Take a lane now and then, and now and then give it up."""
        while True:
            await self.clock.sleep(self._pause_seconds * self.random.random())
            if lane in self.writer.lanes:
                if self.random.random() < 0.15:
                    await self.writer.release(lane, None)
                continue
            early = self._revs(lane)
            view = await self._claimed(lane)
            if view is not None:
                known = self._known(view, early if READS_EARLY else self._revs(lane))
                self.judge.knows(view.tail, known)
                self.writer.adopt(OwnedRing(view))
                self._terms[lane] = view.tail.seq
                for uid, newest in known.items():
                    group.create_task(self._commit(uid, newest, view.tail))

    async def _claimed(self, lane: int) -> LaneView | None:
        try:
            view = await self.claimant.read(lane)
            if self.random.random() < 0.3:
                await self.clock.sleep(2.0 * self.random.random())
            async with asyncio.timeout(10.0 * self.random.random()):
                result = await self.claimant.claim(view)
        except (PerdureError, TimeoutError):
            return None
        return result.view if isinstance(result, Claimed) else None

    def _revs(self, lane: int) -> dict[str, float]:
        return {uid: self.statuses.rev(uid) for uid in UIDS if lane_of(uid, LANES) == lane}

    def _known(self, view: LaneView, revs: dict[str, float]) -> dict[str, LoggedTurn | None]:
        """Return the newest turn of each instance, by its status and the lane."""
        known: dict[str, LoggedTurn | None] = {}
        for uid, rev in revs.items():
            if rev == GONE:
                continue
            newest = self.judge.turn(uid, int(rev))
            for turn in view.turns():
                if turn.key.uid == uid and turn.rev > rev:
                    if newest is not None and turn.rev != newest.rev + 1:
                        self.judge.has_hole(uid)
                    newest = turn
            known[uid] = newest
        return known

    async def _commit(self, uid: str, newest: LoggedTurn | None, claim: Entry) -> None:
        """Commit turns of an instance until the lane is lost.

        What was decided after one claim is not submitted after the next one.
        """
        while self.judge.length(uid) < MOST_TURNS:
            await self.clock.sleep(0.5 * self.random.random() ** 2)
            if self._terms[claim.lane] != claim.seq:
                return
            if self.statuses.rev(uid) == GONE:
                self.writer.gone(uid)
                return
            turn = next_turn(uid, newest, self.clock.token())
            outcome = await self.writer.submit(turn)
            self.judge.told(turn, outcome)
            if isinstance(outcome, Fenced):
                return
            if isinstance(outcome, Stands):
                newest = turn
                self._standing[uid] = turn.rev
                if self.random.random() < 0.3:
                    self._show(uid, turn.rev)
                elif self.random.random() < 0.02:
                    self.statuses.show(uid, GONE)

    def _damaged(self, lane: int, why: str) -> None:
        self.judge.seen["damaged"] += 1
        if not self.judge.is_damaged(lane):
            self.judge.broken.append(why)

    def _show(self, uid: str, rev: int) -> None:
        self.statuses.show(uid, rev)
        self.writer.shown(uid, rev)

    def _show_some(self, uids: Collection[str]) -> None:
        """Show what is due, but not all of it: some statuses cannot be written."""
        for uid in uids:
            self.judge.seen["due"] += 1
            if self.random.random() < 0.3:
                self._show(uid, self._standing.get(uid, 0))


def next_turn(uid: str, newest: LoggedTurn | None, token: str) -> LoggedTurn:
    """Return a turn that differs from every other one."""
    rev = 1 if newest is None else newest.rev + 1
    before = "" if newest is None else newest.after
    return logged(
        InstanceKey("shop", f"order-{uid}", uid),
        rev=rev,
        generation=1,
        before=before,
        after=hashlib.sha256(f"{before} {token}".encode()).hexdigest()[:16],
        events=[{"id": rev, "type": "TimerFired", "token": token}],
    )


class World:
    """Two or three hosts and an API server; `run` until something breaks, or the time is over."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.scheduler = Scheduler(str(seed), EPOCH)
        self.server = ApiServer(now=lambda: self.scheduler.time, uid=lambda *names: "/".join(names))
        self.statuses = Statuses()
        self.judge = Judge(self.statuses, LANES)
        self.weather = weather_of(self.random)
        post = SlowPost(self.scheduler, self.random, self.weather)
        self.cluster = Cluster(self.server, self.scheduler, post)
        self.cluster.on_write = self._look
        self._meddler = Meddler(self.server, self._look)
        self._fates = Rough(self.random, self.weather, self.judge)
        self._seen = 0
        self._create_namespace()
        names = ("perdure-0", "perdure-1", "perdure-2")[: self.random.choice((2, 3))]
        self.hosts = [Host(name, self.scheduler, self._main) for name in names]

    def _create_namespace(self) -> None:
        content = orjson.dumps({"metadata": {"name": NAMESPACE}})
        request = Request("POST", "/api/v1/namespaces", {}, content, "application/json", "setup")
        assert self.server.handle(request).status == 201

    async def _main(self, host: Host) -> None:
        await Program(host, self).run()

    def _delete_a_slot(self) -> None:
        """Do what no administrator should."""
        if not self.judge.seen[EntryKind.CLAIM]:
            return
        name = slot_name(1, self.random.randrange(LANES), self.random.randrange(ring.SLOTS))
        path = f"/apis/perdure.dev/v1alpha1/namespaces/{NAMESPACE}/{LOGS}/{name}"
        self.cluster.handle(Request("DELETE", path, {}, None, None, "admin"))

    def transport(self, host: Host) -> SimulatedTransport:
        return SimulatedTransport(
            host, self.cluster, self._fates, Record(), self._meddler, is_operator=True
        )

    def _look(self) -> None:
        writes = self.server.writes
        while self._seen < len(writes):
            self.judge.observe(writes[self._seen])
            self._seen += 1

    def run(self) -> list[str]:
        """Return what went wrong.

        Nothing is collected meanwhile: what a process left that died would close itself by chance.
        """
        is_collecting = gc.isenabled()
        gc.disable()
        try:
            with (
                patch.object(ring, "SLOTS", self.random.choice((4, 6))),
                patch.object(owning, "MOST_CARRIED", self.random.choice((500, 2**16))),
            ):
                return self._run()
        finally:
            if is_collecting:
                gc.enable()

    def _run(self) -> list[str]:
        for host in self.hosts:
            self.scheduler.after(self.random.random(), host.start)
        if self.random.random() < 0.15:
            self.scheduler.after(SECONDS * self.random.random(), self._delete_a_slot)
        self.scheduler.run(SECONDS, lambda: bool(self.judge.broken))
        for host in self.hosts:
            host.close()
        problems = [text for host in self.hosts for text in host.problems]
        return self.judge.broken + problems
