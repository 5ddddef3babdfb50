"""POST: what is accepted, and what becomes of it."""

import pytest
from tests.contract.api_server.port import Server
from tests.contract.api_server.space import (
    DEFINITIONS,
    EVENTS,
    INSTANCES,
    PERDURE,
    Space,
    custom,
    definition,
    instance,
)


def test_a_new_object_gets_its_metadata_and_defaults(space: Space) -> None:
    result = space.post(instance("a"))
    assert result.status == 201
    assert sorted(result.metadata) == [
        "creationTimestamp",
        "generation",
        "name",
        "namespace",
        "resourceVersion",
        "uid",
    ]
    assert (result.metadata["name"], result.metadata["namespace"]) == ("a", space.name)
    assert result.metadata["generation"] == 1
    assert len(result.metadata["creationTimestamp"]) == len("2026-01-01T00:00:00Z")
    assert result.spec == {"definitionRef": {"name": "order"}, "events": [], "suspend": False}


def test_what_was_created_is_read_back_equal(space: Space) -> None:
    created = space.create("a", input={"b": 1})
    assert space.get("a").body == created.body


def test_every_write_has_a_later_version(space: Space) -> None:
    assert space.create("a").version < space.create("b").version < space.status("a", rev=1).version


def test_a_name_that_is_taken_is_refused(space: Space) -> None:
    space.create("a")
    result = space.post(instance("a", suspend=True))
    assert (result.status, result.reason) == (409, "AlreadyExists")
    assert result.message == 'workflowinstances.perdure.dev "a" already exists'
    assert result.body["details"] == {"name": "a", "group": "perdure.dev", "kind": INSTANCES}


def test_a_name_is_free_again_after_deletion_but_not_the_uid(space: Space) -> None:
    first = space.create("a")
    space.delete("a")
    second = space.create("a")
    assert first.metadata["uid"] != second.metadata["uid"]


def test_a_status_is_dropped(space: Space) -> None:
    result = space.post({**instance("a"), "status": {"rev": 3}})
    assert result.status == 201
    assert "status" not in result.body


def test_metadata_that_only_the_server_writes_are_ignored(space: Space) -> None:
    body = instance("a")
    body["metadata"] |= {
        "uid": "mine",
        "generation": 9,
        "creationTimestamp": "2020-01-01T00:00:00Z",
        "deletionTimestamp": "2020-01-01T00:00:00Z",
        "selfLink": "x",
    }
    result = space.post(body)
    assert result.status == 201
    assert result.metadata["uid"] != "mine"
    assert result.metadata["generation"] == 1
    assert result.metadata["creationTimestamp"] > "2021"
    assert not {"deletionTimestamp", "selfLink"} & set(result.metadata)


def test_a_resource_version_is_refused(space: Space) -> None:
    body = instance("a")
    body["metadata"]["resourceVersion"] = "5"
    result = space.post(body)
    assert (result.status, result.reason) == (500, "")
    assert result.message == "resourceVersion should not be set on objects to be created"


def test_a_name_can_be_generated(space: Space) -> None:
    body = instance("")
    body["metadata"] = {"generateName": "run-"}
    names = {space.post(body).metadata["name"] for _ in range(3)}
    assert len(names) == 3
    assert all(name.startswith("run-") and len(name) == 9 for name in names)


def test_an_object_needs_a_name(space: Space) -> None:
    result = space.post(instance(""))
    assert (result.status, result.reason) == (422, "Invalid")
    assert (
        "metadata.name",
        "Required value: name or generateName is required",
    ) in result.causes


@pytest.mark.parametrize("name", ["Upper", "under_score", "-a", "a-", "a..b", "a b", "ä"])
def test_a_name_is_a_dns_subdomain(space: Space, name: str) -> None:
    result = space.post(custom(EVENTS, name, {"instance": "a", "name": "e"}), EVENTS)
    assert (result.status, result.reason) == (422, "Invalid")
    ((field, message),) = result.causes
    assert field == "metadata.name"
    assert f'Invalid value: "{name}": a lowercase RFC 1123 subdomain must consist' in message


def test_a_name_has_at_most_253_characters(space: Space) -> None:
    spec = {"instance": "a", "name": "e"}
    assert space.post(custom(EVENTS, "a" * 253, spec), EVENTS).status == 201
    result = space.post(custom(EVENTS, "a" * 254, spec), EVENTS)
    assert result.status == 422
    assert {message.rpartition(": ")[2] for _, message in result.causes} == {
        "must be no more than 253 characters"
    }


def test_another_namespace_in_the_body_is_refused(space: Space) -> None:
    body = instance("a")
    body["metadata"]["namespace"] = "other"
    result = space.post(body)
    assert (result.status, result.reason) == (400, "BadRequest")
    assert result.message == (
        "the namespace of the provided object does not match the namespace sent on the request"
    )


