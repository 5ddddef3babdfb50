"""Reflections on both API servers: what a status shows of turns that stand in the log."""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import cast

import pytest
from tests.contract.worlds import NOW, completed, ended, scheduled, started, timer
from tests.kubernetes.instances import ApiServerWorld, add, api_server_world, as_list, filler
from tests.kubernetes.log.owners import Owned, Pen, memory_world

from perdure.engine.events import HistoryEvent, TimerFired
from perdure.engine.values import Json, JsonObject, canonical
from perdure.errors import ObjectRejectedError
from perdure.kubernetes.log.reflection import basis_after, has_moved, is_shown, planned
from perdure.kubernetes.plan import MAX_STATUS
from perdure.kubernetes.status import MAX_INLINE_OUTPUT
from perdure.ports import Observed

PENDING = Observed(pending=("DefinitionNotFound", "there is no WorkflowDefinition order"))


@pytest.fixture(params=["memory", pytest.param("real", marks=pytest.mark.cluster)])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[ApiServerWorld]:
    if request.param == "memory":
        async with memory_world() as world:
            yield world
        return
    cluster, namespace = map(request.getfixturevalue, ("cluster", "namespace"))
    async with api_server_world(cluster, namespace) as world:
        yield world


@pytest.fixture
def pen(world: ApiServerWorld) -> Pen:
    return Pen(world)


def paths(operations: Sequence[JsonObject], op: str) -> list[str]:
    return [str(each["path"]) for each in operations if each["op"] == op]


def history_of(status: JsonObject) -> JsonObject:
    return cast("JsonObject", status["history"])


class TestRevs:
    async def test_the_first_status_shows_all_turns_at_the_rev_of_the_newest(
        self, world: ApiServerWorld, pen: Pen
    ) -> None:
        owned = await pen.owned("first")
        owned.commit(started(), scheduled("a"))
        owned.commit(completed(2), scheduled("b"))
        plan = await pen.show(owned)
        assert paths(plan.operations, "test") == ["/metadata/uid", "/metadata/resourceVersion"]
        assert paths(plan.operations, "add") == ["/status"]
        status = await world.status(owned.key)
        assert (status["rev"], status["commitId"]) == (2, "c2")
        assert (status["phase"], status["observedGeneration"]) == ("Running", 1)
        ids = [event["id"] for event in as_list(history_of(status)["events"])]
        assert ids == [1, 2, 3, 4]

    async def test_a_later_one_tests_rev_and_digest_and_appends_what_is_new(
        self, world: ApiServerWorld, pen: Pen
    ) -> None:
        owned = await pen.owned("later")
        owned.commit(started(), scheduled("a"))
        await pen.show(owned)
        await world.edit(owned.key, suspendReason="nobody minds that the object has moved")
        owned.commit(completed(2), scheduled("b"))
        owned.commit(completed(4), scheduled("c"))
        owned.commit(completed(6), scheduled("d"))
        plan = await pen.show(owned)
        assert paths(plan.operations, "test") == [
            "/metadata/uid",
            "/status/rev",
            "/status/history/digest",
        ]
        assert paths(plan.operations, "add").count("/status/history/events/-") == 6
        assert (await world.status(owned.key))["rev"] == 4

    async def test_the_history_is_what_a_store_reads(self, world: ApiServerWorld, pen: Pen) -> None:
        owned = await pen.owned("read")
        owned.commit(started(), scheduled("a"))
        await pen.show(owned)
        owned.commit(completed(2, {"n": 1e21}))
        owned.commit(timer("t", hours=1))
        await pen.show(owned)
        loaded = await world.store().load(owned.key, fresh=True)
        assert loaded is not None
        assert (loaded.state, loaded.rev) == (owned.state, 3)


STORY: tuple[tuple[HistoryEvent, ...], ...] = (
    (started(), scheduled("a")),
    (completed(2, {"n": 1}), scheduled("b")),
    (completed(4), timer("t", seconds=3)),
    (TimerFired(timer_id=6), scheduled("c"), scheduled("d")),
    (completed(8),),
    (completed(9), ended({"done": True})),
)


def groupings(count: int) -> Iterator[list[int]]:
    """Yield all ways to cut so many turns into groups, as the sizes of these."""
    if count == 0:
        yield []
    for first in range(1, count + 1):
        for rest in groupings(count - first):
            yield [first, *rest]


def without_times(value: Json) -> Json:
    if isinstance(value, dict):
        kept = {key: item for key, item in value.items() if key != "lastTransitionTime"}
        return {key: without_times(item) for key, item in kept.items()}
    return [without_times(item) for item in value] if isinstance(value, list) else value


