"""Frontends: caches that lag, each in its own way, and what time alone brings to watches."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from perdure.testing.apiserver import Answer, ApiServer, Frontend, Limits, Request, Watch

LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"


class Clock:
    """A clock that stands still until it is told."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server(clock: Clock) -> ApiServer:
    numbers: Iterator[int] = count(1)
    server = ApiServer(now=clock, uid=lambda *_: f"uid-{next(numbers)}")
    send(server, "POST", "/api/v1/namespaces", {"metadata": {"name": "default"}})
    return server


def send(server: ApiServer | Frontend, method: str, path: str, body: object = None) -> Answer:
    data = None if body is None else json.dumps(body).encode()
    answer = server.handle(Request(method, path, {}, data, "application/json", "me"))
    assert answer.status < 300, answer
    return answer


def create(server: ApiServer, name: str) -> None:
    send(server, "POST", LEASES, {"metadata": {"name": name}, "spec": {}})


def watch(frontend: Frontend, version: int, **params: str) -> Watch:
    query = {"watch": "true", "resourceVersion": str(version), **params}
    opened = frontend.watch(Request("GET", LEASES, query, None, None, "me"))
    assert isinstance(opened, Watch), opened
    return opened


def names(lines: list[bytes]) -> list[str]:
    return [json.loads(line)["object"]["metadata"]["name"] for line in lines]


def kinds(lines: list[bytes]) -> list[str]:
    return [json.loads(line)["type"] for line in lines]


def cached(frontend: Frontend) -> list[str]:
    request = Request("GET", LEASES, {"resourceVersion": "0"}, None, None, "me")
    items = json.loads(frontend.handle(request).body)["items"]
    return [item["metadata"]["name"] for item in items]


def test_a_watch_tells_what_its_frontend_has_come_to_know(server: ApiServer) -> None:
    quick, slow = Frontend(server, "quick"), Frontend(server, "slow")
    watches = [watch(frontend, server.revision) for frontend in (quick, slow)]
    create(server, "a")
    create(server, "b")
    quick.advance()
    slow.advance(server.revision - 1)
    assert [names(each.take()) for each in watches] == [["a", "b"], ["a"]]
    slow.advance()
    assert [names(each.take()) for each in watches] == [[], ["b"]]


def test_a_cache_never_goes_back(server: ApiServer) -> None:
    frontend = Frontend(server, "one")
    create(server, "a")
    frontend.advance()
    reached = frontend.revision
    frontend.advance(1)
    assert frontend.revision == reached == server.revision


def test_a_read_of_the_cache_is_stale_and_any_other_is_not(server: ApiServer) -> None:
    frontend = Frontend(server, "one")
    create(server, "a")
    assert cached(frontend) == []
    assert names_listed(frontend) == ["a"]
    frontend.advance()
    assert cached(frontend) == ["a"]


def names_listed(frontend: Frontend) -> list[str]:
    items = json.loads(send(frontend, "GET", LEASES).body)["items"]
    return [item["metadata"]["name"] for item in items]


def test_a_stale_cache_shows_what_was_deleted_and_what_was_changed(server: ApiServer) -> None:
    create(server, "a")
    frontend = Frontend(server, "one")
    send(server, "DELETE", f"{LEASES}/a")
    create(server, "b")
    assert cached(frontend) == ["a"]


def test_readers_are_called_when_something_is_there_for_them(server: ApiServer) -> None:
    frontend, calls = Frontend(server, "one"), []
    mine, others = watch(frontend, server.revision), watch(frontend, server.revision)
    mine.on_ready = lambda: calls.append("mine")
    others.on_ready = lambda: calls.append("others")
    others.close()
    frontend.advance()
    assert calls == []
    create(server, "a")
    assert calls == []
    frontend.advance()
    assert calls == ["mine"]


