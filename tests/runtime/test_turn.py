"""Turns: commit before effect, decisions dropped on conflict, waits that end, the end itself."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from tests.language.definitions import X, event, flow, http, put, wait
from tests.runtime.worlds import World, rounds

from perdure.engine.events import Door, EventReceived
from perdure.engine.external import MAX_WAITING_EVENTS
from perdure.engine.fold import replay
from perdure.engine.values import Json, JsonObject
from perdure.errors import HistoryCorruptError, TransientError
from perdure.ports import (
    CONTROLLER_REVISIONS,
    CommitOutcome,
    Conflict,
    InstanceKey,
    Observed,
    Rejected,
    Resource,
    SpecEvent,
    Throttled,
    Unknown,
)
from perdure.runtime.inbox import parse_event
from perdure.runtime.turn import RejectedTurnError
from perdure.testing.clock import BEGINNING

TWO_CALLS = flow(http("a"), http("b"))


async def begun(world: World, **controls: object) -> InstanceKey:
    """Define two calls one after the other, and take one turn of an instance."""
    world.define(TWO_CALLS)
    key = world.store.create(**controls)
    await world.turns.run(key)
    await rounds()
    return key


async def test_an_instance_runs_to_its_end_in_n_plus_2_commits_at_most() -> None:
    world = World()
    key = await begun(world)
    for path in ("a", "b"):
        world.services.answer(path)
        await rounds()
        rest = await world.turns.run(key)
        await rounds()
    assert rest.snapshot is not None
    assert rest.snapshot.state.ended is not None
    assert len(world.store.commits) == 3


async def test_a_call_leaves_only_after_its_intent_is_committed() -> None:
    world = World()
    world.define(TWO_CALLS)
    key = world.store.create()
    world.services.on_send.append(
        lambda work: seen.append(world.store.now(key).state.activities[work.scheduled_id].claim)
    )
    seen: list[object] = []
    world.store.script = [Conflict(), Unknown("lost"), None]
    await world.turns.run(key)
    await rounds()
    assert world.services.sent == []
    await world.turns.run(key)
    await rounds()
    assert seen == [world.services.sent[0].claim]


async def test_after_a_conflict_the_decision_is_dropped_and_made_anew() -> None:
    world = World()
    key = await begun(world)
    world.services.answer("a")
    await rounds()
    world.store.before_commit = [lambda: _move(world, key)]
    rest = await world.turns.run(key)
    assert rest.snapshot is not None
    assert rest.snapshot.state.is_suspended
    assert [work.path for work in world.services.sent] == ["a"]
    assert world.store.types(key).count("ActivityCompleted") == 1


def _move(world: World, key: InstanceKey) -> None:
    """Suspend, and let another operator have committed meanwhile."""
    world.store.edit(key, is_suspended=True)
    world.store.touch(key, rev=(world.store.now(key).rev or 0) + 1)


async def test_an_unknown_outcome_is_resolved_by_reading_never_by_repeating() -> None:
    world = World()
    world.define(TWO_CALLS)
    key = world.store.create()
    world.store.script = [("lost", Unknown("lost"))]
    rest = await world.turns.run(key)
    assert rest.retry_in is not None
    await world.turns.run(key)
    await rounds()
    assert world.store.types(key) == ["InstanceStarted", "ActivityScheduled"]
    assert len(world.services.sent) == 1


async def test_throttled_the_turn_comes_back_after_a_while() -> None:
    world = World()
    world.define(TWO_CALLS)
    key = world.store.create()
    world.store.script = [Throttled(7.0)]
    assert (await world.turns.run(key)).retry_in == 7.0


async def test_a_rejected_turn_is_an_error_of_its_instance() -> None:
    world = World()
    world.define(TWO_CALLS)
    key = world.store.create()
    world.store.script = [Rejected("too large")]
    with pytest.raises(RejectedTurnError, match="too large"):
        await world.turns.run(key)


async def test_what_another_process_was_refused_stays_told_for_a_while() -> None:
    world = World()
    key = await begun(world)
    stalled = Observed(stalled=("WriteRejected", "refused on purpose"))
    world.store.touch(key, observed=stalled)
    world.store.forget(key)
    other = World(world.store, world.objects)
    other.presence.incarnation = "perdure-1-1"
    assert (await other.turns.run(key)).retry_in == 30.0
    assert world.store.instances[key].snapshot.observed == stalled
    other.clock.advance(30)
    await other.turns.run(key)
    assert world.store.instances[key].snapshot.observed == Observed()


async def test_whoever_was_refused_takes_back_at_once_that_an_instance_is_stalled() -> None:
    world = World()
    key = await begun(world)
    world.services.answer("a")
    await rounds()
    world.store.script = [Rejected("refused on purpose")]
    with pytest.raises(RejectedTurnError):
        await world.turns.run(key)
    await world.store.stall(key, "WriteRejected", "refused on purpose")
    world.store.forget(key)
    await world.turns.run(key)
    assert world.store.instances[key].snapshot.observed == Observed()


async def test_a_claim_is_sent_once_and_not_while_the_lease_is_late() -> None:
    world = World()
    world.presence.may_send = False
    key = await begun(world)
    assert world.services.sent == []
    rest = await world.turns.run(key)
    assert rest.retry_in == 1.0
    world.presence.may_send = True
    for _ in range(3):
        await world.turns.run(key)
        await rounds()
    assert len(world.services.sent) == 1


async def test_a_process_that_stops_asks_nothing_of_the_dead_whose_calls_it_leaves() -> None:
    first = World()
    key = await begun(first)
    second = World(first.store, first.objects)
    second.presence.incarnation = "perdure-1-1"
    second.presence.dead = {"perdure-0-1"}
    second.turns.start_nothing()
    await second.turns.run(key)
    assert second.presence.watched == []


async def test_another_process_takes_over_only_when_the_claimant_is_dead() -> None:
    first = World()
    key = await begun(first)
    second = World(first.store, first.objects)
    second.presence.incarnation = "perdure-1-1"
    await second.turns.run(key)
    await rounds()
    assert second.services.sent == []
    assert second.presence.watched == ["perdure-0-1"]
    second.presence.dead = {"perdure-0-1"}
    await second.turns.run(key)
    await rounds()
    assert [(w.path, w.claim.delivery) for w in second.services.sent] == [("a", 2)]
    first.store.forget(key)
    await first.turns.run(key)
    await rounds()
    assert first.services.aborted == ["a"]


# --- before the start -----------------------------------------------------------------------------


async def test_what_keeps_an_instance_from_starting_is_written_once_per_reason() -> None:
    world = World()
    key = world.store.create()
    for _ in range(3):
        await world.turns.run(key)
    assert len(world.store.commits) == 1
    assert _pending(world, key) == "DefinitionNotFound"
    world.define(TWO_CALLS, observed=0)
    for _ in range(3):
        await world.turns.run(key)
    assert _pending(world, key) == "DefinitionNotReady"
    world.define(TWO_CALLS, ready=False)
    await world.turns.run(key)
    assert _pending(world, key) == "DefinitionNotReady"
    world.budget.text = "full"
    world.define(TWO_CALLS)
    await world.turns.run(key)
    assert _pending(world, key) == "StorageBudget"
    world.budget.text = None
    await world.turns.run(key)
    assert world.store.now(key).observed == Observed()
    assert world.store.types(key) == ["InstanceStarted", "ActivityScheduled"]


def _pending(world: World, key: InstanceKey) -> str | None:
    pending = world.store.now(key).observed.pending
    return None if pending is None else pending[0]


async def test_a_stopping_process_writes_nothing_to_an_instance_that_has_not_started() -> None:
    world = World()
    world.define(TWO_CALLS)
    key = world.store.create()
    world.turns.start_nothing()
    await world.turns.run(key)
    assert world.store.commits == []
    assert world.services.sent == []


async def test_start_at_is_waited_for() -> None:
    world = World()
    world.define(TWO_CALLS)
    start_at = BEGINNING + timedelta(hours=1)
    key = world.store.create(start_at=start_at)
    rest = await world.turns.run(key)
    assert (_pending(world, key), rest.wake_at) == ("StartsLater", start_at)
    world.clock.advance(3600)
    await world.turns.run(key)
    assert world.store.now(key).state.is_started


async def test_terminated_before_the_start_nothing_is_read_or_started() -> None:
    world = World()
    key = world.store.create(terminate="")
    await world.turns.run(key)
    assert world.store.types(key) == ["InstanceEnded"]


async def test_the_revision_is_written_again_when_it_went_during_the_start() -> None:
    world = World()
    key = await begun(world)
    revision = world.store.now(key).state.revision
    assert revision is not None
    assert (CONTROLLER_REVISIONS.plural, "shop", revision.name) in world.objects.bodies


# --- the end --------------------------------------------------------------------------------------


async def test_terminate_aborts_open_calls_and_then_ends() -> None:
    world = World()
    key = await begun(world)
    world.store.edit(key, terminate="enough")
    world.store.forget(key)
    await world.turns.run(key)
    assert world.services.aborted == ["a"]
    assert world.store.types(key)[-2:] == ["EndRequested", "InstanceEnded"]
    assert not world.calls.has_any(key.uid)


async def test_the_end_sees_an_event_that_was_accepted_meanwhile() -> None:
    world = World()
    world.define(flow(event("a", timeout="1h"), put("p"), vars=X))
    key = world.store.create()
    await world.turns.run(key)
    world.clock.advance(3600)
    late = SpecEvent(id="e1", name="approved")
    world.store.before_commit = [lambda: world.store.edit(key, events=(late,))]
    await world.turns.run(key)
    assert world.store.types(key)[-1] == "InstanceEnded"
    assert "EventsMatched" in world.store.types(key)
    assert "TimerFired" not in world.store.types(key)


async def test_an_instance_whose_recipe_is_lost_can_still_be_terminated() -> None:
    first = World()
    key = await begun(first)
    second = World(first.store)
    second.presence.incarnation = "perdure-1-1"
    with pytest.raises(HistoryCorruptError, match="gone"):
        await second.turns.run(key)
    second.store.edit(key, terminate="recipe lost")
    second.store.forget(key)
    await second.turns.run(key)
    assert second.store.types(key)[-2:] == ["EndRequested", "InstanceEnded"]


async def test_an_instance_that_is_being_deleted_starts_nothing() -> None:
    world = World()
    world.define(TWO_CALLS)
    key = world.store.create()
    world.store.touch(key, is_deleting=True)
    await world.turns.run(key)
    assert world.store.commits == []


async def test_one_that_is_gone_has_its_calls_aborted() -> None:
    world = World()
    key = await begun(world)
    world.store.remove(key)
    world.store.forget(key)
    rest = await world.turns.run(key)
    assert rest.is_gone
    assert world.services.aborted == ["a"]


async def test_after_the_end_the_generation_is_still_acknowledged() -> None:
    world = World()
    world.define(flow(put("p"), vars=X))
    key = world.store.create()
    await world.turns.run(key)
    world.store.edit(key, is_suspended=True)
    world.store.forget(key)
    await world.turns.run(key)
    now = world.store.now(key)
    assert now.observed_generation == now.generation == 2
    assert world.store.types(key) == [
        "InstanceStarted",
        "VariablesSet",
        "StepSucceeded",
        "InstanceEnded",
    ]


# --- timers and events ----------------------------------------------------------------------------


async def test_timers_wait_until_the_clock_is_trusted() -> None:
    world = World()
    world.define(flow(wait("a")))
    key = world.store.create()
    rest = await world.turns.run(key)
    assert rest.wake_at == BEGINNING + timedelta(seconds=10)
    world.clock.advance(10)
    world.clock.trusted = False
    rest = await world.turns.run(key)
    assert "TimerFired" not in world.store.types(key)
    assert (rest.wake_at, rest.retry_in) == (None, 1.0)
    world.clock.trusted = True
    await world.turns.run(key)
    assert world.store.types(key)[-1] == "InstanceEnded"


async def test_a_process_that_stops_holds_its_timers_without_asking_again_and_again() -> None:
    world = World()
    world.define(flow(wait("a")))
    key = world.store.create()
    await world.turns.run(key)
    world.clock.advance(10)
    world.turns.start_nothing()
    rest = await world.turns.run(key)
    assert "TimerFired" not in world.store.types(key)
    assert (rest.wake_at, rest.retry_in) == (None, 1.0)


async def test_an_approval_that_the_watch_has_not_told_yet_beats_the_time_out() -> None:
    world = World()
    world.define(flow(event("a", timeout="1h"), output="${steps.a.output.data}"))
    key = world.store.create()
    await world.turns.run(key)
    world.send("approved", "in time")
    world.clock.advance(7200)
    await world.turns.run(key)
    ended = world.store.now(key).state.ended
    assert ended is not None
    assert ended.output == "in time"


async def test_a_time_out_that_comes_due_during_the_last_look_gets_a_look_of_its_own() -> None:
    world = World()
    first, second = event("a", timeout="1h", needs=[]), event("b", "paid", timeout="2h", needs=[])
    world.define(flow(first, second, output="${steps.b.output.data}"))
    key = world.store.create()
    await world.turns.run(key)
    world.send("approved")
    world.clock.advance(3600)

    def pay_in_time() -> None:
        world.send("paid", "in time")
        world.clock.advance(7200)

    world.objects.during = [pay_in_time]
    await world.turns.run(key)
    ended = world.store.now(key).state.ended
    assert ended is not None
    assert ended.output == "in time"


async def test_a_deletion_seen_by_the_fresh_look_stops_the_turn() -> None:
    world = World()
    world.define(flow(event("a", timeout="1h", onTimeout="Continue"), http("b")))
    key = world.store.create()
    await world.turns.run(key)
    world.clock.advance(7200)
    world.objects.during = [lambda: world.store.touch(key, is_deleting=True)]
    commits = len(world.store.commits)
    rest = await world.turns.run(key)
    assert (rest.again, len(world.store.commits)) == (True, commits)


async def test_an_event_object_is_taken_once_and_deleted_after_the_commit() -> None:
    world = World()
    world.define(flow(event("a")))
    key = world.store.create()
    await world.turns.run(key)
    world.desk.inbox.put(parse_event(world.send("approved")))
    world.store.script = [Conflict()]
    await world.turns.run(key)
    await world.desk.drain()
    assert [call for call in world.objects.calls if call[0] == "delete"] == [
        ("delete", "workflowevents", "event-2")
    ]
    assert world.store.types(key).count("EventReceived") == 1


async def test_an_event_object_that_cannot_be_taken_is_refused_visibly() -> None:
    world = World()
    world.define(flow(event("a")))
    key = world.store.create()
    await world.turns.run(key)
    body = world.send("approved", "x" * 20_000)
    world.desk.inbox.put(parse_event(body))
    await world.turns.run(key)
    await world.desk.drain()
    status = body["status"]
    assert isinstance(status, dict)
    assert "TooLarge" in str(status)
    assert "EventReceived" not in world.store.types(key)


async def test_what_comes_after_the_end_is_refused() -> None:
    world = World()
    world.define(flow(put("p"), vars=X))
    key = world.store.create()
    await world.turns.run(key)
    body = world.send("approved")
    world.desk.inbox.put(parse_event(body))
    await world.turns.run(key)
    await world.desk.drain()
    assert "Ended" in str(body["status"])


async def test_an_event_for_which_there_is_no_room_left_is_refused_in_the_same_turn() -> None:
    world = World()
    world.define(flow(event("a", "another")))
    key = world.store.create()
    bodies = [world.send("approved") for _ in range(MAX_WAITING_EVENTS + 1)]
    for body in bodies:
        world.desk.inbox.put(parse_event(body))
    await world.turns.run(key)
    await world.desk.drain()
    assert len(world.store.now(key).state.inbox) == MAX_WAITING_EVENTS
    assert "TooMany" in str(bodies[-1]["status"])
    assert [b for b in bodies[:-1] if "status" in b] == []


async def test_a_revision_that_could_not_be_looked_at_after_the_acceptance_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    world.define(TWO_CALLS)
    key = world.store.create()
    get, outages = world.objects.get, [TransientError("not now")]

    async def fail_once(resource: Resource, namespace: str, name: str) -> JsonObject:
        if resource is CONTROLLER_REVISIONS and outages:
            raise outages.pop()
        return await get(resource, namespace, name)

    monkeypatch.setattr(world.objects, "get", fail_once)
    with pytest.raises(TransientError):
        await world.turns.run(key)
    await rounds()
    assert [work.path for work in world.services.sent] == ["a"]
    assert not await world.objects.list(CONTROLLER_REVISIONS)
    await world.turns.run(key)
    assert len(await world.objects.list(CONTROLLER_REVISIONS)) == 1


@pytest.mark.parametrize("heard", [Conflict(), Unknown("lost")])
async def test_a_revision_is_looked_at_also_where_nobody_heard_that_the_acceptance_landed(
    heard: CommitOutcome,
) -> None:
    world = World()
    world.define(TWO_CALLS)
    key = world.store.create()
    world.store.script = [("lost", heard)]
    await world.turns.run(key)
    await world.turns.run(key)
    assert world.store.now(key).state.revision is not None
    assert len(await world.objects.list(CONTROLLER_REVISIONS)) == 1


# --- turns that are too long for one --------------------------------------------------------------


HEAVY = flow(
    event("go", "go"),
    event("a", where="event.data == input.many[29999] && workflow.now > workflow.startedAt"),
)
MANY: Json = {"many": list(range(30_000))}


async def test_a_long_turn_lets_others_run_and_goes_on_at_its_own_time() -> None:
    world = World()
    world.define(HEAVY)
    key = world.store.create(input=MANY)
    await world.turns.run(key)
    for number in [*range(-29, 0), 29_999]:
        world.desk.inbox.put(parse_event(world.send("approved", number)))
    world.clock.advance(1)
    await world.turns.run(key)
    world.desk.inbox.put(parse_event(world.send("go")))
    rests, others = [await world.turns.run(key)], [0]
    other = asyncio.create_task(_count_rounds(others))
    while rests[-1].again:
        world.clock.advance(1)
        rests.append(await world.turns.run(key))
        assert len(rests) < 20, "what was asked at another time is asked again, and again"
        assert others[0] >= len(rests) - 1
    other.cancel()
    assert len(rests) > 3
    assert world.store.types(key)[-1] == "InstanceEnded"


async def _count_rounds(count: list[int]) -> None:
    while True:
        count[0] += 1
        await asyncio.sleep(0)


async def test_answers_of_a_dropped_decision_are_not_believed() -> None:
    world = World()
    world.define(flow(event("a", where="event.data == 1")))
    key = world.store.create()
    await world.turns.run(key)
    world.desk.inbox.put(parse_event(world.send("approved", 2)))
    # Another process that is stopping takes the wanted event, under the id that the unwanted one
    # had in the decision that is dropped, and leaves it to others to ask about it.
    world.store.before_commit = [lambda: _take_wanted(world, key)]
    await world.turns.run(key)
    assert world.store.types(key)[-1] == "InstanceEnded"


def _take_wanted(world: World, key: InstanceKey) -> None:
    state = world.store.now(key).state
    received = EventReceived(
        id=state.last_id + 1,
        at=world.clock.now(),
        event_id="e1",
        name="approved",
        door=Door.SPEC,
        data=1,
    )
    world.store.instances[key].history += (received,)
    rev = (world.store.now(key).rev or 0) + 1
    world.store.touch(key, rev=rev, state=replay(state, [received]))
