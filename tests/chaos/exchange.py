"""A proxy that ends TLS in front of the API server and plays tricks on messages (`mischief.py`).

One per operator: it also writes down who wrote what (`sightings.py`), before a request goes on.
"""

import asyncio
import contextlib
import http
import json
import ssl
from collections import Counter, deque
from types import TracebackType

import aiohttp
from aiohttp import web
from tests.chaos.mischief import WRITES, Dice, Mischief, Trick
from tests.chaos.sightings import Sighting, Sightings
from tests.cluster.cluster import Cluster
from tests.cluster.connection import server_tls
from tests.e2e.gateway import kept, refusal

MOST_BYTES = 64 * 1024 * 1024
REPLAYED = 4  # lines of a watch that come again
ODD_CODES = (500, 504, 403)
CONFLICTS = (http.HTTPStatus.CONFLICT, http.HTTPStatus.UNPROCESSABLE_ENTITY)
REFUSALS = {
    Trick.THROTTLE: http.HTTPStatus.TOO_MANY_REQUESTS,
    Trick.REFUSE: http.HTTPStatus.SERVICE_UNAVAILABLE,
    Trick.ESTRANGE: http.HTTPStatus.UNAUTHORIZED,
}
"""What is answered without asking the API server."""


class LostError(Exception):
    """The connection to the client is to be dropped without an answer."""


