"""The status and the rest: who changes what, and what a generation counts."""

import pytest
from tests.contract.api_server.space import EVENTS, HISTORIES, Space, custom


def test_the_object_ignores_the_status(space: Space) -> None:
    created = space.create("a")
    result = space.merge("a", {"status": {"rev": 1}})
    assert (result.status, result.body) == (200, created.body)


def test_the_status_endpoint_ignores_the_spec_and_labels(space: Space) -> None:
    space.create("a")
    patch = {"status": {"rev": 1}, "spec": {"suspend": True}, "metadata": {"labels": {"x": "1"}}}
    result = space.merge("a", patch, subresource="status")
    assert (result.status, result.body["status"]) == (200, {"rev": 1})
    assert result.spec["suspend"] is False
    assert "labels" not in result.metadata


def test_a_change_of_the_object_keeps_the_status(space: Space) -> None:
    space.create("a")
    space.status("a", rev=1)
    result = space.merge("a", {"spec": {"suspend": True}, "status": None})
    assert result.body["status"] == {"rev": 1}


def test_the_generation_counts_changes_of_the_spec(space: Space) -> None:
    space.create("a")
    generations = [
        space.merge("a", {"spec": {"suspend": True}}).metadata["generation"],
        space.merge("a", {"spec": {"suspend": True}}).metadata["generation"],
        space.merge("a", {"metadata": {"labels": {"x": "1"}}}).metadata["generation"],
        space.status("a", rev=1).metadata["generation"],
        space.merge("a", {"spec": {"suspendReason": "why"}}).metadata["generation"],
    ]
    assert generations == [2, 2, 2, 2, 3]


def test_a_status_that_does_not_change_is_no_write(space: Space) -> None:
    space.create("a")
    first = space.status("a", rev=1)
    assert space.status("a", rev=1).version == first.version


def test_what_differs_only_in_the_writing_of_a_number_is_no_write(space: Space) -> None:
    space.create("a")
    first = space.status("a", history={"x": 1})
    assert space.status("a", history={"x": 1.0}).version == first.version


def test_true_is_not_one(space: Space) -> None:
    space.create("a")
    first = space.status("a", history={"x": True})
    second = space.status("a", history={"x": 1})
    assert second.version > first.version
    assert '"x":1' in second.text


def test_an_empty_status_is_there(space: Space) -> None:
    space.create("a")
    assert space.merge("a", {"status": {}}, subresource="status").body["status"] == {}


def test_a_missing_object_has_no_status_to_change(space: Space) -> None:
    result = space.status("a", rev=1)
    assert (result.status, result.message) == (404, 'workflowinstances.perdure.dev "a" not found')


def test_a_kind_without_a_status_has_no_such_path(space: Space) -> None:
    result = space.server.call("GET", space.path(HISTORIES, "a", "status"))
    assert result.status == 404


def test_events_have_a_status(space: Space) -> None:
    space.post(custom(EVENTS, "e", {"instance": "a", "name": "paid"}), EVENTS)
    conditions = [{"type": "Taken", "status": "True"}]
    patch = {"status": {"conditions": conditions}}
    result = space.merge("e", patch, EVENTS, subresource="status")
    assert (result.status, result.body["status"]) == (200, {"conditions": conditions})


@pytest.mark.parametrize("method", ["DELETE", "POST"])
def test_the_status_is_neither_created_nor_deleted(space: Space, method: str) -> None:
    space.create("a")
    result = space.server.call(method, space.path(name="a", subresource="status"), {})
    assert (result.status, result.reason) == (405, "MethodNotAllowed")
