"""PATCH with operations: RFC 6902 as the server reads it."""

import json

import pytest
from tests.contract.api_server.port import JSON_PATCH, Result
from tests.contract.api_server.space import INSTANCES, Space

HISTORY = {"a": {"b": 1}, "list": [1, 2, 3], "text": "x", "null": None}
"""A part of the status in which anything may stand."""


@pytest.fixture
def ground(space: Space) -> Space:
    """An instance `a` whose status.history is HISTORY."""
    space.create("a")
    add = {"op": "add", "path": "/status", "value": {"history": HISTORY}}
    assert space.patch("a", add, subresource="status").status == 200
    return space


def op(kind: str, path: str, **fields: object) -> dict[str, object]:
    return {"op": kind, "path": f"/status/history{path}", **fields}


def holds(path: str, value: object) -> dict[str, object]:
    return op("test", path, value=value)


def play(space: Space, *operations: object) -> Result:
    return space.patch("a", *operations, subresource="status")


def refused(result: Result) -> bool:
    """Say whether the patch did not apply; the server does not say why."""
    text = "the server rejected our request due to an error in our request"
    assert result.body.get("details", {}) == {}, result.text
    return (result.status, result.reason, result.message) == (422, "Invalid", text)


@pytest.mark.parametrize(
    ("operations", "changed"),
    [
        ([], {}),
        ([op("add", "/new", value=1)], {"new": 1}),
        ([op("add", "/text", value="y")], {"text": "y"}),
        ([op("add", "/text")], {"text": None}),
        ([op("add", "/list/-", value=4)], {"list": [1, 2, 3, 4]}),
        ([op("add", "/list/0", value=0)], {"list": [0, 1, 2, 3]}),
        ([op("add", "/list/3", value=4)], {"list": [1, 2, 3, 4]}),
        ([op("add", "/list/-1", value=4)], {"list": [1, 2, 3, 4]}),
        ([op("add", "/list/01", value=9)], {"list": [1, 9, 2, 3]}),
        ([op("add", "/list/+1", value=9)], {"list": [1, 9, 2, 3]}),
        ([op("replace", "/text", value="y")], {"text": "y"}),
        ([op("replace", "/new", value="y")], {"new": "y"}),
        ([op("replace", "/text")], {"text": None}),
        ([op("replace", "/list/1", value=9)], {"list": [1, 9, 3]}),
        ([op("replace", "/list/-1", value=9)], {"list": [1, 2, 9]}),
        ([op("remove", "/list/-1")], {"list": [1, 2]}),
        ([op("remove", "/list/0")], {"list": [2, 3]}),
        ([op("remove", "/a/b")], {"a": {}}),
        ([op("copy", "/new", **{"from": "/status/history/a"})], {"new": {"b": 1}}),
        ([op("copy", "/new", **{"from": "/status/history/absent"})], {"new": None}),
        ([op("copy", "/list/-", **{"from": "/status/history/list/0"})], {"list": [1, 2, 3, 1]}),
        ([op("move", "/list/2", **{"from": "/status/history/list/0"})], {"list": [2, 3, 1]}),
        ([op("add", "/x~1y", value=1), op("add", "/x~0y", value=2)], {"x/y": 1, "x~y": 2}),
        ([op("add", "/new", value=1), holds("/new", 1)], {"new": 1}),
        (
            [op("add", "/new", value={"c": [1]}), op("add", "/new/c/-", value=2)],
            {"new": {"c": [1, 2]}},
        ),
    ],
    ids=lambda value: json.dumps(value)[:60] if isinstance(value, list) else "",
)
def test_operations_that_apply(
    ground: Space, operations: list[object], changed: dict[str, object]
) -> None:
    result = play(ground, *operations)
    assert result.status == 200, result.text
    assert result.body["status"]["history"] == {**HISTORY, **changed}
    assert ground.get("a").body == result.body


@pytest.mark.parametrize(
    "operations",
    [
        [op("add", "/absent/x", value=1)],
        [op("add", "/text/x", value=1)],
        [op("add", "/null/x", value=1)],
        [op("add", "/list/5", value=1)],
        [op("add", "/list/-5", value=1)],
        [op("add", "/list/x", value=1)],
        [op("replace", "/absent/x", value=1)],
        [op("replace", "/list/9", value=1)],
        [op("replace", "/list/-", value=1)],
        [op("remove", "/absent")],
        [op("remove", "/absent/x")],
        [op("remove", "/list/9")],
        [op("move", "/new", **{"from": "/status/history/absent"})],
        [op("copy", "/new", **{"from": "/status/history/absent/x"})],
        [op("odd", "/text", value=1)],
        [{"op": "add", "value": 1}],
        [{"path": "/status/history/text", "value": 1}],
        [{"op": "remove", "path": ""}],
        [holds("/text", "y")],
        [holds("/absent", "y")],
        [holds("/absent/x", None)],
        [holds("/list/9", 1)],
        [holds("/list/-", 3)],
        [holds("/list", [1, 2])],
        [holds("/list", [3, 2, 1])],
        [holds("/a", {"b": 1, "c": 2})],
        [holds("/a", None)],
        [holds("/a/b", "1")],
        [holds("/a/b", 1.0)],
        [holds("/a/b", True)],
        [op("test", "/text")],
        [op("replace", "/text", value="y"), holds("/text", "x")],
    ],
    ids=lambda value: json.dumps(value)[:60],
)
def test_operations_that_do_not_apply_change_nothing(
    ground: Space, operations: list[object]
) -> None:
    before = ground.get("a").body
    assert refused(play(ground, op("add", "/first", value=1), *operations))
    assert ground.get("a").body == before


