"""What the cases need of an API server, in memory or real."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

Body: TypeAlias = "dict[str, Any]"
Event: TypeAlias = "tuple[str, Body]"
"""Type and object of a watch event."""

JSON = "application/json"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"


@dataclass(frozen=True, slots=True)
class Result:
    """An answer: `body` is what was parsed, or {} for what is no JSON object."""

    status: int
    body: Body
    text: str
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def reason(self) -> str:
        return str(self.body.get("reason", ""))

    @property
    def message(self) -> str:
        return str(self.body.get("message", ""))

    @property
    def causes(self) -> set[tuple[str, str]]:
        """Field and message of all that is wrong, in no order: the real server has none."""
        details = self.body.get("details", {})
        return {(each.get("field", ""), each["message"]) for each in details.get("causes", ())}

    @property
    def fields(self) -> set[str]:
        return {where for where, _ in self.causes}

    @property
    def metadata(self) -> Body:
        found: Body = self.body["metadata"]
        return found

    @property
    def spec(self) -> Body:
        found: Body = self.body["spec"]
        return found

    @property
    def version(self) -> int:
        return int(self.metadata["resourceVersion"])

    @property
    def names(self) -> list[str]:
        """The names of the items of a list."""
        return [item["metadata"]["name"] for item in self.body["items"]]


class Server(Protocol):
    """An API server with our CRDs, and the controllers of a cluster."""

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        content_type: str = JSON,
        **params: str,
    ) -> Result:
        """Send a request; a body of bytes goes out as it is."""
        ...

    def events(self, path: str, count: int, **params: str) -> list[Event]:
        """Return the first events of a watch; fails if there are fewer."""
        ...

    def all_events(
        self,
        path: str,
        seconds: int,
        meanwhile: Callable[[], object] | None = None,
        **params: str,
    ) -> list[Event]:
        """Return all events of a watch of so many seconds; do something once it is open."""
        ...

    def eventually(self, is_so: Callable[[], bool], what: str) -> None:
        """Let controllers work until something is so; fails if it never is."""
        ...

    def forget_history(self) -> None:
        """Let the server forget every revision but the newest."""
        ...


def encoded(body: object) -> bytes | None:
    """Return JSON without blanks: a ControllerRevision keeps those of its data on some clusters."""
    if body is None or isinstance(body, bytes):
        return body
    return json.dumps(body, separators=(",", ":")).encode()


def parsed(status: int, text: str, headers: dict[str, str]) -> Result:
    """Return a Result without field owners, which only the real server keeps track of."""
    try:
        body = json.loads(text)
    except ValueError:
        body = {}
    body = body if isinstance(body, dict) else {}
    for each in (body, *(body.get("items") or ())):
        without_owners(each)
    return Result(status, body, text, headers)


def without_owners(body: Body) -> Body:
    metadata = body.get("metadata")
    if isinstance(metadata, dict):
        metadata.pop("managedFields", None)
    return body


def event_of(line: bytes) -> Event:
    event = json.loads(line)
    return event["type"], without_owners(event["object"])
