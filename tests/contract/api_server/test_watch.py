"""Watches: events in order, selectors, bookmarks, beginnings."""

from functools import partial

import pytest
from tests.contract.api_server.port import Event
from tests.contract.api_server.space import PERDURE, Space


def short(events: list[Event]) -> list[str]:
    return [f"{kind} {body['metadata']['name']}" for kind, body in events]


def versions(events: list[Event]) -> list[int]:
    return [int(body["metadata"]["resourceVersion"]) for _, body in events]


def now(space: Space) -> str:
    return str(space.list().version)


def test_every_change_is_told_in_order(space: Space) -> None:
    start = now(space)
    created = space.create("a")
    changed = space.merge("a", {"spec": {"suspend": True}})
    told = space.status("a", rev=1)
    space.delete("a")
    events = space.server.events(space.path(), 4, resourceVersion=start)
    assert short(events) == ["ADDED a", "MODIFIED a", "MODIFIED a", "DELETED a"]
    assert [body for _, body in events[:3]] == [created.body, changed.body, told.body]
    assert versions(events) == sorted(set(versions(events)))


def test_a_deletion_shows_the_object_under_the_version_of_the_deletion(space: Space) -> None:
    last = space.create("a")
    space.delete("a")
    after = space.create("b")
    ((_, body), _) = space.server.events(space.path(), 2, resourceVersion=str(last.version))
    assert last.version < int(body["metadata"]["resourceVersion"]) < after.version
    assert body["spec"] == last.spec


def test_an_object_that_goes_with_its_finalizer_is_shown_with_it(space: Space) -> None:
    space.create("a", {"finalizers": ["example.com/one"]})
    start = now(space)
    space.delete("a")
    space.merge("a", {"metadata": {"finalizers": None}})
    events = space.server.events(space.path(), 2, resourceVersion=start)
    assert short(events) == ["MODIFIED a", "DELETED a"]
    assert events[1][1]["metadata"]["finalizers"] == ["example.com/one"]


def test_writes_that_change_nothing_are_not_told(space: Space) -> None:
    start = now(space)
    space.create("a")
    space.merge("a", {"spec": {"suspend": False}})
    space.delete("a", dryRun="All")
    space.create("b")
    events = space.server.events(space.path(), 2, resourceVersion=start)
    assert short(events) == ["ADDED a", "ADDED b"]


def test_objects_come_and_go_as_their_labels_match(space: Space) -> None:
    start = now(space)
    space.create("a", {"labels": {"k": "1"}})
    for value in ("2", "3", "1"):
        space.merge("a", {"metadata": {"labels": {"k": value}}})
    space.status("a", rev=1)
    space.delete("a")
    events = space.server.events(space.path(), 5, resourceVersion=start, labelSelector="k=1")
    assert short(events) == ["ADDED a", "DELETED a", "ADDED a", "MODIFIED a", "DELETED a"]
    assert [body["metadata"]["labels"] for _, body in events] == [{"k": "1"}] * 5


def test_objects_come_and_go_as_their_fields_match(space: Space) -> None:
    start = now(space)
    space.create("a")
    space.merge("a", {"spec": {"suspend": True}})
    space.merge("a", {"spec": {"suspendReason": "why"}})
    space.merge("a", {"spec": {"suspend": False}})
    selector = "spec.suspend=true"
    events = space.server.events(space.path(), 3, resourceVersion=start, fieldSelector=selector)
    assert short(events) == ["ADDED a", "MODIFIED a", "DELETED a"]


def test_one_object_is_watched_by_its_name(space: Space) -> None:
    start = now(space)
    space.create("b")
    space.create("a")
    selector = "metadata.name=a"
    events = space.server.events(space.path(), 1, resourceVersion=start, fieldSelector=selector)
    assert short(events) == ["ADDED a"]


def test_other_namespaces_are_not_told(space: Space) -> None:
    start = now(space)
    space.server.call("POST", "/api/v1/namespaces", {"metadata": {"name": f"{space.name}-other"}})
    Space(space.server, f"{space.name}-other").create("a")
    space.create("b")
    assert short(space.server.events(space.path(), 1, resourceVersion=start)) == ["ADDED b"]


