"""What a write has to pass beside validation: its namespace, and policies."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, cast

from perdure.engine.values import JsonObject
from perdure.testing.apiserver.kinds import Catalogue, Kind
from perdure.testing.apiserver.messages import Answer, Request
from perdure.testing.apiserver.refusals import Cause, Refusal, forbidden, not_found
from perdure.testing.apiserver.storage import Storage

Admission: TypeAlias = "Callable[[Request, JsonObject | None, JsonObject | None], Answer | None]"
"""A policy: takes a request, the object before and after it; an answer is a rejection."""


class RejectedError(Exception):
    """A policy rejects a request with this answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class Gates:
    """Lets writes pass or not."""

    def __init__(self, storage: Storage, catalogue: Catalogue, admission: Admission | None) -> None:
        self._storage = storage
        self._namespaces = catalogue.plural("namespaces")
        self._admission = admission

    def check_namespace(self, kind: Kind, namespace: str | None, name: str) -> None:
        """Raises Refusal for a new object in a namespace that is not there, or on its way out."""
        if not kind.is_namespaced or namespace is None:
            return
        found = self._storage.get(self._namespaces, ("", namespace))
        if found is None:
            raise not_found(self._namespaces, namespace)
        if "deletionTimestamp" in cast("JsonObject", found.body["metadata"]):
            raise _terminating(kind, namespace, name)

    def check_policy(
        self, request: Request, before: JsonObject | None, after: JsonObject | None
    ) -> None:
        """Raises RejectedError."""
        if self._admission is None:
            return
        answer = self._admission(request, before, after)
        if answer is not None:
            raise RejectedError(answer)


def _terminating(kind: Kind, namespace: str, name: str) -> Refusal:
    text = f"unable to create new content in namespace {namespace} because it is being terminated"
    cause = Cause(
        "NamespaceTerminating", f"namespace {namespace} is being terminated", "metadata.namespace"
    )
    return forbidden(kind, name, text, cause)
