"""What the reflector is given to show, and what the store goes on from afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.contract.worlds import completed, ended, scheduled, started
from tests.kubernetes.instances import ApiServerWorld, add
from tests.kubernetes.log.bodies import logged_turns
from tests.kubernetes.log.owners import Owned, memory_world
from tests.kubernetes.log.stores import Office

from perdure.errors import HistoryCorruptError
from perdure.kubernetes.log.showing import AT_ONCE
from perdure.kubernetes.log.statuses import Gone, Moved, Refused, Shown
from perdure.ports import InstanceKey, Observed, Snapshot


@pytest.fixture
async def world() -> AsyncIterator[ApiServerWorld]:
    async with memory_world() as world:
        yield world


@pytest.fixture
def office(world: ApiServerWorld) -> Office:
    return Office(world)


async def running(office: Office, name: str = "order") -> Snapshot:
    """Return an instance of which a status shows that it has started."""
    base = await office.committed(await office.base(name), started())
    await office.show(base.key)
    office.writes.shows.clear()
    office.news.clear()
    office.wants()
    return base


# --- what is to be shown --------------------------------------------------------------------


async def test_all_turns_since_the_status_are_shown_at_once(office: Office) -> None:
    base = await office.committed(await office.base(), started())
    base = await office.committed(base, scheduled("a"))
    base = await office.committed(base, completed(2))
    assert isinstance(await office.show(base.key), Shown)
    assert await office.shown_rev(base.key) == 3
    assert office.writes.shows == [(base.key.uid, 3)]
    assert office.store.shelf.take(base.key.uid) is None
    assert office.store.shelf.unshown() == []


async def test_turns_that_come_while_a_status_is_written_are_shown_next(office: Office) -> None:
    base = await office.committed(await office.base(), started())
    outcome = await office.write(office.reflection(base.key))
    await office.committed(base, scheduled("a"))
    office.store.shelf.told(base.key.uid, outcome)
    assert office.writes.shows == [(base.key.uid, 1)]
    assert (await office.load(base.key)).rev == 2
    assert office.store.shelf.unshown() == [base.key.uid]
    await office.show(base.key)
    assert await office.shown_rev(base.key) == 2


async def test_of_instances_that_are_not_held_nothing_is_shown(office: Office) -> None:
    base = await office.committed(await office.base(), started())
    outcome = await office.write(office.reflection(base.key))
    office.store.lose(0)
    assert office.store.shelf.take(base.key.uid) is None
    office.store.shelf.told(base.key.uid, outcome)
    assert office.writes.shows == []


async def test_what_has_ended_is_shown_to_the_newest_generation(office: Office) -> None:
    base = await office.committed(await running(office), ended())
    await office.show(base.key)
    await office.world.edit(base.key, suspend=True)
    await office.load(base.key, fresh=True)
    await office.show(base.key)
    status = await office.world.status(base.key)
    assert (status["phase"], status["observedGeneration"]) == ("Succeeded", 2)


# --- what becomes known ---------------------------------------------------------------------


async def test_an_older_body_does_not_take_the_spec_back(office: Office) -> None:
    base = await office.committed(await office.base(), started())
    late = await office.write(office.reflection(base.key))
    await office.world.edit(base.key, suspend=True)
    newer = await office.load(base.key, fresh=True)
    assert (newer.generation, newer.controls.is_suspended) == (2, True)
    office.store.shelf.told(base.key.uid, late)
    after = await office.load(base.key)
    assert after == newer
    assert office.news == []


async def test_an_older_move_changes_nothing(office: Office) -> None:
    base = await running(office)
    older = await office.world.body(base.key)
    await office.world.edit(base.key, suspend=True)
    newer = await office.load(base.key, fresh=True)
    office.store.shelf.told(base.key.uid, Moved(older))
    assert await office.load(base.key) == newer
    assert office.news == []


async def test_an_edit_that_the_answer_of_a_status_write_shows_is_told(office: Office) -> None:
    base = await running(office)
    await office.committed(base, scheduled("a"))
    await office.world.edit(base.key, suspend=True)
    assert isinstance(await office.show(base.key), Shown)
    assert office.news == [base.key]
    assert (await office.load(base.key)).controls.is_suspended
    assert office.store.hint(await office.world.body(base.key)) is None  # So no watch tells it.


async def test_an_edit_that_a_move_shows_is_told(office: Office) -> None:
    base = await running(office)
    await office.committed(base, ended())
    await office.world.edit(base.key, suspend=True)
    assert isinstance(await office.show(base.key), Moved)  # An end must have seen the spec.
    assert office.news == [base.key]
    assert office.reflection(base.key).view.generation == 2


async def test_a_deletion_that_has_begun_is_told(office: Office) -> None:
    base = await running(office)
    await office.world.patch(base.key, add("/metadata/finalizers", ["example.org/wait"]))
    await office.load(base.key, fresh=True)
    await office.committed(base, scheduled("a"))
    await office.world.remove(base.key)
    assert isinstance(await office.show(base.key), Shown)
    assert office.news == [base.key]
    assert (await office.load(base.key)).is_deleting


async def test_a_status_write_of_ours_is_no_news(office: Office) -> None:
    base = await running(office)
    await office.committed(base, scheduled("a"))
    await office.show(base.key)
    assert office.news == []


async def test_a_status_that_another_process_wrote_is_gone_on_from(
    office: Office, world: ApiServerWorld
) -> None:
    """A process that was fenced may finish its patches."""
    base = await running(office)
    last = Office(world)
    last.store.lose(0)
    await office.committed(base, scheduled("a"))
    last.adopt(office.writes.submitted)
    await last.load(base.key)
    await last.show(base.key)
    assert isinstance(await office.show(base.key), Shown)
    assert office.writes.shows == [(base.key.uid, 2)]
    assert office.store.shelf.take(base.key.uid) is None


async def test_a_refused_status_leaves_everything_as_it_is(office: Office) -> None:
    base = await office.committed(await running(office), scheduled("a"))
    office.store.shelf.told(base.key.uid, Refused("a policy is against it", is_too_large=False))
    assert await office.load(base.key) == base
    assert office.reflection(base.key).rev == 2
    assert office.writes.shows == []


async def test_an_instance_that_is_gone_is_carried_no_more(office: Office) -> None:
    base = await office.committed(await running(office), scheduled("a"))
    echo = await office.world.body(base.key)
    await office.world.remove(base.key)
    assert isinstance(await office.show(base.key), Gone)
    assert office.writes.are_gone == [base.key.uid]
    assert office.store.shelf.take(base.key.uid) is None
    assert office.store.hint(echo) is None


# --- damage ---------------------------------------------------------------------------------


async def spoil(office: Office, key: InstanceKey) -> None:
    """Change the history of a status, as an administrator may."""
    await office.world.edit_status(key, add("/status/history/digest", "f" * 64))


async def damaged(office: Office) -> Snapshot:
    """Return an instance whose status was spoilt before a turn of it could be shown."""
    base = await office.committed(await running(office), scheduled("a"))
    await spoil(office, base.key)
    assert isinstance(await office.show(base.key), Moved)
    return base


async def test_a_status_off_the_line_is_not_written_over(office: Office) -> None:
    base = await damaged(office)
    assert office.store.shelf.take(base.key.uid) is None
    assert office.writes.shows == []
    assert office.news == [base.key]
    with pytest.raises(HistoryCorruptError):
        await office.load(base.key, fresh=True)
    assert office.store.shelf.take(base.key.uid) is None


async def test_a_status_that_was_mended_is_written_again(office: Office) -> None:
    base = await office.committed(await running(office), scheduled("a"))
    history = (await office.world.status(base.key))["history"]
    await spoil(office, base.key)
    await office.show(base.key)
    office.wants()
    await office.world.edit_status(base.key, add("/status/history", history))
    assert office.store.shelf.take(base.key.uid) is None
    assert (await office.load(base.key, fresh=True)).rev == 2
    assert office.wants() == [AT_ONCE]
    await office.show(base.key)
    assert await office.shown_rev(base.key) == 2


async def test_a_turn_of_what_is_damaged_does_not_make_it_writable(office: Office) -> None:
    base = await damaged(office)
    await office.committed(base, completed(2))
    assert office.store.shelf.take(base.key.uid) is None


async def test_nobody_goes_on_from_what_is_held_of_a_damaged_status(office: Office) -> None:
    base = await damaged(office)
    with pytest.raises(HistoryCorruptError):
        await office.store.load(base.key)


async def test_a_status_that_is_ahead_of_the_log_is_not_written_over(office: Office) -> None:
    base = await office.committed(await running(office), scheduled("a"))
    await office.world.edit_status(base.key, add("/status/rev", 7))
    await office.show(base.key)
    assert office.store.shelf.take(base.key.uid) is None
    assert office.news == [base.key]


# --- what an earlier owner left -------------------------------------------------------------


async def left(office: Office, *names: str) -> list[Owned]:
    """Return instances with a turn in lane 0, which is adopted, that no status shows."""
    owned = [await office.owned(name) for name in names]
    for each in owned:
        each.commit(started())
    office.store.lose(0)
    office.adopt([turn for each in owned for turn in logged_turns(each)])
    return owned


async def test_what_an_earlier_owner_left_is_shown_at_once(office: Office) -> None:
    names = [f"order-{number}" for number in range(20)]
    owned = await left(office, *names)
    await office.store.shelf.show_left_over(0)
    assert sorted(office.wanted) == sorted((each.key.uid, AT_ONCE) for each in owned)
    for each in owned:
        await office.show(each.key)
        assert await office.shown_rev(each.key) == 1


async def test_what_is_read_before_a_watch_tells_of_it_is_news_once(office: Office) -> None:
    (order,) = await left(office, "order")
    await office.store.shelf.show_left_over(0)
    echo = await office.world.body(order.key)
    assert office.store.hint(echo) is not None
    assert office.store.hint(echo) is None


async def test_what_cannot_be_read_stops_no_other(office: Office) -> None:
    torn, whole, gone = await left(office, "torn", "whole", "gone")
    await office.world.edit_status(torn.key, add("/status", {"startedAt": "2026-01-01T00:00:00Z"}))
    await office.world.remove(gone.key)
    await office.store.shelf.show_left_over(0)
    assert office.wanted == [(whole.key.uid, AT_ONCE)]
    assert office.writes.are_gone == [gone.key.uid]


async def test_of_a_lane_that_is_lost_meanwhile_nothing_is_wanted(office: Office) -> None:
    await left(office, "a", "b")

    async def lose() -> None:
        if office.store.owns("any"):
            office.store.lose(0)

    office.objects.on_read = lose
    await office.store.shelf.show_left_over(0)
    assert office.wanted == []


async def test_what_is_shown_already_is_wanted_but_not_written(office: Office) -> None:
    (order,) = await left(office, "order")
    await office.pen.show(order)
    await office.store.shelf.show_left_over(0)
    assert office.store.shelf.take(order.key.uid) is None


async def test_an_observation_alone_is_shown(office: Office) -> None:
    base = await running(office)
    await office.committed(base, observed=Observed(warning="a name is used twice"))
    assert office.store.shelf.unshown() == [base.key.uid]
    await office.show(base.key)
    assert office.store.shelf.unshown() == []
    assert office.writes.shows == []  # There is no turn to be carried less.
