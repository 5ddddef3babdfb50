"""Bodies of instances without an API server, and the turns of the log between them.

Everything here is pure: a body that shows turns is the one before it, patched as a status write is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import orjson
from tests.contract.worlds import NOW
from tests.kubernetes.log.owners import NAMESPACE, Owned, seen

from perdure.engine.values import Json, JsonObject
from perdure.kubernetes.instances import head_of, observed_of, rev_of, status_of
from perdure.kubernetes.log.holding import Held, LogPosition, above
from perdure.kubernetes.log.reflection import planned
from perdure.kubernetes.reading import snapshot_of
from perdure.lanes.entry import LoggedTurn, logged
from perdure.testing.apiserver.patches import apply_operations, parse_operations

MOST_OPERATIONS = 1000


def new_body(name: str = "order", uid: str = "uid-1", **spec: Json) -> JsonObject:
    """Return an instance as it was created, at version 1."""
    return {
        "apiVersion": "perdure.dev/v1alpha1",
        "kind": "WorkflowInstance",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "uid": uid,
            "resourceVersion": "1",
            "generation": 1,
            "creationTimestamp": "2026-01-01T12:00:00Z",
        },
        "spec": {"definitionRef": {"name": "order"}, **spec},
    }


def at_version(body: JsonObject, version: int) -> JsonObject:
    """Return the same body as another write left it."""
    metadata = cast("JsonObject", body["metadata"])
    return {**body, "metadata": {**metadata, "resourceVersion": str(version)}}


def edited(body: JsonObject, version: int, generation: int, **spec: Json) -> JsonObject:
    """Return the body after a user has changed its spec."""
    metadata = {**cast("JsonObject", at_version(body, version)["metadata"])}
    metadata["generation"] = generation
    return {**body, "metadata": metadata, "spec": {**cast("JsonObject", body["spec"]), **spec}}


def showing(body: JsonObject, owned: Owned, version: int) -> JsonObject:
    """Return the body after a status write that shows everything; the owner does not see it."""
    plan = planned(replace(owned, basis=seen(body)).reflection(), NOW)
    assert plan.segments == (), "the history is short"
    data = orjson.dumps(plan.operations)
    document = cast("JsonObject", orjson.loads(orjson.dumps(body)))
    operations = parse_operations(data, MOST_OPERATIONS)
    return at_version(cast("JsonObject", apply_operations(document, operations, data)), version)


def logged_turns(owned: Owned) -> list[LoggedTurn]:
    """Return the turns that no status is known to show, as the log has them, oldest first."""
    before, turns = owned.basis.position.digest, []
    for rev, records in owned.turns.items():
        turn = logged(
            owned.key,
            rev=rev,
            generation=owned.generation,
            before=before,
            after=records[-1].digest,
            events=[record.stored for record in records],
        )
        turns.append(turn)
        before = turn.after
    return turns


def held_of(owned: Owned, body: JsonObject, turns: Sequence[LoggedTurn] | None = None) -> Held:
    """Return what the owner of its lane holds: the status of `body`, and above it the turns."""
    head = head_of(body, owned.key.uid)
    backlog = above(logged_turns(owned) if turns is None else turns, rev_of(body), head)
    digest = backlog[-1].turn.after if backlog else head.digest
    position = LogPosition(length=owned.state.last_id, digest=digest)
    observed = observed_of(status_of(body) or {})
    snapshot = snapshot_of(body, None, owned.state, observed, position)
    return Held(
        snapshot=replace(snapshot, rev=owned.rev, observed_generation=owned.generation),
        basis=seen(body),
        backlog=backlog,
    )