class TestSeveralTurns:
    async def test_turns_shown_in_any_groups_lead_to_the_same_status(
        self, world: ApiServerWorld, pen: Pen
    ) -> None:
        statuses = []
        ways = list(groupings(len(STORY)))
        for way in ways:
            owned = await self.told(pen, way, "same")
            statuses.append(without_times(await world.status(owned.key)))
            await world.remove(owned.key)
        uids = [history_of(cast("JsonObject", status)).pop("digest") for status in statuses]
        assert len(ways) == 32
        assert len(set(map(str, uids))) == 32  # Of an instance each: their chains begin by uid.
        assert [status for status in statuses if status != statuses[0]] == []

    async def test_spilling_at_other_places_leads_to_the_same_state(
        self, world: ApiServerWorld, pen: Pen
    ) -> None:
        states, lengths = [], []
        for name, size in (("one", 1), ("three", 3), ("all", 6)):
            owned = await pen.owned(name)
            owned.commit(started())
            for number in range(1, 7):
                owned.commit(*filler(15))
                if number % size == 0:
                    await pen.show(owned)
            status = await world.status(owned.key)
            assert len(canonical(status)) <= MAX_STATUS
            loaded = await world.store().load(owned.key, fresh=True)
            assert loaded is not None
            assert loaded.state == owned.state
            states.append(replace(loaded.state, uid="", name=""))
            lengths.append(history_of(status)["length"])
        assert states[0] == states[1] == states[2]
        assert lengths == [91] * 3

    async def told(self, pen: Pen, way: Sequence[int], name: str) -> Owned:
        owned, turns = await pen.owned(name), iter(STORY)
        for number, size in enumerate(way):
            for _ in range(size):
                owned.commit(*next(turns))
            await pen.show(owned, self.at(number))
        return owned

    def at(self, number: int) -> datetime:
        return NOW + timedelta(minutes=number)


class TestSpill:
    async def test_a_first_status_may_spill(self, world: ApiServerWorld, pen: Pen) -> None:
        owned = await pen.owned("spilled")
        owned.commit(started())
        for _ in range(10):
            owned.commit(*filler(30))
        plan = await pen.show(owned)
        assert len(plan.segments) == 3  # 300 KiB at 128 KiB each
        assert len(canonical(await world.status(owned.key))) < MAX_STATUS // 2
        loaded = await world.store().load(owned.key, fresh=True)
        assert loaded is not None
        assert loaded.state == owned.state

    async def test_a_large_output_is_shown_by_reference(
        self, world: ApiServerWorld, pen: Pen
    ) -> None:
        owned = await pen.owned("large")
        owned.commit(started())
        owned.commit(ended("x" * (MAX_INLINE_OUTPUT + 1)))
        assert len(owned.payloads) == 1
        plan = await pen.show(owned)
        assert plan.payloads == ()
        (reference,) = cast("JsonObject", (await world.status(owned.key))["output"])
        assert reference == "$payload"


class TestEnd:
    async def test_it_tests_the_generation_that_the_turns_have_seen(
        self, world: ApiServerWorld, pen: Pen
    ) -> None:
        owned = await pen.owned("end")
        owned.commit(started())
        owned.commit(ended())
        await world.edit(owned.key, suspend=True)
        owned.basis = replace(owned.basis, version=owned.basis.version + 1)
        with pytest.raises(ObjectRejectedError):
            await pen.show(owned)
        body = await world.body(owned.key)
        assert has_moved(owned.reflection(), body)
        owned.generation, owned.observed = 2, Observed(warning="too late: suspend")
        assert not has_moved(owned.reflection(), body)
        await pen.show(owned)
        status = await world.status(owned.key)
        assert (status["phase"], status["observedGeneration"]) == ("Succeeded", 2)
        assert status["observed"] == {"warning": "too late: suspend"}

    async def test_other_turns_do_not_ask_for_the_generation(
        self, world: ApiServerWorld, pen: Pen
    ) -> None:
        owned = await pen.owned("on")
        owned.commit(started())
        await pen.show(owned)
        await world.edit(owned.key, suspend=True)
        owned.commit(scheduled("a"))
        await pen.show(owned)
        assert (await world.status(owned.key))["observedGeneration"] == 1

    async def test_after_it_only_the_generation_is_observed(self, pen: Pen) -> None:
        owned = await pen.owned("over")
        owned.commit(started(), ended())
        await pen.show(owned)
        assert planned(owned.reflection(), NOW).operations == []
        owned.generation, owned.observed = 2, Observed(warning="never mind")
        plan = planned(owned.reflection(), NOW)
        assert paths(plan.operations, "replace") == ["/status/observedGeneration"]
        assert paths(plan.operations, "add") + paths(plan.operations, "remove") == []