def test_a_namespace_has_to_exist(server: Server) -> None:
    result = server.call("POST", f"{PERDURE}/namespaces/nowhere/{INSTANCES}", instance("a"))
    assert (result.status, result.reason) == (404, "NotFound")
    assert result.message == 'namespaces "nowhere" not found'
    assert result.body["details"] == {"name": "nowhere", "kind": "namespaces"}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "couldn't get version/kind; json parse error: "),
        (b"{", "couldn't get version/kind; json parse error: "),
        (b"[]", "couldn't get version/kind; json parse error: json: cannot unmarshal"),
        (b"{}", "Object 'Kind' is missing in"),
        (b"null", "Object 'Kind' is missing in"),
    ],
    ids=["nothing", "half an object", "a list", "an empty object", "null"],
)
def test_a_body_has_to_be_an_object(space: Space, body: bytes, message: str) -> None:
    result = space.server.call("POST", space.path(), body)
    assert (result.status, result.reason) == (400, "BadRequest")
    prefix = "the object provided is unrecognized (must be of type WorkflowInstance): "
    assert result.message.startswith(prefix + message)


def test_another_version_is_refused(space: Space) -> None:
    result = space.post({**instance("a"), "apiVersion": "perdure.dev/v1"})
    assert (result.status, result.reason) == (400, "BadRequest")
    assert result.message == (
        "the API version in the data (perdure.dev/v1) does not match the expected API version "
        "(perdure.dev/v1alpha1)"
    )


def test_another_kind_is_refused(space: Space) -> None:
    result = space.post({**instance("a"), "kind": "Other"})
    assert (result.status, result.reason) == (422, "Invalid")
    assert result.message == (
        'Other.perdure.dev "a" is invalid: kind: Invalid value: "Other": must be WorkflowInstance'
    )


def test_another_media_type_is_refused(space: Space) -> None:
    result = space.server.call("POST", space.path(), b"{}", "text/plain")
    assert (result.status, result.reason) == (415, "UnsupportedMediaType")


def test_metadata_of_a_wrong_type_cannot_be_handled(space: Space) -> None:
    result = space.post({**instance("a"), "metadata": []})
    assert (result.status, result.reason) == (400, "BadRequest")
    assert result.message.startswith(
        'WorkflowInstance in version "v1alpha1" cannot be handled as a WorkflowInstance: json: '
    )


def test_a_dry_run_stores_nothing(space: Space) -> None:
    result = space.post(instance("a"), dryRun="All")
    assert result.status == 201
    assert result.spec["suspend"] is False
    assert "resourceVersion" not in result.metadata
    assert space.get("a").status == 404


def test_unknown_fields_are_dropped(space: Space) -> None:
    body = {**instance("a", bogus=1, definitionRef={"name": "order", "more": 1}), "extra": 1}
    body["metadata"]["bogus"] = "x"
    result = space.post(body)
    assert result.status == 201
    assert result.spec["definitionRef"] == {"name": "order"}
    assert not {"bogus"} & (set(result.spec) | set(result.metadata))
    assert "extra" not in result.body


def test_unknown_fields_are_refused_where_that_is_asked_for(space: Space) -> None:
    result = space.post(instance("a", bogus=1), fieldValidation="Strict")
    assert (result.status, result.reason) == (400, "BadRequest")
    assert result.message == (
        'WorkflowInstance in version "v1alpha1" cannot be handled as a WorkflowInstance: '
        'strict decoding error: unknown field "spec.bogus"'
    )


def test_known_fields_pass_the_strict_validation(space: Space) -> None:
    assert space.post(instance("a"), fieldValidation="Strict").status == 201


def test_an_unknown_validation_is_refused(space: Space) -> None:
    result = space.post(instance("a"), fieldValidation="Odd")
    assert (result.status, result.reason) == (422, "Invalid")
    assert result.fields == {"fieldValidation"}


def test_keys_come_back_sorted(space: Space) -> None:
    space.create("a", input={"z": 1, "b": {"y": 1, "a": 2}})
    assert '"input":{"b":{"a":2,"y":1},"z":1}' in space.get("a").text


def test_definitions_are_accepted(space: Space) -> None:
    step = {"name": "charge", "http": {"service": "shop", "path": "/charge"}}
    result = space.post(definition("order", step), DEFINITIONS)
    assert result.status == 201
    assert result.spec == {"steps": [step]}


def test_answers_carry_the_time_and_their_type(space: Space) -> None:
    result = space.create("a")
    assert result.headers["Content-Type"] == "application/json"
    assert result.headers["Date"].endswith(" GMT")
