"""One list and one watch that follow the objects of one scope, and never end.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import cast

import orjson

from perdure.engine.values import JsonObject
from perdure.errors import ObjectError, PerdureError, TransientError
from perdure.kubernetes.backoff import Backoff, fraction, jittered
from perdure.kubernetes.client import ApiClient, SilentStreamError
from perdure.kubernetes.known import Change, KnownObjects
from perdure.kubernetes.paging import name_kind, pages
from perdure.kubernetes.paths import path_of
from perdure.kubernetes.versions import is_newer, metadata_of, version_of
from perdure.ports import Clock, Resource

LOG = logging.getLogger(__name__)

WATCH_SECONDS = 600.0  # the longest; the shortest is half of it, so that watches end one by one
RELIST_SECONDS = 1600.0  # insurance against a gap nobody noticed: every 13 to 27 minutes
SHORT_WATCH_SECONDS = 1.0  # one that ends sooner without a line is a failure, or we would spin
WATCH_FAILURES = 3  # then the list says what there is
SLICE = 100  # changes handed on before the loop has a turn

GONE = 410


class ExpiredError(Exception):
    """The server no longer knows the version from which we wanted to go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What is followed: a kind, in one namespace or in all (None), by selectors."""

    resource: Resource
    namespace: str | None = None
    selectors: dict[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        return path_of(self.resource, self.namespace)


class Feed:
    """Follows one scope and hands on its changes in order."""

    def __init__(
        self,
        client: ApiClient,
        scope: Scope,
        clock: Clock,
        *,
        on_change: Callable[[Change], None],
        on_listed: Callable[[], None],
    ) -> None:
        self._client, self._scope, self._clock = client, scope, clock
        self._on_change, self._on_listed = on_change, on_listed
        self._backoff = Backoff(clock)
        self._known = KnownObjects(scope.resource)
        self._version = 0
        self._relist_at = 0.0
        self._heard_at = clock.monotonic()
        self.is_synced = False

    def __len__(self) -> int:
        return len(self._known)

    @property
    def age_seconds(self) -> float:
        """Seconds since the server last told something: a page, an event or a bookmark."""
        return self._clock.monotonic() - self._heard_at

    async def run(self) -> None:
        """List, watch, and begin anew whenever needed; ends only by cancellation."""
        while True:
            try:
                await self._list()
                await self._watch()
            except ExpiredError:
                # Rare, and each of them costs a list; a server that only ever says 410 is slowed.
                LOG.info("watch expired, listing anew", extra=self._fields())
                await self._backoff.failed()
            except PerdureError as error:
                LOG.warning("list failed", extra=self._fields(error))
                await self._backoff.failed(getattr(error, "retry_after", None))

    # --- list ---------------------------------------------------------------------------

    async def _list(self) -> None:
        """List everything; tell what is news, and what is gone.

        Pages come in the order of names. The first list is told page by page, for nobody acts on
        it before it is complete; of a later one the news, which are few, are kept until then and
        told in the order of their versions, as a watch would have told them.
        """
        seen: set[str] = set()
        news: list[JsonObject] = []
        version: int | None = None
        found = pages(self._client, self._scope.resource, self._scope.path, self._scope.selectors)
        try:
            async with aclosing(found):
                async for page in found:
                    if version is None:
                        version = page.version
                        self._begin(version)
                    self._heard()
                    await self._take(page.items, seen, news)
        except ObjectError as error:
            raise (ExpiredError() if error.status == GONE else error) from error
        assert version is not None, "a list has at least one page"
        await self._hand_on(self._known.put(item) for item in sorted(news, key=version_of))
        await self._hand_on(self._known.drop_absent(seen, version))
        self._listed(version)

    def _begin(self, version: int) -> None:
        if self._known.begin(version):
            LOG.warning("the API server went back in time", extra=self._fields())

    async def _take(self, items: list[JsonObject], seen: set[str], news: list[JsonObject]) -> None:
        for start in range(0, len(items), SLICE):
            for item in items[start : start + SLICE]:
                self._put(item, seen, news)
            await asyncio.sleep(0)

    def _put(self, item: JsonObject, seen: set[str], news: list[JsonObject]) -> None:
        try:
            is_news = self._known.is_news(item)
        except (KeyError, TypeError, ValueError) as error:
            LOG.error("an item of a list is no object", extra=self._fields(error))
            return
        seen.add(str(metadata_of(item)["uid"]))
        if is_news and self.is_synced:
            news.append(item)
        elif is_news:
            self._tell(self._known.put(item))

    async def _hand_on(self, changes: Iterable[Change | None]) -> None:
        for number, change in enumerate(changes, start=1):
            self._tell(change)
            if number % SLICE == 0:
                await asyncio.sleep(0)

    def _listed(self, version: int) -> None:
        self._version = version
        self._relist_at = self._clock.monotonic() + jittered(self._clock, RELIST_SECONDS)
        if not self.is_synced:
            self.is_synced = True
            self._on_listed()

    # --- watch --------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Watch until a list is due. Raises ExpiredError when it is needed at once."""
        failures = 0
        while self._clock.monotonic() < self._relist_at:
            try:
                await self._follow()
            except SilentStreamError as error:
                # A list tells a quiet kind on a server without bookmarks from a dead one.
                LOG.info("watch fell silent, listing anew", extra=self._fields(error))
                return
            except PerdureError as error:
                LOG.warning("watch failed", extra=self._fields(error))
                failures = failures + 1 if self._backoff.failures else 1  # those in a row
                await self._backoff.failed(getattr(error, "retry_after", None))
                if failures == WATCH_FAILURES:
                    return

    async def _follow(self) -> None:
        """Watch once, until the server ends it."""
        started, is_quiet = self._clock.monotonic(), True
        try:
            async with aclosing(self._client.stream(self._scope.path, self._parameters())) as lines:
                async for line in lines:
                    self._receive(line)
                    is_quiet = False
                    self._heard()
                    self._backoff.succeeded()
        except ObjectError as error:
            raise (ExpiredError() if error.status == GONE else error) from error
        if is_quiet and self._clock.monotonic() - started < SHORT_WATCH_SECONDS:
            raise TransientError("the watch ended at once")
        self._heard()

    def _parameters(self) -> dict[str, str]:
        seconds = WATCH_SECONDS * (0.5 + 0.5 * fraction(self._clock))
        return {
            **self._scope.selectors,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": str(self._version),
            "timeoutSeconds": str(int(seconds)),
        }

    def _receive(self, line: bytes) -> None:
        """Take one line. Raises TransientError for one that is no watch event."""
        try:
            event = orjson.loads(line)
            kind, item = str(event["type"]), cast("JsonObject", event["object"])
            if kind == "ERROR":
                raise error_event(item)
            self._apply(kind, item)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise TransientError(f"the line is not a watch event: {error!r}") from error

    def _apply(self, kind: str, item: JsonObject) -> None:
        version = version_of(item)
        if kind == "DELETED":
            name_kind(item, self._scope.resource)
            self._tell(self._known.drop(item))
        elif kind in ("ADDED", "MODIFIED"):
            name_kind(item, self._scope.resource)
            self._tell(self._known.put(item))
        elif kind != "BOOKMARK":
            raise ValueError(f"unknown type {kind!r}")
        self._known.reach(version)
        if is_newer(version, self._version):
            self._version = version

    # --- both ---------------------------------------------------------------------------

    def _tell(self, change: Change | None) -> None:
        if change is None:
            return
        try:
            self._on_change(change)
        except Exception:  # a bug met by one object must not make us deaf to all others
            LOG.exception("a change could not be handled", extra=self._fields())

    def _heard(self) -> None:
        self._heard_at = self._clock.monotonic()

    def _fields(self, error: Exception | None = None) -> dict[str, object]:
        fields: dict[str, object] = {
            "resource": self._scope.resource.plural,
            "scope": self._scope.namespace or "",
        }
        return fields if error is None else {**fields, "error": str(error)}


def error_event(status: JsonObject) -> Exception:
    """Return the error of an ERROR event, whose object is a `Status`."""
    if status.get("code") == GONE:
        return ExpiredError()
    return TransientError(f"watch: {status.get('code')} {status.get('message')}")
