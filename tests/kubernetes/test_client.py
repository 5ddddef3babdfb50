"""The client against a server that fails by script."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.kubernetes.clocks import InstantClock, ManualClock
from tests.kubernetes.scripted import ScriptedServer, answer, cut, hang, status, stream
from tests.kubernetes.waiting import until

from perdure.errors import TransientError, UnknownOutcomeError
from perdure.kubernetes.client import ApiClient, ClientLimits, SilentStreamError, connect
from perdure.kubernetes.connection import Connection, Credentials, TokenFile


@asynccontextmanager
async def connected(
    server: ScriptedServer,
    *,
    credentials: Credentials | None = None,
    clock: ManualClock | None = None,
    silence_seconds: float = 70.0,
) -> AsyncIterator[ApiClient]:
    limits = ClientLimits(silence_seconds=silence_seconds)
    connection = server.connection(credentials)
    async with connect(connection, clock or InstantClock(), limits) as client:
        yield client


async def test_a_request_carries_its_parts_and_our_name(server: ScriptedServer) -> None:
    server.then(answer({"ok": True}, 201))
    async with connected(server) as client:
        response = await client.request(
            "POST", "/api", params={"a": "b=c,d"}, body=b"{}", content_type="application/json"
        )
    (request,) = server.requests
    assert (response.status, response.body) == (201, b'{"ok":true}')
    assert (request.method, request.query, request.body) == ("POST", {"a": "b=c,d"}, b"{}")
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["User-Agent"].startswith("perdure/")
    assert "Authorization" not in request.headers


async def test_a_refused_token_is_read_again_and_the_write_repeated_once(
    server: ScriptedServer, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("old\n")
    clock = InstantClock()
    async with connected(server, credentials=TokenFile(file, clock), clock=clock) as client:
        server.then(answer({}))
        await client.request("GET", "/a")
        file.write_text("new\n")
        server.then(status(401), answer({}))
        response = await client.request("PATCH", "/a", body=b"[]")
    assert response.status == 200
    sent = [request.headers["Authorization"] for request in server.requests]
    assert sent == ["Bearer old", "Bearer old", "Bearer new"]


async def test_a_token_that_stays_refused_is_answered_with_401(
    server: ScriptedServer, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("bad")
    async with connected(server, credentials=TokenFile(file, InstantClock())) as client:
        server.then(status(401), status(401))
        assert (await client.request("GET", "/a")).status == 401
    assert len(server.requests) == 2


async def test_a_token_file_is_read_once_a_minute(server: ScriptedServer, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old")
    clock = ManualClock()
    credentials = TokenFile(file, clock)
    assert await credentials.token() == "old"
    file.write_text("new")
    clock.advance(59)
    assert await credentials.token() == "old"
    clock.advance(1)
    assert await credentials.token() == "new"


async def test_after_429_every_ordinary_request_waits_and_an_urgent_one_does_not(
    server: ScriptedServer,
) -> None:
    clock = ManualClock()
    async with connected(server, clock=clock) as client:
        server.then(status(429, Retry_After="7"), answer("urgent"), answer("ordinary"))
        assert (await client.request("GET", "/a")).status == 429
        waiting = asyncio.create_task(client.request("GET", "/b"))
        await until(lambda: clock.sleepers == 1)
        await client.request("PUT", "/lease", is_urgent=True)
        clock.advance(6.9)
        await asyncio.sleep(0)
        assert [request.path for request in server.requests] == ["/a", "/lease"]
        clock.advance(0.1)
        assert (await waiting).body == b'"ordinary"'


async def test_a_write_whose_connection_is_cut_after_sending_has_an_unknown_outcome(
    server: ScriptedServer,
) -> None:
    async with connected(server) as client:
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            server.then(answer({}), cut)
            await client.request("GET", "/warm")  # so that aiohttp would repeat it by itself
            with pytest.raises(UnknownOutcomeError, match=f"{method} /a: "):
                await client.request(method, "/a", body=b"{}")
    assert [each.method for each in server.requests if each.path == "/a"] == [
        "POST",
        "PUT",
        "PATCH",
        "DELETE",
    ]


async def test_a_write_that_is_not_answered_in_time_has_an_unknown_outcome(
    server: ScriptedServer,
) -> None:
    async with connected(server) as client:
        server.then(hang)
        with pytest.raises(UnknownOutcomeError):
            await client.request("PATCH", "/a", body=b"[]", timeout=0.05)


async def test_a_read_that_is_not_answered_is_transient(server: ScriptedServer) -> None:
    async with connected(server) as client:
        server.then(hang, cut, cut)
        with pytest.raises(TransientError):
            await client.request("GET", "/a", timeout=0.05)
        with pytest.raises(TransientError):
            await client.request("GET", "/a")


async def test_a_write_that_could_not_be_sent_is_transient() -> None:
    connection = Connection(server="http://127.0.0.1:1")
    async with connect(connection, InstantClock()) as client:
        with pytest.raises(TransientError, match="PATCH /a"):
            await client.request("PATCH", "/a", body=b"[]")


TAKEN = "File descriptor 19 is used by transport <TCPTransport closed=False>"


@pytest.mark.parametrize(("text", "expected"), [(TAKEN, TransientError), ("a bug", RuntimeError)])
async def test_a_descriptor_that_the_loop_counts_as_taken_is_a_connection_that_failed(
    monkeypatch: pytest.MonkeyPatch, text: str, expected: type[Exception]
) -> None:
    async def refuse(*_: object) -> None:
        raise RuntimeError(text)

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", refuse)
    connection = Connection(server="http://127.0.0.1:1")
    async with connect(connection, InstantClock()) as client:
        with pytest.raises(expected):
            await client.request("PATCH", "/a", body=b"[]")
        with pytest.raises(expected):
            await anext(client.stream("/a", {}))


async def test_a_redirect_is_not_followed(server: ScriptedServer) -> None:
    async with connected(server) as client:
        server.then(answer({}, 302, Location="/b"))
        assert (await client.request("GET", "/a")).status == 302
    assert len(server.requests) == 1


async def test_a_stream_yields_lines_of_any_length(server: ScriptedServer) -> None:
    long = b"x" * 3_000_000
    async with connected(server) as client:
        server.then(stream(b"a", long, b"", b"b"))
        found = [line async for line in client.stream("/watch", {})]
    assert found == [b"a", long, b"", b"b"]


async def test_a_stream_that_falls_silent_is_told_from_one_that_is_cut(
    server: ScriptedServer,
) -> None:
    async with connected(server, silence_seconds=0.05) as client:
        server.then(stream(b"a", is_open=True))
        with pytest.raises(SilentStreamError):
            _ = [line async for line in client.stream("/watch", {})]
        server.then(cut, cut)  # aiohttp tries a read again by itself
        with pytest.raises(TransientError) as caught:
            _ = [line async for line in client.stream("/watch", {})]
    assert not isinstance(caught.value, SilentStreamError)


async def test_the_clock_is_compared_with_the_date_of_each_answer(server: ScriptedServer) -> None:
    clock = ManualClock()  # 2026-01-01 00:16:40
    async with connected(server, clock=clock) as client:
        for date, skew in (
            ("Thu, 01 Jan 2026 00:16:45 GMT", 5.0),
            ("Thu, 01 Jan 2026 00:16:39 GMT", 0.0),
            ("Thu, 01 Jan 2026 00:16:36 GMT", 3.0),
            ("no date", 3.0),
        ):
            server.then(answer({}, Date=date))
            await client.request("GET", "/a")
            assert client.skew_seconds == skew


async def test_the_age_of_the_last_answer_is_known_whatever_it_was(server: ScriptedServer) -> None:
    clock = ManualClock()
    async with connected(server, clock=clock) as client:
        clock.advance(30)
        assert client.answer_age_seconds == 30
        server.then(status(500), cut)
        await client.request("GET", "/a")
        assert client.answer_age_seconds == 0
        clock.advance(5)
        with pytest.raises(UnknownOutcomeError):
            await client.request("PATCH", "/a", body=b"[]")
        assert client.answer_age_seconds == 5