def test_a_watch_without_a_version_waits_until_the_cache_is_current(server: ApiServer) -> None:
    frontend = Frontend(server, "one")
    create(server, "a")
    query = {"watch": "true"}
    opened = frontend.watch(Request("GET", LEASES, query, None, None, "me"))
    assert isinstance(opened, Watch)
    assert opened.take() == []
    frontend.advance()
    assert names(opened.take()) == ["a"]


def test_a_restart_ends_watches_and_forgets_the_past(server: ApiServer) -> None:
    frontend = Frontend(server, "one")
    old = server.revision
    before, ended = watch(frontend, old), []
    before.on_ready = lambda: ended.append(before.is_ended)
    create(server, "a")
    frontend.restart()
    assert ended == [True]
    assert before.take() == []
    expired = watch(frontend, old)
    assert kinds(expired.take()) == ["ERROR"]
    assert expired.is_ended
    assert watch(frontend, server.revision).take() == []


def test_a_cache_can_forget_without_ending_watches(server: ApiServer) -> None:
    frontend = Frontend(server, "one")
    old = server.revision
    before = watch(frontend, old)
    create(server, "a")
    frontend.advance()
    frontend.forget(server.revision)
    assert names(before.take()) == ["a"]
    assert kinds(watch(frontend, old).take()) == ["ERROR"]


def test_bookmarks_come_by_the_minute_and_before_the_end(server: ApiServer, clock: Clock) -> None:
    frontend = Frontend(server, "one")
    told: list[tuple[float, str]] = []
    opened = watch(frontend, server.revision, allowWatchBookmarks="true", timeoutSeconds="100")
    create(server, "a")
    frontend.advance()
    began = clock.now
    while not opened.is_ended:
        told += [((clock.now - began).total_seconds(), kind) for kind in kinds(opened.take())]
        clock.now = max(clock.now, opened.due_at)
    assert told == [(0.0, "ADDED"), (60.0, "BOOKMARK"), (98.0, "BOOKMARK")]
    assert (clock.now - began).total_seconds() == 100.0


def test_time_alone_calls_the_reader(server: ApiServer, clock: Clock) -> None:
    frontend, calls = Frontend(server, "one"), []
    opened = watch(frontend, server.revision, timeoutSeconds="10")
    opened.on_ready = lambda: calls.append(opened.take())
    frontend.tick()
    assert calls == []
    clock.wait(10)
    frontend.tick()
    assert calls == [[]]
    assert opened.is_ended


def test_a_policy_rejects_before_anything_is_written(clock: Clock) -> None:
    refusal = Answer(403, {}, b"no")
    server = ApiServer(
        now=clock,
        uid=lambda *_: "uid",
        limits=Limits(),
        admission=lambda request, before, after: refusal if request.actor == "mallory" else None,
    )
    body = json.dumps({"metadata": {"name": "x"}}).encode()
    path = "/api/v1/namespaces"
    assert server.handle(Request("POST", path, {}, body, None, "mallory")) is refusal
    assert server.writes == []
    assert server.handle(Request("POST", path, {}, body, None, "alice")).status == 201


def test_the_audit_says_who_did_what_to_which_object(server: ApiServer) -> None:
    create(server, "a")
    patch = Request(
        "PATCH",
        f"{LEASES}/a",
        {},
        b'{"spec":{"holderIdentity":"x"}}',
        "application/merge-patch+json",
        "operator-0",
    )
    server.handle(patch)
    server.handle(patch)  # changes nothing: no write
    send(server, "DELETE", f"{LEASES}/a")
    told = [
        (write.verb, write.actor, write.resource, write.namespace, write.name)
        for write in server.writes[1:]
    ]
    assert told == [
        ("create", "me", "leases", "default", "a"),
        ("patch", "operator-0", "leases", "default", "a"),
        ("delete", "me", "leases", "default", "a"),
    ]
    created, patched, deleted = server.writes[1:]
    assert (created.before, deleted.after) == (None, None)
    assert created.after == patched.before
    assert patched.after == deleted.before
    assert [write.revision for write in server.writes] == [2, 3, 4, 5]
