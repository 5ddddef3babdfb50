"""DELETE: preconditions, finalizers, collections, namespaces."""

import pytest
from tests.contract.api_server.port import Result
from tests.contract.api_server.space import INSTANCES, Space, instance

FINALIZERS = ["example.com/one", "example.com/two"]


def test_a_deleted_object_is_gone(space: Space) -> None:
    created = space.create("a")
    result = space.delete("a")
    assert result.status == 200
    assert result.body == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {
            "name": "a",
            "group": "perdure.dev",
            "kind": INSTANCES,
            "uid": created.metadata["uid"],
        },
    }
    assert space.get("a").status == 404


def test_the_second_deletion_finds_nothing(space: Space) -> None:
    space.create("a")
    space.delete("a")
    result = space.delete("a")
    assert (result.status, result.reason) == (404, "NotFound")
    assert result.message == 'workflowinstances.perdure.dev "a" not found'


def test_the_uid_has_to_be_that_of_the_object(space: Space) -> None:
    uid = space.create("a").metadata["uid"]
    result = space.delete("a", {"preconditions": {"uid": "other"}})
    assert (result.status, result.reason) == (409, "Conflict")
    assert result.message == (
        'Operation cannot be fulfilled on WorkflowInstance.perdure.dev "a": the UID in the '
        f"precondition (other) does not match the UID in record ({uid}). The object might have "
        "been deleted and then recreated"
    )
    assert result.body["details"]["kind"] == "WorkflowInstance"
    assert space.delete("a", {"preconditions": {"uid": uid}}).status == 200


def test_the_version_has_to_be_that_of_the_object(space: Space) -> None:
    version = space.create("a").metadata["resourceVersion"]
    newer = space.status("a", rev=1).metadata["resourceVersion"]
    result = space.delete("a", {"preconditions": {"resourceVersion": version}})
    assert (result.status, result.reason) == (409, "Conflict")
    assert result.message == (
        'Operation cannot be fulfilled on WorkflowInstance.perdure.dev "a": the ResourceVersion '
        f"in the precondition ({version}) does not match the ResourceVersion in record ({newer}). "
        "The object might have been modified"
    )
    assert space.delete("a", {"preconditions": {"resourceVersion": newer}}).status == 200


def test_a_dry_run_deletes_nothing(space: Space) -> None:
    space.create("a")
    assert space.delete("a", dryRun="All").status == 200
    assert space.get("a").status == 200


@pytest.mark.parametrize("options", [None, {}, {"gracePeriodSeconds": 30}])
def test_custom_resources_go_at_once(space: Space, options: object) -> None:
    space.create("a")
    assert space.delete("a", options).status == 200
    assert space.get("a").status == 404


def test_an_unknown_policy_is_refused(space: Space) -> None:
    space.create("a")
    result = space.delete("a", {"propagationPolicy": "Odd"})
    assert (result.status, result.reason) == (422, "Invalid")
    assert result.message == (
        'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: "Odd": '
        'supported values: "Foreground", "Background", "Orphan", "nil"'
    )


@pytest.mark.parametrize("body", [b"{bad", b'{"kind":"Other","apiVersion":"v1"}'])
def test_options_have_to_be_options(space: Space, body: bytes) -> None:
    space.create("a")
    result = space.server.call("DELETE", space.path(name="a"), body)
    assert (result.status, result.reason) == (400, "BadRequest")
    assert space.get("a").status == 200


# --- finalizers -----------------------------------------------------------------------------


@pytest.fixture
def deleted(space: Space) -> Result:
    """The answer to the deletion of an instance `a` with two finalizers."""
    space.create("a", {"finalizers": FINALIZERS})
    return space.delete("a")


def finalize(space: Space, finalizers: object) -> Result:
    return space.merge("a", {"metadata": {"finalizers": finalizers}})


def test_finalizers_keep_an_object(space: Space, deleted: Result) -> None:
    assert deleted.status == 200
    assert deleted.metadata["deletionTimestamp"].endswith("Z")
    assert deleted.metadata["deletionGracePeriodSeconds"] == 0
    assert deleted.metadata["generation"] == 2
    assert space.get("a").body == deleted.body


def test_a_second_deletion_changes_nothing(space: Space, deleted: Result) -> None:
    again = space.delete("a")
    assert (again.status, again.body) == (200, deleted.body)


def test_preconditions_hold_for_what_is_being_deleted_too(space: Space, deleted: Result) -> None:
    assert space.delete("a", {"preconditions": {"uid": "other"}}).status == 409


