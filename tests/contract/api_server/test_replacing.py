"""PUT: whole objects, and the version they are about."""

import copy

import pytest
from tests.contract.api_server.port import Body
from tests.contract.api_server.space import INSTANCES, Space, instance

MODIFIED = (
    'Operation cannot be fulfilled on workflowinstances.perdure.dev "a": the object has been '
    "modified; please apply your changes to the latest version and try again"
)


@pytest.fixture
def body(space: Space) -> Body:
    """An instance `a` as it stands."""
    return space.create("a").body


def changed(body: Body, **spec: object) -> Body:
    result = copy.deepcopy(body)
    result["spec"] |= spec
    return result


def test_an_object_is_replaced(space: Space, body: Body) -> None:
    result = space.put(changed(body, suspend=True))
    assert (result.status, result.spec["suspend"]) == (200, True)
    assert result.metadata["generation"] == 2
    assert result.version > int(body["metadata"]["resourceVersion"])
    assert space.get("a").body == result.body


def test_an_equal_object_is_no_write(space: Space, body: Body) -> None:
    result = space.put(body)
    assert (result.status, result.body) == (200, body)


def test_a_stale_version_is_a_conflict(space: Space, body: Body) -> None:
    space.put(changed(body, suspend=True))
    result = space.put(changed(body, suspend=True))
    assert (result.status, result.reason, result.message) == (409, "Conflict", MODIFIED)
    assert result.body["details"] == {"name": "a", "group": "perdure.dev", "kind": INSTANCES}


@pytest.mark.parametrize("version", ["", "0"])
def test_custom_resources_are_not_replaced_without_a_version(
    space: Space, body: Body, version: str
) -> None:
    body["metadata"]["resourceVersion"] = version
    result = space.put(body)
    assert (result.status, result.reason) == (422, "Invalid")
    assert result.message == (
        'workflowinstances.perdure.dev "a" is invalid: metadata.resourceVersion: '
        "Invalid value: 0: must be specified for an update"
    )


def test_a_version_is_a_number(space: Space, body: Body) -> None:
    body["metadata"]["resourceVersion"] = "x"
    result = space.put(body)
    assert (result.status, result.reason) == (500, "")
    assert result.message == 'strconv.ParseUint: parsing "x": invalid syntax'


def test_another_uid_is_a_conflict(space: Space, body: Body) -> None:
    uid = body["metadata"]["uid"]
    body["metadata"]["uid"] = "other"
    result = space.put(body)
    assert (result.status, result.reason) == (409, "Conflict")
    assert result.message == (
        'Operation cannot be fulfilled on workflowinstances.perdure.dev "a": StorageError: '
        f"invalid object, Code: 4, Key: /registry/perdure.dev/workflowinstances/{space.name}/a, "
        "ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: other, "
        f"UID in object meta: {uid}"
    )


def test_the_uid_may_be_left_out(space: Space, body: Body) -> None:
    uid = body["metadata"].pop("uid")
    result = space.put(changed(body, suspend=True))
    assert (result.status, result.metadata["uid"]) == (200, uid)


def test_fields_that_are_left_out_are_gone(space: Space) -> None:
    body = space.create("a", {"labels": {"x": "1"}}, suspendReason="why").body
    del body["spec"]["suspendReason"], body["metadata"]["labels"]
    result = space.put(body)
    assert result.status == 200
    assert "suspendReason" not in result.spec
    assert "labels" not in result.metadata


def test_a_missing_custom_resource_is_not_created(space: Space) -> None:
    result = space.put(instance("a"))
    assert (result.status, result.message) == (404, 'workflowinstances.perdure.dev "a" not found')


def test_another_name_is_refused(space: Space, body: Body) -> None:
    body["metadata"]["name"] = "b"
    result = space.server.call("PUT", space.path(INSTANCES, "a"), body)
    assert (result.status, result.reason) == (400, "BadRequest")
    assert result.message == "the name of the object (b) does not match the name on the URL (a)"


def test_a_collection_is_not_replaced(space: Space, body: Body) -> None:
    result = space.server.call("PUT", space.path(), body)
    assert (result.status, result.message) == (400, "name must be provided")


def test_the_status_is_left_alone(space: Space, body: Body) -> None:
    status = space.status("a", rev=1).body
    result = space.put({**changed(status, suspend=True), "status": {"rev": 9}})
    assert (result.status, result.body["status"]) == (200, {"rev": 1})


def test_the_status_endpoint_replaces_the_status_alone(space: Space, body: Body) -> None:
    asked = {**changed(body, suspend=True), "status": {"rev": 3}}
    result = space.put(asked, subresource="status")
    assert result.status == 200
    assert (result.body["status"], result.spec["suspend"]) == ({"rev": 3}, False)
    assert result.metadata["generation"] == 1


def test_the_status_endpoint_compares_versions_too(space: Space, body: Body) -> None:
    space.status("a", rev=1)
    result = space.put({**body, "status": {"rev": 3}}, subresource="status")
    assert (result.status, result.message) == (409, MODIFIED)


def test_a_dry_run_compares_but_changes_nothing(space: Space, body: Body) -> None:
    result = space.put(changed(body, suspend=True), dryRun="All")
    assert (result.status, result.spec["suspend"]) == (200, True)
    assert space.get("a").body == body
