"""Which objects of turns that do not stand are deleted by the store on the log, and when."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.contract.worlds import completed, scheduled, started
from tests.kubernetes.instances import ApiServerWorld
from tests.kubernetes.log.owners import memory_world
from tests.kubernetes.log.stores import Office

from perdure.engine.events import ActivityClaimed, Claim, HistoryEvent
from perdure.errors import TransientError
from perdure.lanes.settling import Fenced
from perdure.ports import Conflict, InstanceKey, Snapshot, Throttled

LARGE = "x" * 9000
"""It is kept in an object of its own."""
LARGER = "y" * 9000


@pytest.fixture
async def world() -> AsyncIterator[ApiServerWorld]:
    async with memory_world() as world:
        yield world


@pytest.fixture
def office(world: ApiServerWorld) -> Office:
    return Office(world)


async def pass_by(office: Office, key: InstanceKey, *events: HistoryEvent) -> None:
    """Commit the next turn and show it: so it is decided what became of those before."""
    await office.committed(await office.load(key), *events)
    await office.show(key)


async def objects(office: Office, base: Snapshot) -> int:
    return len(await office.world.histories(base.key))


async def test_those_of_a_fenced_turn_go_when_the_history_has_passed_them(office: Office) -> None:
    base = await office.base()
    office.writes.outcomes = [Fenced()]
    await office.commit(base, started(order=LARGE))
    assert await office.store.tidy() == 0  # It may stand even so.
    assert await objects(office, base) == 1
    await pass_by(office, base.key, started())
    assert await office.store.tidy() == 1
    assert await objects(office, base) == 0


async def test_those_of_a_turn_that_stands_stay(office: Office) -> None:
    base = await office.committed(await office.base(), started(order=LARGE))
    office.suspects.append(base.key)
    assert await office.store.tidy() == 0  # No status shows it, but it is needed.
    await office.show(base.key)
    assert await office.store.tidy() == 0
    assert await objects(office, base) == 1


async def test_those_of_a_turn_whose_lane_was_lost_before_it_was_submitted_go(
    office: Office,
) -> None:
    base = await office.base()

    async def lose() -> None:
        office.store.lose(0)
        office.adopt()

    office.objects.meanwhile = lose
    assert await office.commit(base, started(order=LARGE)) == Conflict()
    await pass_by(office, base.key, started())
    assert await office.store.tidy() == 1


async def test_those_that_were_created_before_one_failed_go(office: Office) -> None:
    base = await office.base()

    async def fail_from_now_on() -> None:
        office.objects.failing = TransientError("the API server is away")

    office.objects.meanwhile = fail_from_now_on
    outcome = await office.commit(base, started(order=LARGE), scheduled("a", LARGER))
    assert isinstance(outcome, Throttled)
    assert await objects(office, base) == 1
    office.objects.failing = None
    await pass_by(office, base.key, started())
    assert await office.store.tidy() == 1


async def test_those_that_the_next_owner_has_passed_go_when_a_watch_tells_it(
    office: Office, world: ApiServerWorld
) -> None:
    base = await office.base()
    office.writes.outcomes = [Fenced()]
    await office.commit(base, started(order=LARGE))
    assert await office.store.tidy() == 0
    office.store.lose(0)
    heir = Office(world)
    await pass_by(heir, base.key, started())
    assert await office.store.tidy() == 0  # Nothing has been heard of it.
    assert office.store.hint(await world.body(base.key)) is not None
    assert await office.store.tidy() == 1


async def left_behind(world: ApiServerWorld, base: Snapshot) -> None:
    """Create what a process does that dies before the answer that it stored is submitted."""
    dead = Office(world)
    dead.writes.outcomes = [Fenced()]
    await dead.load(base.key)
    await dead.commit(await dead.load(base.key), completed(2, LARGE))
    assert await objects(dead, base) == 1


async def calling(office: Office) -> Snapshot:
    """Return an instance with an open call, as its status shows it."""
    base = await office.committed(await office.base(), started(), scheduled("charge"))
    await office.show(base.key)
    return base


async def test_those_of_a_dead_process_go_when_the_call_that_was_taken_over_has_ended(
    office: Office, world: ApiServerWorld
) -> None:
    base = await calling(office)
    await left_behind(world, base)
    claim = Claim(delivery=2, incarnation="perdure-1-9a8b", claim_id="fedcba9876543210")
    await pass_by(office, base.key, ActivityClaimed(scheduled_id=2, claim=claim))
    assert await office.store.tidy() == 0
    await pass_by(office, base.key, completed(2, "paid"))
    assert await office.store.tidy() == 1


async def test_those_that_status_writes_left_are_suspected_as_well(
    office: Office, world: ApiServerWorld
) -> None:
    base = await calling(office)
    await left_behind(world, base)
    await pass_by(office, base.key, completed(2, "paid"))
    assert await office.store.tidy() == 0  # Nobody suspects it.
    office.suspects.append(base.key)
    assert await office.store.tidy() == 1
