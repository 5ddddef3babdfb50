"""Who wrote what is known also where an answer was lost, and versions share what is equal."""

import json

from tests.chaos.sightings import Sightings
from tests.chaos.testimony import shared, writes_of
from tests.chaos.witness import Seen
from tests.cluster.api import Object
from tests.e2e.trial import now

PLACE = "workflowinstances/ns/order"
STATUS = "/apis/perdure.dev/v1alpha1/namespaces/ns/workflowinstances/order/status"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/ns/leases"


def seen(revision: int, **status: object) -> Seen:
    value: Object = {"metadata": {"uid": "u", "name": "order"}}
    if status:
        value["status"] = status
    return Seen(revision, now(), PLACE, value)


def patch(commit: str) -> bytes:
    operations = [{"op": "replace", "path": "/status/commitId", "value": commit}]
    return json.dumps(operations).encode()


def test_a_commit_whose_answer_was_lost_is_known_by_its_id() -> None:
    sightings = Sightings()
    sightings.note("a", "PATCH", STATUS, patch("c1"))
    sightings.note("b", "PATCH", STATUS, patch("c2"))
    rows = [seen(1), seen(2, rev=1, commitId="c2"), seen(3, rev=2, commitId="c1")]
    writes = list(writes_of(rows, sightings))
    assert [write.actor for write in writes] == ["user", "b", "a"]
    assert [write.subresource for write in writes] == [None, "status", "status"]
    assert [write.verb for write in writes] == ["create", "patch", "patch"]


def test_a_write_is_known_by_the_version_in_its_answer() -> None:
    sightings = Sightings()
    body = json.dumps({"metadata": {"name": "order", "resourceVersion": "7"}}).encode()
    sightings.answered(sightings.note("a", "POST", LEASES, body), 201, body)
    lease: Object = {"metadata": {"uid": "l", "name": "order"}}
    (write,) = writes_of([Seen(7, now(), "leases/ns/order", lease)], sightings)
    assert write.actor == "a"


def test_a_write_of_which_nobody_knows_the_answer_is_that_of_who_asked_for_it() -> None:
    sightings = Sightings()
    body = json.dumps({"metadata": {"name": "order"}}).encode()
    refused = sightings.note("a", "POST", LEASES, body)
    sightings.note("b", "POST", LEASES, body)
    sightings.answered(refused, 409, b"{}")
    lease: Object = {"metadata": {"uid": "l", "name": "order"}}
    (write,) = writes_of([Seen(7, now(), "leases/ns/order", lease)], sightings)
    assert write.actor == "b"


def test_a_deletion_is_that_of_the_operator_who_asked_for_it_or_of_a_user() -> None:
    for asked, actor in ((True, "a"), (False, "administrator")):
        sightings = Sightings()
        if asked:
            sightings.note("a", "DELETE", f"{LEASES}/order", b"")
        lease: Object = {"metadata": {"uid": "l", "name": "order"}}
        place = "leases/ns/order"
        rows = [Seen(1, now(), place, lease), Seen(2, now(), place, None)]
        assert [write.actor for write in writes_of(rows, sightings)] == ["administrator", actor]


def test_a_theft_is_the_administrators_although_a_renewal_is_on_its_way() -> None:
    sightings = Sightings()
    sightings.note("a", "PUT", f"{LEASES}/order", b"{}")
    holders = ("a_0000000000000001", "administrator_0000000000000009")
    rows = [
        Seen(revision, now(), "leases/ns/order", held)
        for revision, held in enumerate(
            {"metadata": {"uid": "l", "name": "order"}, "spec": {"holderIdentity": holder}}
            for holder in holders
        )
    ]
    assert [write.actor for write in writes_of(rows, sightings)][1] == "administrator"


def test_a_version_shares_what_has_not_changed_with_the_one_before() -> None:
    before: Object = {"a": {"b": [1]}, "events": [{"id": 1}, {"id": 2}], "c": 1}
    after: Object = {"a": {"b": [1]}, "events": [{"id": 1}, {"id": 2}, {"id": 3}], "c": 2}
    made = shared(before, after)
    assert made == after
    assert made["a"] is before["a"]
    assert made["events"][1] is before["events"][1]  # type: ignore[index]
