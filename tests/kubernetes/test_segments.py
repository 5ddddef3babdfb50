"""Spilled histories on a real API server, whole and damaged."""

import pytest
from tests.contract.worlds import (
    committed,
    ended,
    loaded,
    outcome_of,
    scheduled,
    turn,
)
from tests.kubernetes.instances import (
    ApiServerWorld,
    Patch,
    add,
    as_list,
    begun,
    filler,
)

from perdure.engine.events import (
    Failure,
    StepFailed,
    StepSucceeded,
)
from perdure.engine.values import JsonObject, canonical
from perdure.errors import (
    HistoryCorruptError,
    NewerHistoryError,
    TransientError,
)
from perdure.kubernetes.plan import MAX_STATUS
from perdure.kubernetes.status import MAX_INLINE_OUTPUT
from perdure.ports import (
    WORKFLOW_HISTORIES,
    Committed,
    Conflict,
    Snapshot,
    Throttled,
)

pytestmark = pytest.mark.cluster


class TestSpill:
    @pytest.mark.parametrize(("past", "segments"), [(-1, 0), (0, 0), (1, 1)])
    async def test_events_move_to_a_segment_just_past_the_bound(
        self, world: ApiServerWorld, past: int, segments: int
    ) -> None:
        store = world.faulty()
        base = await begun(world, store, "full")
        base = await committed(store, base, *filler(25), commit_id="c2")
        sized = (await world.status(base.key)) | {"rev": 3}
        room = MAX_STATUS - len(canonical(sized))
        # Find the output that makes the status exactly as long as wanted.
        base = await committed(
            store,
            base,
            StepSucceeded(path="last", output="x" * (room - overhead(base) + past)),
            commit_id="c3",
        )
        status = await world.status(base.key)
        if not segments:
            assert len(canonical(status)) == MAX_STATUS + past
        else:
            assert len(canonical(status)) < MAX_STATUS // 2
        assert len(await world.histories(base.key)) == segments
        assert (await loaded(world.store(), base.key)).state == base.state

    async def test_a_spill_costs_one_object_and_holds_the_commits_own_events(
        self, world: ApiServerWorld
    ) -> None:
        store = world.faulty()
        base = await begun(world, store, "spilled")
        world.objects.taken()
        base = await committed(store, base, *filler(40), commit_id="c2")
        assert world.objects.taken() == ["create WorkflowHistory", "patch WorkflowInstance"]
        (segment,) = await world.histories(base.key)
        metadata, spec = segment["metadata"], segment["spec"]
        assert isinstance(metadata, dict)
        assert isinstance(spec, dict)
        last = spec["lastId"]
        assert spec["kind"] == "Segment"
        assert metadata["labels"] == {
            "perdure.dev/instance-uid": base.key.uid,
            "perdure.dev/instance": "spilled",
        }
        assert metadata["annotations"] == {
            "perdure.dev/events": f"1-{last}",
            "perdure.dev/first-at": "2026-01-01T12:00:00.250000Z",
            "perdure.dev/last-at": "2026-01-01T12:00:00.250000Z",
            "perdure.dev/types": f"InstanceStarted 1, StepSucceeded {int(str(last)) - 1}",
        }
        (owner,) = as_list(metadata["ownerReferences"])
        assert owner["uid"] == base.key.uid
        history = (await world.status(base.key))["history"]
        assert isinstance(history, dict)
        assert history["segments"] == {
            "count": 1,
            "newest": {"name": metadata["name"], "digest": spec["digest"]},
        }
        assert history["length"] == 41
        assert len(as_list(history["events"])) == 41 - int(str(last))
        assert len(canonical(await world.status(base.key))) < MAX_STATUS // 2

    async def test_a_long_history_is_a_chain_of_segments_that_any_process_folds(
        self, world: ApiServerWorld
    ) -> None:
        store = world.store()
        base = await begun(world, store, "long")
        for number in range(4):
            base = await committed(store, base, *filler(200), commit_id=f"c{number + 2}")
        assert len(await world.histories(base.key)) >= 8
        assert (await loaded(world.store(), base.key)).state == base.state

    async def test_a_store_that_fell_behind_reads_only_what_it_lacks(
        self, world: ApiServerWorld
    ) -> None:
        behind, store = world.faulty(), world.store()
        base = await begun(world, store, "behind")
        for number in range(2):
            base = await committed(store, base, *filler(200), commit_id=f"c{number + 2}")
        await loaded(behind, base.key)
        world.objects.taken()
        base = await committed(store, base, scheduled("a"), commit_id="c8")
        assert (await loaded(behind, base.key)).state == base.state
        assert world.objects.taken() == ["get WorkflowInstance"]
        base = await committed(store, base, *filler(40), commit_id="c9")
        assert (await loaded(behind, base.key)).state == base.state
        assert world.objects.taken() == ["get WorkflowInstance", "get WorkflowHistory"]

    async def test_a_segment_created_by_a_lost_race_is_used_by_nobody(
        self, world: ApiServerWorld
    ) -> None:
        one, two = world.store(), world.store()
        base = await begun(world, one, "orphans")
        rival = await loaded(two, base.key)
        base = await committed(one, base, *filler(40), commit_id="c2")
        lost = turn(rival, *filler(45), commit_id="c3")
        assert await outcome_of(two, lost) == Conflict()
        assert len(await world.histories(base.key)) == 2
        assert (await loaded(world.store(), base.key)).state == base.state
        assert await one.collect(base.key) == 1
        assert len(await world.histories(base.key)) == 1
        assert (await loaded(world.store(), base.key)).state == base.state
        assert await one.collect(base.key) == 0

    async def test_a_segment_that_is_there_already_is_taken_as_it_is(
        self, world: ApiServerWorld
    ) -> None:
        store = world.faulty()
        base = await begun(world, store, "again")

        async def refuse(send: Patch) -> JsonObject:
            raise TransientError("refused")

        world.objects.fault = refuse
        decided = turn(base, *filler(40), commit_id="c2")
        assert isinstance(await outcome_of(store, decided), Throttled)
        assert isinstance(await outcome_of(store, decided), Committed)
        assert len(await world.histories(base.key)) == 1

    async def test_events_have_no_room_beside_a_large_output_and_all_spill(
        self, world: ApiServerWorld
    ) -> None:
        store = world.store()
        base = await begun(world, store, "heavy")
        output = "x" * (MAX_INLINE_OUTPUT - 2)
        failure = Failure(type="T", message="m" * 9000, details="d" * 3000)
        base = await committed(store, base, *filler(12), commit_id="c2")
        base = await committed(
            store, base, StepFailed(path="s", error=failure), ended(output), commit_id="c3"
        )
        status = await world.status(base.key)
        assert status["output"] == output
        assert len(canonical(status)) <= MAX_STATUS
        assert (await loaded(world.store(), base.key)).state == base.state


