"""What becomes of a status write, and what its owner is told of it."""

from collections.abc import Iterator

import pytest
from tests.contract.worlds import completed, ended
from tests.kubernetes.instances import filler
from tests.kubernetes.log.laboratory import (
    Apply,
    lost_answer,
    lost_request,
    refused,
    slow,
)
from tests.kubernetes.log.shelves import Desk, begun, want

from perdure.engine.values import JsonObject
from perdure.errors import TransientError
from perdure.kubernetes.log.statuses import Moved
from perdure.ports import Observed


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.close()


def test_a_lost_answer_is_found_by_reading(desk: Desk) -> None:
    (order,) = begun(desk, "order")
    desk.requests.faults["order"] = [lost_answer]
    want(desk, order, 0.0)
    desk.wait(20.0)
    assert desk.told(order) == ["Shown"]
    assert (len(desk.requests.patches), desk.requests.reads) == (1, 1)
    assert order.turns == {}


def test_a_lost_request_is_sent_again(desk: Desk) -> None:
    (order,) = begun(desk, "order")
    desk.requests.faults["order"] = [lost_request, lost_request]
    want(desk, order, 0.0)
    desk.wait(20.0)
    assert desk.told(order) == ["Shown"]
    assert len(desk.requests.patches) == 3
    assert desk.status(order)["rev"] == 1


def test_a_lost_answer_of_what_has_no_events_is_found_as_well(desk: Desk) -> None:
    (order,) = begun(desk, "order")
    want(desk, order, 0.0)
    desk.wait(1.0)
    order.observed = Observed(stalled=("NonDeterminism", "the definition changed"))
    desk.requests.faults["order"] = [lost_request, lost_answer]
    want(desk, order, 0.0)
    desk.wait(20.0)
    assert desk.told(order) == ["Shown", "Shown"]
    assert desk.status(order)["phase"] == "Stalled"
    assert len(desk.requests.patches) == 3


def test_a_patch_that_comes_late_does_no_harm(desk: Desk) -> None:
    (order,) = begun(desk, "order")

    async def lost_for_now(apply: Apply) -> JsonObject:
        late.append(desk.start(slow(3.0)(apply)))  # type: ignore[arg-type]  # a coroutine
        return await lost_request(apply)

    late: list[object] = []
    desk.requests.faults["order"] = [lost_for_now]
    want(desk, order, 0.0)
    desk.wait(1.0)
    order.commit(completed(2))
    want(desk, order, 0.0)
    desk.wait(20.0)
    assert desk.status(order)["rev"] == 2
    (refusal,) = late
    assert "ObjectRejectedError" in repr(refusal.exception())  # type: ignore[attr-defined]  # a task


def test_a_deleted_instance_counts_as_shown(desk: Desk) -> None:
    (order,) = begun(desk, "order")
    desk.run(desk.world.remove(order.key))
    want(desk, order, 0.0)
    desk.wait(60.0)
    assert desk.told(order) == ["Gone"]
    assert len(desk.requests.patches) == 1


def test_so_does_one_whose_name_has_another(desk: Desk) -> None:
    (order,) = begun(desk, "order")
    desk.run(desk.world.remove(order.key))
    key = desk.run(desk.world.create("order"))
    want(desk, order, 0.0)
    desk.wait(60.0)
    assert desk.told(order) == ["Gone"]
    assert "status" not in desk.run(desk.world.body(key))


def test_an_end_that_has_not_seen_the_newest_spec_is_decided_by_its_owner(desk: Desk) -> None:
    (order,) = begun(desk, "order")
    want(desk, order, 0.0)
    desk.wait(1.0)
    order.commit(completed(2), ended())
    desk.run(desk.world.edit(order.key, suspend=True))
    want(desk, order, 0.0)
    desk.wait(0.1)
    assert desk.told(order) == ["Shown", "Moved", "Shown"]
    status = desk.status(order)
    assert (status["phase"], status["observedGeneration"]) == ("Succeeded", 2)


def test_a_status_that_somebody_else_wrote_meanwhile_is_told(desk: Desk) -> None:
    (order,) = begun(desk, "order")
    want(desk, order, 0.0)
    desk.wait(1.0)
    edit: JsonObject = {"op": "remove", "path": "/status/waitingFor"}
    desk.run(desk.world.edit_status(order.key, edit))
    order.commit(completed(2))
    want(desk, order, 0.0)
    desk.wait(0.1)
    moved = desk.shelf.told_of["order"][1]
    assert isinstance(moved, Moved)
    assert "waitingFor" not in moved.body["status"]  # type: ignore[operator]  # an object
    assert desk.told(order) == ["Shown", "Moved", "Shown"]


def test_events_that_were_edited_are_not_built_upon(desk: Desk) -> None:
    (order,) = begun(desk, "order")
    want(desk, order, 0.0)
    desk.wait(1.0)
    edit: JsonObject = {
        "op": "replace",
        "path": "/status/history/events/1/path",
        "value": "b",
    }
    desk.run(desk.world.edit_status(order.key, edit))
    order.commit(completed(2))
    told: list[object] = []
    desk.shelf.told = lambda uid, outcome: told.append(outcome)  # type: ignore[method-assign]
    want(desk, order, 0.0)
    desk.wait(0.02)
    (outcome,) = told
    assert isinstance(outcome, Moved)


def test_a_look_that_fails_decides_nothing(desk: Desk) -> None:
    (order,) = begun(desk, "order")

    async def broken(_: Apply) -> JsonObject:
        raise TransientError("no quorum")

    desk.requests.faults["order"], desk.requests.of_reads = [refused], [broken]
    want(desk, order, 0.0)
    desk.wait(20.0)
    assert desk.told(order) == ["Shown"]


def test_segments_of_a_patch_that_failed_are_under_suspicion(desk: Desk) -> None:
    (order,) = begun(desk, "order")
    order.commit(*filler(40))
    desk.requests.faults["order"] = [lost_request]
    want(desk, order, 0.0)
    desk.wait(0.05)
    assert desk.reflector.suspects() == [order.key]
    desk.wait(20.0)
    assert desk.told(order) == ["Shown"]
    assert desk.reflector.suspects() == []
    assert len(desk.run(desk.world.histories(order.key))) == 1
