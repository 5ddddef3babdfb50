"""kopf, for WorkflowDefinitions: in a thread and loop of its own, started again when it ends.

When kopf ends, it cancels every task of its loop that is younger than itself, and it ends on a
watch error other than 410. In a loop of its own that harms nothing but itself
(docs/adr/0002-kopf-in-its-own-loop.md). It writes nothing: a handler only says that a definition
is to be looked at.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import aiohttp
import kopf

from perdure.kubernetes.connection import Connection

logger = logging.getLogger(__name__)

LONGEST_BACKOFF = 10.0


class DefinitionWatch:
    """Tells `observe(namespace, name)`, on the caller's loop, of every change of a definition."""

    def __init__(
        self,
        connection: Connection,
        namespaces: Sequence[str],
        observe: Callable[[str, str], None],
    ) -> None:
        self._connection = connection
        self._namespaces = tuple(namespaces)
        self._observe = observe
        self._loop = asyncio.get_running_loop()
        self._stop = threading.Event()
        self._flag = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kopf", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """End the watch; it is a daemon thread, so nobody waits for it."""
        self._stop.set()
        self._flag.set()

    @property
    def is_alive(self) -> bool:
        """Return whether the thread runs."""
        return self._thread.is_alive()

    def _run(self) -> None:
        failures = 0
        while not self._stop.is_set():
            try:
                asyncio.run(self._operate())
            except Exception as error:  # noqa: BLE001  whatever ends kopf, it is started again
                logger.warning("The watch of definitions failed", extra={"error": str(error)})
            failures += 1
            if not self._stop.is_set():
                logger.info("The watch of definitions starts again", extra={"failures": failures})
            self._stop.wait(min(0.5 * 2 ** min(failures, 5), LONGEST_BACKOFF))

    async def _operate(self) -> None:
        registry = kopf.OperatorRegistry()
        self._register(registry)
        # A flag for this run only: kopf waits for it in a thread, and the loop does not close
        # before that thread ends. With a flag of the whole process one failure would be the last.
        self._flag = threading.Event()
        if self._stop.is_set():
            return
        try:
            await kopf.operator(
                registry=registry,
                settings=frame_settings(),
                standalone=True,
                clusterwide=not self._namespaces,
                namespaces=self._namespaces,
                stop_flag=self._flag,
            )
        finally:
            self._flag.set()

    def _register(self, registry: kopf.OperatorRegistry) -> None:
        @kopf.on.login(registry=registry)
        async def log_in(**_: Any) -> kopf.AiohttpSession:
            return self._session()

        @kopf.on.event("perdure.dev", "v1alpha1", "workflowdefinitions", registry=registry)
        async def changed(namespace: str | None, name: str | None, **_: Any) -> None:
            self._loop.call_soon_threadsafe(self._observe, str(namespace), str(name))

    def _session(self) -> kopf.AiohttpSession:
        credentials = self._connection.credentials

        async def authorise(
            request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
        ) -> aiohttp.ClientResponse:
            token = await credentials.token()
            if token is not None:
                request.headers["Authorization"] = f"Bearer {token}"
            response = await handler(request)
            if response.status != 401 or not await credentials.renew(token):
                return response
            response.release()
            renewed = await credentials.token()
            if renewed is not None:
                request.headers["Authorization"] = f"Bearer {renewed}"
            return await handler(request)

        tls = self._connection.tls
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=8, ssl=True if tls is None else tls),
            cookie_jar=aiohttp.DummyCookieJar(),
            middlewares=(authorise,),
        )
        return kopf.AiohttpSession(server=self._connection.server, aiohttp_session=session)


def frame_settings() -> kopf.OperatorSettings:
    """Return kopf's settings: it watches, and does nothing of its own accord."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.scanning.disabled = True
    settings.process.ultimate_exiting_timeout = None
    settings.watching.chunk_size = 500
    settings.watching.server_timeout = 300
    settings.watching.connect_timeout = 5
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 5
    settings.networking.error_backoffs = _Backoffs()
    settings.queueing.idle_timeout = 0.5
    return settings


class _Backoffs:
    """0.2 s, doubling to 10 s, for ever: an outage of any length never ends the watch."""

    def __iter__(self) -> Iterator[float]:
        return itertools.chain((0.2 * 2**n for n in range(6)), itertools.repeat(LONGEST_BACKOFF))
