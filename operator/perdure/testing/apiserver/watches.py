"""Watches: what happens to the objects of a kind, line by line, as far as a cache has come.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, cast

import orjson

from perdure.engine.values import JsonObject
from perdure.testing.apiserver.kinds import Kind
from perdure.testing.apiserver.messages import Limits
from perdure.testing.apiserver.refusals import Refusal
from perdure.testing.apiserver.selectors import Matcher
from perdure.testing.apiserver.storage import Change, Storage, dump, first_after

INITIAL_END = "k8s.io/initial-events-end"


class Cache(Protocol):
    """What a watch knows of the frontend that serves it."""

    @property
    def revision(self) -> int:
        """How far it has come."""
        ...

    def drop(self, watch: Watch) -> None:
        """Forget a watch that is closed."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """What somebody wants to see: None for a namespace means all, for `matches` everything.

    Objects that are there come first if `start` is None; then nothing older than `not_before` is
    shown.
    """

    kind: Kind
    namespace: str | None
    matches: Matcher | None
    start: int | None
    not_before: int
    has_bookmarks: bool
    marks_beginning: bool
    timeout: timedelta


class Watch:
    """One stream; `on_ready` is called whenever `take` may have something new.

    `take` returns the lines that are due, without line ends, and `is_ended` says that no more
    will come. Neither waits.
    """

    def __init__(
        self,
        storage: Storage,
        cache: Cache,
        subscription: Subscription,
        now: Callable[[], datetime],
        limits: Limits,
    ) -> None:
        self.on_ready: Callable[[], None] | None = None
        self.is_ended = False
        self._storage, self._cache, self._now, self._limits = storage, cache, now, limits
        self._wanted = subscription
        self._changes = storage.changes(subscription.kind)
        self._is_begun = subscription.start is not None
        self._next = first_after(self._changes, subscription.start or 0)
        began = now()
        self._ends_at = began + subscription.timeout
        self._farewell_at = self._ends_at - timedelta(seconds=limits.farewell_seconds)
        self._bookmark_at = self._next_bookmark(began)
        self._marked = cache.revision
        self._refusal: Refusal | None = None

    @property
    def _pause(self) -> timedelta:
        return timedelta(seconds=self._limits.bookmark_seconds)

    @property
    def due_at(self) -> datetime:
        """When time alone brings something: a bookmark, or the end."""
        return min(self._bookmark_at, self._ends_at)

    def refuse(self, refusal: Refusal) -> None:
        """Let an ERROR event be all that comes."""
        self._refusal = refusal

    def close(self) -> None:
        """End it from the client's side."""
        self.is_ended = True
        self.on_ready = None
        self._cache.drop(self)

    def wake(self) -> None:
        """Tell the reader if something is due."""
        if self.on_ready is not None and self._is_due():
            self.on_ready()

    def _is_due(self) -> bool:
        if self._refusal is not None or self._now() >= self._ends_at:
            return True
        if not self._is_begun:
            return self._cache.revision >= self._wanted.not_before
        changes = self._changes
        has_change = (
            self._next < len(changes) and changes[self._next].revision <= self._cache.revision
        )
        return has_change or self._now() >= self._bookmark_at

    # --- lines --------------------------------------------------------------------------

    def take(self) -> list[bytes]:
        """Return the lines that are due."""
        if self.is_ended:
            return []
        if self._refusal is not None:
            self._end()
            return [_line("ERROR", orjson.dumps(self._refusal.as_json()))]
        lines: list[bytes] = []
        if not self._is_begun and self._cache.revision >= self._wanted.not_before:
            lines += self._beginning()
        if self._is_begun:
            lines += self._events()
            lines += self._bookmarks()
        if self._now() >= self._ends_at:
            self._end()
        return lines

    def _end(self) -> None:
        self.is_ended = True
        self._cache.drop(self)

    def _beginning(self) -> Iterator[bytes]:
        """Yield what is there as if it were new."""
        self._is_begun = True
        revision = self._cache.revision
        self._next = first_after(self._changes, revision)
        for (namespace, _), stored in sorted(self._storage.at(self._wanted.kind, revision).items()):
            if self._wanted.namespace in (None, namespace) and self._shows(stored.body):
                yield _line("ADDED", stored.content)
        if self._wanted.marks_beginning:
            yield self._bookmark({"annotations": {INITIAL_END: "true"}})

    def _events(self) -> Iterator[bytes]:
        changes, reached = self._changes, self._cache.revision
        while self._next < len(changes) and changes[self._next].revision <= reached:
            change = changes[self._next]
            self._next += 1
            if self._wanted.namespace in (None, change.key[0]):
                line = self._event(change)
                if line is not None:
                    yield line

    def _event(self, change: Change) -> bytes | None:
        """Return the line of a change, as it looks to somebody who sees only what matches."""
        before, after = change.before, change.after
        was_shown = before is not None and self._shows(before.body)
        if after is not None and self._shows(after.body):
            return _line("MODIFIED" if was_shown else "ADDED", after.content)
        if not was_shown:
            return None
        assert before is not None, "it was shown"
        # The object as it was last seen, under the revision by which it went out of sight.
        metadata = cast("JsonObject", before.body["metadata"])
        body = {**before.body, "metadata": {**metadata, "resourceVersion": str(change.revision)}}
        return _line("DELETED", dump(self._wanted.kind, body))

    def _shows(self, body: JsonObject) -> bool:
        return self._wanted.matches is None or self._wanted.matches(body)

    def _next_bookmark(self, now: datetime) -> datetime:
        """Return when the next bookmark is due: the last one comes shortly before the end."""
        if not self._wanted.has_bookmarks or now >= self._farewell_at:
            return self._ends_at
        return min(now + self._pause, self._farewell_at)

    def _bookmarks(self) -> Iterator[bytes]:
        """Yield a bookmark if one is due and there is anything newer than at the beginning."""
        now = self._now()
        if not self._bookmark_at <= now < self._ends_at:
            return
        self._bookmark_at = self._next_bookmark(now)
        if self._cache.revision > self._marked:
            yield self._bookmark({})

    def _bookmark(self, metadata: Mapping[str, object]) -> bytes:
        kind = self._wanted.kind
        body = {
            "kind": kind.kind,
            "apiVersion": kind.api_version,
            "metadata": {"resourceVersion": str(self._cache.revision), **metadata},
        }
        return _line("BOOKMARK", orjson.dumps(body))


def _line(kind: str, content: bytes) -> bytes:
    return b'{"type":"%s","object":%s}' % (kind.encode(), content)
