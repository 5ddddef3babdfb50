"""Following objects through faults that are sent by script."""

import asyncio
import logging
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType

import pytest
from aiohttp import web
from tests.kubernetes.clocks import InstantClock, ManualClock
from tests.kubernetes.scripted import (
    Answer,
    ScriptedServer,
    bookmark,
    cut,
    event,
    hang,
    item,
    listed,
    status,
    status_body,
    stream,
)
from tests.kubernetes.waiting import until

from perdure.kubernetes.client import ClientLimits, connect
from perdure.kubernetes.informer import Change, Informer
from perdure.kubernetes.known import KnownObjects
from perdure.ports import LEASES


@dataclass
class Told:
    """What an informer told, as (kind, name, version)."""

    informer: Informer | None = None
    changes: list[Change] = field(default_factory=list)
    synced: int = 0

    def take(self, change: Change) -> None:
        self.changes.append(change)

    def sync(self) -> None:
        self.synced += 1

    @property
    def summary(self) -> list[tuple[str, object, int]]:
        return [
            (change.kind.value, metadata["name"], change.version)
            for change in self.changes
            if isinstance(metadata := change.object["metadata"], dict)
        ]

    async def expect(self, *wanted: tuple[str, object, int]) -> None:
        try:
            await until(lambda: len(self.summary) >= len(wanted))
        finally:
            assert self.summary == list(wanted)


@asynccontextmanager
async def following(
    server: ScriptedServer,
    clock: ManualClock | None = None,
    namespaces: tuple[str, ...] = ("n",),
    silence_seconds: float = 70.0,
) -> AsyncIterator[Told]:
    told, clock = Told(), clock or InstantClock()
    limits = ClientLimits(silence_seconds=silence_seconds)
    async with connect(server.connection(), clock, limits) as client:
        told.informer = Informer(
            client,
            LEASES,
            namespaces=namespaces,
            labels="a=b",
            on_change=told.take,
            on_synced=told.sync,
            clock=clock,
        )
        task = asyncio.create_task(told.informer.run())
        try:
            yield told
            assert not task.done()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


ADDED_A = ("Added", "a", 5)


async def test_a_list_page_by_page_then_a_watch_from_its_version(server: ScriptedServer) -> None:
    server.then(
        listed(10, item("a", 5), token="more"),
        listed(10, item("b", 7)),
        stream(event("MODIFIED", item("a", 12)), event("DELETED", item("b", 13)), is_open=True),
    )
    async with following(server) as told:
        await told.expect(ADDED_A, ("Added", "b", 7), ("Modified", "a", 12), ("Deleted", "b", 13))
        assert told.synced == 1
        assert told.informer is not None
        assert told.informer.is_synced
        assert len(told.informer) == 1
    first, second, watch = server.requests
    assert first.path == "/apis/coordination.k8s.io/v1/namespaces/n/leases"
    assert first.query == {"limit": "100", "labelSelector": "a=b"}
    assert second.query == {"limit": "500", "labelSelector": "a=b", "continue": "more"}
    assert 300 <= int(watch.query.pop("timeoutSeconds")) <= 600
    assert watch.query == {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "resourceVersion": "10",
        "labelSelector": "a=b",
    }


async def test_a_watch_goes_on_from_the_newest_bookmark(server: ScriptedServer) -> None:
    server.then(listed(10), stream(bookmark(40)), stream(bookmark(50)))
    async with following(server):
        await until(lambda: len(server.requests) == 4)
    assert [each.query["resourceVersion"] for each in server.requests[1:]] == ["10", "40", "50"]


@pytest.mark.parametrize(
    "fault",
    [
        stream(event("ERROR", status_body(500, "InternalError"))),
        stream(event("ERROR", status_body(429))),
        stream(b"{ this is no json"),
        stream(b'{"type":"ADDED","object":{}}'),
        stream(b'{"type":"SURPRISE","object":{"metadata":{"resourceVersion":"1"}}}'),
        status(403, "Forbidden"),
        status(500),
        status(503),
        stream(),  # ends at once, with nothing in it
    ],
    ids=["error-500", "error-429", "garbage", "no-metadata", "type", "403", "500", "503", "empty"],
)
async def test_a_fault_of_the_watch_is_waited_out_and_the_watch_goes_on(
    server: ScriptedServer, fault: Answer
) -> None:
    clock = InstantClock()
    server.then(
        listed(10, item("a", 5)),
        fault,
        stream(event("MODIFIED", item("a", 11)), is_open=True),
    )
    async with following(server, clock) as told:
        await told.expect(ADDED_A, ("Modified", "a", 11))
    assert len(server.requests) == 3
    assert clock.slept
    assert 0.1 <= clock.slept[0] < 0.2


