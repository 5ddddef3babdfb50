"""Presence by Leases, on Objects in memory and a clock that the test moves."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import cast

import pytest
from tests.kubernetes.clocks import ManualClock
from tests.kubernetes.waiting import until

from perdure.engine.values import JsonObject
from perdure.errors import (
    ObjectConflictError,
    ObjectNotFoundError,
    PerdureError,
    TransientError,
    UnknownOutcomeError,
)
from perdure.kubernetes.leases import holder_of, lanes_of, lease_name
from perdure.kubernetes.presence import LeasePresence
from perdure.ports import Resource


class StoredLeases:
    """Objects with compare-and-set; `calls` is what was asked, `failing` what is answered."""

    def __init__(self) -> None:
        self.items: dict[str, JsonObject] = {}
        self.calls: list[str] = []
        self.failing: PerdureError | None = None
        self.loses_answers = False
        self._version = 0

    def holder(self, identity: str) -> str:
        return holder_of(self.items[lease_name(identity)])

    async def get(self, resource: Resource, namespace: str, name: str) -> JsonObject:
        self._call("get")
        if name not in self.items:
            raise ObjectNotFoundError(name, status=404)
        return self.items[name]

    async def create(self, resource: Resource, namespace: str, body: JsonObject) -> JsonObject:
        self._call("create")
        if self._name(body) in self.items:
            raise ObjectConflictError("exists", status=409)
        return self._store(body)

    async def replace(self, resource: Resource, namespace: str, body: JsonObject) -> JsonObject:
        self._call("replace")
        found = self.items.get(self._name(body))
        if found is None:
            raise ObjectNotFoundError("gone", status=404)
        if self._version_of(found) != self._version_of(body):
            raise ObjectConflictError("moved", status=409)
        return self._store(body)

    async def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        operations: Sequence[JsonObject],
        *,
        subresource: str | None = None,
    ) -> JsonObject:
        raise AssertionError("not used")

    async def delete(
        self, resource: Resource, namespace: str, name: str, *, uid: str, version: str | None = None
    ) -> None:
        raise AssertionError("nothing is deleted")

    def _call(self, verb: str) -> None:
        self.calls.append(verb)
        if self.failing is not None:
            raise self.failing

    def _store(self, body: JsonObject) -> JsonObject:
        self._version += 1
        metadata = cast("JsonObject", body["metadata"])
        stored: JsonObject = {
            **body,
            "metadata": {**metadata, "resourceVersion": str(self._version)},
        }
        self.items[self._name(body)] = stored
        if self.loses_answers:
            raise UnknownOutcomeError("the answer was lost")
        return stored

    @staticmethod
    def _name(body: JsonObject) -> str:
        return str(cast("JsonObject", body["metadata"])["name"])

    @staticmethod
    def _version_of(body: JsonObject) -> str:
        return str(cast("JsonObject", body["metadata"]).get("resourceVersion"))

    # Last, because its name hides the built-in type from the annotations below it.
    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        labels: str | None = None,
        fields: str | None = None,
    ) -> list[JsonObject]:
        self._call("list")
        assert labels == "perdure.dev/presence=true"
        return [*self.items.values()]


def presence_of(objects: StoredLeases, clock: ManualClock, identity: str = "a") -> LeasePresence:
    return LeasePresence(objects, clock, identity=identity, namespace="perdure-system")


@asynccontextmanager
async def running(presence: LeasePresence) -> AsyncIterator[None]:
    task = asyncio.create_task(presence.run())
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def pass_time(clock: ManualClock, seconds: int) -> None:
    """Move the clock second by second, all tasks at rest in between."""
    await rest()
    for _ in range(seconds):
        clock.advance(1)
        await rest()


async def rest() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_nothing_may_be_sent_before_the_lease_is_taken() -> None:
    presence = presence_of(StoredLeases(), ManualClock())
    assert not presence.may_send
    await presence.start()
    assert presence.may_send


async def test_an_idle_process_writes_its_lease_every_two_seconds_and_nothing_else() -> None:
    objects, clock = StoredLeases(), ManualClock()
    presence = presence_of(objects, clock)
    await presence.start()
    async with running(presence):
        objects.calls.clear()
        await pass_time(clock, 20)
    assert objects.calls == ["replace"] * 10
    assert objects.holder("a") == presence.incarnation
    assert presence.may_send


async def test_a_restart_takes_the_lease_over_and_the_predecessor_is_lost() -> None:
    objects, clock = StoredLeases(), ManualClock()
    first = presence_of(objects, clock)
    await first.start()
    async with running(first):
        second = presence_of(objects, clock)
        await second.start()
        assert objects.holder("a") == second.incarnation
        assert second.is_dead(first.incarnation)
        assert not second.is_dead(second.incarnation)
        await pass_time(clock, 2)
        assert first.lost.is_set()
    assert not first.may_send
    assert second.may_send
    assert objects.holder("a") == second.incarnation


async def test_start_goes_on_until_the_api_server_answers() -> None:
    objects, clock = StoredLeases(), ManualClock()
    objects.failing = TransientError("not yet")
    presence = presence_of(objects, clock)
    task = asyncio.create_task(presence.start())
    await until(lambda: clock.sleepers == 1)
    objects.failing = None
    await until(task.done, tick=lambda: clock.advance(1))
    assert presence.may_send


async def test_a_start_whose_answer_was_lost_finds_its_own_lease() -> None:
    objects, clock = StoredLeases(), ManualClock()
    objects.loses_answers = True
    presence = presence_of(objects, clock)
    task = asyncio.create_task(presence.start())
    await until(lambda: clock.sleepers == 1)
    objects.loses_answers = False
    await until(task.done, tick=lambda: clock.advance(1))
    assert objects.holder("a") == presence.incarnation


async def test_without_renewal_for_ten_seconds_nothing_is_sent_until_it_works_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    objects, clock = StoredLeases(), ManualClock()
    presence = presence_of(objects, clock)
    await presence.start()
    async with running(presence):
        objects.failing = TransientError("cut off")
        await pass_time(clock, 9)
        assert presence.may_send
        await pass_time(clock, 1)
        assert not presence.may_send
        objects.failing = None
        await pass_time(clock, 6)
        assert not presence.may_send, "others may not have heard of it yet"
        await pass_time(clock, 2)
        assert presence.may_send
    assert not presence.lost.is_set()
    assert "could not be renewed" in caplog.text


async def test_whoever_sends_after_a_long_silence_is_dead_to_nobody() -> None:
    objects, clock = StoredLeases(), ManualClock()
    ours, other = presence_of(objects, clock), presence_of(objects, clock, "b")
    await ours.start()
    await other.start()
    async with running(ours):
        # Given one whose process stood still, and that is dead to us,
        ours.watch(other.incarnation)
        await pass_time(clock, 20)
        assert ours.is_dead(other.incarnation)

        # when it goes on, then it never may send while it is dead to us.
        async with running(other):
            while not other.may_send:
                await pass_time(clock, 1)
            assert not ours.is_dead(other.incarnation)


async def test_a_renewal_whose_answer_was_lost_goes_on_from_what_is_stored() -> None:
    objects, clock = StoredLeases(), ManualClock()
    presence = presence_of(objects, clock)
    await presence.start()
    async with running(presence):
        objects.loses_answers = True
        await pass_time(clock, 2)
        objects.loses_answers = False
        await pass_time(clock, 9)
        assert presence.may_send
    assert not presence.lost.is_set()


async def test_a_process_whose_lease_was_deleted_has_to_exit() -> None:
    objects, clock = StoredLeases(), ManualClock()
    presence = presence_of(objects, clock)
    await presence.start()
    async with running(presence):
        objects.items.clear()
        await pass_time(clock, 2)
        assert presence.lost.is_set()
        assert not presence.may_send
        assert objects.items == {}


async def test_a_released_lease_names_nobody_and_is_not_renewed() -> None:
    objects, clock = StoredLeases(), ManualClock()
    presence = presence_of(objects, clock)
    await presence.start()
    task = asyncio.create_task(presence.run())
    await presence.release()
    await pass_time(clock, 10)
    assert objects.holder("a") == ""
    assert not presence.may_send
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_release_does_not_touch_the_lease_of_a_successor() -> None:
    objects, clock = StoredLeases(), ManualClock()
    first, second = presence_of(objects, clock), presence_of(objects, clock)
    await first.start()
    await second.start()
    await first.release()
    assert objects.holder("a") == second.incarnation


async def test_a_crashed_process_is_dead_after_15_seconds_and_told_once() -> None:
    objects, clock = StoredLeases(), ManualClock()
    ours, other = presence_of(objects, clock), presence_of(objects, clock, "b")
    await ours.start()
    await other.start()
    async with running(ours):
        async with running(other):
            ours.watch(other.incarnation)
            await pass_time(clock, 30)
            assert not ours.is_dead(other.incarnation)
        await pass_time(clock, 14)
        assert not ours.is_dead(other.incarnation)
        await pass_time(clock, 4)
        assert ours.is_dead(other.incarnation)
        assert await asyncio.wait_for(anext(ours.deaths()), 1) == other.incarnation


async def test_a_stopped_process_is_dead_at_the_next_look_and_the_looking_ends() -> None:
    objects, clock = StoredLeases(), ManualClock()
    ours, other = presence_of(objects, clock), presence_of(objects, clock, "b")
    await ours.start()
    await other.start()
    async with running(ours):
        ours.watch(other.incarnation)
        await pass_time(clock, 2)
        await other.release()
        await pass_time(clock, 2)
        assert ours.is_dead(other.incarnation)
        objects.calls.clear()
        await pass_time(clock, 10)
    assert "list" not in objects.calls


async def test_nobody_dies_while_the_api_server_does_not_answer() -> None:
    objects, clock = StoredLeases(), ManualClock()
    ours, other = presence_of(objects, clock), presence_of(objects, clock, "b")
    await ours.start()
    await other.start()
    async with running(ours), running(other):
        ours.watch(other.incarnation)
        await pass_time(clock, 4)
        objects.failing = TransientError("down")
        await pass_time(clock, 120)
        objects.failing = None
        await pass_time(clock, 30)
        assert not ours.is_dead(other.incarnation)


async def test_watching_a_dead_one_tells_of_it_at_once() -> None:
    objects, clock = StoredLeases(), ManualClock()
    first, second = presence_of(objects, clock), presence_of(objects, clock)
    await first.start()
    await second.start()
    second.watch(first.incarnation)
    assert await asyncio.wait_for(anext(second.deaths()), 1) == first.incarnation


async def test_who_follows_all_knows_the_living_and_the_lanes_they_list() -> None:
    objects, clock = StoredLeases(), ManualClock()
    ours, other = presence_of(objects, clock), presence_of(objects, clock, "b")
    await ours.start()
    await other.start()
    assert await other.list_lanes({1, 2})
    ours.follow_all()
    async with running(ours):
        async with running(other):
            await pass_time(clock, 30)
            assert [(one.holder, one.lanes) for one in ours.living()] == [
                (other.incarnation, frozenset({1, 2}))
            ]
        await pass_time(clock, 18)
        assert ours.living() == []
        await other.start()
        await pass_time(clock, 4)
        assert [one.holder for one in ours.living()] == [other.incarnation]


async def test_lanes_that_could_not_be_listed_are_listed_by_the_next_renewal() -> None:
    objects, clock = StoredLeases(), ManualClock()
    ours = presence_of(objects, clock)
    await ours.start()
    objects.failing = TransientError("down")
    assert not await ours.list_lanes({0})
    objects.failing = None
    async with running(ours):
        await pass_time(clock, 2)
    assert lanes_of(objects.items[lease_name("a")]) == {0}
    await ours.release()
    assert lanes_of(objects.items[lease_name("a")]) == set()
    assert not await ours.list_lanes({1})


async def test_a_look_that_is_waited_for_begins_after_the_wait() -> None:
    objects, clock = StoredLeases(), ManualClock()
    ours = presence_of(objects, clock)
    await ours.start()
    ours.follow_all()
    async with running(ours):
        await pass_time(clock, 2)
        waiting = asyncio.create_task(ours.next_look())
        await asyncio.sleep(0)
        asked = clock.monotonic()
        await pass_time(clock, 4)
        assert (await waiting).began >= asked


async def test_who_could_take_its_lease_only_after_a_long_time_sends_nothing_for_a_while() -> None:
    objects, clock = StoredLeases(), ManualClock()
    ours = presence_of(objects, clock)
    objects.loses_answers = True  # The Lease is there; to others its holder has been silent since.
    starting = asyncio.create_task(ours.start())
    await pass_time(clock, 12)
    objects.loses_answers = False
    await pass_time(clock, 6)
    await starting
    assert not ours.may_send
    async with running(ours):
        await pass_time(clock, 6)
        assert ours.may_send
