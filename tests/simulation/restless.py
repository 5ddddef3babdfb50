"""Objects in memory whose writes go wrong by a list: for tests of users."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import Any, TypeVar

from perdure.engine.values import JsonObject
from perdure.errors import (
    ObjectConflictError,
    ObjectForbiddenError,
    ObjectNotFoundError,
    ObjectRejectedError,
    ThrottledError,
    TransientError,
    UnknownOutcomeError,
)
from perdure.ports import Resource

T = TypeVar("T")


class Mishap(Enum):
    """What becomes of a request."""

    NONE = auto()
    LOST = auto()
    """It does not arrive, which nobody knows."""
    UNANSWERED = auto()
    """It is carried out, and the answer is lost."""
    TWICE = auto()
    """It is carried out twice; the second answer comes."""
    BUSY = auto()
    """Refused for now."""
    FORBIDDEN = auto()
    """Refused for good."""
    THROTTLED = auto()
    """Refused for 7 s."""


class RestlessObjects:
    """Implements Objects. The next write, or read, meets the next mishap of its list.

    A patch knows `add`, `replace` and `remove`. As on the API server, two events of one id are
    refused, and so is a change of the input. `between` is called once, after the next lost
    write. The object called `taken` is gone when it is looked for: somebody was quicker.
    """

    def __init__(self) -> None:
        self.bodies: dict[tuple[str, str, str], Any] = {}
        self.writes: list[Mishap] = []
        self.reads: list[Mishap] = []
        self.between: Callable[[], object] | None = None
        self.taken: str | None = None
        self.calls: list[str] = []
        self._count = 0

    def put(self, resource: Resource, body: JsonObject) -> JsonObject:
        """Store a new object."""
        self._count += 1
        stored: Any = copy.deepcopy(body)
        stored["metadata"] |= {"namespace": "shop", "uid": f"uid-{self._count}"}
        if resource.kind == "WorkflowInstance":
            stored["spec"].setdefault("events", [])
        self.bodies[resource.plural, "shop", stored["metadata"]["name"]] = stored
        found: JsonObject = copy.deepcopy(stored)
        return found

    async def get(self, resource: Resource, namespace: str, name: str) -> JsonObject:
        def act() -> JsonObject:
            if name == self.taken:
                self.bodies.pop((resource.plural, namespace, name), None)
            found: JsonObject = copy.deepcopy(self._stored(resource, namespace, name))
            return found

        return self._note("get", name, self.reads, act)

    async def create(self, resource: Resource, namespace: str, body: JsonObject) -> JsonObject:
        metadata = body["metadata"]
        assert isinstance(metadata, dict), "an object without metadata"
        name = str(metadata["name"])

        def act() -> JsonObject:
            if (resource.plural, namespace, name) in self.bodies:
                raise ObjectConflictError(f"{name} exists", status=409)
            return self.put(resource, body)

        return self._note("create", name, self.writes, act)

    async def replace(self, resource: Resource, namespace: str, body: JsonObject) -> JsonObject:
        raise AssertionError("users patch")

    async def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        operations: Sequence[JsonObject],
        *,
        subresource: str | None = None,
    ) -> JsonObject:
        def act() -> JsonObject:
            stored = self._stored(resource, namespace, name)
            changed = copy.deepcopy(stored)
            for operation in operations:
                _apply(changed, operation)
            _check(stored["spec"], changed["spec"])
            self.bodies[resource.plural, namespace, name] = changed
            found: JsonObject = copy.deepcopy(changed)
            return found

        return self._note("patch", name, self.writes, act)

    async def delete(
        self, resource: Resource, namespace: str, name: str, *, uid: str, version: str | None = None
    ) -> None:
        def act() -> None:
            stored = self.bodies.get((resource.plural, namespace, name))
            if stored is not None and stored["metadata"]["uid"] != uid:
                raise ObjectConflictError(f"{name} is another one", status=409)
            self.bodies.pop((resource.plural, namespace, name), None)

        self._note("delete", name, self.writes, act)

    def _stored(self, resource: Resource, namespace: str, name: str) -> Any:
        found = self.bodies.get((resource.plural, namespace, name))
        if found is None:
            raise ObjectNotFoundError(f"no {name}", status=404)
        return found

    def _note(self, verb: str, name: str, mishaps: list[Mishap], act: Callable[[], T]) -> T:
        self.calls.append(f"{verb} {name}")
        match mishaps.pop(0) if mishaps else Mishap.NONE:
            case Mishap.NONE:
                return act()
            case Mishap.TWICE:
                act()
                return act()
            case Mishap.FORBIDDEN:
                raise ObjectForbiddenError("a policy says no", status=403)
            case Mishap.BUSY:
                raise TransientError("not now")
            case Mishap.THROTTLED:
                raise ThrottledError("too many", retry_after=7.0)
            case Mishap.UNANSWERED:
                act()
            case Mishap.LOST:
                pass
        between, self.between = self.between, None
        if between is not None:
            between()
        raise UnknownOutcomeError("the answer was lost")

    # Last, because its name hides the built-in type from the annotations below it.
    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        labels: str | None = None,
        fields: str | None = None,
    ) -> list[JsonObject]:
        raise AssertionError("users do not list")


def _apply(body: Any, operation: Any) -> None:
    *above, last = [
        part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]
    ]
    try:
        for part in above:
            body = body[int(part)] if isinstance(body, list) else body[part]
    except (LookupError, TypeError):
        raise ObjectRejectedError(f"no {operation['path']}", status=422) from None
    if isinstance(body, list):
        _apply_to_list(body, last, operation)
    elif operation["op"] == "add":
        body[last] = operation["value"]
    elif last not in body:
        raise ObjectRejectedError(f"no {operation['path']}", status=422)
    elif operation["op"] == "replace":
        body[last] = operation["value"]
    else:
        del body[last]


def _apply_to_list(items: Any, place: str, operation: Any) -> None:
    if place == "-":
        items.append(operation["value"])
    elif int(place) >= len(items):
        raise ObjectRejectedError(f"no item {place}", status=422)
    else:
        del items[int(place)]


def _check(before: Any, after: Any) -> None:
    ids = [event["id"] for event in after.get("events", ())]
    if len(ids) != len(set(ids)):
        raise ObjectRejectedError("two events of one id", status=422)
    if len(ids) < len(before.get("events", ())):
        raise ObjectRejectedError("events are append-only", status=422)
    if before.get("input") != after.get("input"):
        raise ObjectRejectedError("input does not change", status=422)
