"""Large values on a real API server."""

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
    begun,
    filler,
)

from perdure.engine.events import (
    Ending,
    EndRequested,
    InstanceEnded,
)
from perdure.engine.values import JsonObject
from perdure.errors import (
    TransientError,
)
from perdure.kubernetes.payloads import MAX_INLINE, MAX_PAYLOAD, reference_of, value_of
from perdure.kubernetes.status import MAX_INLINE_OUTPUT
from perdure.ports import (
    Committed,
    Conflict,
    Rejected,
    Throttled,
)

pytestmark = pytest.mark.cluster


class TestPayloads:
    @pytest.mark.parametrize(("past", "payloads"), [(-1, 0), (0, 0), (1, 1)])
    async def test_a_value_moves_out_just_past_the_bound(
        self, world: ApiServerWorld, past: int, payloads: int
    ) -> None:
        store = world.faulty()
        base = await begun(world, store, "value")
        world.objects.taken()
        value = "x" * (MAX_INLINE - 2 + past)
        base = await committed(store, base, scheduled("a", value), commit_id="c2")
        assert world.objects.taken() == [
            *["create WorkflowHistory"] * payloads,
            "patch WorkflowInstance",
        ]
        assert len(await world.histories(base.key)) == payloads
        other = await loaded(world.store(), base.key)
        assert other.state == base.state
        assert other.state.activities[2].request == value

    @pytest.mark.parametrize(("past", "is_refused"), [(-1, False), (0, False), (1, True)])
    async def test_one_value_has_at_most_a_mebibyte(
        self, world: ApiServerWorld, past: int, is_refused: bool
    ) -> None:
        store = world.store()
        base = await begun(world, store, "huge")
        value = "x" * (MAX_PAYLOAD - 2 + past)
        outcome = await outcome_of(store, turn(base, scheduled("a", value), commit_id="c2"))
        if is_refused:
            assert outcome == Rejected(
                f"the request of event 2 has {MAX_PAYLOAD + 1} bytes, at most {MAX_PAYLOAD} can "
                "be kept",
                is_too_large=True,
            )
            assert await world.histories(base.key) == []
            return
        assert isinstance(outcome, Committed)
        assert (await loaded(world.store(), base.key)).state == outcome.snapshot.state

    @pytest.mark.parametrize(("past", "is_inline"), [(-1, True), (0, True), (1, False)])
    async def test_a_large_output_is_a_reference_in_the_status(
        self, world: ApiServerWorld, past: int, is_inline: bool
    ) -> None:
        store = world.store()
        base = await begun(world, store, "output")
        output = "x" * (MAX_INLINE_OUTPUT - 2 + past)
        base = await committed(store, base, ended(output), commit_id="c2")
        shown = (await world.status(base.key))["output"]
        if is_inline:
            assert shown == output
        else:
            reference = reference_of(shown)
            assert reference is not None
            assert reference.size == MAX_INLINE_OUTPUT + 1
            (payload,) = await world.histories(base.key)
            spec = payload["spec"]
            assert isinstance(spec, dict)
            assert value_of(spec, reference) == output
        assert await store.resolve(base.key, shown) == output

    async def test_an_end_in_two_commits_keeps_its_large_output(
        self, world: ApiServerWorld
    ) -> None:
        store = world.store()
        base = await begun(world, store, "two")
        output = "x" * (2 * MAX_INLINE_OUTPUT)
        base = await committed(
            store, base, EndRequested(ending=Ending.SUCCEEDED, output=output), commit_id="c2"
        )
        status = await world.status(base.key)
        assert (status["phase"], str(status["message"])[:17]) == ("Running", "ending: succeeded")
        base = await committed(
            store, base, InstanceEnded(ending=Ending.SUCCEEDED, output=output), commit_id="c3"
        )
        assert reference_of((await world.status(base.key))["output"]) is not None
        over = (await loaded(world.store(), base.key)).state.ended
        assert over is not None
        assert over.output == output

    async def test_payloads_of_lost_races_are_collected_and_others_are_not(
        self, world: ApiServerWorld
    ) -> None:
        one, two = world.store(), world.store()
        base = await begun(world, one, "litter")
        rival = await loaded(two, base.key)
        base = await committed(one, base, scheduled("a", "x" * 9000), commit_id="c2")
        lost = turn(rival, scheduled("a", "y" * 9000), commit_id="c3")
        assert await outcome_of(two, lost) == Conflict()
        # One for an event that is not committed yet may still be committed.
        ahead = turn(base, scheduled("b", "z" * 9000), commit_id="c4")

        async def refuse(send: Patch) -> JsonObject:
            raise TransientError("refused")

        world.objects.fault = refuse
        faulty = world.faulty()
        assert isinstance(await outcome_of(faulty, ahead), Throttled)
        assert len(await world.histories(base.key)) == 3
        assert await one.tidy() == 0  # it lost nothing
        assert await two.tidy() == 1
        assert await two.tidy() == 0
        assert isinstance(await outcome_of(faulty, ahead), Committed)
        state = (await loaded(world.store(), base.key)).state
        assert [a.request for a in state.activities.values()] == ["x" * 9000, "z" * 9000]

    async def test_what_a_deleted_instance_leaves_is_collected(self, world: ApiServerWorld) -> None:
        store = world.store()
        base = await begun(world, store, "left")
        base = await committed(store, base, *filler(40), commit_id="c2")
        await world.remove(base.key)
        # The garbage collector of the cluster may be faster.
        assert await store.collect(base.key) <= 1
        assert await world.histories(base.key) == []
