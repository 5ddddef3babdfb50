"""The Objects port on the API server: plain JSON in and out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import orjson

from perdure.engine.values import JsonObject
from perdure.errors import ObjectError, ObjectNotFoundError, TransientError, UnknownOutcomeError
from perdure.kubernetes.client import ApiClient
from perdure.kubernetes.paging import pages
from perdure.kubernetes.paths import path_of
from perdure.kubernetes.responses import Response, error_of
from perdure.ports import Resource

JSON = "application/json"
JSON_PATCH = "application/json-patch+json"
ESCAPES = (
    (b"<", b"\\u003c"),
    (b">", b"\\u003e"),
    (b"&", b"\\u0026"),
    ("\u2028".encode(), b"\\u2028"),
    ("\u2029".encode(), b"\\u2029"),
)
LIST_ATTEMPTS = 3  # a list that expires amid (410) takes longer than the server keeps versions


class ApiObjects:
    """Objects of the cluster; the errors are those of `perdure.ports.Objects`.

    With `is_urgent` the requests have the connections kept for Leases. `timeout` is in seconds,
    None for the client's own.
    """

    def __init__(
        self, client: ApiClient, *, is_urgent: bool = False, timeout: float | None = None
    ) -> None:
        self._client = client
        self._is_urgent = is_urgent
        self._timeout = timeout

    async def get(self, resource: Resource, namespace: str, name: str) -> JsonObject:
        return await self._call("GET", path_of(resource, namespace, name))

    async def create(self, resource: Resource, namespace: str, body: JsonObject) -> JsonObject:
        return await self._call("POST", path_of(resource, namespace), body)

    async def replace(self, resource: Resource, namespace: str, body: JsonObject) -> JsonObject:
        metadata = cast("JsonObject", body["metadata"])
        return await self._call("PUT", path_of(resource, namespace, str(metadata["name"])), body)

    async def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        operations: Sequence[JsonObject],
        *,
        subresource: str | None = None,
    ) -> JsonObject:
        path = path_of(resource, namespace, name, subresource)
        return await self._call("PATCH", path, list(operations), JSON_PATCH)

    async def delete(
        self, resource: Resource, namespace: str, name: str, *, uid: str, version: str | None = None
    ) -> None:
        preconditions: JsonObject = {"uid": uid}
        if version is not None:
            preconditions["resourceVersion"] = version
        options: JsonObject = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": preconditions,
        }
        try:
            await self._call("DELETE", path_of(resource, namespace, name), options)
        except ObjectNotFoundError:
            return

    async def _all(self, resource: Resource, path: str, params: dict[str, str]) -> list[JsonObject]:
        found: list[JsonObject] = []
        async for page in pages(self._client, resource, path, params, is_urgent=self._is_urgent):
            found += page.items
        return found

    async def _call(
        self, method: str, path: str, body: object = None, content_type: str = JSON
    ) -> JsonObject:
        response = await self._client.request(
            method,
            path,
            body=None if body is None else written(body),
            content_type=None if body is None else content_type,
            timeout=self._timeout,
            is_urgent=self._is_urgent,
        )
        if not response.is_success:
            raise error_of(response, f"{method} {path}")
        return parsed(response, f"{method} {path}")

    # Last, because its name hides the built-in type from the annotations below it.
    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        labels: str | None = None,
        fields: str | None = None,
    ) -> list[JsonObject]:
        path = path_of(resource, namespace)
        params = selectors(labels, fields)
        for _ in range(LIST_ATTEMPTS):
            try:
                return await self._all(resource, path, params)
            except ObjectError as error:
                if error.status != 410:
                    raise
        raise TransientError(
            f"list {path}: the list expired {LIST_ATTEMPTS} times while being read"
        )


def written(body: object) -> bytes:
    """Return a body as JSON, as the API server writes it.

    Go escapes these characters, and the API server compares bytes where it keeps what it was
    given: the data of a ControllerRevision that was sent without the escapes differ from
    themselves, so that every later change of the revision is refused.
    """
    data = orjson.dumps(body)
    for character, escape in ESCAPES:
        if character in data:
            data = data.replace(character, escape)
    return data


def parsed(response: Response, what: str) -> JsonObject:
    """Return the object of an answer. Raises what a lost answer raises if it is none."""
    try:
        body = orjson.loads(response.body)
    except orjson.JSONDecodeError:
        body = None
    if isinstance(body, dict):
        return body
    text = f"{what}: {response.status}, but the answer is not an object"
    raise UnknownOutcomeError(text) if response.is_write else TransientError(text)


def selectors(labels: str | None, fields: str | None) -> dict[str, str]:
    """Return the query parameters of a label and a field selector."""
    params: dict[str, str] = {}
    if labels is not None:
        params["labelSelector"] = labels
    if fields is not None:
        params["fieldSelector"] = fields
    return params
