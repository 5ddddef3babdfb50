"""The connections of calls: one bounded session, apart from the API server's.

One call is one connection and is sent at most once. Connections are not kept: a server that
closes an idle one while the next call is on its way makes an outcome unknown for no reason, and a
kept one would pin all calls of a Service to a single pod. Source: RFC 9112 §9.3.1;
docs/architecture.md#calls.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from perdure.executors.answers import MAX_ANSWER_BYTES, Response
from perdure.executors.failures import no_answer, too_large
from perdure.executors.targets import Target

NOT_CONNECTED = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
"""Nothing was sent."""
DESCRIPTOR_TAKEN = "is used by transport"
MAX_ADDRESSES = 4
"""Of a name with many: trying on is for one that is down, the retry policy is for the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLimits:
    """How many calls may be on their way at once, in all and to one address and port.

    `connect_seconds` is less than lies between the moment from which a process without renewals
    sends nothing and the one from which it counts as dead: no call begins after that.
    """

    total: int = 200
    per_host: int = 64
    connect_seconds: float = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """What is sent to a target; `label` names the call in messages."""

    label: str
    method: str
    path: str
    headers: Mapping[str, str]
    content: bytes | None = None


class Sender(Protocol):
    """Sends calls to addresses that were checked before."""

    async def send(self, target: Target, outgoing: Outgoing) -> Response:
        """Send once and return the complete response, of whatever status; follow no redirect.

        Raises CallFailedError: NoAnswer (unknown once connected), TooLarge.
        """
        ...

    async def close(self) -> None:
        """Abort what is open and release the sockets."""
        ...


class Connections:
    """The Sender over HTTP. Create it inside a running loop."""

    def __init__(self, limits: CallLimits) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=limits.total,
                limit_per_host=limits.per_host,
                force_close=True,
                use_dns_cache=False,
                resolver=_NoResolver(),
                ssl=ssl.create_default_context(),
            ),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            middlewares=(_send_once,),
            skip_auto_headers=("Content-Type",),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=limits.connect_seconds),
            trust_env=False,
        )

    async def close(self) -> None:
        await self._session.close()

    async def send(self, target: Target, outgoing: Outgoing) -> Response:
        """Send; the addresses are tried in turn until one accepts the connection."""
        assert target.addresses, "a target has an address"
        reason = ""
        for address in target.addresses[:MAX_ADDRESSES]:
            try:
                return await self._send_to(address, target, outgoing)
            except NOT_CONNECTED as error:
                reason = _reason(error)
        raise no_answer(f"{outgoing.label}: cannot connect to {target.origin}: {reason}")

    async def _send_to(self, address: str, target: Target, outgoing: Outgoing) -> Response:
        origin = target.origin
        try:
            async with self._session.request(
                outgoing.method,
                _pinned(address, target, outgoing.path),
                headers={**outgoing.headers, "host": origin.authority},
                data=outgoing.content,
                allow_redirects=False,
                server_hostname=origin.host if origin.scheme == "https" else None,
            ) as response:
                return await _read(outgoing.label, response)
        except NOT_CONNECTED:
            raise
        except aiohttp.ClientError as error:
            raise no_answer(
                f"{outgoing.label}: the connection was cut before the answer was complete "
                f"({_reason(error)})",
                is_unknown=True,
            ) from error


def _pinned(address: str, target: Target, path: str) -> URL:
    """Return the URL with the very address that was checked; the name is in Host and TLS."""
    host = f"[{address}]" if ":" in address else address
    return URL(f"{target.origin.scheme}://{host}:{target.origin.port}{path}", encoded=True)


async def _read(label: str, response: aiohttp.ClientResponse) -> Response:
    # Bytes are counted as they come: a Content-Length may be wrong, missing or that of a HEAD.
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > MAX_ANSWER_BYTES:
            response.close()
            raise too_large(f"{label}: the answer has more than {MAX_ANSWER_BYTES} bytes")
    return Response(
        code=response.status, headers=tuple(response.raw_headers), content=bytes(content)
    )


async def _send_once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Keep aiohttp from repeating GET, PUT and DELETE on its own when a connection is cut.

    A claim is sent once (docs/architecture.md#claims); only the engine may repeat. aiohttp
    repeats after two kinds of error, so they leave as a third.
    """
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except RuntimeError as error:
        raise _not_connected(request, error) from error
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise aiohttp.ClientConnectionError(_reason(error)) from error


def _not_connected(request: aiohttp.ClientRequest, error: RuntimeError) -> Exception:
    """Return the connection error that uvloop meant, or the error itself if it meant another.

    For a moment after a failed TLS handshake uvloop refuses to connect a new socket that was given
    the descriptor of the old one. Nothing was sent then.
    """
    if DESCRIPTOR_TAKEN not in str(error):
        return error
    return aiohttp.ClientConnectorError(request.connection_key, OSError(str(error)))


def _reason(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"TLS: {error.certificate_error}"
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return "no connection in time"
    if isinstance(error, aiohttp.ClientConnectorError):
        return error.os_error.strerror or str(error.os_error)
    if isinstance(error, aiohttp.ClientResponseError):
        return f"not HTTP: {error.message}"
    return str(error)


class _NoResolver(AbstractResolver):
    """Resolves nothing: a name that gets here would have passed no check."""

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        raise AssertionError("calls connect to addresses, never to names")

    async def close(self) -> None:
        """Nothing to release."""