@pytest.mark.parametrize(
    "operation",
    [
        holds("/text", "x"),
        holds("/a", {"b": 1}),
        holds("/list", [1, 2, 3]),
        holds("/list/-1", 3),
        holds("/null", None),
        holds("/absent", None),
        op("test", "/absent"),
        {"op": "test", "path": "/metadata/name", "value": "a"},
        {"op": "test", "path": "/metadata/generation", "value": 1},
    ],
    ids=json.dumps,
)
def test_a_test_that_holds_changes_nothing(ground: Space, operation: object) -> None:
    before = ground.get("a").body
    result = play(ground, operation)
    assert (result.status, result.body) == (200, before)


@pytest.mark.parametrize("value", ["<", ">", "&", "a<b", "\u2028", "é"])
def test_a_test_compares_text_as_it_is_written(ground: Space, value: str) -> None:
    play(ground, op("add", "/text", value=value))
    path = ground.path(INSTANCES, "a", "status")
    plain = json.dumps([holds("/text", value)], ensure_ascii=False).encode()
    escaped = json.dumps([holds("/text", value)]).encode()
    for sign in "<>&":
        escaped = escaped.replace(sign.encode(), f"\\u{ord(sign):04x}".encode())
    fits, differs = (plain, escaped) if value == "é" else (escaped, plain)
    assert ground.server.call("PATCH", path, fits, JSON_PATCH).status == 200
    assert refused(ground.server.call("PATCH", path, differs, JSON_PATCH))


def test_what_stands_before_the_first_slash_does_not_count(ground: Space) -> None:
    result = play(ground, {"op": "test", "path": "odd/kind", "value": "WorkflowInstance"})
    assert result.status == 200


def test_a_path_without_a_slash_is_no_place(ground: Space) -> None:
    assert refused(play(ground, {"op": "test", "path": "kind", "value": "WorkflowInstance"}))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            b'{"op":"add"}',
            "json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp",
        ),
        (b'["x"]', "json: cannot unmarshal string into Go value of type handlers.jsonPatchOp"),
        (
            b'[{"path":5}]',
            "json: cannot unmarshal number into Go struct field jsonPatchOp.path of type string",
        ),
        (b"nonsense", ""),
    ],
)
def test_a_patch_is_a_list_of_objects(ground: Space, body: bytes, message: str) -> None:
    result = ground.server.call("PATCH", ground.path(INSTANCES, "a"), body, JSON_PATCH)
    assert (result.status, result.reason) == (400, "BadRequest")
    assert result.message.startswith(f"error decoding patch: {message}")


def test_a_patch_has_at_most_10000_operations(ground: Space) -> None:
    result = play(ground, *[holds("/text", "x")] * 10_001)
    assert (result.status, result.reason) == (413, "RequestEntityTooLarge")
    assert result.message == (
        "Request entity too large: The allowed maximum operations in a JSON patch is 10000, "
        "got 10001"
    )


def test_a_missing_object_is_not_patched(space: Space) -> None:
    result = space.patch("a", {"op": "add", "path": "/spec/suspend", "value": True})
    assert (result.status, result.message) == (404, 'workflowinstances.perdure.dev "a" not found')


def test_a_stale_version_in_a_patch_is_a_conflict(ground: Space) -> None:
    replace = {"op": "replace", "path": "/metadata/resourceVersion", "value": "1"}
    result = ground.patch("a", replace)
    assert (result.status, result.reason) == (409, "Conflict")


def test_a_tested_version_that_is_stale_is_not_a_conflict_but_invalid(ground: Space) -> None:
    stale = {"op": "test", "path": "/metadata/resourceVersion", "value": "1"}
    assert refused(ground.patch("a", stale))


def test_another_metadata_type_cannot_be_decoded(ground: Space) -> None:
    result = ground.patch("a", {"op": "add", "path": "/metadata/labels", "value": "x"})
    assert (result.status, result.reason) == (422, "Invalid")
    assert result.message.startswith(' "" is invalid: patch: Invalid value: "')


def test_unknown_fields_added_by_a_patch_are_dropped(ground: Space) -> None:
    before = ground.get("a").body
    result = ground.patch("a", {"op": "add", "path": "/spec/bogus", "value": 1})
    assert (result.status, result.body) == (200, before)
