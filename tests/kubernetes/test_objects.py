"""The Objects port against answers that are sent by script."""

import json
from collections.abc import AsyncIterator

import pytest
from tests.kubernetes.clocks import InstantClock
from tests.kubernetes.scripted import ScriptedServer, answer, item, listed, status

from perdure.errors import ObjectConflictError, TransientError, UnknownOutcomeError
from perdure.kubernetes.client import connect
from perdure.kubernetes.objects import ApiObjects, written
from perdure.kubernetes.paging import next_limit
from perdure.ports import LEASES, SERVICES


@pytest.fixture
async def objects(server: ScriptedServer) -> AsyncIterator[ApiObjects]:
    async with connect(server.connection(), InstantClock()) as client:
        yield ApiObjects(client)


async def test_a_list_that_expires_amid_is_read_anew(
    server: ScriptedServer, objects: ApiObjects
) -> None:
    server.then(listed(10, item("a", 5), token="more"), status(410), listed(20, item("b", 6)))
    found = await objects.list(LEASES, labels="a=b", fields="metadata.name=c")
    assert found == [{"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", **item("b", 6)}]
    last = server.requests[-1]
    assert last.path == "/apis/coordination.k8s.io/v1/leases"
    assert last.query == {
        "limit": "100",
        "labelSelector": "a=b",
        "fieldSelector": "metadata.name=c",
    }


async def test_a_list_that_always_expires_is_given_up(
    server: ScriptedServer, objects: ApiObjects
) -> None:
    server.then(status(410), status(410), status(410))
    with pytest.raises(TransientError, match="expired 3 times"):
        await objects.list(SERVICES, "n")
    assert server.requests[0].path == "/api/v1/namespaces/n/services"


async def test_an_answer_that_is_no_list_is_transient(
    server: ScriptedServer, objects: ApiObjects
) -> None:
    server.then(answer([]), answer({"metadata": {"resourceVersion": "1"}, "items": ["a"]}))
    for _ in range(2):
        with pytest.raises(TransientError, match="not a list"):
            await objects.list(SERVICES)


async def test_a_write_whose_answer_cannot_be_read_may_have_happened(
    server: ScriptedServer, objects: ApiObjects
) -> None:
    server.then(answer("nonsense"), answer("nonsense"))
    with pytest.raises(UnknownOutcomeError):
        await objects.create(LEASES, "n", {"metadata": {"name": "a"}})
    with pytest.raises(TransientError):
        await objects.get(LEASES, "n", "a")


async def test_a_deletion_names_what_it_means(server: ScriptedServer, objects: ApiObjects) -> None:
    server.then(answer({}), status(404), status(409, "Conflict"))
    await objects.delete(LEASES, "n", "a", uid="u", version="7")
    await objects.delete(LEASES, "n", "a", uid="u")
    with pytest.raises(ObjectConflictError):
        await objects.delete(LEASES, "n", "a", uid="u")
    first, second, _ = server.requests
    assert b'"preconditions":{"uid":"u","resourceVersion":"7"}' in first.body
    assert b'"preconditions":{"uid":"u"}' in second.body


def test_pages_are_as_long_as_is_parsed_quickly() -> None:
    assert next_limit(100, 100 * 1000) == 500
    assert next_limit(100, 100 * 2**14) == 128
    assert next_limit(100, 100 * 2**20) == 20
    assert next_limit(0, 50) == 20


def test_a_body_is_written_with_the_escapes_of_go_and_reads_back_equal() -> None:
    body = {"when": "a < 1 && b > 2 \u2028", "é": [1.5, None]}
    data = written(body)
    assert (
        data == b'{"when":"a \\u003c 1 \\u0026\\u0026 b \\u003e 2 \\u2028","\xc3\xa9":[1.5,null]}'
    )
    assert json.loads(data) == body
