"""The server in memory, as the cases see it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count

from tests.contract.api_server.port import JSON, Event, Result, encoded, event_of, parsed

from perdure.testing.apiserver import Answer, ApiServer, Frontend, Request, Watch

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
STEP = timedelta(milliseconds=1)
ROUNDS = 10
"""Rounds of the controllers until all that can be cleaned up is."""


class MemoryServer:
    """One server with one frontend that keeps up, on a clock of its own."""

    def __init__(self) -> None:
        self._now = START
        numbers = count(1)
        self._server = ApiServer(
            now=lambda: self._now, uid=lambda *_: f"00000000-0000-4000-8000-{next(numbers):012}"
        )
        body = json.dumps({"metadata": {"name": "default"}}).encode()
        request = Request("POST", "/api/v1/namespaces", {}, body, JSON, "tests")
        assert self._server.handle(request).status == 201
        self._frontend = Frontend(self._server, "memory")

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        content_type: str = JSON,
        **params: str,
    ) -> Result:
        data = encoded(body)
        request = Request(method, path, params, data, content_type, "tests")
        self._now += STEP
        answer = (
            self._frontend.watch(request) if method == "GET" else self._frontend.handle(request)
        )
        assert isinstance(answer, Answer), "watches are read by `events`"
        self._frontend.advance()
        return parsed(answer.status, answer.body.decode(), answer.headers)

    def events(self, path: str, count: int, **params: str) -> list[Event]:
        watch = self._opened(path, {"timeoutSeconds": "30", **params})
        found = self._read(watch, count)
        watch.close()
        assert len(found) >= count, found
        return found[:count]

    def all_events(
        self,
        path: str,
        seconds: int,
        meanwhile: Callable[[], object] | None = None,
        **params: str,
    ) -> list[Event]:
        watch = self._opened(path, {"timeoutSeconds": str(seconds), **params})
        if meanwhile is not None:
            meanwhile()
        return self._read(watch, None)

    def _opened(self, path: str, params: dict[str, str]) -> Watch:
        request = Request("GET", path, {"watch": "true", **params}, None, None, "tests")
        watch = self._frontend.watch(request)
        assert not isinstance(watch, Answer), watch
        return watch

    def _read(self, watch: Watch, count: int | None) -> list[Event]:
        """Read until there is enough, or the time of the watch is up."""
        found = [event_of(line) for line in watch.take()]
        while not watch.is_ended and (count is None or len(found) < count):
            self._now += timedelta(seconds=1)
            self._frontend.tick()
            found += [event_of(line) for line in watch.take()]
        return found

    def eventually(self, is_so: Callable[[], bool], what: str) -> None:
        for _ in range(ROUNDS):
            if is_so():
                return
            self._server.collect_garbage()
            self._server.finish_namespaces()
            self._frontend.advance()
        raise AssertionError(f"never: {what}")

    def forget_history(self) -> None:
        self._server.compact(self._server.revision)
        self._frontend.restart()
