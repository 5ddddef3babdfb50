"""A gateway in front of the API server that can turn callers away for a while."""

import asyncio
import http
import ssl
import time
from collections.abc import Iterable
from types import TracebackType

import aiohttp
from aiohttp import web
from tests.cluster.cluster import Cluster
from tests.cluster.connection import server_tls

DROPPED = frozenset({"connection", "host", "transfer-encoding", "content-length", "keep-alive"}) | {
    "accept-encoding",
    "content-encoding",
}


class Gateway:
    """Shows the API server's certificate and hands on requests with their bearer token.

    An async context manager; `url` is where it listens.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._closed_until = 0.0
        self._status = http.HTTPStatus.OK
        self._part = ""
        self._streams: set[asyncio.Task[object]] = set()
        self.refused = 0
        """How many requests were turned away."""

    async def __aenter__(self) -> "Gateway":
        pki = self._cluster.layout.pki
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(pki / "apiserver.crt", pki / "apiserver.key")
        connector = aiohttp.TCPConnector(ssl=server_tls(pki), limit=0)
        self._session = aiohttp.ClientSession(
            self._cluster.server, connector=connector, timeout=aiohttp.ClientTimeout(total=None)
        )
        application = web.Application(client_max_size=64 * 1024 * 1024)
        application.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(
            application, access_log=None, handler_cancellation=True, shutdown_timeout=0.1
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"https://{host}:{port}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._runner.cleanup()
        await self._session.close()

    def close(
        self,
        seconds: float,
        status: http.HTTPStatus = http.HTTPStatus.TOO_MANY_REQUESTS,
        part: str = "",
    ) -> None:
        """Cut what is under way, and answer with this status for so long.

        Only requests are meant whose path has `part` in it, but all are cut.
        """
        self._closed_until, self._status, self._part = time.monotonic() + seconds, status, part
        for task in list(self._streams):
            task.cancel()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if time.monotonic() < self._closed_until and self._part in request.path:
            self.refused += 1
            return refusal(self._status)
        task = asyncio.current_task()
        assert task is not None, "a handler runs in a task"
        self._streams.add(task)
        try:
            return await self._hand_on(request)
        finally:
            self._streams.discard(task)

    async def _hand_on(self, request: web.Request) -> web.StreamResponse:
        content = await request.read() or None
        async with self._session.request(
            request.method,
            request.raw_path,
            headers=kept(request.headers.items()),
            data=content,
        ) as answer:
            response = web.StreamResponse(
                status=answer.status, headers=kept(answer.headers.items())
            )
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            return response


def refusal(status: http.HTTPStatus) -> web.Response:
    content = {
        "apiVersion": "v1",
        "kind": "Status",
        "status": "Failure",
        "reason": status.phrase.replace(" ", ""),
        "message": "the gateway is closed",
        "code": int(status),
    }
    is_throttled = status == http.HTTPStatus.TOO_MANY_REQUESTS
    return web.json_response(
        content, status=int(status), headers={"Retry-After": "1"} if is_throttled else None
    )


def kept(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the headers that are not about one connection; the content comes decoded."""
    return {name: text for name, text in headers if name.lower() not in DROPPED}