def overhead(base: Snapshot) -> int:
    """Return the bytes that one more event takes beside its output, with its comma."""
    stored: JsonObject = {
        "at": "2026-01-01T12:00:00.250000Z",
        "commitId": "c3",
        "id": base.state.last_id + 1,
        "output": "",
        "path": "last",
        "type": "StepSucceeded",
    }
    return len(canonical(stored)) + 1


class TestDamage:
    async def damaged(self, world: ApiServerWorld) -> Snapshot:
        store = world.store()
        base = await begun(world, store, "damaged")
        return await committed(store, base, *filler(40), commit_id="c2")

    @pytest.mark.parametrize(
        "operation",
        [
            add("/status/history/events/0/output", "forged"),
            add("/status/history/digest", "0" * 64),
            add("/status/history/length", 40),
            add("/status/history/segments", {"count": 0}),
            add("/status/history/segments/newest/digest", "0" * 64),
            add("/status/history/segments/newest/name", "nobody"),
            {"op": "remove", "path": "/status/history/events/0"},
            {"op": "remove", "path": "/status/history/events"},
            {"op": "remove", "path": "/status/history/version"},
            {"op": "remove", "path": "/status/history"},
        ],
        ids=lambda operation: f"{operation['op']}-{operation['path'].rpartition('history')[2]}",
    )
    async def test_a_status_edited_by_hand_is_refused(
        self, world: ApiServerWorld, operation: JsonObject
    ) -> None:
        base = await self.damaged(world)
        await world.edit_status(base.key, operation)
        with pytest.raises(HistoryCorruptError):
            await world.store().load(base.key)

    async def test_a_missing_segment_is_refused_and_not_taken_for_an_empty_one(
        self, world: ApiServerWorld
    ) -> None:
        base = await self.damaged(world)
        objects = world.objects
        for each in await world.histories(base.key):
            metadata = each["metadata"]
            assert isinstance(metadata, dict)
            await objects.delete(
                WORKFLOW_HISTORIES,
                base.key.namespace,
                str(metadata["name"]),
                uid=str(metadata["uid"]),
            )
        with pytest.raises(HistoryCorruptError, match="missing"):
            await world.store().load(base.key)

    async def test_a_store_with_a_cached_state_sees_the_damage_too(
        self, world: ApiServerWorld
    ) -> None:
        store = world.store()
        base = await begun(world, store, "cached")
        base = await committed(store, base, scheduled("a"), commit_id="c2")
        await world.edit_status(base.key, add("/status/history/events/0/steps", 9))
        with pytest.raises(HistoryCorruptError):
            await store.load(base.key, fresh=True)

    async def test_a_history_of_a_newer_version_is_left_alone(self, world: ApiServerWorld) -> None:
        base = await self.damaged(world)
        await world.edit_status(base.key, add("/status/history/version", 2))
        with pytest.raises(NewerHistoryError):
            await world.store().load(base.key)