class Exchange:
    """The proxy; an async context manager, `port` is where it listens."""

    def __init__(self, cluster: Cluster, identity: str, sightings: Sightings, dice: Dice) -> None:
        self._cluster, self._identity = cluster, identity
        self._sightings, self.dice = sightings, dice
        self._streams: set[asyncio.Task[object]] = set()
        self.port = 0
        self.requests = 0
        self.conflicts = 0
        """How many writes the API server refused with 409 or 422: mostly, somebody was quicker."""
        self.befallen: Counter[str] = Counter()
        """How many messages each trick befell."""
        self.repeats: Counter[str] = Counter()
        """Statuses of repeated writes whose first sending had succeeded."""

    async def __aenter__(self) -> "Exchange":
        pki = self._cluster.layout.pki
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(pki / "apiserver.crt", pki / "apiserver.key")
        connector = aiohttp.TCPConnector(ssl=server_tls(pki), limit=0)
        self._session = aiohttp.ClientSession(
            self._cluster.server, connector=connector, timeout=aiohttp.ClientTimeout(total=None)
        )
        application = web.Application(client_max_size=MOST_BYTES)
        application.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(
            application, access_log=None, handler_cancellation=True, shutdown_timeout=0.1
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=tls).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._runner.cleanup()
        await self._session.close()

    def cut_watches(self) -> None:
        """End every watch of now."""
        for task in list(self._streams):
            task.cancel()

    # --- one request ----------------------------------------------------------------------

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        is_watch = request.query.get("watch") in ("1", "true")
        mischief = self.dice.throw(request.method, request.path, is_watch=is_watch)
        if mischief is not None:
            self.befallen[mischief.trick.value] += 1
        try:
            if is_watch:
                return await self._watch(request, mischief)
            return await self._call(request, mischief)
        except (LostError, aiohttp.ClientError, ConnectionError):
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=http.HTTPStatus.BAD_GATEWAY)  # nobody reads it

    async def _call(self, request: web.Request, mischief: Mischief | None) -> web.StreamResponse:
        content = await request.read()
        trick = None if mischief is None else mischief.trick
        if trick is Trick.LOSE:
            raise LostError
        if trick in REFUSALS:
            return refusal(REFUSALS[trick])
        status, headers, answer = await self._exchanged(request, content)
        if trick in (Trick.TWICE, Trick.AGAIN):
            second = await self._exchanged(request, content)
            self._note_repeat(request.method, status, second[0])
            if trick is Trick.AGAIN:
                status, headers, answer = second
        if mischief is not None:
            await self._befall(mischief)
        if trick is Trick.ABANDON:
            return refusal(http.HTTPStatus.GATEWAY_TIMEOUT)
        if trick is Trick.TEAR and len(answer) > 1:
            return await self._torn(request, status, headers, answer)
        return web.Response(status=status, headers=headers, body=answer)

    async def _befall(self, mischief: Mischief) -> None:
        """Let what happens to an answer as a whole happen."""
        if mischief.trick is Trick.SWALLOW:
            raise LostError
        if mischief.trick is Trick.LATE:
            await asyncio.sleep(self.dice.uniform(0, mischief.seconds))

    async def _exchanged(
        self, request: web.Request, content: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        """Hand the request on; return status, headers and content of the answer."""
        sighting: Sighting | None = None
        if request.method in WRITES:
            sighting = self._sightings.note(
                self._identity, request.method, request.raw_path, content
            )
        async with self._session.request(
            request.method,
            request.raw_path,
            headers=self._headers(request),
            data=content or None,
        ) as answer:
            body = await answer.read()
        if sighting is not None:
            self._sightings.answered(sighting, answer.status, body)
            self.conflicts += answer.status in CONFLICTS
        return answer.status, kept(answer.headers.items()), body

    def _note_repeat(self, method: str, first: int, second: int) -> None:
        if method in WRITES and first < http.HTTPStatus.BAD_REQUEST:
            self.repeats[f"{method} {second}"] += 1

    async def _torn(
        self, request: web.Request, status: int, headers: dict[str, str], answer: bytes
    ) -> web.StreamResponse:
        response = web.StreamResponse(status=status, headers=headers)
        response.content_length = len(answer)
        await response.prepare(request)
        await response.write(answer[: len(answer) // 2])
        raise LostError

    @staticmethod
    def _headers(request: web.Request) -> dict[str, str]:
        return kept(request.headers.items()) | {"Accept-Encoding": "identity"}

    # --- watches --------------------------------------------------------------------------

    async def _watch(self, request: web.Request, mischief: Mischief | None) -> web.StreamResponse:
        task = asyncio.current_task()
        assert task is not None, "a handler runs in a task"
        self._streams.add(task)
        try:
            async with self._session.get(request.raw_path, headers=self._headers(request)) as found:
                response = web.StreamResponse(
                    status=found.status, headers=kept(found.headers.items())
                )
                await response.prepare(request)
                with contextlib.suppress(asyncio.CancelledError):
                    await self._stream(request, found, response)
                return response
        finally:
            self._streams.discard(task)

    async def _stream(
        self, request: web.Request, found: aiohttp.ClientResponse, response: web.StreamResponse
    ) -> None:
        """Hand on line by line: what befalls each is decided when it comes."""
        recent: deque[bytes] = deque(maxlen=REPLAYED)
        rest = b""
        async for chunk in found.content.iter_any():
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                await self._line(request, response, line + b"\n", recent)
                recent.append(line + b"\n")

    async def _line(
        self, request: web.Request, response: web.StreamResponse, line: bytes, recent: deque[bytes]
    ) -> None:
        mischief = self.dice.throw(request.method, request.path, is_watch=True)
        if mischief is None:
            await response.write(line)
            return
        self.befallen[mischief.trick.value] += 1
        match mischief.trick:
            case Trick.WATCH_CUT:
                await response.write(line[: len(line) // 2])
                raise LostError
            case Trick.WATCH_SLOW:
                await asyncio.sleep(self.dice.uniform(0, mischief.seconds))
                await response.write(line)
            case Trick.WATCH_REPLAY:
                await response.write(line + b"".join(recent) + line)
            case Trick.WATCH_ERROR:
                code = ODD_CODES[int(self.dice.uniform(0, len(ODD_CODES)))]
                await response.write(odd_error(code))
                raise LostError
            case Trick.WATCH_NOISE:
                await response.write(b'{"type": "MODIFIED", "object": {"kind"\n' + line)
            case _:
                raise AssertionError(f"{mischief.trick} does not befall a watch")


def odd_error(code: int) -> bytes:
    """Return the line of an ERROR event with this code."""
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": "the stream broke",
        "reason": "InternalError",
        "code": code,
    }
    return json.dumps({"type": "ERROR", "object": status}).encode() + b"\n"
