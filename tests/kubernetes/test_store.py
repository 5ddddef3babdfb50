"""The store against a real API server: one patch per commit, and lost answers."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.contract.worlds import (
    NOW,
    committed,
    completed,
    ended,
    loaded,
    outcome_of,
    scheduled,
    timer,
    turn,
)
from tests.kubernetes import arbitrary
from tests.kubernetes.instances import (
    ApiServerWorld,
    Patch,
    add,
    as_list,
    begun,
    filler,
    lose_answer,
    lose_request,
)

from perdure.engine.events import (
    HistoryEvent,
    StepSucceeded,
)
from perdure.engine.fold import fold
from perdure.engine.state import State
from perdure.engine.values import Json, JsonObject, canonical
from perdure.errors import (
    HistoryCorruptError,
    NewerHistoryError,
    ObjectNotFoundError,
    ThrottledError,
    TransientError,
    UnknownOutcomeError,
)
from perdure.kubernetes import loading
from perdure.kubernetes.codec import decode
from perdure.kubernetes.objects import ApiObjects
from perdure.kubernetes.segments import as_written
from perdure.kubernetes.store import KubernetesStore
from perdure.ports import (
    Committed,
    Conflict,
    Gone,
    Observed,
    Rejected,
    Resource,
    Throttled,
    Unknown,
)
from perdure.runtime.clock import SystemClock

pytestmark = pytest.mark.cluster


class TestWrites:
    async def test_a_commit_is_one_patch_and_nothing_is_read_again(
        self, world: ApiServerWorld
    ) -> None:
        store = world.faulty()
        base = await begun(world, store, "cheap")
        assert world.objects.taken() == ["get WorkflowInstance", "patch WorkflowInstance"]
        base = await committed(store, base, scheduled("a"), timer("b", hours=1), commit_id="c2")
        base = await committed(store, base, completed(2), scheduled("c"), commit_id="c3")
        assert await store.load(base.key) == base
        assert world.objects.taken() == ["patch WorkflowInstance"] * 2

    async def test_the_status_is_readable(self, world: ApiServerWorld) -> None:
        store = world.store()
        base = await begun(world, store, "shown")
        base = await committed(
            store, base, scheduled("charge"), timer("hold", minutes=5), commit_id="c2"
        )
        status = await world.status(base.key)
        assert status["commitId"] == "c2"
        assert status["phase"] == "Running"
        assert status["progress"] == "0/5"
        assert status["message"] == "waiting for charge, and 1 more"
        assert status["wakeAt"] == "2026-01-01T12:05:00.250000Z"
        assert status["revision"] == {"name": "order-1", "digest": "d" * 64}
        waiting = status["waitingFor"]
        assert isinstance(waiting, list)
        assert waiting[0] == {
            "what": "Activity",
            "name": "charge",
            "path": "charge",
            "since": "2026-01-01T12:00:00.250000Z",
            "attempt": 1,
        }
        assert types_of(status) == {"Succeeded": "Unknown", "Completed": "False"}
        await committed(store, base, completed(2), ended({"paid": True}), commit_id="c3")
        status = await world.status(base.key)
        assert status["phase"] == "Succeeded"
        assert status["output"] == {"paid": True}
        assert types_of(status) == {"Succeeded": "True", "Completed": "True"}
        assert "waitingFor" not in status
        assert "wakeAt" not in status

    async def test_fields_of_a_newer_operator_are_left_alone(self, world: ApiServerWorld) -> None:
        store = world.store()
        base = await begun(world, store, "mixed")
        await world.edit_status(base.key, add("/status/history/mood", "good"))
        base = await loaded(store, base.key)
        await committed(store, base, scheduled("a"), commit_id="c2")
        history = (await world.status(base.key))["history"]
        assert isinstance(history, dict)
        assert history["mood"] == "good"


class TestEdits:
    async def test_an_edited_digest_makes_the_next_commit_a_conflict(
        self, world: ApiServerWorld
    ) -> None:
        store = world.store()
        base = await begun(world, store, "digest")
        await world.edit_status(base.key, add("/status/history/digest", "0" * 64))
        assert await outcome_of(store, turn(base, scheduled("a"), commit_id="c2")) == Conflict()
        assert (await world.status(base.key))["rev"] == 1
        with pytest.raises(HistoryCorruptError):
            await store.load(base.key, fresh=True)

    async def test_nobody_goes_on_from_a_commit_onto_edited_events(
        self, world: ApiServerWorld
    ) -> None:
        store = world.store()
        base = await begun(world, store, "events")
        await world.edit_status(base.key, add("/status/history/events/0/definition", "other"))
        assert await outcome_of(store, turn(base, scheduled("a"), commit_id="c2")) == Conflict()
        with pytest.raises(HistoryCorruptError):
            await store.load(base.key, fresh=True)

    async def test_nobody_goes_on_from_a_commit_onto_a_newer_form(
        self, world: ApiServerWorld
    ) -> None:
        store = world.store()
        base = await begun(world, store, "form")
        await world.edit_status(base.key, add("/status/history/version", 2))
        assert await outcome_of(store, turn(base, scheduled("a"), commit_id="c2")) == Conflict()
        with pytest.raises(NewerHistoryError):
            await store.load(base.key, fresh=True)

    async def test_an_older_echo_is_no_news_after_what_could_not_be_read(
        self, world: ApiServerWorld
    ) -> None:
        store = world.store()
        base = await begun(world, store, "echo")
        echo = await world.body(base.key)
        await world.edit_status(base.key, add("/status/history/version", 2))
        with pytest.raises(NewerHistoryError):
            await store.load(base.key, fresh=True)
        store.forget(base.key)
        assert store.hint(echo) is None
        assert store.hint(await world.body(base.key)) is not None


def types_of(status: JsonObject) -> dict[str, str]:
    conditions = status["conditions"]
    assert isinstance(conditions, list)
    found = {str(c["type"]): str(c["status"]) for c in conditions if isinstance(c, dict)}
    return {kind: found[kind] for kind in ("Succeeded", "Completed")}


class TestUnknownOutcomes:
    async def test_a_lost_answer_is_found_in_the_history(self, world: ApiServerWorld) -> None:
        store = world.faulty()
        base = await begun(world, store, "applied")
        world.objects.taken()
        world.objects.fault = lose_answer
        snapshot = await committed(store, base, scheduled("a"), commit_id="c2")
        assert world.objects.taken() == ["patch WorkflowInstance", "get WorkflowInstance"]
        assert list(snapshot.state.activities) == [2]
        assert store.unresolved(base.key) == frozenset()

    async def test_a_lost_request_is_a_conflict_and_can_be_decided_again(
        self, world: ApiServerWorld
    ) -> None:
        store = world.faulty()
        base = await begun(world, store, "lost")
        world.objects.fault = lose_request
        decided = turn(base, scheduled("a"), commit_id="c2")
        assert await outcome_of(store, decided) == Conflict()
        assert store.unresolved(base.key) == {"c2"}
        again = await loaded(store, base.key)
        assert again.state == base.state
        await committed(store, again, scheduled("a"), commit_id="c3")
        assert store.unresolved(base.key) == frozenset()

    async def test_it_is_found_below_what_another_process_committed_on_top(
        self, world: ApiServerWorld
    ) -> None:
        store, other = world.faulty(), world.store()
        base = await begun(world, store, "covered")

        async def cover(send: Patch) -> JsonObject:
            await send()
            top = await loaded(other, base.key)
            # The other commit spills, so that ours is only found in a segment.
            await committed(other, top, *filler(40), commit_id="c3")
            raise UnknownOutcomeError("the answer was lost")

        world.objects.fault = cover
        outcome = await outcome_of(store, turn(base, scheduled("a"), commit_id="c2"))
        assert isinstance(outcome, Committed)
        assert outcome.snapshot.state.last_id == 42
        assert [a.path for a in outcome.snapshot.state.activities.values()] == ["a"]
        assert outcome.snapshot.state == (await loaded(other, base.key)).state

    async def test_a_patch_that_lands_late_wins_or_fails_but_never_doubles(
        self, world: ApiServerWorld
    ) -> None:
        store = world.faulty()
        base = await begun(world, store, "late")
        late: list[Patch] = []

        async def delay(send: Patch) -> JsonObject:
            late.append(send)
            raise UnknownOutcomeError("no answer yet")

        world.objects.fault = delay
        assert await outcome_of(store, turn(base, scheduled("a"), commit_id="c2")) == Conflict()
        again = await loaded(store, base.key)
        await late[0]()  # Now it lands, after the read that did not show it.
        assert await outcome_of(store, turn(again, scheduled("a"), commit_id="c3")) == Conflict()
        seen = await loaded(store, base.key)
        assert list(seen.state.activities) == [2]
        assert store.unresolved(base.key) == frozenset()

    async def test_a_patch_that_lands_after_a_later_commit_fails(
        self, world: ApiServerWorld
    ) -> None:
        store = world.faulty()
        base = await begun(world, store, "later")
        late: list[Patch] = []

        async def delay(send: Patch) -> JsonObject:
            late.append(send)
            raise UnknownOutcomeError("no answer yet")

        world.objects.fault = delay
        assert await outcome_of(store, turn(base, scheduled("a"), commit_id="c2")) == Conflict()
        snapshot = await committed(
            store, await loaded(store, base.key), scheduled("b"), commit_id="c3"
        )
        with pytest.raises(Exception, match="422"):
            await late[0]()
        assert (await loaded(world.store(), base.key)).state == snapshot.state

    async def test_a_read_that_fails_too_leaves_it_unknown(self, world: ApiServerWorld) -> None:
        store = world.faulty()
        base = await begun(world, store, "dark")

        async def go_dark(send: Patch) -> JsonObject:
            await send()

            async def fail(*_: object) -> JsonObject:
                raise TransientError("no route")

            world.objects.get = fail  # type: ignore[method-assign,assignment]
            raise UnknownOutcomeError("the answer was lost")

        world.objects.fault = go_dark
        outcome = await outcome_of(store, turn(base, scheduled("a"), commit_id="c2"))
        assert outcome == Unknown("the answer was lost")
        assert store.unresolved(base.key) == {"c2"}
        del world.objects.get
        assert list((await loaded(store, base.key)).state.activities) == [2]
        assert store.unresolved(base.key) == frozenset()

    async def test_a_turn_without_events_is_not_resolved(self, world: ApiServerWorld) -> None:
        store = world.faulty()
        base = await begun(world, store, "shy")
        world.objects.taken()
        world.objects.fault = lose_answer
        decided = turn(base, observed=Observed(warning="input was edited"), commit_id="c2")
        assert await outcome_of(store, decided) == Conflict()
        assert world.objects.taken() == ["patch WorkflowInstance"]
        assert (await loaded(store, base.key)).observed.warning == "input was edited"

    async def test_an_instance_that_went_meanwhile_is_gone(self, world: ApiServerWorld) -> None:
        store = world.faulty()
        base = await begun(world, store, "vanished")

        async def vanish(send: Patch) -> JsonObject:
            await world.remove(base.key)
            raise UnknownOutcomeError("the answer was lost")

        world.objects.fault = vanish
        assert await outcome_of(store, turn(base, scheduled("a"), commit_id="c2")) == Gone()
        assert store.unresolved(base.key) == frozenset()

    @pytest.mark.parametrize(
        ("error", "delay"),
        [(ThrottledError("slow down", retry_after=7.0), 7.0), (TransientError("refused"), 0.5)],
    )
    async def test_what_was_not_sent_is_tried_again_later(
        self, world: ApiServerWorld, error: TransientError, delay: float
    ) -> None:
        store = world.faulty()
        base = await begun(world, store, "busy")
        world.objects.taken()

        async def refuse(send: Patch) -> JsonObject:
            raise error

        world.objects.fault = refuse
        decided = turn(base, scheduled("a"), commit_id="c2")
        assert await outcome_of(store, decided) == Throttled(delay)
        assert world.objects.taken() == ["patch WorkflowInstance"]
        assert isinstance(await outcome_of(store, decided), Committed)


class TestNotServed:
    async def test_a_kind_that_is_not_served_is_no_deleted_instance(
        self, world: ApiServerWorld
    ) -> None:
        store = world.faulty()
        base = await begun(world, store, "unserved")

        async def refuse(send: Patch) -> JsonObject:
            raise ObjectNotFoundError(
                "patch: 404 NotFound: the server could not find the requested resource", status=404
            )

        world.objects.fault = refuse
        decided = turn(base, scheduled("a"), commit_id="c2")
        assert await outcome_of(store, decided) == Throttled(0.5)
        assert isinstance(await outcome_of(store, decided), Committed)

    async def test_without_the_kind_a_load_fails_for_now(self, world: ApiServerWorld) -> None:
        base = await begun(world, world.store(), "unseen")
        objects = ApiObjects(world.client)

        class Elsewhere(ApiObjects):
            async def get(self, resource: Resource, namespace: str, name: str) -> JsonObject:
                return await objects.get(replace(resource, plural="nosuchkinds"), namespace, name)

        with pytest.raises(TransientError):
            await KubernetesStore(Elsewhere(world.client), SystemClock()).load(base.key)


class TestRejections:
    async def test_a_fault_of_the_schema_is_told_from_a_conflict(
        self, world: ApiServerWorld
    ) -> None:
        store = world.store()
        base = await begun(world, store, "refused")
        long = turn(base, commit_id="x" * 200, observed=Observed(warning="w"))
        outcome = await outcome_of(store, long)
        assert isinstance(outcome, Rejected)
        assert "commitId" in outcome.message
        assert not outcome.is_too_large
        assert (await loaded(store, base.key)).rev == 1

    async def test_a_schema_fault_on_a_moved_base_is_a_conflict(
        self, world: ApiServerWorld
    ) -> None:
        store, other = world.store(), world.store()
        base = await begun(world, store, "both")
        await committed(other, await loaded(other, base.key), scheduled("a"), commit_id="c2")
        long = turn(base, commit_id="x" * 200, observed=Observed(warning="w"))
        assert await outcome_of(store, long) == Conflict()

    async def test_a_bug_in_one_turn_leaves_the_others_alone(self, world: ApiServerWorld) -> None:
        store = world.store()
        one, two = await begun(world, store, "one"), await begun(world, store, "two")
        good = turn(one, scheduled("a"), commit_id="c2")
        bad = turn(two, scheduled("a"), commit_id="c2")
        bad = type(bad)(
            base=two, commit_id="c2", events=bad.events * 2, state=bad.state, observed=Observed()
        )
        outcomes = await store.commit([bad, good])
        assert isinstance(outcomes[0], Rejected)
        assert isinstance(outcomes[1], Committed)


class TestValues:
    async def test_ten_thousand_values_survive_the_api_server(self, world: ApiServerWorld) -> None:
        values = arbitrary.values(10_000)
        store = world.store()
        snapshot = await begun(world, store, "values")
        size = 20
        parts = [values[start : start + size] for start in range(0, len(values), size)]
        for number in range(0, len(parts), 250):
            batch: list[HistoryEvent] = [
                StepSucceeded(path="all", output=list(part))
                for part in parts[number : number + 250]
            ]
            snapshot = await committed(store, snapshot, *batch, commit_id=f"c{number}")
        other = await loaded(world.store(), snapshot.key)
        assert canonical(other.state.units["all"].output) == canonical(list(parts[-1]))
        assert other.state == snapshot.state
        read = [
            decode(record)
            for each in await world.histories(snapshot.key)
            for record in segment_events(each)
        ]
        outputs = {event.id: event.output for event in read if isinstance(event, StepSucceeded)}
        assert len(outputs) > 400
        for event_id, output in outputs.items():
            assert canonical(as_written(output)) == canonical(list(parts[event_id - 2]))


def segment_events(body: JsonObject) -> list[JsonObject]:
    spec = body["spec"]
    assert isinstance(spec, dict)
    return as_list(spec["events"]) if spec["kind"] == "Segment" else []


class TestCosts:
    async def test_folding_takes_as_many_steps_as_there_are_events(
        self, world: ApiServerWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folded = 0
        real = fold

        def counted(state: State, event: HistoryEvent) -> State:
            nonlocal folded
            folded += 1
            return real(state, event)

        store = world.store()
        base = await begun(world, store, "linear")
        for number in range(5):
            base = await committed(store, base, *filler(100, 300), commit_id=f"c{number + 2}")
        monkeypatch.setattr(loading, "fold", counted)
        other = world.store()
        assert (await loaded(other, base.key)).state == base.state
        assert folded == 501
        base = await committed(store, base, *filler(10, 300), commit_id="c8")
        assert (await loaded(other, base.key)).state == base.state
        assert folded == 511

    async def test_print_what_a_run_of_five_calls_costs(self, world: ApiServerWorld) -> None:
        store = world.faulty()
        base = await begun(world, store, "bench")
        for number in range(5):
            events: list[HistoryEvent] = []
            if number:
                events.append(completed(base.state.last_id, {"ok": True, "id": 7}))
            request: Json = {"method": "POST", "service": "pay", "path": "/pay", "body": {"n": 1}}
            events.append(scheduled(f"step{number}", request))
            base = await committed(
                store, base, *events, commit_id=f"{number:016x}", at=NOW + timedelta(seconds=number)
            )
        last: list[HistoryEvent] = [
            completed(base.state.last_id, {"ok": True, "id": 7}),
            ended({"ok": True}),
        ]
        base = await committed(store, base, *last, commit_id=f"{9:016x}")
        status = await world.status(base.key)
        history = status["history"]
        print(f"status after 5 calls: {len(canonical(status))} bytes")
        print(f"of it history: {len(canonical(history))} bytes, {base.state.last_id} events")
        assert world.objects.calls.count("patch WorkflowInstance") == 7
