"""The real server, as the cases see it."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlencode

from tests.cluster.cluster import Cluster
from tests.cluster.connection import client_tls
from tests.cluster.waiting import wait_for
from tests.contract.api_server.port import JSON, Event, Result, encoded, event_of, parsed
from tests.contract.api_server.space import INSTANCES, PERDURE

SECONDS = 30.0


class RealServer:
    """One API server of tests/cluster, over one connection that is kept."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._connection = self._connect()

    def _connect(self) -> http.client.HTTPSConnection:
        tls = client_tls(self._cluster.layout.pki, "admin")
        port = self._cluster.ports.apiserver
        return http.client.HTTPSConnection("127.0.0.1", port, timeout=SECONDS, context=tls)

    def close(self) -> None:
        self._connection.close()

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        content_type: str = JSON,
        **params: str,
    ) -> Result:
        data = encoded(body)
        headers = {"Accept": JSON, "Content-Type": content_type}
        self._connection.request(method, with_query(path, params), data, headers)
        response = self._connection.getresponse()
        text = response.read().decode()
        if response.will_close:
            self._connection.close()
        return parsed(response.status, text, dict(response.getheaders()))

    def events(self, path: str, count: int, **params: str) -> list[Event]:
        found: list[Event] = []
        with self._stream(path, {"timeoutSeconds": "30", **params}) as lines:
            for line in lines:
                found.append(event_of(line))
                if len(found) == count:
                    break
        assert len(found) == count, found
        return found

    def all_events(
        self,
        path: str,
        seconds: int,
        meanwhile: Callable[[], object] | None = None,
        **params: str,
    ) -> list[Event]:
        with self._stream(path, {"timeoutSeconds": str(seconds), **params}) as lines:
            if meanwhile is not None:
                meanwhile()
            return [event_of(line) for line in lines]

    @contextmanager
    def _stream(self, path: str, params: dict[str, str]) -> Iterator[http.client.HTTPResponse]:
        connection = self._connect()
        try:
            connection.request("GET", with_query(path, {"watch": "true", **params}))
            response = connection.getresponse()
            assert response.status == 200, response.read()
            yield response
        finally:
            connection.close()

    def eventually(self, is_so: Callable[[], bool], what: str) -> None:
        wait_for(is_so, what, SECONDS)

    def forget_history(self) -> None:
        self._connection.close()
        self._cluster.forget_history()
        # A new server takes a moment to fill its caches, and answers 429 until then.
        wait_for(self._has_caches, "the caches of the API server", SECONDS)

    def _has_caches(self) -> bool:
        path = f"{PERDURE}/{INSTANCES}"
        return self.call("GET", path, resourceVersion="0").status == 200


def with_query(path: str, params: dict[str, str]) -> str:
    return f"{path}?{urlencode(params)}" if params else path
