"""Carrying single requests and streams to the API server: a port, and aiohttp behind it.

What a lost answer means is decided here, as only the carrier knows how far a request came; what to
do about answers is the client's business.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from io import BytesIO
from types import SimpleNamespace
from typing import Protocol

import aiohttp

from perdure.errors import PerdureError, TransientError, UnknownOutcomeError
from perdure.kubernetes.connection import Connection
from perdure.kubernetes.responses import READS, Response

URGENT_CONNECTIONS = 2  # a renewal of the Lease, and one look at others
KEEPALIVE_SECONDS = 30.0  # the API server's is 90 s: we close first, so no write meets a closed one
LONG_BODY = 2**20
READ_BUFFER = 2**18  # a list page in a few reads; aiohttp's own 64 KiB cost a third more CPU
DESCRIPTOR_TAKEN = "is used by transport"
USER_AGENT = f"perdure/{version('perdure')}"


class SilentStreamError(TransientError):
    """Nothing came on a stream for too long, not even a bookmark."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientLimits:
    """Connections, and seconds.

    `silence_seconds` is for streams: bookmarks come once a minute, so that 70 s without one mean
    that nobody is there.
    """

    connections: int = 64
    total_seconds: float = 30.0
    connect_seconds: float = 5.0
    silence_seconds: float = 70.0


@dataclass(frozen=True, slots=True)
class Call:
    """One request, to be answered within `seconds`."""

    method: str
    path: str
    params: Mapping[str, str] | None
    body: bytes | None
    content_type: str | None
    seconds: float

    @property
    def data(self) -> bytes | BytesIO | None:
        """What aiohttp is given: it warns of long bytes, and writes them in one piece."""
        is_long = self.body is not None and len(self.body) > LONG_BODY
        return BytesIO(self.body or b"") if is_long else self.body

    def lost(self, reason: str, *, is_sent: bool) -> PerdureError:
        """Return the error of a request without an answer."""
        text = f"{self.method} {self.path}: {reason}"
        if is_sent and self.method not in READS:
            return UnknownOutcomeError(f"{text}, after it was sent")
        return TransientError(text)


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer of status 200 whose lines are still coming, or any other one, complete."""

    refusal: Response | None
    lines: AsyncGenerator[bytes, None]


class Transport(Protocol):
    """Carries requests. One object serves all of a process."""

    async def exchange(self, call: Call, token: str | None, *, is_urgent: bool) -> Response:
        """Send once, never again by itself, and return the complete answer of any status.

        Raises TransientError if nothing was sent or a read was not answered; UnknownOutcomeError
        if a write was sent and its answer did not come.
        """
        ...

    def stream(
        self, path: str, params: Mapping[str, str], token: str | None
    ) -> AbstractAsyncContextManager[Stream]:
        """Open a watch; its lines come without their ends.

        Opening and reading raise TransientError (not connected, or cut off amid a line) and
        SilentStreamError.
        """
        ...

    async def close(self) -> None:
        """Close all connections; requests under way fail."""
        ...


class HttpTransport:
    """The Transport over HTTP; made and closed inside a running loop.

    Leases have two connections of their own (`is_urgent`); streams have one each, beside the
    bound, as they stay for minutes.
    """

    def __init__(self, connection: Connection, limits: ClientLimits) -> None:
        self._connection = connection
        self._limits = limits
        self._ordinary = self._session(limits.connections)
        self._urgent = self._session(URGENT_CONNECTIONS)
        self._streams = self._session(0)

    async def close(self) -> None:
        for session in (self._streams, self._ordinary, self._urgent):
            await session.close()

    async def exchange(self, call: Call, token: str | None, *, is_urgent: bool) -> Response:
        progress = _Progress()
        session = self._urgent if is_urgent else self._ordinary
        try:
            async with session.request(
                call.method,
                self._connection.server + call.path,
                params=call.params,
                data=call.data,
                headers=headers_of(token, call.content_type),
                timeout=self._timeout(call.seconds),
                allow_redirects=False,  # a redirect would carry the token elsewhere
                trace_request_ctx=progress,
                server_hostname=self._connection.tls_server_name,
            ) as answer:
                body = await answer.read()
        except (TimeoutError, aiohttp.ClientError) as error:
            raise call.lost(describe(error), is_sent=progress.is_sent) from error
        return Response(answer.status, answer.headers, body, call.method)

    @asynccontextmanager
    async def stream(
        self, path: str, params: Mapping[str, str], token: str | None
    ) -> AsyncIterator[Stream]:
        limits = self._limits
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=limits.connect_seconds, sock_read=limits.silence_seconds
        )
        try:
            async with self._streams.get(
                self._connection.server + path,
                params=params,
                headers=headers_of(token, None),
                timeout=timeout,
                server_hostname=self._connection.tls_server_name,
            ) as answer:
                refusal = None
                if answer.status != 200:
                    refusal = Response(answer.status, answer.headers, await answer.read())
                yield Stream(refusal, lines(answer.content))
        except aiohttp.SocketTimeoutError as error:
            raise SilentStreamError(f"GET {path}: nothing came: {error}") from error
        except (TimeoutError, aiohttp.ClientError) as error:
            raise TransientError(f"GET {path}: {describe(error)}") from error

    def _timeout(self, seconds: float) -> aiohttp.ClientTimeout:
        return aiohttp.ClientTimeout(
            total=seconds, sock_connect=min(self._limits.connect_seconds, seconds)
        )

    def _session(self, connections: int) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=connections,
                ssl=self._connection.tls or True,
                keepalive_timeout=KEEPALIVE_SECONDS,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            # Not compressed: that costs both sides more CPU than a cluster's network saves.
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
            read_bufsize=READ_BUFFER,
            proxy=self._connection.proxy,
            trace_configs=[sending_trace()],
            middlewares=[send_writes_once],
        )


@dataclass(slots=True)
class _Progress:
    """How far a request came: sent from the moment before its first byte is written."""

    is_sent: bool = False


def describe(error: BaseException) -> str:
    """Return what a library said; a time-out says nothing by itself."""
    return str(error) or type(error).__name__


def headers_of(token: str | None, content_type: str | None) -> dict[str, str]:
    headers = {"Accept": "application/json"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    if content_type is not None:
        headers["Content-Type"] = content_type
    return headers


def sending_trace() -> aiohttp.TraceConfig:
    """Return hooks that note in the request's `_Progress` when something leaves us."""

    async def note(
        session: aiohttp.ClientSession,
        context: SimpleNamespace,
        params: aiohttp.TraceRequestHeadersSentParams,
    ) -> None:
        progress = context.trace_request_ctx
        if progress is not None:
            progress.is_sent = True

    trace: aiohttp.TraceConfig = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(note)
    return trace