async def test_a_cut_watch_is_taken_up_again(server: ScriptedServer) -> None:
    server.then(listed(10, item("a", 5)), cut, cut, stream(event("MODIFIED", item("a", 11))))
    async with following(server) as told:
        await told.expect(ADDED_A, ("Modified", "a", 11))


async def test_failures_in_a_row_wait_longer_up_to_ten_seconds_and_never_end_it(
    server: ScriptedServer,
) -> None:
    clock = InstantClock()
    server.then(*(status(403, "Forbidden") for _ in range(12)), listed(10, item("a", 5)))
    async with following(server, clock) as told:
        await told.expect(ADDED_A)
    limits = [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, *[10.0] * 6]
    assert len(clock.slept) == len(limits)
    for slept, limit in zip(clock.slept, limits, strict=True):
        assert limit / 2 <= slept < limit


async def test_several_failures_of_the_watch_end_in_a_list(server: ScriptedServer) -> None:
    server.then(listed(10, item("a", 5)), *(status(500) for _ in range(3)), listed(20))
    async with following(server) as told:
        await told.expect(ADDED_A, ("Deleted", "a", 20))


EXPIRED = [
    stream(event("ERROR", status_body(410, "Expired"))),
    status(410, "Expired"),
]


@pytest.mark.parametrize("gone", EXPIRED, ids=["event", "http"])
async def test_after_410_the_list_tells_what_changed_and_what_was_deleted(
    server: ScriptedServer, gone: Answer
) -> None:
    server.then(
        listed(10, item("a", 5), item("b", 6), item("c", 7)),
        gone,
        listed(30, item("a", 5), item("b", 22), item("c", 25, uid="another")),
        stream(is_open=True),
    )
    async with following(server) as told:
        await told.expect(
            ADDED_A,
            ("Added", "b", 6),
            ("Added", "c", 7),
            ("Modified", "b", 22),
            ("Added", "c", 25),
            ("Deleted", "c", 30),
        )
        assert told.changes[-1].uid == "uid-c"
        assert told.changes[-1].object == {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {
                "namespace": "n",
                "name": "c",
                "uid": "uid-c",
                "resourceVersion": "30",
            },
        }
        assert told.synced == 1


async def test_410_on_a_later_page_begins_the_list_anew_without_inventing_deletions(
    server: ScriptedServer,
) -> None:
    server.then(
        listed(10, item("a", 5), item("b", 6)),
        status(410, "Expired"),
        listed(20, item("a", 5), token="more"),
        status(410, "Expired"),
        listed(30, item("a", 5), item("b", 21)),
        stream(event("MODIFIED", item("a", 31)), is_open=True),
    )
    async with following(server) as told:
        await told.expect(ADDED_A, ("Added", "b", 6), ("Modified", "b", 21), ("Modified", "a", 31))
    assert "continue" not in server.requests[4].query


async def test_after_a_gap_the_news_of_all_pages_come_in_the_order_of_their_versions(
    server: ScriptedServer,
) -> None:
    server.then(
        listed(10, item("a", 5)),
        status(410, "Expired"),
        listed(30, item("a", 5), item("b", 24), token="more"),
        listed(30, item("c", 22), item("d", 21), token="last"),
        listed(30, item("e", 23)),
        stream(is_open=True),
    )
    async with following(server) as told:
        await told.expect(
            ADDED_A, ("Added", "d", 21), ("Added", "c", 22), ("Added", "e", 23), ("Added", "b", 24)
        )


async def test_news_of_a_list_that_was_not_completed_are_told_by_the_next_one(
    server: ScriptedServer,
) -> None:
    server.then(
        listed(10, item("a", 5)),
        status(410, "Expired"),
        listed(30, item("a", 5), item("b", 24), token="more"),
        status(410, "Expired"),
        listed(40, item("a", 5), item("b", 24)),
        stream(event("MODIFIED", item("a", 41)), is_open=True),
    )
    async with following(server) as told:
        await told.expect(ADDED_A, ("Added", "b", 24), ("Modified", "a", 41))


