"""Users: what they know of what they asked for is never more than what is true."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.simulation.restless import Mishap, RestlessObjects
from tests.simulation.users import ATTEMPTS, User
from tests.simulation.workloads.actions import (
    Action,
    Define,
    Delete,
    Edit,
    RaiseAsObject,
    RaiseInSpec,
    Resume,
    Start,
    Suspend,
    Tamper,
    Terminate,
    Undefine,
)

from perdure.ports import WORKFLOW_INSTANCES
from perdure.testing.clock import BEGINNING, VirtualClock
from perdure.verification.evidence import ClientCall, Deed, Outcome

LOST, UNANSWERED, TWICE = Mishap.LOST, Mishap.UNANSWERED, Mishap.TWICE
BUSY, THROTTLED = Mishap.BUSY, Mishap.THROTTLED
SPEC: Any = {"definitionRef": {"name": "order"}, "input": {"n": 1}}


class World:
    """Objects, a clock that is moved while users wait, and their log."""

    def __init__(self) -> None:
        self.objects = RestlessObjects()
        self.clock = VirtualClock()
        self.log: list[ClientCall] = []

    async def do(self, *actions: Action) -> ClientCall:
        """Let a user do this; return the record of the last action."""
        user = User(self.objects, self.clock, self.log, "anna")
        running = asyncio.create_task(user.run(actions))
        while not running.done():
            for _ in range(3):
                await asyncio.sleep(0)
            self.clock.advance(0.1)
        await running
        return self.log[-1]

    def stored(self, plural: str, name: str) -> Any:
        """Return an object as it stands, None where there is none."""
        return self.objects.bodies.get((plural, "shop", name))

    def instance(self) -> Any:
        """Return the instance as it stands."""
        return self.stored("workflowinstances", "run-1")

    def begin(self) -> str:
        """Let there be an instance; return its uid."""
        body: Any = self.objects.put(
            WORKFLOW_INSTANCES, {"metadata": {"name": "run-1"}, "spec": {**SPEC}}
        )
        return str(body["metadata"]["uid"])


@pytest.fixture
def world() -> World:
    return World()


def start(at: float = 0.0) -> Start:
    return Start(at=at, instance="run-1", spec=SPEC)


def append(event_id: str = "e1", data: Any = 1) -> RaiseInSpec:
    event = {"id": event_id, "name": "go", "data": data}
    return RaiseInSpec(at=0.0, instance="run-1", event=event)


def send(*, data: Any = 1, is_bound: bool = False) -> RaiseAsObject:
    return RaiseAsObject(
        at=0.0,
        instance="run-1",
        object_name="e1",
        event_name="go",
        data=data,
        is_bound=is_bound,
    )


async def test_actions_are_done_at_their_times(world: World) -> None:
    await world.do(Define(at=2.0, definition="order", spec={"steps": []}), start(at=5.0))
    begun = [(call.invoked - BEGINNING).total_seconds() for call in world.log]
    assert begun == pytest.approx([2.0, 5.0], abs=0.2)


async def test_a_start_is_recorded_with_uid_and_input(world: World) -> None:
    call = await world.do(start())
    assert (call.deed, call.outcome) == (Deed.START, Outcome.ACKNOWLEDGED)
    assert call.uid == world.instance()["metadata"]["uid"]
    assert call.details == {"definition": "order", "input": {"n": 1}}
    assert call.returned is not None


async def test_a_start_for_later_counts_from_the_beginning_of_the_run(world: World) -> None:
    await world.do(Start(at=1.0, instance="run-1", spec=SPEC, starts_after=30.0))
    assert world.instance()["spec"]["startAt"] == "2026-01-01T00:00:30Z"


@pytest.mark.parametrize("mishap", [LOST, UNANSWERED, TWICE, BUSY, THROTTLED])
async def test_a_start_that_goes_wrong_once_is_made_once(world: World, mishap: Mishap) -> None:
    world.objects.writes = [mishap]
    call = await world.do(start())
    assert call.outcome is Outcome.ACKNOWLEDGED
    assert call.uid == world.instance()["metadata"]["uid"] == "uid-1"


async def test_a_taken_name_refuses_a_start(world: World) -> None:
    world.begin()
    assert (await world.do(start())).outcome is Outcome.REFUSED


async def test_a_lost_start_whose_name_is_taken_meanwhile_stays_unknown(world: World) -> None:
    world.objects.writes = [LOST]
    world.objects.between = world.begin
    call = await world.do(start())
    assert (call.outcome, call.uid) == (Outcome.UNKNOWN, "")


@pytest.mark.parametrize(("mishap", "outcome"), [(BUSY, "refused"), (LOST, "unknown")])
async def test_whoever_never_gets_through_gives_up(
    world: World, mishap: Mishap, outcome: str
) -> None:
    world.objects.writes = [mishap] * 2 * ATTEMPTS
    call = await world.do(start())
    assert call.outcome.value == outcome
    assert world.instance() is None
    assert world.clock.monotonic() > 60


async def test_a_throttled_user_waits_as_long_as_was_asked(world: World) -> None:
    world.objects.writes = [THROTTLED]
    await world.do(start())
    assert world.clock.monotonic() > 7


@pytest.mark.parametrize("mishap", [LOST, UNANSWERED, TWICE, BUSY])
async def test_an_event_that_goes_wrong_once_is_appended_once(world: World, mishap: Mishap) -> None:
    uid = world.begin()
    world.objects.writes = [mishap]
    call = await world.do(append())
    assert (call.outcome, call.uid) == (Outcome.ACKNOWLEDGED, uid)
    assert world.instance()["spec"]["events"] == [{"id": "e1", "name": "go", "data": 1}]
    assert call.details == {"id": "e1", "name": "go", "data": 1, "door": "spec"}


async def test_a_second_event_of_one_id_is_refused(world: World) -> None:
    world.begin()
    call = await world.do(append(), append(data=2))
    assert [one.outcome.value for one in world.log] == ["acknowledged", "refused"]
    assert call.outcome is Outcome.REFUSED


async def test_an_event_for_no_instance_is_refused_in_the_spec_and_waits_as_an_object(
    world: World,
) -> None:
    await world.do(append(), send())
    assert [one.outcome.value for one in world.log] == ["refused", "acknowledged"]
    assert world.log[1].uid == ""


@pytest.mark.parametrize("mishap", [LOST, UNANSWERED, TWICE, BUSY])
async def test_an_event_object_that_goes_wrong_once_is_there_in_the_end(
    world: World, mishap: Mishap
) -> None:
    world.begin()
    world.objects.writes = [mishap]
    call = await world.do(send())
    assert call.outcome is Outcome.ACKNOWLEDGED
    assert world.stored("workflowevents", "e1")["spec"]["data"] == 1


async def test_an_equal_event_object_that_exists_counts_as_success_and_another_does_not(
    world: World,
) -> None:
    world.begin()
    await world.do(send(), send(), send(data=2))
    outcomes = [one.outcome.value for one in world.log]
    assert outcomes == ["acknowledged", "acknowledged", "refused"]


async def test_an_event_object_sent_twice_and_taken_at_once_is_not_called_refused(
    world: World,
) -> None:
    world.begin()
    world.objects.writes = [TWICE, Mishap.FORBIDDEN]
    world.objects.taken = "e1"
    assert (await world.do(send())).outcome is Outcome.UNKNOWN


async def test_a_bound_event_names_the_uid_of_the_instance(world: World) -> None:
    uid = world.begin()
    call = await world.do(send(is_bound=True))
    assert call.details["instanceUid"] == uid == call.uid
    assert world.stored("workflowevents", "e1")["spec"]["instanceUid"] == uid


async def test_a_repeat_of_a_bound_event_is_for_the_same_instance(world: World) -> None:
    uid = world.begin()
    world.objects.writes = [LOST]
    world.objects.between = world.begin
    await world.do(send(is_bound=True))
    assert world.stored("workflowevents", "e1")["spec"]["instanceUid"] == uid


@pytest.mark.parametrize("mishap", [Mishap.NONE, LOST, UNANSWERED, TWICE])
async def test_controls_are_set_whatever_goes_wrong_once(world: World, mishap: Mishap) -> None:
    world.begin()
    world.objects.writes = [mishap]
    await world.do(Suspend(at=0.0, instance="run-1", reason="incident 7"))
    assert world.instance()["spec"]["suspend"] is True
    assert world.instance()["spec"]["suspendReason"] == "incident 7"
    world.objects.writes = [mishap]
    await world.do(Resume(at=0.0, instance="run-1"))
    assert world.instance()["spec"]["suspend"] is False
    world.objects.writes = [mishap]
    await world.do(Terminate(at=0.0, instance="run-1"))
    assert world.instance()["spec"]["terminate"] == {}
    assert {call.outcome for call in world.log} == {Outcome.ACKNOWLEDGED}


@pytest.mark.parametrize("mishap", [Mishap.NONE, LOST, UNANSWERED, TWICE, BUSY])
async def test_an_instance_is_deleted_whatever_goes_wrong_once(
    world: World, mishap: Mishap
) -> None:
    uid = world.begin()
    world.objects.writes = [mishap]
    call = await world.do(Delete(at=0.0, instance="run-1"))
    assert (call.outcome, call.uid) == (Outcome.ACKNOWLEDGED, uid)
    assert world.instance() is None


async def test_a_delete_does_not_strike_what_was_created_after_it(world: World) -> None:
    world.begin()
    world.objects.writes = [UNANSWERED]
    world.objects.between = world.begin
    call = await world.do(Delete(at=0.0, instance="run-1"))
    assert (call.outcome, call.uid) == (Outcome.ACKNOWLEDGED, "uid-1")
    assert world.instance()["metadata"]["uid"] == "uid-2"


async def test_a_delete_of_nothing_is_refused(world: World) -> None:
    assert (await world.do(Delete(at=0.0, instance="run-1"))).outcome is Outcome.REFUSED


@pytest.mark.parametrize("mishap", [Mishap.NONE, LOST, UNANSWERED, TWICE, BUSY])
async def test_a_definition_is_applied_changed_and_deleted(world: World, mishap: Mishap) -> None:
    for spec in ({"steps": [1]}, {"steps": [2]}):
        world.objects.writes = [mishap]
        call = await world.do(Define(at=0.0, definition="order", spec=spec))  # type: ignore[arg-type]  # any JSON will do
        assert call.outcome is Outcome.ACKNOWLEDGED
        assert world.stored("workflowdefinitions", "order")["spec"] == spec
    world.objects.writes = [mishap]
    call = await world.do(Undefine(at=0.0, definition="order"))
    assert (call.deed, call.outcome) == (Deed.UNDEFINE, Outcome.ACKNOWLEDGED)
    assert world.stored("workflowdefinitions", "order") is None


LASTING = (
    Edit.LABEL,
    Edit.ANNOTATE,
    Edit.RETRY,
    Edit.HOLD,
    Edit.KEEP,
    Edit.ADOPT,
    Edit.DEFINITION,
)


@pytest.mark.parametrize("edit", list(Edit))
async def test_every_edit_is_tried_and_its_fate_recorded(world: World, edit: Edit) -> None:
    world.begin()
    call = await world.do(Tamper(at=0.0, instance="run-1", edit=edit))
    assert call.deed is Deed.EDIT
    assert call.details == {"edit": edit.value}
    assert world.objects.calls[-1] == "patch run-1"
    is_lasting = edit in LASTING
    assert call.outcome is (Outcome.ACKNOWLEDGED if is_lasting else Outcome.REFUSED)


async def test_an_edit_whose_answer_is_lost_is_not_made_again(world: World) -> None:
    world.begin()
    world.objects.writes = [LOST]
    call = await world.do(Tamper(at=0.0, instance="run-1", edit=Edit.LABEL))
    assert call.outcome is Outcome.UNKNOWN
    assert world.objects.calls.count("patch run-1") == 1


async def test_what_a_user_holds_and_strips_is_a_foreign_finalizer(world: World) -> None:
    world.begin()
    await world.do(Tamper(at=0.0, instance="run-1", edit=Edit.HOLD))
    assert world.instance()["metadata"]["finalizers"] == ["example.com/hold"]
    await world.do(Tamper(at=0.0, instance="run-1", edit=Edit.STRIP))
    assert "finalizers" not in world.instance()["metadata"]


async def test_a_read_that_fails_for_now_is_made_again(world: World) -> None:
    world.begin()
    world.objects.reads = [BUSY, BUSY]
    assert (await world.do(send())).outcome is Outcome.ACKNOWLEDGED


async def test_what_is_under_way_is_in_the_log_without_an_end(world: World) -> None:
    user = User(world.objects, world.clock, world.log, "anna")
    world.objects.writes = [BUSY] * 3
    running = asyncio.create_task(user.run([start()]))
    for _ in range(3):
        await asyncio.sleep(0)
    assert [(call.outcome, call.returned) for call in world.log] == [(Outcome.UNKNOWN, None)]
    running.cancel()
