"""Following all objects of a kind: changes as they happen, and what was missed made up for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from perdure.kubernetes.client import ApiClient
from perdure.kubernetes.feed import Feed, Scope
from perdure.kubernetes.known import Change, ChangeKind
from perdure.kubernetes.objects import selectors
from perdure.ports import Clock, Resource

__all__ = ["Change", "ChangeKind", "Informer"]


class Informer:
    """Tells about every object of a kind, at least once per state that lasts.

    `namespaces` is empty for all. `on_change` is called on the loop, in the order of versions per
    object, and should only take notes; what it raises is logged. `on_synced` is called once, when
    all objects that existed at the start have been told. States may be skipped, deletions are not:
    those missed during a gap are concluded from the next list.
    """

    def __init__(
        self,
        client: ApiClient,
        resource: Resource,
        *,
        namespaces: Sequence[str] = (),
        labels: str | None = None,
        fields: str | None = None,
        on_change: Callable[[Change], None],
        on_synced: Callable[[], None],
        clock: Clock,
    ) -> None:
        self._on_synced = on_synced
        scopes: list[str | None] = [*sorted(set(namespaces))] or [None]
        self._feeds = [
            Feed(
                client,
                Scope(resource=resource, namespace=namespace, selectors=selectors(labels, fields)),
                clock,
                on_change=on_change,
                on_listed=self._listed,
            )
            for namespace in scopes
        ]

    def __len__(self) -> int:
        """Return how many objects are known."""
        return sum(len(feed) for feed in self._feeds)

    @property
    def is_synced(self) -> bool:
        """Whether the first lists are complete."""
        return all(feed.is_synced for feed in self._feeds)

    @property
    def age_seconds(self) -> float:
        """Seconds since the server last told something, of the watch that is worst off.

        A bookmark comes about once a minute: above 90 s one of the watches is deaf.
        """
        return max(feed.age_seconds for feed in self._feeds)

    async def run(self) -> None:
        """Follow until cancelled; no answer of the server ends it."""
        async with asyncio.TaskGroup() as group:
            for feed in self._feeds:
                group.create_task(feed.run())

    def _listed(self) -> None:
        if self.is_synced:
            self._on_synced()