async def test_an_older_version_never_follows_a_newer_one(server: ScriptedServer) -> None:
    server.then(
        listed(10, item("a", 9)),
        stream(event("MODIFIED", item("a", 8)), event("MODIFIED", item("a", 100)), is_open=True),
    )
    async with following(server) as told:
        await told.expect(("Added", "a", 9), ("Modified", "a", 100))


async def test_a_server_that_went_back_in_time_is_believed(server: ScriptedServer) -> None:
    # As after the restore of a backup: all that is there counts, whatever its version.
    server.then(
        listed(100, item("a", 50), item("b", 60)),
        status(410, "Expired"),
        listed(40, item("a", 30)),
        stream(event("MODIFIED", item("a", 41)), is_open=True),
    )
    async with following(server) as told:
        await told.expect(
            ("Added", "a", 50),
            ("Added", "b", 60),
            ("Modified", "a", 30),
            ("Deleted", "b", 40),
            ("Modified", "a", 41),
        )


async def test_silence_makes_it_older_and_a_bookmark_young_again(server: ScriptedServer) -> None:
    clock = ManualClock()
    go_on = asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await go_on.wait()
        await response.write(bookmark(11) + b"\n")
        return await hang(request)

    server.then(listed(10), slow)
    async with following(server, clock) as told:
        await until(lambda: len(server.requests) == 2)
        informer = told.informer
        assert informer is not None
        assert informer.age_seconds == 0
        clock.advance(91)
        assert informer.age_seconds == 91
        go_on.set()
        await until(lambda: informer.age_seconds == 0)


async def test_a_silent_watch_is_replaced_by_a_list(server: ScriptedServer) -> None:
    server.then(listed(10, item("a", 5)), stream(is_open=True), listed(20))
    async with following(server, silence_seconds=0.05) as told:
        await told.expect(ADDED_A, ("Deleted", "a", 20))


async def test_it_lists_anew_from_time_to_time(server: ScriptedServer) -> None:
    clock = ManualClock()

    async def ends_late(request: web.Request) -> web.StreamResponse:
        clock.advance(1700)
        return await stream(bookmark(11))(request)

    server.then(listed(10, item("a", 5)), ends_late, listed(20))
    async with following(server, clock) as told:
        await told.expect(ADDED_A, ("Deleted", "a", 20))


async def test_it_is_synced_when_all_namespaces_are_listed(server: ScriptedServer) -> None:
    async with following(server, namespaces=("n", "m")) as told:
        await until(lambda: len(server.requests) == 2)
        assert told.synced == 0
    paths = {request.path.split("/")[-2] for request in server.requests}
    assert paths == {"m", "n"}

    server.requests.clear()
    server.then(listed(10), listed(10))
    async with following(server, namespaces=("n", "m")) as told:
        await until(lambda: told.synced == 1)


async def test_a_change_that_cannot_be_handled_does_not_stop_the_others(
    server: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.then(listed(10, item("a", 5), item("b", 6)), stream(is_open=True))
    told: list[Change] = []

    def stumble(change: Change) -> None:
        told.append(change)
        raise RuntimeError("a bug")

    async with connect(server.connection(), InstantClock()) as client:
        informer = Informer(
            client, LEASES, on_change=stumble, on_synced=lambda: None, clock=InstantClock()
        )
        task = asyncio.create_task(informer.run())
        await until(lambda: len(server.requests) == 2)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert [change.uid for change in told] == ["uid-a", "uid-b"]
    assert [record.levelno for record in caplog.records] == [logging.ERROR, logging.ERROR]


def test_a_known_object_takes_less_than_300_bytes() -> None:
    count = 5000
    known = KnownObjects(LEASES)
    with traced() as memory:
        for number in range(count):
            uid = f"00000000-0000-0000-0000-{number:012d}"
            known.put(item(f"order-processing-{number:06d}", 100_000 + number, uid))
    assert memory.bytes / count < 300


class traced:  # noqa: N801 - reads as a statement
    """Measures what is still allocated at the end of a block."""

    bytes = 0

    def __enter__(self) -> "traced":
        tracemalloc.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bytes = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
