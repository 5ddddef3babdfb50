"""The one way to the API server: requests, and streams for watches."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from io import BytesIO
from types import SimpleNamespace, TracebackType

import aiohttp

from perdure.errors import PerdureError, TransientError, UnknownOutcomeError
from perdure.kubernetes.connection import Connection
from perdure.kubernetes.gate import Gate
from perdure.kubernetes.responses import (
    DEFAULT_RETRY_AFTER_SECONDS,
    READS,
    Response,
    error_of,
    retry_after,
)
from perdure.kubernetes.skew import SkewMeter
from perdure.ports import Clock

__all__ = ["ApiClient", "ClientLimits", "Response", "SilentStreamError", "error_of"]

URGENT_CONNECTIONS = 2  # a renewal of the Lease, and one look at others
KEEPALIVE_SECONDS = 30.0  # the API server's is 90 s: we close first, so no write meets a closed one
LONG_BODY = 2**20
READ_BUFFER = 2**18  # a list page in a few reads; aiohttp's own 64 KiB cost a third more CPU


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


class ApiClient:
    """A bounded HTTP session with one API server; made and closed inside a running loop.

    Requests share at most `limits.connections` connections and one gate for 429. Leases have two
    connections of their own and no gate (`is_urgent`); streams have one each, beside the bound,
    as they stay for minutes.
    """

    def __init__(
        self, connection: Connection, clock: Clock, limits: ClientLimits | None = None
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._limits = limits or ClientLimits()
        self._skew = SkewMeter()
        self._answered_at = clock.monotonic()
        self._gate = Gate(clock, self._limits.connections)
        self._ordinary = self._session(self._limits.connections)
        self._urgent = self._session(URGENT_CONNECTIONS)
        self._streams = self._session(0)

    @property
    def skew_seconds(self) -> float:
        """How far our clock is from the API server's by the newest answer; 0 before any."""
        return self._skew.seconds

    @property
    def answer_age_seconds(self) -> float:
        """Seconds since the API server last answered a request, of whatever status.

        It tells a watch that went deaf from an API server that is down, for which no restart of
        ours is a remedy.
        """
        return self._clock.monotonic() - self._answered_at

    async def close(self) -> None:
        """Close all connections; requests under way fail."""
        for session in (self._streams, self._ordinary, self._urgent):
            await session.close()

    async def __aenter__(self) -> ApiClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - it also decides how the error is read
        is_urgent: bool = False,
    ) -> Response:
        """Return the answer of any HTTP status; `error_of` says what one of 300 or above means.

        `timeout` is in seconds, from when the request has a place, default 30; waiting for one
        may take as long again. A 401 is tried once more with a renewed token.

        Raises TransientError if nothing was sent, or a read was not answered; ThrottledError if
        the API server asked to slow down for longer than `timeout`, nothing sent;
        UnknownOutcomeError if a write was sent and its answer did not come.
        """
        seconds = self._limits.total_seconds if timeout is None else timeout
        call = _Call(method, path, params, body, content_type, seconds)
        if is_urgent:
            return await self._authorised(self._urgent, call)
        async with self._gate.passage(seconds) as ticket:
            response = await self._authorised(self._ordinary, call)
            if response.status == 429:
                ticket.retry_after = retry_after(response) or DEFAULT_RETRY_AFTER_SECONDS
        return response

    async def stream(self, path: str, params: Mapping[str, str]) -> AsyncGenerator[bytes, None]:
        """Yield the lines of the answer, without their ends, until the server closes it.

        Close it with `contextlib.aclosing`. Raises TransientError (not connected, or cut off
        amid), SilentStreamError, and what `error_of` makes of a status other than 200.
        """
        await self._gate.opened()
        try:
            async with await self._opened(path, params) as answer:
                async for line in lines(answer.content):
                    yield line
        except aiohttp.SocketTimeoutError as error:
            raise SilentStreamError(f"GET {path}: nothing came: {error}") from error
        except (TimeoutError, aiohttp.ClientError) as error:
            raise TransientError(f"GET {path}: {describe(error)}") from error

    async def _opened(self, path: str, params: Mapping[str, str]) -> aiohttp.ClientResponse:
        limits = self._limits
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=limits.connect_seconds, sock_read=limits.silence_seconds
        )
        for is_last in (False, True):
            token = await self._connection.credentials.token()
            answer = await self._streams.get(
                self._connection.server + path,
                params=params,
                headers=headers_of(token, None),
                timeout=timeout,
                server_hostname=self._connection.tls_server_name,
            )
            if answer.status == 200:
                return answer
            async with answer:
                response = Response(answer.status, answer.headers, await answer.read())
            if is_last or response.status != 401:
                break
            if not await self._connection.credentials.renew(token):
                break
        raise error_of(response, f"GET {path}")

    async def _authorised(self, session: aiohttp.ClientSession, call: _Call) -> Response:
        credentials = self._connection.credentials
        token = await credentials.token()
        response = await self._exchange(session, call, token)
        # 401 is answered before anything is done, so that a write may be repeated, too.
        if response.status == 401 and await credentials.renew(token):
            response = await self._exchange(session, call, await credentials.token())
        return response

    async def _exchange(
        self, session: aiohttp.ClientSession, call: _Call, token: str | None
    ) -> Response:
        progress = _Progress()
        sent = self._clock.now()
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
            raise call.lost(error, is_sent=progress.is_sent) from error
        self._answered_at = self._clock.monotonic()
        self._skew.measure(answer.headers.get("Date"), sent, self._clock.now())
        return Response(answer.status, answer.headers, body, call.method)

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


USER_AGENT = f"perdure/{version('perdure')}"


@dataclass(slots=True)
class _Progress:
    """How far a request came: sent from the moment before its first byte is written."""

    is_sent: bool = False


@dataclass(frozen=True, slots=True)
class _Call:
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

    def lost(self, error: BaseException, *, is_sent: bool) -> PerdureError:
        text = f"{self.method} {self.path}: {describe(error)}"
        if is_sent and self.method not in READS:
            return UnknownOutcomeError(f"{text}, after it was sent")
        return TransientError(text)


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
    except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
        if request.method in READS:
            raise
        raise UnknownOutcomeError(
            f"{request.method} {request.url.path}: {describe(error)}, after it was sent"
        ) from error


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
