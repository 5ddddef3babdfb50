"""What the witnesses saw, in the form in which it is judged (`perdure.verification.evidence`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tests.chaos.sightings import CHANGING, CREATING, DELETING, Made, Sighting, Sightings
from tests.chaos.users import moment
from tests.chaos.witness import Seen
from tests.e2e.services import Request

from perdure.engine.values import Json, JsonObject
from perdure.verification.evidence import Answered, Effect, Write
from perdure.verification.world import LEASES

USER = "user"
"""Whoever is no operator: users, and the cluster's own controllers."""
ADMINISTRATOR = "administrator"
"""Who meddles with Leases: the oracle takes whoever writes one for an operator."""


def writes_of(seen: Iterable[Seen], sightings: Sightings) -> Iterator[Write]:
    """Yield the writes, in order, with who made them; unchanged parts of objects are shared."""
    standing: dict[str, JsonObject] = {}
    for one in seen:
        before = standing.get(one.place)
        after = None if one.value is None else shared(before, one.value)
        if after is None:
            standing.pop(one.place, None)
        else:
            standing[one.place] = after
        if before is not None or after is not None:
            yield write_of(one, before, after, sightings)


def write_of(
    seen: Seen, before: JsonObject | None, after: JsonObject | None, sightings: Sightings
) -> Write:
    resource, namespace, name = seen.place.split("/")
    maker = maker_of(seen, before, after, sightings)
    standing = after if after is not None else before
    assert standing is not None, "it exists before or after"
    return Write(
        revision=seen.revision,
        at=moment(seen.at),
        actor=stranger(resource) if maker is None else maker.identity,
        verb=verb_of(maker, before, after),
        resource=resource,
        subresource=subresource_of(maker, before, after),
        namespace=namespace,
        name=name,
        uid=str(metadata(standing)["uid"]),
        before=before,
        after=after,
    )


def stranger(resource: str) -> str:
    """Return who wrote what no operator wrote."""
    return ADMINISTRATOR if resource == LEASES else USER


def maker_of(
    seen: Seen, before: JsonObject | None, after: JsonObject | None, sightings: Sightings
) -> Sighting | None:
    """Return the request of an operator that made this write, None if it was none of theirs.

    A Lease that is given to the administrator's stranger was given by the administrator, although
    a renewal may have been on its way whose answer nobody saw.
    """
    if holder_of(after).startswith(ADMINISTRATOR) and holder_of(after) != holder_of(before):
        return None
    commit, known = commit_of(after), commit_of(before)
    made = Made(
        place=seen.place,
        version=seen.revision,
        at=seen.at,
        commit=commit if commit != known else "",
        methods=CREATING if before is None else DELETING if after is None else CHANGING,
    )
    return sightings.maker(made)


def holder_of(body: JsonObject | None) -> str:
    spec: Any = (body or {}).get("spec")
    return str(spec.get("holderIdentity", "")) if isinstance(spec, dict) else ""


def commit_of(body: JsonObject | None) -> str:
    status: Any = (body or {}).get("status")
    return str(status.get("commitId", "")) if isinstance(status, dict) else ""


def verb_of(maker: Sighting | None, before: JsonObject | None, after: JsonObject | None) -> str:
    if before is None:
        return "create"
    if after is None:
        return "delete"
    return "patch" if maker is not None and maker.method == "PATCH" else "update"


def subresource_of(
    maker: Sighting | None, before: JsonObject | None, after: JsonObject | None
) -> str | None:
    """Return `status` for what went through it; of users' writes it is seen by what changed."""
    if maker is not None:
        return "status" if maker.is_status else None
    if before is None or after is None:
        return None
    is_status = before.get("status") != after.get("status")
    return "status" if is_status else None


def metadata(body: JsonObject) -> JsonObject:
    found = body["metadata"]
    assert isinstance(found, dict), "every object has metadata"
    return found


def shared(before: Json, after: JsonObject) -> JsonObject:
    """Return `after`, made of the parts of `before` that are equal.

    Thousands of versions of whole objects stay small that way, and a part that has not changed is
    the very same one.
    """
    made = _shared(before, after)
    assert isinstance(made, dict), "an object stays one"
    return made


def _shared(before: Json, after: Json) -> Json:
    if isinstance(before, dict) and isinstance(after, dict):
        if before == after:
            return before
        return {key: _shared(before.get(key), value) for key, value in after.items()}
    if isinstance(before, list) and isinstance(after, list):
        if before == after:
            return before
        count = min(len(before), len(after))
        common = [_shared(before[i], after[i]) for i in range(count)]
        return [*common, *after[count:]]
    return before if type(before) is type(after) and before == after else after


def effects_of(requests: Iterable[Request], identities: Mapping[str, str]) -> Iterator[Effect]:
    """Yield the requests that reached the service; `identities` are by the address they came from.

    An answer counts that the service has given, whether it arrived or not.
    """
    for request in requests:
        answer = None
        if request.answered is not None:
            body: JsonObject = {"token": request.token, "n": request.n}
            answer = Answered(at=moment(request.answered), code=request.status, body=body)
        yield Effect(
            at=moment(request.time),
            actor=identities.get(request.remote, ""),
            uid=request.uid,
            path=request.step,
            attempt=request.attempt,
            key=request.key,
            method=request.method,
            target=request.path,
            body=request.body,
            answer=answer,
        )