class TestWithoutEvents:
    async def test_a_status_without_a_turn_has_no_rev_and_tests_the_version(
        self, world: ApiServerWorld, pen: Pen
    ) -> None:
        owned = await pen.owned("pending")
        owned.observed = PENDING
        plan = await pen.show(owned)
        assert paths(plan.operations, "test") == ["/metadata/uid", "/metadata/resourceVersion"]
        status = await world.status(owned.key)
        assert status["message"] == "there is no WorkflowDefinition order"
        assert not {"rev", "commitId", "history"} & status.keys()
        await world.edit(owned.key, suspend=True)
        owned.observed = Observed()
        with pytest.raises(ObjectRejectedError):
            await pen.show(owned)
        assert has_moved(owned.reflection(), await world.body(owned.key))

    async def test_a_first_turn_follows_what_was_shown_before_it(
        self, world: ApiServerWorld, pen: Pen
    ) -> None:
        owned = await pen.owned("begun")
        owned.observed = PENDING
        await pen.show(owned)
        owned.observed = Observed()
        owned.commit(started())
        await pen.show(owned)
        status = await world.status(owned.key)
        assert (status["rev"], status["phase"]) == (1, "Running")
        assert "observed" not in status

    async def test_rev_and_commit_stay_as_they_are(self, world: ApiServerWorld, pen: Pen) -> None:
        owned = await pen.owned("stalled")
        owned.commit(started())
        await pen.show(owned)
        before = await world.status(owned.key)
        owned.observed = Observed(stalled=("NonDeterminism", "the definition changed"))
        owned.generation = 2
        plan = await pen.show(owned)
        assert "/status/rev" in paths(plan.operations, "test")
        status = await world.status(owned.key)
        assert (status["phase"], status["observedGeneration"]) == ("Stalled", 2)
        kept = ("rev", "commitId", "history")
        assert {key: status[key] for key in kept} == {key: before[key] for key in kept}

    async def test_what_is_shown_already_is_not_written(self, pen: Pen) -> None:
        owned = await pen.owned("same")
        owned.commit(started())
        await pen.show(owned)
        assert planned(owned.reflection(), NOW).operations == []


class TestLooks:
    async def shown(self, pen: Pen) -> Owned:
        owned = await pen.owned("looked-at")
        owned.commit(started(), scheduled("a"))
        await pen.show(owned)
        owned.commit(completed(2))
        return owned

    async def test_a_body_shows_it_or_is_what_it_builds_on(
        self, world: ApiServerWorld, pen: Pen
    ) -> None:
        owned = await self.shown(pen)
        reflection, before = owned.reflection(), await world.body(owned.key)
        assert not has_moved(reflection, before)
        assert not is_shown(reflection, planned(reflection, NOW), before)
        plan = await pen.show(owned)
        after = await world.body(owned.key)
        assert is_shown(reflection, plan, after)
        assert has_moved(reflection, after)
        assert basis_after(reflection, plan, after) == owned.basis

    @pytest.mark.parametrize(
        "edit",
        [
            {"op": "remove", "path": "/status/message"},
            {"op": "replace", "path": "/status/rev", "value": 7},
            {"op": "replace", "path": "/status/history/digest", "value": "0" * 64},
            {"op": "remove", "path": "/status/history"},
        ],
        ids=["field", "rev", "digest", "history"],
    )
    async def test_what_somebody_edited_has_moved(
        self, world: ApiServerWorld, pen: Pen, edit: JsonObject
    ) -> None:
        owned = await self.shown(pen)
        reflection = owned.reflection()
        await world.edit_status(owned.key, edit)
        body = await world.body(owned.key)
        assert has_moved(reflection, body)
        assert not is_shown(reflection, planned(reflection, NOW), body)

    async def test_what_is_none_of_its_business_has_not(
        self, world: ApiServerWorld, pen: Pen
    ) -> None:
        owned = await self.shown(pen)
        await world.edit(owned.key, suspend=True)
        await world.patch(owned.key, add("/metadata/labels", {"a": "b"}))
        assert not has_moved(owned.reflection(), await world.body(owned.key))

    async def test_an_event_that_was_edited_is_not_what_was_shown(
        self, world: ApiServerWorld, pen: Pen
    ) -> None:
        owned = await self.shown(pen)
        reflection = owned.reflection()
        plan = await pen.show(owned)
        await world.edit_status(
            owned.key,
            {"op": "replace", "path": "/status/history/events/1/path", "value": "b"},
        )
        assert not is_shown(reflection, plan, await world.body(owned.key))
