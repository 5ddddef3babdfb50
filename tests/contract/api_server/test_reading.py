"""GET: objects, lists, selectors, versions."""

import pytest
from tests.contract.api_server.port import Server
from tests.contract.api_server.space import GROUPS, INSTANCES, PERDURE, Space


def test_a_missing_object_is_told_by_its_name(space: Space) -> None:
    result = space.get("a")
    assert (result.status, result.reason) == (404, "NotFound")
    assert result.message == 'workflowinstances.perdure.dev "a" not found'
    assert result.body["details"] == {"name": "a", "group": "perdure.dev", "kind": INSTANCES}


def test_a_missing_custom_resource_is_no_page(space: Space) -> None:
    result = space.server.call("GET", f"{PERDURE}/namespaces/{space.name}/others/a")
    assert (result.status, result.text.strip()) == (404, "404 page not found")


def test_a_missing_built_in_resource_names_nothing(space: Space) -> None:
    path = f"{GROUPS['leases']}/namespaces/{space.name}/others/a"
    result = space.server.call("GET", path)
    assert (result.status, result.reason) == (404, "NotFound")
    assert result.message == "the server could not find the requested resource"
    assert result.body["details"] == {}


def test_a_missing_group_is_no_page(server: Server) -> None:
    result = server.call("GET", "/apis/nowhere.dev/v1/things")
    assert (result.status, result.text.strip()) == (404, "404 page not found")


def test_an_object_in_a_missing_namespace_is_missing_itself(server: Server) -> None:
    result = server.call("GET", f"{PERDURE}/namespaces/nowhere/{INSTANCES}/a")
    assert result.message == 'workflowinstances.perdure.dev "a" not found'


def test_a_list_of_a_missing_namespace_is_empty(server: Server) -> None:
    result = server.call("GET", f"{PERDURE}/namespaces/nowhere/{INSTANCES}")
    assert (result.status, result.names) == (200, [])


def test_the_status_is_read_like_the_object(space: Space) -> None:
    space.create("a")
    result = space.server.call("GET", space.path(INSTANCES, "a", "status"))
    assert result.body == space.get("a").body


def test_a_list_has_the_newest_version_and_whole_objects(filled: Space) -> None:
    newest = filled.status("i0", rev=1)
    result = filled.list()
    assert result.body["kind"] == "WorkflowInstanceList"
    assert result.names == ["i0", "i1", "i2", "i3", "i4"]
    assert result.body["items"][0] == newest.body
    assert result.version >= newest.version


def test_items_of_built_in_kinds_do_not_name_their_kind(space: Space) -> None:
    space.post({"metadata": {"name": "a"}, "spec": {}}, "leases")
    (item,) = space.list("leases").body["items"]
    assert sorted(item) == ["metadata", "spec"]


def test_a_list_of_all_namespaces_is_sorted_by_them(filled: Space) -> None:
    result = filled.server.call("GET", f"{PERDURE}/{INSTANCES}")
    keys = [
        (item["metadata"]["namespace"], item["metadata"]["name"]) for item in result.body["items"]
    ]
    assert (filled.name, "i0") in keys
    assert keys == sorted(keys, key=lambda key: "/".join(key))


@pytest.mark.parametrize(
    ("selector", "numbers"),
    [
        ("n=1", "1"),
        ("n==1", "1"),
        (" n = 1 ", "1"),
        ("n!=1", "0234"),
        ("n in (1,2)", "12"),
        ("n in ( 1 , 2 )", "12"),
        ("n notin (1,2)", "034"),
        ("n", "0123"),
        ("!n", "4"),
        ("last=", "4"),
        ("n in ()", ""),
        ("parity=odd,n!=3", "1"),
        ("parity in (odd),n", "13"),
    ],
)
def test_labels_select(filled: Space, selector: str, numbers: str) -> None:
    assert filled.list(labelSelector=selector).names == [f"i{number}" for number in numbers]


@pytest.mark.parametrize(
    ("selector", "message"),
    [
        ("n=1,", "found '', expected: identifier after ','"),
        ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("n=1=2", "found '=', expected: ',' or 'end of string'"),
        ("!n=1", "found '=', expected: ',' or 'end of string'"),
    ],
)
def test_bad_label_selectors_are_refused(space: Space, selector: str, message: str) -> None:
    result = space.list(labelSelector=selector)
    assert (result.status, result.reason, result.message) == (400, "BadRequest", message)


