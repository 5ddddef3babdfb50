"""The services of a run: requests as they come in, and the operations that were started."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import parse_qs, urlencode

from tests.simulation.workloads.services import OPERATIONS, Answer, Reply, Request, Script, reply

from perdure.engine.values import Json

NOT_FOUND = Reply(
    delay=0.0,
    code=404,
    headers={"content-type": "application/json"},
    body=b'{"error":"no such operation"}',
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A request at a service; `at` in virtual seconds, header names in lower case."""

    at: float
    service: str
    method: str
    target: str
    """Path and query."""
    headers: Mapping[str, str]
    content: bytes | None = None

    @property
    def path(self) -> str:
        """Return the target without its query."""
        return self.target.partition("?")[0]

    @property
    def key(self) -> str:
        """Return the idempotency key; of a poll that of the operation; "" without one."""
        if self.path.startswith(OPERATIONS):
            return self.path.removeprefix(OPERATIONS)
        return self.headers.get("idempotency-key", "")

    @property
    def attempt(self) -> int:
        """Return the attempt that the header tells, 0 where it tells none."""
        text = self.headers.get("perdure-attempt", "")
        return int(text) if text.isdecimal() else 0

    @property
    def body(self) -> Json:
        """Return what the body says: JSON, or a form as an object of its first values."""
        if self.content is None:
            return None
        if self.headers.get("content-type", "").endswith("json"):
            parsed: Json = json.loads(self.content)
            return parsed
        return _first_values(self.content.decode())

    @property
    def origin(self) -> tuple[str, str]:
        """Return uid and path of the step that calls, as the definitions of a workload tell them.

        They are in the body, the form or the query; "" where they are not. The path
            is that of `perdure.engine.paths` without the marks of repeated blocks (`~2`).
        """
        body = self.body
        said = body if isinstance(body, dict) and "uid" in body else self._query()
        return str(said.get("uid", "")), str(said.get("path", ""))

    def _query(self) -> dict[str, Json]:
        return _first_values(self.target.partition("?")[2])


def _first_values(text: str) -> dict[str, Json]:
    return {name: values[0] for name, values in parse_qs(text).items()}


@dataclass(slots=True)
class _Operation:
    started: float
    polls: int = 0


class Services:
    """Answers requests by the script; remembers only when operations began and were asked for."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._operations: dict[tuple[str, str], _Operation] = {}

    def answer(self, arrival: Arrival) -> Answer:
        """Return what the service does with the request."""
        place = (arrival.service, arrival.key)
        known = self._operations.get(place)
        is_poll = arrival.path.startswith(OPERATIONS)
        if is_poll and known is None:
            return NOT_FOUND
        request = Request(
            service=arrival.service,
            method=arrival.method,
            path=arrival.path,
            key=arrival.key,
            attempt=arrival.attempt,
            waited=0.0 if known is None else arrival.at - known.started,
            polls=0 if known is None else known.polls,
        )
        answer = reply(self._script, request)
        if is_poll and known is not None:
            known.polls += 1
        elif isinstance(answer, Reply) and answer.code == 202:
            self._operations.setdefault(place, _Operation(started=arrival.at))
            return _with_origin(answer, arrival)
        return answer


def _with_origin(answer: Reply, arrival: Arrival) -> Reply:
    """Have polls tell whose they are, as the start did."""
    uid, path = arrival.origin
    location = f"{answer.headers['location']}?{urlencode({'uid': uid, 'path': path})}"
    return replace(answer, headers={**answer.headers, "location": location})
