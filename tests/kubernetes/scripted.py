"""An HTTP server that answers by a script, faults included."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import orjson
from aiohttp import web

from perdure.engine.values import JsonObject
from perdure.kubernetes.connection import Connection, Credentials, FixedToken

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Recorded:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass
class ScriptedServer:
    """Answers requests in the order of `script`; what comes after its end is not answered."""

    url: str = ""
    script: list[Answer] = field(default_factory=list)
    requests: list[Recorded] = field(default_factory=list)

    def then(self, *answers: Answer) -> None:
        self.script += answers

    def connection(self, credentials: Credentials | None = None) -> Connection:
        return Connection(server=self.url, credentials=credentials or FixedToken())

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.requests.append(
            Recorded(request.method, request.path, dict(request.query), dict(request.headers), body)
        )
        answer = self.script.pop(0) if self.script else hang
        return await answer(request)


@asynccontextmanager
async def scripted_server() -> AsyncIterator[ScriptedServer]:
    server = ScriptedServer()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.01)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    server.url = f"http://{host}:{port}"
    try:
        yield server
    finally:
        await runner.cleanup()


def answer(body: object, status: int = 200, **headers: str) -> Answer:
    """Answer with JSON; in header names `_` stands for `-`."""

    async def give(request: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(
            status=status,
            body=orjson.dumps(body),
            content_type="application/json",
            headers=named,
        )

    return give


def status(code: int, reason: str = "", message: str = "", **headers: str) -> Answer:
    """Answer with a `Status`."""
    return answer(status_body(code, reason, message), code, **headers)


def status_body(code: int, reason: str = "", message: str = "") -> dict[str, object]:
    return {"kind": "Status", "code": code, "reason": reason, "message": message}


async def hang(request: web.Request) -> web.StreamResponse:
    """Give no answer."""
    await asyncio.Event().wait()
    raise AssertionError("nobody sets it")


async def cut(request: web.Request) -> web.StreamResponse:
    """Close the connection after the request has arrived."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def stream(*lines: bytes, is_open: bool = False) -> Answer:
    """Send lines; then end the answer, or leave it open with nothing coming."""

    async def give(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for line in lines:
            await response.write(line + b"\n")
        if is_open:
            await hang(request)
        return response

    return give


def item(name: str, version: int, uid: str | None = None) -> JsonObject:
    """Return a small object."""
    metadata: JsonObject = {
        "namespace": "n",
        "name": name,
        "uid": uid or f"uid-{name}",
        "resourceVersion": str(version),
    }
    return {"metadata": metadata}


def listed(version: int, *items: object, token: str = "") -> Answer:
    """Answer with a page of a list."""
    metadata = {"resourceVersion": str(version), "continue": token}
    return answer({"metadata": metadata, "items": list(items)})


def event(kind: str, content: object) -> bytes:
    """Return a line of a watch."""
    return orjson.dumps({"type": kind, "object": content})


def bookmark(version: int) -> bytes:
    return event("BOOKMARK", {"metadata": {"resourceVersion": str(version)}})
