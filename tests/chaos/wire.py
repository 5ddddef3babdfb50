"""A TCP relay on a loopback port that can lose, hold back, delay and cut what passes through it.

It knows bytes and connections only; what they mean is the business of `exchange.py`.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from types import TracebackType

CHUNK = 64 * 1024  # bytes read at once


class Way(Enum):
    """A direction, seen from the client."""

    OUT = auto()
    BACK = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What is wrong with a wire for a while.

    `held` are the directions in which nothing passes; with `is_forgotten` a connection that was
    held is reset in the end, as by a router that lost its table, else all that was held arrives
    late. With `is_half_open` only connections of before are held, new ones are whole: the other
    side has gone without a word. `is_refusing` resets every connection, new ones at once. `delay`
    seconds are added to each chunk. After `budget` bytes in one of `cut_ways` a connection is
    reset.
    """

    held: frozenset[Way] = frozenset()
    is_forgotten: bool = False
    is_half_open: bool = False
    is_refusing: bool = False
    delay: float = 0.0
    budget: int | None = None
    cut_ways: frozenset[Way] = frozenset(Way)


class Wire:
    """The relay; an async context manager, `port` is where it listens.

    `target` is the loopback port behind it, which sees connections come from the loopback address
    `source`.
    """

    def __init__(self, target: int, source: str = "127.0.0.1") -> None:
        self.target, self.source = target, source
        self._troubles: list[tuple[Trouble, int]] = []
        """Each with the number of the last connection before it."""
        self._changed = asyncio.Event()
        self._links: set[_Link] = set()
        self.port = 0
        self.opened = 0
        """How many connections came in."""

    async def __aenter__(self) -> "Wire":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        self.reset()
        await self._server.wait_closed()

    @contextmanager
    def troubled(self, trouble: Trouble) -> Iterator[None]:
        """Let the wire have this trouble, beside what it has already."""
        entry = (trouble, self.opened)
        self._troubles.append(entry)
        self._tell()
        if trouble.is_refusing:
            self.reset()
        try:
            yield
        finally:
            self._troubles.remove(entry)
            if trouble.is_forgotten:
                self._reset_held(entry)
            self._tell()

    def reset(self) -> None:
        """Reset every connection of now."""
        for link in list(self._links):
            link.abort()

    def _reset_held(self, entry: tuple[Trouble, int]) -> None:
        for link in list(self._links):
            if holds(entry, link.number):
                link.abort()

    # --- what the links ask ---------------------------------------------------------------

    @property
    def is_refusing(self) -> bool:
        return any(trouble.is_refusing for trouble, _ in self._troubles)

    @property
    def delay(self) -> float:
        return sum(trouble.delay for trouble, _ in self._troubles)

    def budget(self, way: Way) -> int | None:
        """Return after how many bytes this way a connection is reset; None for never."""
        troubles = (trouble for trouble, _ in self._troubles)
        budgets = [t.budget for t in troubles if t.budget is not None and way in t.cut_ways]
        return min(budgets, default=None)

    async def passable(self, way: Way, number: int) -> None:
        """Wait until something may pass on the connection of this number."""
        while any(way in entry[0].held and holds(entry, number) for entry in self._troubles):
            await self._changed.wait()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        if self.is_refusing:
            reset(writer)
            return
        link = _Link(self, self.opened, reader, writer)
        self._links.add(link)
        try:
            await link.run()
        finally:
            self._links.discard(link)


def holds(entry: tuple[Trouble, int], number: int) -> bool:
    """Return whether a trouble that came after so many connections holds the one of a number."""
    trouble, before = entry
    return bool(trouble.held) and (not trouble.is_half_open or number <= before)


class _Link:
    """One connection and its continuation; it ends when either side does."""

    def __init__(
        self,
        wire: Wire,
        number: int,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.number = number
        self._wire, self._reader, self._writer = wire, reader, writer
        self._tasks: list[asyncio.Task[None]] = []
        self._upstream: asyncio.StreamWriter | None = None

    async def run(self) -> None:
        try:
            await self._wire.passable(Way.OUT, self.number)
            reader, self._upstream = await asyncio.open_connection(
                "127.0.0.1", self._wire.target, local_addr=(self._wire.source, 0)
            )
            self._tasks = [
                asyncio.create_task(self._pump(Way.OUT, self._reader, self._upstream)),
                asyncio.create_task(self._pump(Way.BACK, reader, self._writer)),
            ]
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        except OSError:
            pass  # nobody listens behind: the client finds its connection reset
        finally:
            self.abort()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _pump(
        self, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while True:
                data = await reader.read(CHUNK)
                await self._wire.passable(way, self.number)
                if self._wire.delay:
                    await asyncio.sleep(self._wire.delay)
                    await self._wire.passable(way, self.number)
                budget = self._wire.budget(way)
                if budget is not None and passed + len(data) >= budget:
                    writer.write(data[: max(budget - passed, 0)])
                    await writer.drain()
                    return
                if not data:
                    return
                passed += len(data)
                writer.write(data)
                await writer.drain()

    def abort(self) -> None:
        for task in self._tasks:
            task.cancel()
        reset(self._writer)
        if self._upstream is not None:
            reset(self._upstream)


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with a reset instead of an end of the stream."""
    plug: socket.socket | None = writer.get_extra_info("socket")
    if plug is not None and not writer.transport.is_closing():
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
