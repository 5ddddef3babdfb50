"""The one way to the API server: requests, and streams for watches."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from types import TracebackType

from perdure.kubernetes.connection import Connection, Credentials
from perdure.kubernetes.gate import Gate
from perdure.kubernetes.responses import (
    DEFAULT_RETRY_AFTER_SECONDS,
    Response,
    error_of,
    retry_after,
)
from perdure.kubernetes.skew import SkewMeter
from perdure.kubernetes.transport import (
    Call,
    ClientLimits,
    HttpTransport,
    SilentStreamError,
    Transport,
)
from perdure.ports import Clock

__all__ = ["ApiClient", "ClientLimits", "Response", "SilentStreamError", "connect", "error_of"]


def connect(connection: Connection, clock: Clock, limits: ClientLimits | None = None) -> ApiClient:
    """Return a client over HTTP; to be made and closed inside a running loop."""
    limits = limits or ClientLimits()
    transport = HttpTransport(connection, limits)
    return ApiClient(transport, connection.credentials, clock, limits)


class ApiClient:
    """What one process and one API server say to each other, over whatever carries it.

    Requests share one gate for 429, and at most `limits.connections` are under way. Urgent ones,
    for Leases, know no gate.
    """

    def __init__(
        self, transport: Transport, credentials: Credentials, clock: Clock, limits: ClientLimits
    ) -> None:
        self._transport = transport
        self._credentials = credentials
        self._clock = clock
        self._limits = limits
        self._skew = SkewMeter()
        self._answered_at = clock.monotonic()
        self._gate = Gate(clock, limits.connections)

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
        await self._transport.close()

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
        call = Call(method, path, params, body, content_type, seconds)
        if is_urgent:
            return await self._authorised(call, is_urgent=True)
        async with self._gate.passage(seconds) as ticket:
            response = await self._authorised(call, is_urgent=False)
            if response.status == 429:
                ticket.retry_after = retry_after(response) or DEFAULT_RETRY_AFTER_SECONDS
        return response

    async def stream(self, path: str, params: Mapping[str, str]) -> AsyncGenerator[bytes, None]:
        """Yield the lines of the answer, without their ends, until the server closes it.

        Close it with `contextlib.aclosing`. Raises TransientError (not connected, or cut off
        amid), SilentStreamError, and what `error_of` makes of a status other than 200.
        """
        await self._gate.opened()
        is_renewed = False
        while True:
            token = await self._credentials.token()
            async with self._transport.stream(path, params, token) as stream:
                refusal = stream.refusal
                if refusal is None:
                    async for line in stream.lines:
                        yield line
                    return
            if is_renewed or refusal.status != 401 or not await self._credentials.renew(token):
                raise error_of(refusal, f"GET {path}")
            is_renewed = True

    async def _authorised(self, call: Call, *, is_urgent: bool) -> Response:
        token = await self._credentials.token()
        response = await self._exchange(call, token, is_urgent=is_urgent)
        # 401 is answered before anything is done, so that a write may be repeated, too.
        if response.status == 401 and await self._credentials.renew(token):
            token = await self._credentials.token()
            response = await self._exchange(call, token, is_urgent=is_urgent)
        return response

    async def _exchange(self, call: Call, token: str | None, *, is_urgent: bool) -> Response:
        sent = self._clock.now()
        response = await self._transport.exchange(call, token, is_urgent=is_urgent)
        self._answered_at = self._clock.monotonic()
        self._skew.measure(response.headers.get("Date"), sent, self._clock.now())
        return response