def test_what_is_being_deleted_can_still_change(space: Space, deleted: Result) -> None:
    assert space.status("a", rev=1).body["status"] == {"rev": 1}
    assert space.merge("a", {"spec": {"suspend": True}}).metadata["generation"] == 3


def test_finalizers_go_one_by_one_and_the_object_with_the_last(
    space: Space, deleted: Result
) -> None:
    assert finalize(space, FINALIZERS[1:]).metadata["finalizers"] == FINALIZERS[1:]
    last = finalize(space, None)
    assert last.status == 200
    assert "finalizers" not in last.metadata
    assert space.get("a").status == 404


def test_the_answer_to_the_last_removal_has_the_version_from_before(
    space: Space, deleted: Result
) -> None:
    assert finalize(space, []).version == deleted.version


@pytest.mark.parametrize("added", [[*FINALIZERS, "example.com/three"], ["example.com/three"]])
def test_finalizers_come_too_late_for_what_is_being_deleted(
    space: Space, deleted: Result, added: list[str]
) -> None:
    result = finalize(space, added)
    assert (result.status, result.reason) == (422, "Invalid")
    assert result.causes == {
        (
            "metadata.finalizers",
            "Forbidden: no new finalizers can be added if the object is being deleted, found new "
            'finalizers []string{"example.com/three"}',
        )
    }


def test_finalizers_that_are_reordered_are_not_new(space: Space, deleted: Result) -> None:
    assert finalize(space, FINALIZERS[::-1]).metadata["finalizers"] == FINALIZERS[::-1]


def test_a_name_is_taken_while_it_is_being_deleted(space: Space, deleted: Result) -> None:
    assert space.post(instance("a")).reason == "AlreadyExists"


def test_removing_finalizers_of_what_lives_deletes_nothing(space: Space) -> None:
    space.create("a", {"finalizers": FINALIZERS})
    finalize(space, None)
    assert space.get("a").status == 200


# --- collections ----------------------------------------------------------------------------


def test_a_collection_is_deleted_by_what_matches(space: Space) -> None:
    for name in ("a", "b", "c"):
        space.create(name, {"labels": {"group": "one" if name != "c" else "two"}})
    result = space.server.call("DELETE", space.path(), labelSelector="group=one")
    assert (result.status, result.names) == (200, ["a", "b"])
    assert space.list().names == ["c"]


def test_an_empty_collection_can_be_deleted(space: Space) -> None:
    result = space.server.call("DELETE", space.path())
    assert (result.status, result.names) == (200, [])


# --- namespaces -----------------------------------------------------------------------------


@pytest.fixture
def dying(space: Space) -> Result:
    """The answer to the deletion of a namespace in which an instance `a` has a finalizer."""
    space.create("a", {"finalizers": ["example.com/one"]})
    space.create("b")
    return space.server.call("DELETE", f"/api/v1/namespaces/{space.name}")


def test_a_namespace_is_terminating_first(dying: Result) -> None:
    assert (dying.status, dying.body["kind"]) == (200, "Namespace")
    assert dying.body["status"]["phase"] == "Terminating"
    assert "deletionTimestamp" in dying.metadata
    assert "deletionGracePeriodSeconds" not in dying.metadata


def test_nothing_is_created_in_a_namespace_that_is_terminating(space: Space, dying: Result) -> None:
    result = space.post(instance("late"))
    assert (result.status, result.reason) == (403, "Forbidden")
    assert result.message == (
        'workflowinstances.perdure.dev "late" is forbidden: unable to create new content in '
        f"namespace {space.name} because it is being terminated"
    )
    assert result.body["details"]["causes"] == [
        {
            "reason": "NamespaceTerminating",
            "message": f"namespace {space.name} is being terminated",
            "field": "metadata.namespace",
        }
    ]


def test_what_is_in_a_terminating_namespace_can_change(space: Space, dying: Result) -> None:
    assert space.merge("a", {"spec": {"suspend": True}}).status == 200


def test_a_namespace_takes_its_objects_with_it_and_goes_when_it_is_empty(
    space: Space, dying: Result
) -> None:
    empty = f"{space.name}-empty"
    space.server.call("POST", "/api/v1/namespaces", {"metadata": {"name": empty}})
    path = f"/api/v1/namespaces/{empty}"
    assert space.server.call("DELETE", path).status == 200
    space.server.eventually(lambda: space.is_gone("b"), "the other object is gone")
    space.server.eventually(
        lambda: "deletionTimestamp" in space.get("a").metadata, "the object is being deleted"
    )
    space.server.eventually(
        lambda: space.server.call("GET", path).status == 404, "the empty namespace is gone"
    )
    assert finalize(space, None).status == 200
    assert space.is_gone("a")
