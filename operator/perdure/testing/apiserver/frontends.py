"""Frontends: processes of the API server, each with a cache that comes to know of writes later."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from perdure.testing.apiserver.messages import Answer, Request
from perdure.testing.apiserver.reading import no_number
from perdure.testing.apiserver.refusals import (
    Cause,
    Refusal,
    bad_request,
    expired_watch,
    internal,
    invalid_option,
)
from perdure.testing.apiserver.routes import PageNotFoundError, route_of
from perdure.testing.apiserver.selectors import matcher
from perdure.testing.apiserver.server import ApiServer
from perdure.testing.apiserver.watches import Subscription, Watch


class Frontend:
    """One process before the same storage.

    Writes, and reads without resourceVersion, are as of now whatever frontend takes them. Watches
    and reads with one are served from the cache, which has come as far as `revision`.
    """

    def __init__(self, server: ApiServer, name: str) -> None:
        self.name = name
        self._server = server
        self._revision = server.revision
        self._oldest = server.revision
        self._watches: list[Watch] = []

    @property
    def revision(self) -> int:
        """How far the cache has come."""
        return self._revision

    def handle(self, request: Request) -> Answer:
        """Carry out a request that is no watch."""
        return self._server.handle(request, self._revision)

    def advance(self, revision: int | None = None) -> None:
        """Let the cache learn of writes up to a revision, None for all there are.

        It never goes back. Watches with something to tell call their `on_ready`.
        """
        newest = self._server.revision
        self._revision = max(self._revision, newest if revision is None else min(revision, newest))
        self.tick()

    def tick(self) -> None:
        """Wake the watches for which time alone has brought something."""
        for watch in tuple(self._watches):
            watch.wake()

    def forget(self, revision: int) -> None:
        """Drop from the cache what was before a revision: older watches get 410."""
        self._oldest = max(self._oldest, min(revision, self._revision))

    def restart(self) -> None:
        """Begin with a new cache, as of now; the watches of before are cut off."""
        for watch in tuple(self._watches):
            reader, watch.on_ready = watch.on_ready, None
            watch.is_ended = True
            if reader is not None:
                reader()
        self._watches.clear()
        self._revision = self._oldest = self._server.revision

    def drop(self, watch: Watch) -> None:
        """Forget a watch that is over."""
        if watch in self._watches:
            self._watches.remove(watch)

    # --- watches ------------------------------------------------------------------------

    def watch(self, request: Request) -> Watch | Answer:
        """Open a watch; what cannot be one is answered as by `handle`."""
        answers = self._server.answers
        try:
            route = route_of(self._server.catalogue, request.path)
            if route.name is not None or request.params.get("watch") not in ("true", "1"):
                return self.handle(request)
            version = _version(request.params)
            subscription = Subscription(
                kind=route.kind,
                namespace=route.namespace,
                matches=matcher(route.kind, request.params),
                start=version or None,
                not_before=self._revision if version == 0 else self._server.revision,
                has_bookmarks=request.params.get("allowWatchBookmarks") == "true",
                marks_beginning=_marks_beginning(request.params, version),
                timeout=self._timeout(request.params),
            )
        except Refusal as refusal:
            return answers.refusal(refusal)
        except PageNotFoundError:
            return answers.no_page()
        return self._opened(subscription)

    def _opened(self, subscription: Subscription) -> Watch:
        server = self._server
        watch = Watch(server.storage, self, subscription, server.now, server.limits)
        if subscription.start is not None and subscription.start < self._oldest:
            watch.refuse(expired_watch(subscription.start, self._oldest))
        self._watches.append(watch)
        return watch

    def _timeout(self, params: Mapping[str, str]) -> timedelta:
        text = params.get("timeoutSeconds", "")
        try:
            seconds = int(text) if text else 0
        except ValueError as error:
            raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from error
        return timedelta(seconds=seconds or self._server.limits.watch_seconds)


def _version(params: Mapping[str, str]) -> int | None:
    """Return the version to start after, None for none, 0 for whatever the cache has."""
    text = params.get("resourceVersion", "")
    if text and not text.isdecimal():
        raise internal(f"resourceVersion: {no_number(text)}")
    return int(text) if text else None


def _marks_beginning(params: Mapping[str, str], version: int | None) -> bool:
    """Say whether a bookmark follows the objects that are there."""
    asked = params.get("sendInitialEvents") == "true"
    if asked and params.get("resourceVersionMatch") != "NotOlderThan":
        text = "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        cause = Cause("FieldValueForbidden", text, "resourceVersionMatch")
        raise invalid_option("ListOptions", cause)
    return (asked or version == 0) and params.get("allowWatchBookmarks") == "true"
