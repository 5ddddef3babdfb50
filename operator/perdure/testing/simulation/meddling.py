"""Others who are quicker: what happens to an object just before a request reaches it."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import orjson

from perdure.engine.values import JsonObject
from perdure.kubernetes.transport import Call
from perdure.testing.apiserver import Answer, ApiServer, Request
from perdure.testing.simulation.fates import Fate, Fault
from perdure.testing.simulation.points import Point
from perdure.verification.evidence import ClientCall, Deed, Outcome

STRANGER, HOLD = "stranger", "example.com/hold"
JSON, JSON_PATCH = "application/json", "application/json-patch+json"


class Meddler:
    """Changes, occupies, deletes or re-creates the object that a request is about.

    What it does as a user does it is written down in `calls`, like what users do. `undo` takes
    back what nothing but a human could. Where turns are logged, nobody commits by a status.
    """

    def __init__(
        self, server: ApiServer, written: Callable[[], None], *, is_logged: bool = False
    ) -> None:
        self._server = server
        self._written = written
        self._is_logged = is_logged
        self.calls: list[ClientCall] = []
        self._occupied: list[str] = []

    def meddle(self, fate: Fate, point: Point, call: Call) -> None:
        """Do what a fate says before the request is carried out."""
        path = call.path.removesuffix("/status")
        match fate.fault:
            case Fault.CONFLICT if point is Point.COMMIT and not self._is_logged:
                self._commit_first(path)
            case Fault.CONFLICT:
                self._relabel(path)
            case Fault.OCCUPIED:
                self._occupy(call, is_dying=fate.variant == "dying")
            case Fault.RECREATED:
                self._delete(path, is_recreated=fate.variant == "recreated")
            case _:
                return
        self._written()

    def undo(self) -> None:
        """Clear away what stands in the way of names."""
        let_go: list[JsonObject] = [{"op": "remove", "path": "/metadata/finalizers"}]
        for path in self._occupied:
            self._send("PATCH", path, let_go, JSON_PATCH)
            self._send("DELETE", path)
        self._occupied.clear()
        self._written()

    def _send(
        self, method: str, path: str, body: object = None, content_type: str | None = None
    ) -> Answer:
        data = None if body is None else orjson.dumps(body)
        return self._server.handle(Request(method, path, {}, data, content_type, STRANGER))

    def _read(self, path: str) -> JsonObject | None:
        answer = self._send("GET", path)
        return cast("JsonObject", orjson.loads(answer.body)) if answer.status == 200 else None

    def _commit_first(self, path: str) -> None:
        """Commit without events, as another operator does that shows something."""
        found = self._read(path)
        status = None if found is None else found.get("status")
        rev = status.get("rev") if isinstance(status, dict) else None
        if not isinstance(rev, int):
            self._relabel(path)
            return
        change = [{"op": "replace", "path": "/status/rev", "value": rev + 1}]
        self._send("PATCH", f"{path}/status", change, JSON_PATCH)

    def _relabel(self, path: str) -> None:
        """Change what does not matter; the version moves all the same."""
        found = self._read(path)
        if found is None:
            return
        metadata = cast("JsonObject", found["metadata"])
        label = {"op": "add", "path": "/metadata/labels/touched", "value": self._number(metadata)}
        changes: list[JsonObject] = [cast("JsonObject", label)]
        if not metadata.get("labels"):
            changes.insert(0, {"op": "add", "path": "/metadata/labels", "value": {}})
        self._send("PATCH", path, changes, JSON_PATCH)

    @staticmethod
    def _number(metadata: JsonObject) -> str:
        return f"at-{metadata['resourceVersion']}"

    def _occupy(self, call: Call, *, is_dying: bool) -> None:
        """Create something else under the name that is about to be used, or what is to go soon."""
        body = cast("JsonObject", orjson.loads(call.body or b"{}"))
        metadata, spec = body.get("metadata"), body.get("spec")
        if not isinstance(metadata, dict) or not isinstance(spec, dict):
            return
        foreign = {**body, "spec": {**spec, "digest": "f" * 64}}
        held = {**body, "metadata": {**metadata, "finalizers": [HOLD]}}
        answer = self._send("POST", call.path, held if is_dying else foreign, JSON)
        if answer.status != 201:
            return
        path = f"{call.path}/{metadata['name']}"
        self._occupied.append(path)
        if is_dying:
            self._send("DELETE", path)

    def _delete(self, path: str, *, is_recreated: bool) -> None:
        """Delete the instance, and perhaps create another one of its name."""
        found = self._read(path)
        if found is None:
            return
        self._send("DELETE", path)
        self._note(Deed.DELETE, found)
        if not is_recreated:
            return
        metadata = cast("JsonObject", found["metadata"])
        fresh = {
            "apiVersion": found["apiVersion"],
            "kind": found["kind"],
            "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]},
            "spec": found["spec"],
        }
        answer = self._send("POST", path.rpartition("/")[0], fresh, JSON)
        if answer.status == 201:
            self._note(Deed.START, cast("JsonObject", orjson.loads(answer.body)))

    def _note(self, deed: Deed, body: JsonObject) -> None:
        metadata, spec = cast("JsonObject", body["metadata"]), cast("JsonObject", body["spec"])
        details: JsonObject = {}
        if deed is Deed.START:
            reference = cast("JsonObject", spec["definitionRef"])
            details = {"definition": reference["name"], "input": spec.get("input")}
        now = self._server.now()
        self.calls.append(
            ClientCall(
                invoked=now,
                returned=now,
                client=STRANGER,
                deed=deed,
                namespace=str(metadata["namespace"]),
                name=str(metadata["name"]),
                uid=str(metadata["uid"]),
                outcome=Outcome.ACKNOWLEDGED,
                details=details,
            )
        )