def test_all_namespaces_can_be_watched(space: Space) -> None:
    start = now(space)
    space.create("a", {"labels": {"case": space.name}})
    path, selector = f"{PERDURE}/workflowinstances", f"case={space.name}"
    events = space.server.events(path, 1, resourceVersion=start, labelSelector=selector)
    assert short(events) == ["ADDED a"]


@pytest.mark.parametrize("version", [None, "0"])
def test_without_a_version_what_is_there_comes_first(space: Space, version: str | None) -> None:
    for name in ("b", "a"):
        space.create(name)
    space.delete("b")
    last = space.status("a", rev=1)
    params = {} if version is None else {"resourceVersion": version}
    space.server.eventually(
        lambda: space.get("a", resourceVersion="0").body == last.body, "the cache has it"
    )
    ((kind, body),) = space.server.events(space.path(), 1, **params)
    assert (kind, body) == ("ADDED", last.body)


def test_a_bookmark_ends_what_is_there(space: Space) -> None:
    last = space.create("a")
    space.server.eventually(
        lambda: space.get("a", resourceVersion="0").status == 200, "the cache has it"
    )
    params = {"resourceVersion": "0", "allowWatchBookmarks": "true"}
    first, (kind, mark) = space.server.events(space.path(), 2, **params)
    assert short([first]) == ["ADDED a"]
    assert (kind, mark["kind"]) == ("BOOKMARK", "WorkflowInstance")
    assert mark["metadata"].pop("annotations") == {"k8s.io/initial-events-end": "true"}
    assert int(mark["metadata"].pop("resourceVersion")) >= last.version
    assert mark["metadata"] == {}


def test_a_bookmark_comes_before_the_end(space: Space) -> None:
    start = now(space)
    params = {"resourceVersion": start, "allowWatchBookmarks": "true"}
    create = partial(space.create, "a")
    first, *marks = space.server.all_events(space.path(), 3, create, **params)
    assert short([first]) == ["ADDED a"]
    assert {kind for kind, _ in marks} == {"BOOKMARK"}
    assert sorted(marks[-1][1]) == ["apiVersion", "kind", "metadata"]
    assert versions(marks)[-1] >= versions([first])[0]


def test_without_asking_there_are_no_bookmarks(space: Space) -> None:
    start = now(space)
    create = partial(space.create, "a")
    events = space.server.all_events(space.path(), 3, create, resourceVersion=start)
    assert short(events) == ["ADDED a"]


def test_a_watch_from_a_version_not_reached_tells_only_what_is_newer(space: Space) -> None:
    space.create("a")
    assert space.server.all_events(space.path(), 1, resourceVersion="99999999999") == []


@pytest.mark.parametrize(
    ("params", "status", "message"),
    [
        (
            {"resourceVersion": "x"},
            500,
            'resourceVersion: Invalid value: "x": strconv.ParseUint: parsing "x": invalid syntax',
        ),
        ({"timeoutSeconds": "x"}, 400, 'strconv.ParseInt: parsing "x": invalid syntax'),
        ({"fieldSelector": "spec.input=1"}, 400, "field label not supported: spec.input"),
        (
            {"sendInitialEvents": "true"},
            422,
            'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: '
            "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        ),
    ],
)
def test_bad_watches_are_refused_before_they_begin(
    space: Space, params: dict[str, str], status: int, message: str
) -> None:
    result = space.list(watch="true", **params)
    assert (result.status, result.message) == (status, message)


def test_a_version_that_is_too_old_ends_a_watch_with_an_error(space: Space) -> None:
    ((kind, status),) = space.server.all_events(space.path(), 1, resourceVersion="1")
    assert kind == "ERROR"
    assert (status["kind"], status["code"], status["reason"]) == ("Status", 410, "Expired")
    assert status["message"].startswith("too old resource version: 1 (")
