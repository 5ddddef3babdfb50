"""The parts of the log as one process has them, from its start to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import pytest
from tests.contract.memory_transport import MemoryTransport
from tests.contract.worlds import committed, loaded, outcome_of, scheduled, started, turn
from tests.kubernetes.instances import ApiServerWorld
from tests.kubernetes.log.laboratory import DELAY, NAMESPACE, Laboratory

from perdure.kubernetes.client import ApiClient, ClientLimits
from perdure.kubernetes.connection import FixedToken
from perdure.kubernetes.instances import rev_of
from perdure.kubernetes.leases import lanes_of, lease_name
from perdure.kubernetes.log.keeper import FENCED_SECONDS
from perdure.kubernetes.log.parts import STOP_SECONDS, Log
from perdure.kubernetes.log.presence import TIMES
from perdure.kubernetes.log.showing import PROGRESS_SECONDS, STARTED_SECONDS
from perdure.kubernetes.objects import ApiObjects
from perdure.kubernetes.presence import LeasePresence
from perdure.kubernetes.responses import Response
from perdure.kubernetes.transport import Call
from perdure.lanes.entry import Entry, EntryKind
from perdure.lanes.ring import lane_of
from perdure.lanes.settling import place_of
from perdure.ports import LEASES, Conflict, InstanceKey, Snapshot

LANES = 2
IDENTITY = "perdure-0"
TAKEN_SECONDS = 5.0
"""In which a process alone takes every lane: a look or two."""


class Distant(MemoryTransport):
    """Every request takes a while, so that looks at Leases are apart."""

    async def exchange(self, call: Call, token: str | None, *, is_urgent: bool) -> Response:
        await asyncio.sleep(DELAY)
        return await super().exchange(call, token, is_urgent=is_urgent)


@dataclass
class Quiet:
    """Tenants without calls; `gains` counts what they were given, by lane."""

    gains: list[set[int]] = field(default_factory=list)

    def gained(self, is_meant: Callable[[str], bool]) -> None:
        uids = (f"uid-{number}" for number in range(100))
        self.gains.append({lane_of(uid, LANES) for uid in uids if is_meant(uid)})

    async def lost(self, is_meant: Callable[[str], bool]) -> None:
        """Nothing is open."""

    def has_calls(self, is_meant: Callable[[str], bool]) -> bool:
        return False


class Process:
    """One process in a laboratory, whose log nobody has opened."""

    def __init__(self, laboratory: Laboratory) -> None:
        self.laboratory = laboratory
        self._client = ApiClient(
            Distant(laboratory.server), FixedToken("tests"), laboratory.clock, ClientLimits()
        )
        self.world = ApiServerWorld(self._client, NAMESPACE)
        self.tenants = Quiet()
        self.news: list[InstanceKey] = []
        objects = ApiObjects(self._client)
        clock = laboratory.clock
        self.leases = LeasePresence(
            objects, clock, identity=IDENTITY, namespace=NAMESPACE, times=TIMES
        )
        self.log = Log(
            self._client,
            clock,
            self.leases,
            identity=IDENTITY,
            namespace=NAMESPACE,
            namespaces=(),
            lanes=LANES,
            tenants=lambda: self.tenants,
            news=self.news.append,
        )

    def start(self) -> None:
        self.laboratory.run(self.leases.start())
        self.laboratory.start(self.leases.run())
        self.laboratory.run(self.log.start())

    def create(self, name: str) -> Snapshot:
        key = self.laboratory.run(self.world.create(name))
        return self.laboratory.run(loaded(self.log.store, key))

    def in_each_lane(self) -> list[Snapshot]:
        """Return a new instance of every lane."""
        found: dict[int, Snapshot] = {}
        for number in range(100):
            snapshot = self.create(f"order-{number}")
            found.setdefault(self.log.store.lane_of(snapshot.key.uid), snapshot)
            if len(found) == LANES:
                return [found[lane] for lane in range(LANES)]
        raise AssertionError("a hash spreads")

    def rev(self, snapshot: Snapshot) -> int | None:
        """Return the rev of a status."""
        return rev_of(self.laboratory.run(self.world.body(snapshot.key)))

    def listed(self) -> frozenset[int]:
        """Return what its Lease lists."""
        objects = ApiObjects(self._client)
        return lanes_of(self.laboratory.run(objects.get(LEASES, NAMESPACE, lease_name(IDENTITY))))


@pytest.fixture
def laboratory(small_ring: int) -> Iterator[Laboratory]:
    laboratory = Laboratory(lanes=LANES)
    yield laboratory
    laboratory.close()


@pytest.fixture
def process(laboratory: Laboratory) -> Iterator[Process]:
    process = Process(laboratory)
    process.start()
    laboratory.wait(TAKEN_SECONDS)
    yield process
    laboratory.run(process.log.stop())


def test_a_process_opens_the_log_and_takes_every_lane(process: Process) -> None:
    assert [process.log.store.owns(one.key.uid) for one in process.in_each_lane()] == [True, True]
    assert process.listed() == frozenset(range(LANES))
    assert {0} in process.tenants.gains
    assert {1} in process.tenants.gains
    assert process.log.broken() is None


def test_a_turn_stands_at_once_and_a_status_shows_it_later(
    process: Process, laboratory: Laboratory
) -> None:
    for lane, base in enumerate(process.in_each_lane()):
        first = laboratory.run(committed(process.log.store, base, started()))
        assert laboratory.turns(lane) == [(base.key.uid, 1)]
        assert process.rev(base) is None
        laboratory.wait(STARTED_SECONDS + 0.5)
        assert process.rev(base) == 1
        laboratory.run(committed(process.log.store, first, scheduled("a")))
        laboratory.wait(STARTED_SECONDS + 0.5)
        assert process.rev(base) == 1
        laboratory.wait(PROGRESS_SECONDS)
        assert process.rev(base) == 2


def test_a_process_that_stops_gives_its_lanes_back_and_shows_what_is_left(
    process: Process, laboratory: Laboratory
) -> None:
    bases = process.in_each_lane()
    for base in bases:
        laboratory.run(committed(process.log.store, base, started()))
    laboratory.run(process.log.stop(), STOP_SECONDS)
    assert [process.rev(base) for base in bases] == [1, 1]
    newest = [laboratory.entries(lane)[-1].kind for lane in range(LANES)]
    assert newest == [EntryKind.RELEASED] * LANES


def test_the_next_process_goes_on_from_where_the_last_one_stood(
    process: Process, laboratory: Laboratory
) -> None:
    bases = process.in_each_lane()
    last = [laboratory.run(committed(process.log.store, base, started())) for base in bases]
    heir = Process(laboratory)
    heir.start()
    laboratory.wait(TAKEN_SECONDS)
    for snapshot in last:
        assert laboratory.run(loaded(heir.log.store, snapshot.key)).state == snapshot.state
    assert [heir.rev(base) for base in bases] == [1, 1]
    laboratory.run(heir.log.stop())


def test_lanes_that_are_closed_for_another_number_of_them_end_the_process(
    process: Process, laboratory: Laboratory
) -> None:
    first, _ = process.in_each_lane()
    close(laboratory, 0)
    assert laboratory.run(outcome_of(process.log.store, turn(first, started()))) == Conflict()
    assert process.log.broken() is None
    laboratory.wait(FENCED_SECONDS + TAKEN_SECONDS)
    assert process.log.broken() == "the lanes of the log were closed for another number of them"


def close(laboratory: Laboratory, lane: int) -> None:
    """Write, after the newest entry of a lane, that its generation is over."""
    view = laboratory.view(lane)
    closed = Entry(generation=1, lanes=LANES, lane=lane, seq=0, kind=EntryKind.CLOSED, next_lanes=5)
    entry = replace(closed, seq=view.tail.seq + 1)
    number = entry.seq % len(view.slots)
    body = laboratory.slots.written(place_of(view.slots[number]), entry, number)
    laboratory.run(laboratory.slots.replace(body))