@pytest.mark.parametrize(
    ("selector", "numbers"),
    [
        ("metadata.name=i1", "1"),
        ("metadata.name==i1", "1"),
        ("metadata.name!=i1", "0234"),
        ("spec.suspend=true", "2"),
        ("spec.suspend=false,metadata.name!=i0", "134"),
        ("spec.definitionRef.name=order", "01234"),
        ("status.phase=", "01234"),
        ("status.phase=Running", ""),
    ],
)
def test_fields_select(filled: Space, selector: str, numbers: str) -> None:
    assert filled.list(fieldSelector=selector).names == [f"i{number}" for number in numbers]


def test_a_field_of_the_status_selects(filled: Space) -> None:
    filled.status("i3", phase="Running")
    assert filled.list(fieldSelector="status.phase=Running").names == ["i3"]


@pytest.mark.parametrize(
    ("selector", "message"),
    [
        ("spec.input=1", "field label not supported: spec.input"),
        ("metadata.uid=1", "field label not supported: metadata.uid"),
        ("metadata.name", "invalid selector: 'metadata.name'; can't understand 'metadata.name'"),
    ],
)
def test_other_fields_do_not_select(space: Space, selector: str, message: str) -> None:
    result = space.list(fieldSelector=selector)
    assert (result.status, result.reason, result.message) == (400, "BadRequest", message)


# --- versions -------------------------------------------------------------------------------


def test_a_list_can_be_read_as_of_a_version(filled: Space) -> None:
    version = str(filled.list().version)
    filled.delete("i1")
    exact = filled.list(resourceVersion=version, resourceVersionMatch="Exact")
    assert exact.names == ["i0", "i1", "i2", "i3", "i4"]
    assert str(exact.version) == version


def test_a_version_with_a_limit_is_exact(filled: Space) -> None:
    version = str(filled.list().version)
    filled.delete("i1")
    page = filled.list(resourceVersion=version, limit="2")
    assert (page.names, str(page.version)) == (["i0", "i1"], version)


def test_a_version_alone_is_the_least(filled: Space) -> None:
    version = str(filled.list().version)
    deleted = filled.delete("i1")
    assert deleted.status == 200
    assert filled.list(resourceVersion=version).version >= int(version)


def test_version_zero_takes_no_limit(filled: Space) -> None:
    page = filled.list(resourceVersion="0", limit="2")
    assert (len(page.names), page.metadata["continue"]) == (5, "")


@pytest.mark.parametrize("match", ["", "Exact"])
def test_a_version_that_was_not_reached_is_refused(space: Space, match: str) -> None:
    params = {"resourceVersionMatch": match} if match else {}
    result = space.list(resourceVersion="99999999999", **params)
    assert (result.status, result.reason) == (504, "Timeout")
    assert result.message.startswith("Timeout: Too large resource version: 99999999999, current: ")
    assert result.body["details"] == {
        "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
        "retryAfterSeconds": 1,
    }
    assert result.headers["Retry-After"] == "1"


def test_a_version_is_a_number(space: Space) -> None:
    space.create("a")
    listed, read = space.list(resourceVersion="x"), space.get("a", resourceVersion="x")
    text = 'resourceVersion: Invalid value: "x": strconv.ParseUint: parsing "x": invalid syntax'
    assert (listed.status, listed.message) == (400, f"invalid resource version: {text}")
    assert (read.status, read.message) == (500, text)


def test_a_match_needs_a_version(space: Space) -> None:
    result = space.list(resourceVersionMatch="Exact")
    assert (result.status, result.reason) == (422, "Invalid")
    assert result.message == (
        'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: '
        "resourceVersionMatch is forbidden unless resourceVersion is provided"
    )


def test_zero_cannot_be_exact(space: Space) -> None:
    result = space.list(resourceVersion="0", resourceVersionMatch="Exact")
    assert (result.status, result.fields) == (422, {"resourceVersionMatch"})


@pytest.mark.parametrize("version", ["0", "1"])
def test_an_object_is_read_at_some_version(space: Space, version: str) -> None:
    created = space.create("a")
    space.server.eventually(
        lambda: space.get("a", resourceVersion=version).body == created.body, "it is in the cache"
    )
