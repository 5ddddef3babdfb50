"""A small asynchronous client of the API server for tests: paths in, JSON out."""

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Any

import aiohttp
from tests.cluster.connection import APPLY, api_error
from tests.cluster.errors import ApiError, ClusterError
from tests.cluster.waiting import POLL_SECONDS

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"

__all__ = ["APPLY", "JSON_PATCH", "MERGE_PATCH", "Api", "Object", "Objects"]

Object = dict[str, Any]
Objects = list[Object]


class Api:
    """The API server as one identity; an async context manager.

    Every method raises ApiError for an answer of 400 and above, and passes on aiohttp's
    errors where no answer came. Query parameters keep their API names (`labelSelector=`).
    """

    def __init__(self, server: str, tls: ssl.SSLContext, token: str | None = None) -> None:
        self._server, self._tls, self._token = server, tls, token
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "Api":
        headers = {} if self._token is None else {"Authorization": f"Bearer {self._token}"}
        self._session = aiohttp.ClientSession(
            self._server,
            connector=aiohttp.TCPConnector(ssl=self._tls),
            headers=headers | {"User-Agent": "perdure-tests"},
            timeout=aiohttp.ClientTimeout(total=60),
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def get(self, path: str, **query: str) -> Object:
        return await self._call("GET", path, query)

    async def create(self, path: str, body: Object, **query: str) -> Object:
        """Post `body` to a collection, or to a subresource such as `token`."""
        return await self._call("POST", path, query, body)

    async def replace(self, path: str, body: Object, **query: str) -> Object:
        return await self._call("PUT", path, query, body)

    async def patch(
        self, path: str, body: object, content_type: str = MERGE_PATCH, **query: str
    ) -> Object:
        return await self._call("PATCH", path, query, body, content_type)

    async def delete(self, path: str, body: Object | None = None, **query: str) -> Object:
        """Delete an object or a collection; `body` holds DeleteOptions."""
        return await self._call("DELETE", path, query, body)

    async def watch(
        self, path: str, resource_version: str, timeout_seconds: int = 30, **query: str
    ) -> AsyncIterator[Object]:
        """Yield watch events (`type`, `object`) after a resource version, until the server ends.

        Raises ApiError with status 410 for a version that the server no longer knows,
        whether that is the answer or comes as an `ERROR` event.
        """
        query |= {"watch": "true", "resourceVersion": resource_version}
        query |= {"timeoutSeconds": str(timeout_seconds)}
        limit = aiohttp.ClientTimeout(total=timeout_seconds + 30)
        assert self._session is not None, "entered"
        async with self._session.get(path, params=query, timeout=limit) as response:
            if response.status >= 400:
                raise api_error(f"WATCH {path}", response.status, await response.text())
            async for line in response.content:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    error = event["object"]
                    raise ApiError(
                        f"WATCH {path}", error["code"], error["reason"], error["message"]
                    )
                yield event

    async def wait_for(
        self,
        path: str,
        condition: Callable[[Object | None], bool],
        what: str,
        timeout_seconds: float = 30,
    ) -> Object | None:
        """Return the object at `path`, None for none, as soon as `condition` holds for it.

        Raises ClusterError naming `what` and the object as last seen.
        """
        deadline = time.monotonic() + timeout_seconds
        while not condition(found := await self.find(path)):
            if time.monotonic() > deadline:
                seen = json.dumps(found)
                raise ClusterError(
                    f"waited {timeout_seconds:g} s in vain for {what}; {path} is {seen}"
                )
            await asyncio.sleep(POLL_SECONDS)
        return found

    async def find(self, path: str, **query: str) -> Object | None:
        """Return the object, or None where there is none."""
        try:
            return await self.get(path, **query)
        except ApiError as error:
            if error.status != 404:
                raise
            return None

    async def _call(
        self,
        method: str,
        path: str,
        query: dict[str, str],
        body: object = None,
        content_type: str = "application/json",
    ) -> Object:
        assert self._session is not None, "entered"
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": content_type}
        async with self._session.request(
            method, path, params=query, data=data, headers=headers
        ) as response:
            answer = await response.text()
        if response.status >= 400:
            raise api_error(f"{method} {path}", response.status, answer)
        content: Object = json.loads(answer)
        return content

    # Last, because its name hides the built-in type from the annotations below it.
    async def list(self, path: str, **query: str) -> Objects:
        """Return the items of a collection; with `limit=` only those of the first page."""
        items: Objects = (await self.get(path, **query))["items"]
        return items
