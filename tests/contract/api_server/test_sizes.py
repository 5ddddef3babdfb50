"""How large requests and objects may be."""

import pytest
from tests.contract.api_server.space import HISTORIES, INSTANCES, Space, custom, instance

MIB = 2**20


def large(size: int) -> dict[str, object]:
    return instance("a", input={"x": "y" * size})


def test_an_object_of_a_megabyte_and_a_half_less_a_little_is_stored(space: Space) -> None:
    assert space.post(large(MIB * 3 // 2 - 5000)).status == 201


@pytest.mark.parametrize("size", [MIB * 3 // 2, MIB * 2 - 5000])
def test_a_larger_object_is_refused_by_etcd(space: Space, size: int) -> None:
    result = space.post(large(size))
    assert (result.status, result.reason) == (500, "")
    assert result.message == "etcdserver: request is too large"
    assert space.get("a").status == 404


def test_one_of_two_megabytes_does_not_even_reach_it(space: Space) -> None:
    result = space.post(large(MIB * 2))
    assert (result.status, result.reason) == (500, "")
    assert result.message.startswith(
        "rpc error: code = ResourceExhausted desc = trying to send message larger than max ("
    )


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_a_request_has_at_most_three_megabytes(space: Space, method: str) -> None:
    space.create("a")
    body = large(3 * MIB)
    path = space.path() if method == "POST" else space.path(INSTANCES, "a")
    media = "application/merge-patch+json" if method == "PATCH" else "application/json"
    result = space.server.call(method, path, body, media)
    assert (result.status, result.reason) == (413, "RequestEntityTooLarge")
    assert result.message == "Request entity too large: limit is 3145728"


def test_a_patch_cannot_make_an_object_too_large(space: Space) -> None:
    space.create("a")
    for _ in range(2):
        result = space.status("a", history={"x": "y" * MIB})
        assert result.status == 200
    result = space.status("a", output="y" * (MIB // 2))
    assert (result.status, result.message) == (500, "etcdserver: request is too large")
    assert "output" not in space.get("a").body["status"]


def test_a_payload_may_be_as_large_as_its_schema_says(space: Space) -> None:
    spec = {"instanceUid": "u", "kind": "Payload", "firstId": 1, "lastId": 1}
    data = "x" * 1_400_000
    assert space.post(custom(HISTORIES, "a", {**spec, "data": data}), HISTORIES).status == 201
    result = space.post(custom(HISTORIES, "b", {**spec, "data": data + "x"}), HISTORIES)
    assert (result.status, "spec.data" in result.fields) == (422, True)
