"""The composition root: the one place that builds clients and asks the machine for anything."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
from functools import partial
from urllib.parse import urlsplit

from perdure.assembly import Assembly, Surroundings
from perdure.controller.definitions import DefinitionWatch
from perdure.controller.metrics import PrometheusMeter
from perdure.controller.probes import ProbeServer
from perdure.definitions import Reviewed, review
from perdure.engine.values import JsonObject
from perdure.errors import SettingsError
from perdure.executors.connections import CallLimits, Connections
from perdure.executors.places import SystemResolver
from perdure.kubernetes.client import connect
from perdure.kubernetes.login import log_in
from perdure.runtime.clock import SystemClock
from perdure.settings import OperatorSettings

logger = logging.getLogger(__name__)


class Operator:
    """One operator process. `run` serves until told to stop; its result is the exit code."""

    def __init__(self, settings: OperatorSettings) -> None:
        self._settings = settings
        clock = SystemClock(lambda: self._client.skew_seconds)
        connection = log_in(clock, kubeconfig=settings.kubeconfig, context=settings.context)
        self._client = connect(connection, clock)
        self._meter = PrometheusMeter()
        self._assembly = Assembly(
            settings,
            Surroundings(
                clock=clock,
                client=self._client,
                sender=Connections(CallLimits()),
                resolver=SystemResolver(),
                protected=_addresses(connection.server),
                review=reviewed,
                definitions=partial(DefinitionWatch, connection),
                meter=self._meter,
                begun=settle_memory,
            ),
        )
        self._probes = ProbeServer(
            alive=self._assembly.deadly_problem,
            ready=self._assembly.problem,
            metrics=self._metrics,
        )
        self._stop = asyncio.Event()

    async def run(self) -> int:
        """Serve until a signal (0), or until the machinery itself is broken (1)."""
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, self._stop.set)
        try:
            if await self._started():
                return await self._serve()
            return 0
        finally:
            await self._end()

    async def _started(self) -> bool:
        """Start, however long the API server takes; False when told to stop before that."""
        starting = asyncio.create_task(self._start())
        stopping = asyncio.create_task(self._stop.wait())
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not starting.done():
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            return False
        await starting
        return True

    async def _start(self) -> None:
        settings = self._settings
        try:
            ports = await self._probes.start(
                health_port=settings.health_port, metrics_port=settings.metrics_port
            )
        except OSError as error:
            raise SettingsError(
                f"--health-port or --metrics-port cannot be used: {error}"
            ) from error
        logger.info("Probes listen", extra={"health_port": ports[0], "metrics_port": ports[1]})
        await self._assembly.start()

    async def _serve(self) -> int:
        """Wait for the end: asked for, or forced."""
        while not self._stop.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    await self._stop.wait()
            broken = self._assembly.broken()
            if broken is not None:
                logger.critical("The operator ends", extra={"reason": broken})
                return 1
        logger.info("The operator stops")
        return 0

    async def _end(self) -> None:
        await self._assembly.stop()
        await self._probes.stop()
        await self._client.close()

    def _metrics(self) -> bytes:
        self._assembly.measure()
        return self._meter.render()


async def reviewed(spec: JsonObject) -> Reviewed:
    """Review a definition in a thread, so that a large one holds up nobody."""
    return await asyncio.to_thread(review, spec)


def settle_memory() -> None:
    """Collect what starting left behind, and never look through what stays again."""
    gc.collect()
    gc.freeze()


def _addresses(server: str) -> list[str]:
    """Return the addresses of the API server: calls must never reach it."""
    host = urlsplit(server).hostname or ""
    try:
        found = socket.getaddrinfo(host, None, proto=socket.IPPROTO_TCP)
    except OSError:
        return []
    return sorted({str(address[4][0]) for address in found})


async def run_operator(settings: OperatorSettings) -> int:
    """Run one operator process to its end; return the exit code.

    Raises SettingsError for settings that cannot be used.
    """
    gc.set_threshold(50_000, 50, 100)
    return await Operator(settings).run()