async def send_writes_once(
    request: aiohttp.ClientRequest,
    send: Callable[[aiohttp.ClientRequest], Awaitable[aiohttp.ClientResponse]],
) -> aiohttp.ClientResponse:
    """Keep aiohttp from repeating a PUT or DELETE by itself after a cut connection.

    It takes them for idempotent; a PUT of an object that tests its version is not: the repeat of
    one that was applied conflicts. An unknown outcome is resolved by reading.
    """
    try:
        return await send(request)
    except aiohttp.ClientConnectorError:
        raise  # nothing was sent, and aiohttp does not repeat it
    except RuntimeError as error:
        raise not_connected(request, error) from error
    except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
        if request.method in READS:
            raise
        raise UnknownOutcomeError(
            f"{request.method} {request.url.path}: {describe(error)}, after it was sent"
        ) from error


def not_connected(request: aiohttp.ClientRequest, error: RuntimeError) -> Exception:
    """Return the connection error that uvloop meant, or the error itself if it meant another.

    After a TLS handshake that failed, uvloop still counts a descriptor as taken that the system
    has given to the next socket already, and refuses to connect it. A moment later it can be.
    """
    if DESCRIPTOR_TAKEN not in str(error):
        return error
    return aiohttp.ClientConnectorError(request.connection_key, OSError(str(error)))


async def lines(content: aiohttp.StreamReader) -> AsyncGenerator[bytes, None]:
    """Yield lines of any length; `readline` refuses those that exceed its buffer.

    Raises TransientError if the last one has no end.
    """
    parts: list[bytes] = []
    async for chunk in content.iter_any():
        *complete, rest = chunk.split(b"\n")
        for line in complete:
            parts.append(line)
            yield b"".join(parts)
            parts.clear()
        parts.append(rest)
    if any(parts):
        raise TransientError("the stream ended amid a line")
