"""What etcd is to the server: one revision for everything, and the past until it is compacted."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import orjson

from perdure.engine.values import JsonObject
from perdure.testing.apiserver.kinds import Kind

Key: TypeAlias = "tuple[str, str]"
"""Namespace, "" for none, and name."""


class Stored:
    """One version of an object; the body is never changed, and written to JSON at most once."""

    __slots__ = ("_bare", "_content", "body", "kind", "revision")

    def __init__(self, kind: Kind, body: JsonObject, revision: int) -> None:
        self.kind = kind
        self.body = body
        self.revision = revision
        self._content: bytes | None = None
        self._bare: bytes | None = None

    @property
    def content(self) -> bytes:
        """The object as JSON; the keys of custom resources are sorted, at every depth."""
        if self._content is None:
            self._content = dump(self.kind, self.body)
        return self._content

    @property
    def as_item(self) -> bytes:
        """The object as lists show it: items of a built-in kind do not name their kind."""
        if self.kind.is_custom:
            return self.content
        if self._bare is None:
            bare = {key: self.body[key] for key in self.body if key not in ("apiVersion", "kind")}
            self._bare = dump(self.kind, bare)
        return self._bare


def dump(kind: Kind, body: JsonObject) -> bytes:
    return orjson.dumps(body, option=orjson.OPT_SORT_KEYS if kind.is_custom else None)


@dataclass(frozen=True, slots=True)
class Change:
    """One write to one object: None before a creation, None after a removal."""

    revision: int
    key: Key
    before: Stored | None
    after: Stored | None


class Storage:
    """All objects of all kinds, and every change since the beginning."""

    def __init__(self, kinds: Iterable[Kind]) -> None:
        self.revision = 1  # that of an etcd in which nothing was ever written
        self.compacted = 0
        """Lists as of older revisions are refused."""
        self._objects: dict[Kind, dict[Key, Stored]] = {kind: {} for kind in kinds}
        self._changes: dict[Kind, list[Change]] = {kind: [] for kind in self._objects}

    def get(self, kind: Kind, key: Key) -> Stored | None:
        return self._objects[kind].get(key)

    def current(self, kind: Kind) -> Mapping[Key, Stored]:
        return self._objects[kind]

    def changes(self, kind: Kind) -> list[Change]:
        """Return the changes of a kind by revision; it grows at its end and must not be changed."""
        return self._changes[kind]

    def write(self, kind: Kind, key: Key, stored: Stored | None) -> None:
        """Store an object whose revision is the next one, or remove what stands there."""
        self.revision += 1
        objects = self._objects[kind]
        before = objects.get(key)
        if stored is None:
            del objects[key]
        else:
            assert stored.revision == self.revision, "written in the order of revisions"
            objects[key] = stored
        self._changes[kind].append(Change(self.revision, key, before, stored))

    def at(self, kind: Kind, revision: int) -> Mapping[Key, Stored]:
        """Return the objects of a kind as they were."""
        changes = self._changes[kind]
        later = first_after(changes, revision)
        if later == len(changes):
            return self._objects[kind]
        objects = dict(self._objects[kind])
        for change in reversed(changes[later:]):
            if change.before is None:
                del objects[change.key]
            else:
                objects[change.key] = change.before
        return objects


def first_after(changes: list[Change], revision: int) -> int:
    """Return the index of the first change that is newer than a revision."""
    return bisect_right(changes, revision, key=_revision_of)


def _revision_of(change: Change) -> int:
    return change.revision
