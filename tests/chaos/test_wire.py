"""The relay loses, holds, delays and cuts what it is told to, and nothing else."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from tests.chaos.wire import Trouble, Way, Wire

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(100):
            writer.write(data)
    writer.transport.abort()


@asynccontextmanager
async def echoing() -> AsyncIterator[Wire]:
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server, Wire(server.sockets[0].getsockname()[1]) as wire:
        yield wire


@asynccontextmanager
async def connected(wire: Wire) -> AsyncIterator[Connection]:
    reader, writer = await asyncio.open_connection("127.0.0.1", wire.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def ask(wire: Wire, text: bytes) -> bytes:
    async with connected(wire) as (reader, writer):
        writer.write(text)
        return await reader.readexactly(len(text))


async def test_an_untroubled_wire_hands_on_every_byte_both_ways() -> None:
    async with echoing() as wire:
        assert await ask(wire, b"x" * 300_000) == b"x" * 300_000


async def test_a_refusing_wire_resets_old_and_new_connections() -> None:
    async with echoing() as wire, connected(wire) as (reader, writer):
        writer.write(b"a")
        assert await reader.read(1) == b"a"
        with wire.troubled(Trouble(is_refusing=True)):
            with pytest.raises(ConnectionError):
                assert await reader.read(1)
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await ask(wire, b"b")
        assert await ask(wire, b"c") == b"c"


@pytest.mark.parametrize("way", list(Way))
async def test_what_was_held_arrives_late(way: Way) -> None:
    async with echoing() as wire, connected(wire) as (reader, writer):
        with wire.troubled(Trouble(held=frozenset({way}))):
            writer.write(b"a")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.read(1), 0.2)
        assert await asyncio.wait_for(reader.read(1), 5) == b"a"


async def test_a_forgotten_connection_is_reset_when_the_wire_is_whole_again() -> None:
    async with echoing() as wire, connected(wire) as (reader, writer):
        writer.write(b"a")
        assert await reader.read(1) == b"a"
        with wire.troubled(Trouble(held=frozenset(Way), is_forgotten=True)):
            writer.write(b"b")
        with pytest.raises(ConnectionError):
            assert await asyncio.wait_for(reader.read(1), 5)


async def test_a_connection_is_cut_after_so_many_bytes_of_the_answer() -> None:
    async with echoing() as wire, connected(wire) as (reader, writer):
        with wire.troubled(Trouble(budget=3, cut_ways=frozenset({Way.BACK}))):
            writer.write(b"12345")
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await reader.readexactly(4)


async def test_a_slow_wire_delays_every_chunk() -> None:
    async with echoing() as wire:
        began = time.monotonic()
        with wire.troubled(Trouble(delay=0.1)):
            assert await ask(wire, b"a") == b"a"
        assert time.monotonic() - began >= 0.2


async def test_a_half_open_wire_holds_old_connections_only() -> None:
    async with echoing() as wire, connected(wire) as (reader, writer):
        writer.write(b"a")
        assert await reader.read(1) == b"a"
        with wire.troubled(Trouble(held=frozenset(Way), is_half_open=True)):
            writer.write(b"b")
            assert await ask(wire, b"c") == b"c"
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.read(1), 0.2)
