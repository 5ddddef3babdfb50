"""The lines of one watch on their way to a client, and what becomes of them."""

from __future__ import annotations

import asyncio
import zlib
from collections import deque
from collections.abc import AsyncGenerator

import orjson

from perdure.errors import PerdureError, TransientError
from perdure.kubernetes.transport import SilentStreamError
from perdure.testing.apiserver import Watch
from perdure.testing.simulation.cluster import Cluster
from perdure.testing.simulation.fates import Fate, Fault
from perdure.testing.simulation.hosts import Host
from perdure.testing.simulation.post import Letter
from perdure.testing.simulation.scheduler import Due

SILENCE_SECONDS = 70.0
"""Until a watch on which nothing comes is given up."""


class Channel:
    """The lines of one watch on their way to a process."""

    def __init__(self, host: Host, cluster: Cluster, watch: Watch, fate: Fate | None) -> None:
        self._host = host
        self._loop = host.loop
        self._cluster = cluster
        self._watch = watch
        self._fate = fate
        self._variant = "" if fate is None or fate.fault is not Fault.WATCH else fate.variant
        self._waiting: deque[bytes | PerdureError | None] = deque()
        self._arrived: asyncio.Future[None] | None = None
        self._route = f"{host.name} {host.number}"
        self._count = 0
        self._timer: Due | None = None
        watch.on_ready = self._pump
        if self._variant in ("cut", "silent", "expired", "odd") and fate is not None:
            cluster.scheduler.after(fate.seconds, self._strike)
        self._pump()

    def close(self) -> None:
        """Take nothing more from the server."""
        self._watch.close()
        if self._timer is not None:
            self._timer.call_off()

    def _pump(self) -> None:
        """Send on what the server has."""
        if self._loop is None or self._loop.is_ended:
            self.close()
            return
        if not self._cluster.is_reachable(self._host.name):
            return  # a half-open connection: the other side will find out by silence
        lines = self._watch.take()
        if self._variant == "doubled":
            lines = [line for line in lines for _ in range(2)]
        elif self._variant == "replayed" and lines:
            self._count += 1
            lines = [*lines, *lines] if self._count % 2 else lines
        for line in lines:
            self._send(line)
        if self._watch.is_ended:
            self._send(None)
        else:
            self._come_again()

    def _come_again(self) -> None:
        """Look again when time alone brings a bookmark, or the end."""
        if self._timer is not None:
            self._timer.call_off()
        scheduler = self._cluster.scheduler
        seconds = (self._watch.due_at - scheduler.time).total_seconds()
        self._timer = scheduler.after(max(seconds, 0.001), self._pump)

    def _send(self, item: bytes | PerdureError | None) -> None:
        delay = 0.0
        if self._fate is not None and (self._variant == "slow" or self._fate.fault is Fault.STALE):
            delay = self._fate.seconds * self._cluster.scheduler.random.random()
        line = item if isinstance(item, bytes) else b""
        text = f"to {self._route}: {zlib.crc32(line):08x}"
        letter = Letter(text=text, act=lambda: self._reach(item), route=self._route)
        self._cluster.post.send(letter, delay)

    def _reach(self, item: bytes | PerdureError | None) -> None:
        self._waiting.append(item)
        if self._arrived is not None and not self._arrived.done():
            self._arrived.set_result(None)

    def _strike(self) -> None:
        """Let the fate of this watch come true."""
        self._watch.on_ready = None
        match self._variant:
            case "cut":
                self._reach(TransientError("the watch was cut"))
            case "expired":
                self._reach(orjson.dumps({"type": "ERROR", "object": status(410, "Expired")}))
                self._reach(None)
            case "odd":
                self._reach(orjson.dumps({"type": "ERROR", "object": status(500, "Unknown")}))
                self._reach(None)
            case _:
                return  # silence

    async def lines(self) -> AsyncGenerator[bytes, None]:
        """Yield what arrives. Raises SilentStreamError when nothing does for too long."""
        while True:
            while not self._waiting:
                self._arrived = asyncio.get_running_loop().create_future()
                try:
                    async with asyncio.timeout(SILENCE_SECONDS):
                        await self._arrived
                except TimeoutError as error:
                    raise SilentStreamError("nothing came") from error
            item = self._waiting.popleft()
            if item is None:
                return
            if isinstance(item, PerdureError):
                raise item
            yield item


def status(code: int, reason: str) -> dict[str, object]:
    """Return the Status object of an ERROR event."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "reason": reason,
        "message": "on purpose",
        "code": code,
    }
