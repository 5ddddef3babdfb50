"""What every HistoryStore has to do; a subclass gives the fixture `world`."""

from datetime import timedelta

from tests.contract.worlds import (
    NOW,
    World,
    committed,
    completed,
    ended,
    loaded,
    outcome_of,
    scheduled,
    started,
    timer,
    turn,
)

from perdure.engine.values import Json
from perdure.ports import Committed, Conflict, Gone, InstanceKey, Observed


class HistoryStoreContract:
    """The suite; each test makes instances of its own."""

    async def test_an_instance_without_history_is_loaded_with_its_spec(self, world: World) -> None:
        key = await world.create("fresh", input={"a": 1}, suspend=True, timeout="5m")
        snapshot = await loaded(world.store(), key)
        assert snapshot.key == key
        assert (snapshot.rev, snapshot.generation, snapshot.observed_generation) == (None, 1, 0)
        assert snapshot.controls.definition == "order"
        assert snapshot.controls.input == {"a": 1}
        assert snapshot.controls.is_suspended
        assert snapshot.controls.timeout == "5m"
        assert snapshot.state.last_id == 0
        assert not snapshot.is_deleting

    async def test_what_is_committed_is_what_another_process_loads(self, world: World) -> None:
        key = await world.create("shared")
        store = world.store()
        first = await committed(store, await loaded(store, key), started(a=[1, {"b": None}]))
        second = await committed(
            store, first, scheduled("charge", {"x": 0.5}), timer("hold", hours=1), commit_id="c2"
        )
        other = await loaded(world.store(), key)
        assert other.state == second.state
        assert (first.rev, second.rev, other.rev) == (1, 2, 2)
        assert other.version == second.version
        assert other.observed_generation == 1

    async def test_a_load_that_is_not_fresh_serves_what_is_held(self, world: World) -> None:
        key = await world.create("held")
        store = world.store()
        snapshot = await committed(store, await loaded(store, key), started())
        await world.edit(key, suspend=True)
        assert await store.load(key) == snapshot
        fresh = await loaded(store, key)
        assert fresh.generation == 2
        assert fresh.controls.is_suspended
        assert fresh.state == snapshot.state

    async def test_of_two_commits_on_one_base_one_wins(self, world: World) -> None:
        key = await world.create("raced")
        one, two = world.store(), world.store()
        base = await committed(one, await loaded(one, key), started())
        rival = await loaded(two, key)
        assert isinstance(
            await outcome_of(one, turn(base, scheduled("a"), commit_id="c2")), Committed
        )
        assert await outcome_of(two, turn(rival, scheduled("b"), commit_id="c3")) == Conflict()
        merged = await loaded(two, key)
        assert [a.path for a in merged.state.activities.values()] == ["a"]
        assert isinstance(
            await outcome_of(two, turn(merged, scheduled("b"), commit_id="c4")), Committed
        )

    async def test_of_two_first_commits_one_wins(self, world: World) -> None:
        key = await world.create("first")
        one, two = world.store(), world.store()
        base, rival = await loaded(one, key), await loaded(two, key)
        assert isinstance(await outcome_of(one, turn(base, started())), Committed)
        assert await outcome_of(two, turn(rival, started(), commit_id="c2")) == Conflict()
        assert (await loaded(two, key)).state.last_id == 1

    async def test_the_first_commit_sees_an_edit_that_came_before(self, world: World) -> None:
        key = await world.create("edited")
        store = world.store()
        base = await loaded(store, key)
        await world.edit(key, suspend=True)
        assert await outcome_of(store, turn(base, started())) == Conflict()

    async def test_a_commit_goes_on_beside_an_edit_and_returns_it(self, world: World) -> None:
        key = await world.create("steered")
        store = world.store()
        base = await committed(store, await loaded(store, key), started())
        await world.edit(key, suspend=True)
        snapshot = await committed(store, base, scheduled("a"), commit_id="c2")
        assert (snapshot.generation, snapshot.observed_generation) == (2, 1)
        assert snapshot.controls.is_suspended

    async def test_an_end_is_not_committed_over_an_edit_that_it_has_not_seen(
        self, world: World
    ) -> None:
        key = await world.create("ending")
        store = world.store()
        base = await committed(store, await loaded(store, key), started())
        event: Json = {"id": "e1", "name": "approved"}
        await world.edit(key, events=[event])
        assert await outcome_of(store, turn(base, ended(), commit_id="c2")) == Conflict()
        again = await loaded(store, key)
        assert [event.id for event in again.controls.events] == ["e1"]
        assert isinstance(await outcome_of(store, turn(again, ended(), commit_id="c3")), Committed)

    async def test_a_turn_without_events_shows_something_and_raises_rev(self, world: World) -> None:
        key = await world.create("waiting")
        store = world.store()
        pending = Observed(pending=("DefinitionNotFound", "there is no definition order"))
        decided = turn(await loaded(store, key), observed=pending)
        outcome = await outcome_of(store, decided)
        assert isinstance(outcome, Committed)
        assert outcome.snapshot.rev == 1
        other = await loaded(world.store(), key)
        assert other.observed == pending
        assert other.state.last_id == 0
        assert (await committed(store, outcome.snapshot, started(), commit_id="c2")).rev == 2

    async def test_a_turn_that_changes_nothing_is_not_written(self, world: World) -> None:
        key = await world.create("still")
        store = world.store()
        base = await committed(store, await loaded(store, key), started())
        assert await outcome_of(store, turn(base, commit_id="c2")) == Committed(base)
        assert (await loaded(world.store(), key)).version == base.version

    async def test_a_finished_instance_only_notes_a_newer_generation(self, world: World) -> None:
        key = await world.create("over")
        store = world.store()
        base = await committed(store, await loaded(store, key), started())
        over = await committed(store, base, ended({"sum": 3}), commit_id="c2")
        await world.edit(key, suspend=True)
        late = await loaded(store, key)
        outcome = await outcome_of(store, turn(late, commit_id="c3"))
        assert isinstance(outcome, Committed), outcome
        assert outcome.snapshot.observed_generation == 2
        assert outcome.snapshot.state == over.state

    async def test_a_deleted_instance_is_gone(self, world: World) -> None:
        key = await world.create("deleted")
        store = world.store()
        base = await committed(store, await loaded(store, key), started())
        await world.remove(key)
        assert await outcome_of(store, turn(base, scheduled("a"), commit_id="c2")) == Gone()
        assert await store.load(key) is None
        assert await store.load(key, fresh=True) is None

    async def test_another_instance_under_the_same_name_is_another_one(self, world: World) -> None:
        key = await world.create("reborn")
        store = world.store()
        base = await committed(store, await loaded(store, key), started())
        await world.remove(key)
        other = await world.create("reborn")
        assert await outcome_of(store, turn(base, scheduled("a"), commit_id="c2")) == Gone()
        assert await store.load(key, fresh=True) is None
        snapshot = await loaded(store, other)
        assert snapshot.rev is None
        assert snapshot.state.last_id == 0

    async def test_a_batch_is_decided_turn_by_turn(self, world: World) -> None:
        store = world.store()
        names = ("batch-a", "batch-b", "batch-c")
        keys = [await world.create(name) for name in names]
        bases = [await loaded(store, key) for key in keys]
        await world.edit(keys[1], suspend=True)
        await world.remove(keys[2])
        outcomes = await store.commit([turn(base, started()) for base in bases])
        assert isinstance(outcomes[0], Committed)
        assert outcomes[1:] == [Conflict(), Gone()]

    async def test_a_hint_tells_of_a_body_and_serves_the_next_load(self, world: World) -> None:
        key = await world.create("hinted", startAt="2030-01-01T00:00:00Z")
        store, other = world.store(), world.store()
        base = await committed(other, await loaded(other, key), started())
        waiting = await committed(other, base, timer("hold", hours=1), commit_id="c2")
        hint = store.hint(await world.body(key))
        assert hint is not None
        assert (hint.key, hint.version, hint.rev) == (key, waiting.version, 2)
        assert (hint.generation, hint.observed_generation) == (1, 1)
        assert (hint.phase, hint.definition) == ("Running", "order")
        assert hint.wake_at == NOW + timedelta(hours=1)
        assert (hint.is_finished, hint.is_deleting, hint.has_calls) == (False, False, False)
        assert hint.size > 500
        snapshot = await store.load(key)
        assert snapshot is not None
        assert snapshot.state == waiting.state

    async def test_a_hint_shows_calls_and_ends(self, world: World) -> None:
        key = await world.create("calling")
        store, other = world.store(), world.store()
        base = await committed(other, await loaded(other, key), started(), scheduled("a"))
        calling = store.hint(await world.body(key))
        assert calling is not None
        assert (calling.phase, calling.has_calls) == ("Running", True)
        await committed(other, base, completed(2), ended(), commit_id="c2")
        over = store.hint(await world.body(key))
        assert over is not None
        assert (over.phase, over.is_finished, over.has_calls) == ("Succeeded", True, False)
        assert over.completed_at == NOW

    async def test_an_echo_older_than_what_is_held_is_dropped(self, world: World) -> None:
        key = await world.create("echoed")
        store = world.store()
        before = await world.body(key)
        snapshot = await committed(store, await loaded(store, key), started())
        assert store.hint(before) is None
        assert store.hint(await world.body(key)) is None
        assert await store.load(key) == snapshot

    async def test_an_echo_older_than_what_was_forgotten_is_dropped_too(self, world: World) -> None:
        key = await world.create("cold")
        store = world.store()
        base = await committed(store, await loaded(store, key), started(), scheduled("a"))
        before = await world.body(key)
        await committed(store, base, completed(2), commit_id="c2")
        store.forget(key)
        assert store.hint(before) is None
        snapshot = await store.load(key)
        assert snapshot is not None
        assert not snapshot.state.activities
        store.forget(key)
        caught_up = store.hint(await world.body(key))
        assert caught_up is not None
        assert caught_up.version == snapshot.version

    async def test_a_stale_body_leads_to_a_conflict_and_never_to_a_lost_event(
        self, world: World
    ) -> None:
        key = await world.create("stale")
        store, other = world.store(), world.store()
        base = await committed(other, await loaded(other, key), started())
        old = await world.body(key)
        await committed(other, base, scheduled("a"), commit_id="c2")
        store.hint(old)
        stale = await store.load(key)
        assert stale is not None
        assert await outcome_of(store, turn(stale, scheduled("b"), commit_id="c3")) == Conflict()
        assert [a.path for a in (await loaded(store, key)).state.activities.values()] == ["a"]

    async def test_a_forgotten_instance_is_read_anew(self, world: World) -> None:
        key = await world.create("forgotten")
        store = world.store()
        await committed(store, await loaded(store, key), started())
        await world.edit(key, suspend=True)
        store.forget(key)
        snapshot = await store.load(key)
        assert snapshot is not None
        assert snapshot.controls.is_suspended

    async def test_a_stalled_instance_shows_why_and_keeps_its_history(self, world: World) -> None:
        key = await world.create("stalled")
        store = world.store()
        base = await committed(store, await loaded(store, key), started(), scheduled("a"))
        await store.stall(key, "HistoryCorrupt", "the events do not match")
        await store.stall(key, "HistoryCorrupt", "the events still do not match")
        other = await loaded(world.store(), key)
        assert other.observed.stalled == ("HistoryCorrupt", "the events do not match")
        assert other.state == base.state
        assert other.rev == 2
        assert await outcome_of(store, turn(base, completed(2), commit_id="c2")) == Conflict()

    async def test_an_instance_that_never_was_is_absent(self, world: World) -> None:
        key = await world.create("known")
        store = world.store()
        assert await store.load(InstanceKey(key.namespace, "unknown", key.uid)) is None
        assert await store.load(InstanceKey(key.namespace, key.name, "another-uid")) is None
