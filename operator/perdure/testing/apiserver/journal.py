"""Where every accepted write goes: into storage, and into the audit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from perdure.engine.values import JsonObject
from perdure.testing.apiserver.kinds import Kind
from perdure.testing.apiserver.messages import Limits
from perdure.testing.apiserver.refusals import internal
from perdure.testing.apiserver.storage import Key, Storage, Stored
from perdure.verification.evidence import Write


@dataclass(frozen=True, slots=True)
class Deed:
    """Who does what to which object."""

    actor: str
    verb: str
    kind: Kind
    key: Key
    subresource: str | None = None


class Journal:
    """Writes objects one by one; `writes` is the audit, in the order of revisions."""

    def __init__(self, storage: Storage, now: Callable[[], datetime], limits: Limits) -> None:
        self.storage = storage
        self.writes: list[Write] = []
        self._now = now
        self._limits = limits

    def today(self) -> str:
        """Return the time as metadata holds it, in whole seconds."""
        return self._now().strftime("%Y-%m-%dT%H:%M:%SZ")

    def put(self, deed: Deed, body: JsonObject) -> Stored:
        """Store a body under the next revision. Raises Refusal if it is too large for etcd."""
        revision = self.storage.revision + 1
        metadata = cast("JsonObject", body["metadata"])
        whole: JsonObject = {**body, "metadata": {**metadata, "resourceVersion": str(revision)}}
        stored = Stored(deed.kind, whole, revision)
        self._fit(stored)
        before = self.storage.get(deed.kind, deed.key)
        self.storage.write(deed.kind, deed.key, stored)
        self._note(deed, before, stored)
        return stored

    def remove(self, deed: Deed) -> Stored:
        """Remove an object, and return what it was."""
        before = self.storage.get(deed.kind, deed.key)
        assert before is not None, "only what is there is removed"
        self.storage.write(deed.kind, deed.key, None)
        self._note(deed, before, None)
        return before

    def _fit(self, stored: Stored) -> None:
        size = len(stored.content) + self._limits.overhead_bytes
        if size > self._limits.message_bytes:
            raise internal(
                "rpc error: code = ResourceExhausted desc = trying to send message larger than "
                f"max ({size} vs. {self._limits.message_bytes})"
            )
        if size > self._limits.object_bytes:
            raise internal("etcdserver: request is too large")

    def _note(self, deed: Deed, before: Stored | None, after: Stored | None) -> None:
        shown = after or before
        assert shown is not None, "a write has a before or an after"
        namespace, name = deed.key
        self.writes.append(
            Write(
                revision=self.storage.revision,
                at=self._now(),
                actor=deed.actor,
                verb=deed.verb,
                resource=deed.kind.plural,
                subresource=deed.subresource,
                namespace=namespace,
                name=name,
                uid=str(cast("JsonObject", shown.body["metadata"])["uid"]),
                before=None if before is None else before.body,
                after=None if after is None else after.body,
            )
        )
