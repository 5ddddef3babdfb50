"""The store on the log: what is committed, what is refused, and who hears that it is shown."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from tests.contract.worlds import ended, scheduled, started, turn
from tests.kubernetes.instances import ApiServerWorld
from tests.kubernetes.log.owners import memory_world
from tests.kubernetes.log.stores import Office

from perdure.errors import ObjectForbiddenError, TransientError
from perdure.kubernetes.log.holding import LogPosition
from perdure.lanes.settling import Fenced, Refused
from perdure.ports import (
    Committed,
    Conflict,
    Rejected,
    Throttled,
    Unknown,
)

LARGE = "x" * 9000
"""It is kept in an object of its own."""
HUGE = "x" * 2_000_000
"""It has room nowhere."""


@pytest.fixture
async def world() -> AsyncIterator[ApiServerWorld]:
    async with memory_world() as world:
        yield world


@pytest.fixture
def office(world: ApiServerWorld) -> Office:
    return Office(world)


# --- committing -----------------------------------------------------------------------------


async def test_a_turn_is_committed_when_it_stands(office: Office) -> None:
    base = await office.base()
    first = await office.committed(base, started())
    second = await office.committed(first, scheduled("a"), scheduled("b"))
    assert (first.rev, second.rev) == (1, 2)
    assert second.state.last_id == 3
    one, two = office.writes.submitted
    assert [(line.key, line.rev, line.generation) for line in (one, two)] == [
        (base.key, 1, 1),
        (base.key, 2, 1),
    ]
    assert two.before == one.after
    assert [event["id"] for event in two.events] == [2, 3]
    assert await office.load(base.key) == second
    assert await office.shown_rev(base.key) is None


async def test_what_was_committed_is_what_the_next_owner_reads(
    office: Office, world: ApiServerWorld
) -> None:
    first = await office.committed(await office.base(), started())
    last = await office.committed(first, scheduled("a"))
    heir = Office(world)
    heir.store.lose(0)
    heir.adopt(office.writes.submitted)
    read = await heir.load(last.key)
    assert (read.rev, read.state, read.store_data) == (2, last.state, last.store_data)


async def test_a_turn_of_a_fenced_lane_is_a_conflict(office: Office) -> None:
    base = await office.base()
    office.writes.outcomes = [Fenced()]
    assert await office.commit(base, started()) == Conflict()
    assert await office.load(base.key) == base
    assert office.wants() == []


@pytest.mark.parametrize("is_too_large", [False, True])
async def test_a_turn_that_the_lane_refuses_is_rejected(office: Office, is_too_large: bool) -> None:
    base = await office.base()
    office.writes.outcomes = [Refused("a policy is against it", is_too_large)]
    assert await office.commit(base, started()) == Rejected("a policy is against it", is_too_large)
    assert await office.load(base.key) == base


async def test_a_turn_that_was_decided_on_an_older_one_is_a_conflict(office: Office) -> None:
    base = await office.base()
    await office.committed(base, started())
    assert await office.commit(base, started()) == Conflict()
    assert len(office.writes.submitted) == 1


async def test_a_turn_that_was_decided_on_another_history_is_a_conflict(office: Office) -> None:
    first = await office.committed(await office.base(), started())
    position = LogPosition(length=first.state.last_id, digest="f" * 64)
    elsewhere = replace(first, store_data=position)
    assert await office.commit(elsewhere, scheduled("a")) == Conflict()
    assert len(office.writes.submitted) == 1


async def test_nothing_is_committed_of_what_is_not_held(office: Office) -> None:
    base = await office.base()
    office.store.forget(base.key)
    assert await office.commit(base, started()) == Conflict()
    assert office.writes.submitted == []


async def test_an_end_has_seen_the_newest_spec(office: Office) -> None:
    base = await office.committed(await office.base(), started())
    await office.world.edit(base.key, terminate={"reason": "enough"})
    newest = await office.load(base.key, fresh=True)
    assert await office.commit(base, ended()) == Conflict()
    assert len(office.writes.submitted) == 1
    assert (await office.committed(newest, ended())).rev == 2


async def test_a_turn_that_does_not_end_may_have_seen_an_older_spec(office: Office) -> None:
    base = await office.committed(await office.base(), started())
    await office.world.edit(base.key, suspend=True)
    await office.load(base.key, fresh=True)
    after = await office.committed(base, scheduled("a"))
    assert (after.generation, after.observed_generation) == (2, 1)
    assert after.controls.is_suspended
    assert office.writes.submitted[-1].generation == 1


async def test_a_spec_that_changes_while_a_turn_is_written_is_kept(office: Office) -> None:
    base = await office.base()

    async def edit() -> None:
        await office.world.edit(base.key, suspend=True)
        await office.load(base.key, fresh=True)

    office.writes.meanwhile = edit
    after = await office.committed(base, started())
    assert (after.rev, after.generation, after.observed_generation) == (1, 2, 1)


async def test_a_turn_that_stands_after_its_lane_was_lost_is_for_the_next_owner(
    office: Office,
) -> None:
    base = await office.base()

    async def lose() -> None:
        office.store.lose(0)

    office.writes.meanwhile = lose
    assert await office.commit(base, started()) == Conflict()
    assert office.wants() == []


async def test_turns_of_several_instances_are_answered_in_their_order(office: Office) -> None:
    bases = [await office.base(name) for name in ("a", "b", "c")]
    office.writes.outcomes = [Refused("no")]
    outcomes = await office.store.commit([turn(base, started()) for base in bases])
    assert [type(outcome) for outcome in outcomes] == [Rejected, Committed, Committed]
    keys = [one.snapshot.key.name for one in outcomes if isinstance(one, Committed)]
    assert keys == ["b", "c"]


async def test_a_bug_is_the_outcome_of_its_turn_alone(office: Office) -> None:
    bases = [await office.base(name) for name in ("a", "b")]

    async def fail_once() -> None:
        if len(office.writes.submitted) == 1:
            raise KeyError("a bug, on purpose")

    office.writes.meanwhile = fail_once
    first, second = await office.store.commit([turn(base, started()) for base in bases])
    assert isinstance(first, Unknown)
    assert isinstance(second, Committed)


# --- payloads -------------------------------------------------------------------------------


async def test_payloads_exist_before_a_turn_is_submitted(office: Office) -> None:
    base = await office.base()
    found: list[int] = []

    async def look() -> None:
        found.append(len(await office.world.histories(base.key)))

    office.writes.meanwhile = look
    await office.committed(base, started(order=LARGE))
    assert found == [1]
    assert LARGE not in str(office.writes.submitted)


@pytest.mark.parametrize(
    "failing", [TransientError("away"), ObjectForbiddenError("no", status=403)]
)
async def test_nothing_is_submitted_whose_payloads_could_not_be_created(
    office: Office, failing: TransientError | ObjectForbiddenError
) -> None:
    base = await office.base()
    office.objects.failing = failing
    assert isinstance(await office.commit(base, started(order=LARGE)), Throttled)
    assert office.writes.submitted == []


async def test_a_turn_whose_values_have_no_room_is_rejected(office: Office) -> None:
    base = await office.base()
    outcome = await office.commit(base, started(order=HUGE))
    assert isinstance(outcome, Rejected)
    assert outcome.is_too_large
    assert office.writes.submitted == []


async def test_text_that_cannot_be_stored_is_rejected(office: Office) -> None:
    base = await office.base()
    outcome = await office.commit(base, started(order="\ud800"))
    assert isinstance(outcome, Rejected)
    assert not outcome.is_too_large
    assert office.writes.submitted == []


@pytest.mark.parametrize("is_adopted_again", [False, True])
async def test_a_lane_that_is_lost_while_payloads_are_created_gets_nothing(
    office: Office, is_adopted_again: bool
) -> None:
    base = await office.base()

    async def lose() -> None:
        office.store.lose(0)
        if is_adopted_again:
            office.adopt()

    office.objects.meanwhile = lose
    assert await office.commit(base, started(order=LARGE)) == Conflict()
    assert office.writes.submitted == []


async def test_payloads_are_not_created_for_a_turn_that_comes_too_late(office: Office) -> None:
    base = await office.base()
    await office.committed(base, started())
    assert await office.commit(base, started(order=LARGE)) == Conflict()
    assert await office.world.histories(base.key) == []


async def test_what_another_owner_committed_while_payloads_are_created_counts(
    office: Office, world: ApiServerWorld
) -> None:
    base = await office.base()
    other = Office(world)
    await other.committed(await other.load(base.key), started())

    async def change_hands() -> None:
        office.store.lose(0)
        office.adopt(other.writes.submitted)
        await office.load(base.key)

    office.objects.meanwhile = change_hands
    assert await office.commit(base, started(order=LARGE)) == Conflict()
    assert office.writes.submitted == []
