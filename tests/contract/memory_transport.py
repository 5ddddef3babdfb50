"""The Transport to a server in memory: no network, no delay, no faults."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager

from perdure.kubernetes.responses import Response
from perdure.kubernetes.transport import Call, Stream
from perdure.testing.apiserver import Answer, ApiServer, Frontend, Request, Watch

ACTOR = "tests"


class MemoryTransport:
    """Carries requests to one frontend that keeps up with every write."""

    def __init__(self, server: ApiServer) -> None:
        self._frontend = Frontend(server, "memory")

    async def exchange(self, call: Call, token: str | None, *, is_urgent: bool) -> Response:
        params = dict(call.params or {})
        request = Request(call.method, call.path, params, call.body, call.content_type, ACTOR)
        answer = self._frontend.handle(request)
        self._frontend.advance()
        return response_of(answer, call.method)

    @asynccontextmanager
    async def stream(
        self, path: str, params: Mapping[str, str], token: str | None
    ) -> AsyncIterator[Stream]:
        answer = self._frontend.watch(Request("GET", path, dict(params), None, None, ACTOR))
        if isinstance(answer, Answer):
            yield Stream(response_of(answer, "GET"), no_lines())
            return
        try:
            yield Stream(None, lines_now(answer))
        finally:
            answer.close()

    async def close(self) -> None:
        """Nothing is kept open."""


async def lines_now(watch: Watch) -> AsyncGenerator[bytes, None]:
    """Yield what is there already; nobody in these tests waits for more."""
    for line in watch.take():
        yield line


async def no_lines() -> AsyncGenerator[bytes, None]:
    return
    yield b""


def response_of(answer: Answer, method: str) -> Response:
    return Response(answer.status, answer.headers, answer.body, method)
