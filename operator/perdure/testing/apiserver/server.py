"""The API server: requests in, answers out, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from perdure.engine.values import JsonObject
from perdure.testing.apiserver.answers import Answers
from perdure.testing.apiserver.builtins import BUILT_IN
from perdure.testing.apiserver.cleanup import Cleanup
from perdure.testing.apiserver.creation import Creation
from perdure.testing.apiserver.customs import custom_kinds
from perdure.testing.apiserver.deletion import Deletion
from perdure.testing.apiserver.gates import Admission, Gates, RejectedError
from perdure.testing.apiserver.journal import Journal
from perdure.testing.apiserver.kinds import Catalogue
from perdure.testing.apiserver.messages import Answer, Limits, Request
from perdure.testing.apiserver.reading import Reading, list_content
from perdure.testing.apiserver.refusals import (
    Refusal,
    bad_request,
    method_not_allowed,
    too_large,
)
from perdure.testing.apiserver.routes import PageNotFoundError, Route, route_of
from perdure.testing.apiserver.storage import Storage, dump
from perdure.testing.apiserver.updates import Updates
from perdure.verification.evidence import Write


class ApiServer:
    """The kinds of this project and a few built-in ones, in memory.

    It has no time, no chance and no threads of its own: `now` is its clock (aware UTC) and `uid`
    makes the identity of an object from resource, namespace and name; it has to differ for each
    call. `admission` may reject writes. Requests through it are never stale; `Frontend` is a
    server process with a cache that lags.

    What it leaves out: who may do what; field owners, so that a write which changes nothing but
    an owner is none; apply and strategic merge patches; pods that run; that a ControllerRevision
    whose data holds `<`, `>` or `&` can be replaced but not patched (Go escapes what it compares).
    """

    def __init__(
        self,
        now: Callable[[], datetime],
        uid: Callable[[str, str, str], str],
        limits: Limits | None = None,
        admission: Admission | None = None,
    ) -> None:
        self.now = now
        self.limits = limits or Limits()
        self.catalogue = Catalogue((*custom_kinds(), *BUILT_IN))
        self.storage = Storage(self.catalogue.kinds)
        self.answers = Answers(now)
        self._journal = Journal(self.storage, now, self.limits)
        gates = Gates(self.storage, self.catalogue, admission)
        self._creation = Creation(self._journal, gates, uid)
        self._updates = Updates(self._journal, gates, self._creation, self.limits)
        self._deletion = Deletion(self._journal, gates)
        self._reading = Reading(self.storage)
        self._cleanup = Cleanup(self._journal, self._deletion, self.catalogue)

    @property
    def revision(self) -> int:
        """The revision of the newest write, of whatever kind."""
        return self.storage.revision

    @property
    def writes(self) -> list[Write]:
        """All writes that were accepted, in order; not to be changed."""
        return self._journal.writes

    def objects(self, resource: str) -> Iterable[JsonObject]:
        """Return all objects of a resource (its plural), not to be changed."""
        stored = self.storage.current(self.catalogue.plural(resource))
        return [each.body for each in stored.values()]

    def compact(self, revision: int) -> None:
        """Forget what was before a revision: lists that began earlier cannot go on."""
        self.storage.compacted = max(self.storage.compacted, revision)

    def collect_garbage(self) -> None:
        """Do one round of the garbage collector's work."""
        self._cleanup.collect_garbage()

    def finish_namespaces(self) -> None:
        """Do one round of the namespace controller's work."""
        self._cleanup.finish_namespaces()

    # --- requests -----------------------------------------------------------------------

    def handle(self, request: Request, seen: int | None = None) -> Answer:
        """Carry a request out, all of it or nothing.

        `seen` is how far the cache has come that may answer reads with a resourceVersion.
        """
        try:
            if len(request.body or b"") > self.limits.body_bytes:
                raise too_large(f"limit is {self.limits.body_bytes}")
            return self._handle(route_of(self.catalogue, request.path), request, seen)
        except Refusal as refusal:
            return self.answers.refusal(refusal)
        except RejectedError as rejection:
            return rejection.answer
        except PageNotFoundError:
            return self.answers.no_page()

    def _handle(self, route: Route, request: Request, seen: int | None) -> Answer:
        match request.method:
            case "GET" if route.name is None:
                return self.answers.of(200, self._reading.list(route, request, seen))
            case "GET":
                return self.answers.of(200, self._reading.get(route, request, seen).content)
            case "POST" if route.subresource is not None:
                raise method_not_allowed(route.kind, "create")
            case "POST":
                return self.answers.of(201, self._creation.create(route, request))
            case "PUT" | "PATCH" if route.name is None:
                raise bad_request("name must be provided")
            case "PUT":
                status, content = self._updates.replace(route, request)
                return self.answers.of(status, content)
            case "PATCH":
                return self.answers.of(200, self._updates.patch(route, request))
            case "DELETE" if route.subresource is not None:
                raise method_not_allowed(route.kind, "delete")
            case "DELETE" if route.name is None:
                return self._delete_matching(route, request)
            case "DELETE":
                return self._delete(route, request)
            case _:
                raise method_not_allowed(route.kind, "")

    def _delete(self, route: Route, request: Request) -> Answer:
        before = self.storage.get(route.kind, route.key)
        after = self._deletion.delete(route, request)
        if after is not None:
            return self.answers.of(200, after.content)
        assert before is not None, "it was deleted"
        metadata = before.body["metadata"]
        assert isinstance(metadata, dict), "every object has metadata"
        if not route.kind.returns_deleted:
            return self.answers.deleted(route.kind, metadata)
        last = {**metadata, "resourceVersion": str(self.storage.revision)}
        return self.answers.of(200, dump(route.kind, {**before.body, "metadata": last}))

    def _delete_matching(self, route: Route, request: Request) -> Answer:
        revision = self.storage.revision
        gone = self._deletion.delete_matching(route, request)
        return self.answers.of(200, list_content(route.kind, gone, revision))
