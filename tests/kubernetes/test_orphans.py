"""What a process that died between creating objects and their commit leaves, and who finds it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import count

import orjson
import pytest
from tests.contract.memory_transport import MemoryTransport
from tests.contract.worlds import committed, completed, loaded, scheduled, started, timer, turn
from tests.kubernetes.instances import ApiServerWorld, Patch

from perdure.engine.events import ActivityClaimed, Claim
from perdure.engine.values import JsonObject
from perdure.errors import TransientError
from perdure.kubernetes import tidying
from perdure.kubernetes.client import ApiClient, ClientLimits
from perdure.kubernetes.connection import FixedToken
from perdure.kubernetes.store import KubernetesStore
from perdure.ports import InstanceKey, Snapshot
from perdure.runtime.clock import SystemClock
from perdure.testing.apiserver import ApiServer, Request

NAMESPACE = "default"
ANSWER = "x" * 9000
"""Too large for the history: it is kept in an object of its own."""


@pytest.fixture
async def world() -> AsyncIterator[ApiServerWorld]:
    clock = SystemClock()
    numbers = count(1)
    server = ApiServer(now=clock.now, uid=lambda *_: f"uid-{next(numbers)}")
    body = orjson.dumps({"metadata": {"name": NAMESPACE}})
    request = Request("POST", "/api/v1/namespaces", {}, body, "application/json", "tests")
    assert server.handle(request).status == 201
    transport, token = MemoryTransport(server), FixedToken("tests")
    async with ApiClient(transport, token, clock, ClientLimits()) as client:
        yield ApiServerWorld(client, NAMESPACE)


def claimed() -> ActivityClaimed:
    claim = Claim(delivery=2, incarnation="perdure-1-9a8b", claim_id="fedcba9876543210")
    return ActivityClaimed(scheduled_id=2, claim=claim)


async def calling(world: ApiServerWorld, name: str) -> Snapshot:
    """Return an instance with an open call of a process that is no more."""
    store = world.store()
    base = await loaded(store, await world.create(name))
    return await committed(store, base, started(), scheduled("charge"))


async def left_behind(world: ApiServerWorld, name: str) -> InstanceKey:
    """Return an instance whose process died before it could commit the answer that it stored."""
    base = await calling(world, name)

    async def die(_: Patch) -> JsonObject:
        raise TransientError("the process is dead")

    world.objects.fault = die
    dead = world.faulty()
    answered = turn(await loaded(dead, base.key), completed(2, ANSWER), scheduled("ship", ANSWER))
    await dead.commit([answered])
    world.objects.taken()
    assert len(await world.histories(base.key)) == 2
    return base.key


async def take_over(store: KubernetesStore, key: InstanceKey) -> Snapshot:
    return await committed(store, await loaded(store, key), claimed(), commit_id="c2")


async def answer(store: KubernetesStore, base: Snapshot) -> None:
    events = completed(2, "paid"), scheduled("ship", ANSWER)
    await committed(store, base, *events, commit_id="c3")


async def fail_to_commit(world: ApiServerWorld, store: KubernetesStore, key: InstanceKey) -> None:
    """Let the store create the object for an answer, and no commit follow."""

    async def fail(_: Patch) -> JsonObject:
        raise TransientError("the API server is away")

    world.objects.fault = fail
    await store.commit([turn(await loaded(store, key), completed(2, ANSWER))])
    world.objects.fault = None


def lists(world: ApiServerWorld) -> int:
    return world.objects.taken().count("list WorkflowHistory")


async def test_what_a_dead_process_stored_is_deleted_when_its_call_has_ended(
    world: ApiServerWorld,
) -> None:
    key = await left_behind(world, "order")
    store = world.faulty()
    base = await take_over(store, key)
    assert await store.tidy() == 0  # It may be wanted as long as the history has not passed it.
    await answer(store, base)
    assert await store.tidy() == 2
    (kept,) = await world.histories(key)
    state = (await loaded(world.store(), key)).state
    assert [activity.request for activity in state.activities.values()] == [ANSWER]
    assert kept["spec"] is not None


async def test_what_is_not_decided_yet_is_looked_at_again_after_the_next_commit(
    world: ApiServerWorld,
) -> None:
    base = await calling(world, "order")
    store = world.faulty()
    await fail_to_commit(world, store, base.key)
    assert await store.tidy() == 0
    world.objects.taken()
    assert await store.tidy() == 0
    assert lists(world) == 0  # Nothing has moved.
    base = await loaded(store, base.key)
    await committed(store, base, completed(2, "short"), commit_id="c2")
    assert await store.tidy() == 1
    assert await world.histories(base.key) == []


async def test_what_another_process_decides_on_is_looked_at_when_a_watch_tells_it(
    world: ApiServerWorld,
) -> None:
    base = await calling(world, "order")
    store = world.faulty()
    await fail_to_commit(world, store, base.key)
    assert await store.tidy() == 0
    other = world.store()
    await committed(other, await loaded(other, base.key), completed(2, "short"), commit_id="c2")
    assert await store.tidy() == 0
    assert store.hint(await world.body(base.key)) is not None
    assert await store.tidy() == 1


async def test_histories_are_listed_once_per_call_that_was_taken_over(
    world: ApiServerWorld,
) -> None:
    key = await left_behind(world, "order")
    store = world.faulty()
    await answer(store, await take_over(store, key))
    assert lists(world) == 0
    for expected in (1, 0):
        await store.tidy()
        assert lists(world) == expected


async def test_a_restart_lists_no_histories_of_what_waits_or_goes_on_undisturbed(
    world: ApiServerWorld,
) -> None:
    waiting = [await calling(world, f"order-{number}") for number in range(3)]
    store = world.faulty()
    for each in waiting:
        base = await loaded(store, each.key)
        base = await committed(store, base, timer("hold", hours=1), commit_id="c2")
        await committed(store, base, completed(2, ANSWER), commit_id="c3")
    assert await store.tidy() == 0
    assert lists(world) == 0


async def test_one_round_tidies_up_a_bounded_number_of_instances(
    world: ApiServerWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tidying, "MAX_TIDIED", 2)
    store = world.faulty()
    for number in range(3):
        key = await left_behind(world, f"order-{number}")
        await answer(store, await take_over(store, key))
    world.objects.taken()
    for expected in (2, 1, 0):
        await store.tidy()
        assert lists(world) == expected
