"""PATCH with a part of the object: RFC 7386 as the server reads it."""

import pytest
from tests.contract.api_server.port import JSON, MERGE_PATCH
from tests.contract.api_server.space import INSTANCES, NOWHERE, Space


@pytest.fixture
def ground(space: Space) -> Space:
    space.create("a", {"labels": {"x": "1", "y": "2"}})
    return space


def test_fields_are_merged_and_null_removes(ground: Space) -> None:
    result = ground.merge("a", {"metadata": {"labels": {"x": None, "z": "3"}}})
    assert result.status == 200
    assert result.metadata["labels"] == {"y": "2", "z": "3"}


def test_the_last_label_takes_the_labels_with_it(ground: Space) -> None:
    result = ground.merge("a", {"metadata": {"labels": {"x": None, "y": None}}})
    assert "labels" not in result.metadata


def test_nulls_in_what_is_new_are_left_out_even_in_lists(ground: Space) -> None:
    result = ground.status(
        "a", history={"list": [None, {"a": None, "b": 1}, [None]], "c": {"d": None}}
    )
    assert result.body["status"]["history"] == {"list": [None, {"b": 1}, [None]], "c": {}}


def test_lists_are_replaced(ground: Space) -> None:
    ground.status("a", history={"list": [1, 2, 3]})
    result = ground.status("a", history={"list": [4]})
    assert result.body["status"]["history"] == {"list": [4]}


@pytest.mark.parametrize(
    "patch", [{}, {"spec": {}}, {"spec": {"suspend": False}}, {"spec": {"suspend": None}}]
)
def test_a_patch_that_changes_nothing_is_no_write(ground: Space, patch: object) -> None:
    before = ground.get("a").body
    result = ground.merge("a", patch)
    assert (result.status, result.body) == (200, before)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            b"[]",
            "error decoding patch: json: cannot unmarshal array into Go value of type "
            "map[string]interface {}",
        ),
        (b"null", "Invalid JSON Patch"),
        (b"{", "error decoding patch: "),
    ],
)
def test_a_patch_is_an_object(ground: Space, body: bytes, message: str) -> None:
    result = ground.server.call("PATCH", ground.path(INSTANCES, "a"), body, MERGE_PATCH)
    assert (result.status, result.reason) == (400, "BadRequest")
    assert result.message.startswith(message)


@pytest.mark.parametrize("media", [JSON, "application/strategic-merge-patch+json", "text/plain"])
def test_custom_resources_take_no_other_patches(ground: Space, media: str) -> None:
    result = ground.server.call("PATCH", ground.path(INSTANCES, "a"), {}, media)
    assert (result.status, result.reason) == (415, "UnsupportedMediaType")
    assert result.message.endswith(
        "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
    )


def test_a_version_is_compared(ground: Space) -> None:
    version = ground.get("a").metadata["resourceVersion"]
    patch = {"metadata": {"resourceVersion": version}, "spec": {"suspend": True}}
    assert ground.merge("a", patch).status == 200
    result = ground.merge("a", patch)
    assert (result.status, result.reason) == (409, "Conflict")
    assert result.message == (
        'Operation cannot be fulfilled on workflowinstances.perdure.dev "a": the object has been '
        "modified; please apply your changes to the latest version and try again"
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("uid", "other"),
        ("deletionTimestamp", "2020-01-01T00:00:00Z"),
        ("deletionGracePeriodSeconds", 4),
    ],
)
def test_metadata_of_the_server_cannot_be_changed(ground: Space, field: str, value: object) -> None:
    result = ground.merge("a", {"metadata": {field: value}})
    assert (result.status, result.reason) == (422, "Invalid")
    ((where, message),) = result.causes
    assert where == f"metadata.{field}"
    assert message.endswith("field is immutable")


@pytest.mark.parametrize("field", ["generation", "selfLink", "bogus", "creationTimestamp"])
def test_other_metadata_of_the_server_are_ignored(ground: Space, field: str) -> None:
    before = ground.get("a").body
    value = {"generation": 77, "creationTimestamp": "2020-01-01T00:00:00Z"}.get(field, "x")
    result = ground.merge("a", {"metadata": {field: value}})
    assert (result.status, result.body) == (200, before)


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        (
            {"metadata": {"name": "b"}},
            "the name of the object (b) does not match the name on the URL (a)",
        ),
        (
            {"metadata": {"namespace": "b"}},
            "the namespace of the provided object does not match the namespace sent on the request",
        ),
        (
            {"metadata": None},
            "the name of the object (a based on URL) was undeterminable: name must be provided",
        ),
    ],
)
def test_an_object_stays_where_it_is(ground: Space, patch: object, message: str) -> None:
    result = ground.merge("a", patch)
    assert (result.status, result.reason, result.message) == (400, "BadRequest", message)


def test_a_kind_cannot_be_changed(ground: Space) -> None:
    result = ground.merge("a", {"kind": "Other"})
    assert result.status == 422
    assert result.causes == {("kind", 'Invalid value: "Other": must be WorkflowInstance')}


def test_a_dry_run_changes_nothing(ground: Space) -> None:
    before = ground.get("a").body
    result = ground.merge("a", {"spec": {"suspend": True}}, dryRun="All")
    assert (result.status, result.spec["suspend"]) == (200, True)
    assert result.metadata["generation"] == 2
    assert ground.get("a").body == before


def test_unknown_fields_are_refused_where_that_is_asked_for(ground: Space) -> None:
    result = ground.merge("a", {"spec": {"bogus": 1}}, fieldValidation="Strict")
    assert (result.status, result.reason) == (422, "Invalid")
    assert result.message.endswith('strict decoding error: unknown field "spec.bogus"')


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"x": "a b"}, "a valid label must be an empty string or consist of alphanumeric"),
        ({"x": "-"}, "a valid label must be an empty string or consist of alphanumeric"),
        ({"x/y/z": "a"}, "a valid label key must consist of alphanumeric characters"),
        ({"x": "a" * 64}, "must be no more than 63 bytes"),
    ],
)
def test_labels_are_checked(ground: Space, labels: dict[str, str], message: str) -> None:
    result = ground.merge("a", {"metadata": {"labels": labels}})
    assert (result.status, result.fields) == (422, {"metadata.labels"})
    assert message in result.message


def test_annotations_may_hold_any_text_but_not_too_much(ground: Space) -> None:
    text = {"example.com/note": "any <text> é\n"}
    assert ground.merge("a", {"metadata": {"annotations": text}}).metadata["annotations"] == text
    result = ground.merge("a", {"metadata": {"annotations": {"b": "x" * 2**18}}})
    assert (result.status, result.fields) == (422, {"metadata.annotations", NOWHERE})
    assert "may not be more than 262144 bytes" in result.message


def test_only_one_owner_is_the_controller(ground: Space) -> None:
    owners = [
        {"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": uid, "controller": True}
        for uid in ("1", "2")
    ]
    result = ground.merge("a", {"metadata": {"ownerReferences": owners}})
    assert (result.status, result.fields) == (422, {"metadata.ownerReferences"})
    assert "Only one reference can have Controller set to true" in result.message


def test_an_owner_has_a_uid(ground: Space) -> None:
    owners = [{"apiVersion": "v1", "kind": "Pod", "name": "x"}]
    result = ground.merge("a", {"metadata": {"ownerReferences": owners}})
    assert result.causes == {
        ("metadata.ownerReferences.uid", 'Invalid value: "": must not be empty')
    }
