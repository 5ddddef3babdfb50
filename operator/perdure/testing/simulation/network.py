"""The network between processes and the API server: it delays, and does what the fates want."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime

import orjson

from perdure.engine.values import Json
from perdure.errors import TransientError
from perdure.kubernetes.responses import READS, Response, retry_after
from perdure.kubernetes.transport import Call, Stream
from perdure.testing.apiserver import Answer, Request
from perdure.testing.simulation.channels import SILENCE_SECONDS, Channel
from perdure.testing.simulation.cluster import Cluster
from perdure.testing.simulation.encounters import Encounters, RefusedError
from perdure.testing.simulation.fates import Fate, Fates, Fault, Record
from perdure.testing.simulation.flights import Flight, response_of
from perdure.testing.simulation.hosts import Host
from perdure.testing.simulation.meddling import Meddler
from perdure.testing.simulation.points import Point, point_of
from perdure.testing.simulation.post import Letter
from perdure.testing.simulation.refusals import refusal_of
from perdure.verification.evidence import Exchange


class SimulatedTransport:
    """The Transport of one process."""

    def __init__(
        self,
        host: Host,
        cluster: Cluster,
        fates: Fates,
        record: Record,
        meddler: Meddler,
        *,
        is_operator: bool,
    ) -> None:
        self._host = host
        self._cluster = cluster
        self._encounters = Encounters(
            host, cluster.scheduler, fates, record, is_operator=is_operator
        )
        self._meddler = meddler
        self._is_operator = is_operator
        self._scheduler = cluster.scheduler

    async def close(self) -> None:
        """Nothing is kept open."""

    # --- requests ---------------------------------------------------------------------------

    async def exchange(self, call: Call, token: str | None, *, is_urgent: bool) -> Response:
        point = point_of(call.method, call.path, call.params, is_operator=self._is_operator)
        sent = self._scheduler.time
        fate = await self._met(point, call)
        future: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        flight = Flight(
            self._cluster, self._meddler, self._host, call, point, future, fate, self._is_operator
        )
        text = f"{self._host.name} {call.method} {call.path} {zlib.crc32(call.body or b''):08x}"
        self._cluster.post.send(Letter(text=text, act=flight.arrive))
        try:
            async with asyncio.timeout(call.seconds):
                response = await future
        except TimeoutError as error:
            raise call.lost("no answer in time", is_sent=True) from error
        if self._is_operator:
            self._cluster.exchanges.append(self._exchanged(flight, response, sent, is_urgent))
        return response

    def _exchanged(
        self, flight: Flight, response: Response, sent: datetime, is_urgent: bool
    ) -> Exchange:
        call = flight.call
        is_patch = call.method == "PATCH" and call.body is not None
        return Exchange(
            actor=self._host.name,
            start=flight.start,
            sent=sent,
            answered=self._scheduler.time,
            method=call.method,
            path=call.path,
            code=response.status,
            revision=flight.revision,
            is_urgent=is_urgent,
            retry_after=retry_after(response) if response.status == 429 else None,
            tests=_tests_of(call.body) if is_patch else (),
        )

    async def _met(self, point: Point, call: Call) -> Fate | None:
        try:
            return await self._encounters.meet(point, is_write=call.method not in READS)
        except RefusedError as error:
            raise call.lost("connection refused", is_sent=False) from error

    # --- streams ----------------------------------------------------------------------------

    @asynccontextmanager
    async def stream(
        self, path: str, params: Mapping[str, str], token: str | None
    ) -> AsyncIterator[Stream]:
        call = Call("GET", path, params, None, None, SILENCE_SECONDS)
        fate = await self._met(Point.WATCH, call)
        await asyncio.sleep(0)
        if not self._cluster.is_reachable(self._host.name):
            raise TransientError(f"GET {path}: connection refused")
        if fate is not None and fate.fault is Fault.REQUEST_LOST:
            await asyncio.sleep(fate.seconds)
            raise TransientError(f"GET {path}: the connection was cut")
        refusal = None if fate is None else refusal_of(fate, self._cluster.server)
        if refusal is not None:
            yield Stream(response_of(refusal, "GET"), _nothing())
            return
        random = self._scheduler.random
        frontend = self._cluster.frontends[int(random.random() * 2)]
        answer = frontend.watch(Request("GET", path, dict(params), None, None, self._host.name))
        if isinstance(answer, Answer):
            yield Stream(response_of(answer, "GET"), _nothing())
            return
        channel = Channel(self._host, self._cluster, answer, fate)
        try:
            yield Stream(None, channel.lines())
        finally:
            channel.close()


def _tests_of(patch: bytes | None) -> tuple[tuple[str, Json], ...]:
    """Return pointers and values of what a JSON patch tests."""
    operations = orjson.loads(patch or b"[]")
    return tuple((one["path"], one["value"]) for one in operations if one["op"] == "test")


async def _nothing() -> AsyncGenerator[bytes, None]:
    return
    yield b""
