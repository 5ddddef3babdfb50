"""Names and bodies of Leases."""

import re
from datetime import UTC, datetime

import pytest

from perdure.engine.values import JsonObject
from perdure.kubernetes.leases import (
    LANES,
    held,
    identity_of,
    lanes_of,
    lease_name,
    leases_by_name,
    new_lease,
)

DNS = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
NOW = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)


def test_a_pod_name_is_kept() -> None:
    assert lease_name("perdure-7c5d9-x2x") == "perdure-perdure-7c5d9-x2x"
    assert lease_name("host.example.org") == "perdure-host.example.org"


@pytest.mark.parametrize(
    "identity",
    ["Anna's MacBook_Pro.local", "HOST", "host_", "a..b", "", "émile", "x" * 300, "_", "a."],
)
def test_an_odd_host_name_becomes_a_valid_name(identity: str) -> None:
    name = lease_name(identity)
    assert DNS.fullmatch(name)
    assert len(name) <= 253


def test_identities_that_look_alike_have_different_leases() -> None:
    alike = ["HOST", "Host", "host", "host_", "host-"]
    assert len({lease_name(each) for each in alike}) == len(alike)


def test_the_identity_is_what_stands_before_the_last_underscore() -> None:
    assert identity_of("my_host_0123456789abcdef") == "my_host"


def test_a_take_over_is_counted_and_a_renewal_only_moves_the_time() -> None:
    lease = held(new_lease("l", "n"), "a_1", NOW, 15)
    assert lease["spec"] == {
        "holderIdentity": "a_1",
        "leaseDurationSeconds": 15,
        "leaseTransitions": 1,
        "acquireTime": "2026-01-02T03:04:05.000678Z",
        "renewTime": "2026-01-02T03:04:05.000678Z",
    }
    later = held(lease, "a_1", NOW.replace(second=7), 15)
    assert spec_of(later) == {**spec_of(lease), "renewTime": "2026-01-02T03:04:07.000678Z"}
    assert spec_of(held(later, "a_2", NOW, 15))["leaseTransitions"] == 2


def spec_of(lease: JsonObject) -> JsonObject:
    spec = lease["spec"]
    assert isinstance(spec, dict)
    return spec


def test_the_version_and_foreign_labels_are_kept() -> None:
    lease = new_lease("l", "n")
    lease["metadata"] = {"name": "l", "resourceVersion": "7", "labels": {"team": "a"}}
    metadata = held(lease, "a_1", NOW, 15)["metadata"]
    assert metadata == {
        "name": "l",
        "resourceVersion": "7",
        "labels": {"team": "a", "perdure.dev/presence": "true"},
    }


def test_a_renewal_changes_the_lease_although_the_clock_stands_still() -> None:
    lease = new_lease("perdure-a", "perdure-system")
    for _ in range(3):
        renewed = held(lease, "a_0", NOW, 15.0)
        assert renewed != lease
        lease = renewed


def test_a_lease_lists_the_lanes_of_its_holder_as_long_as_there_are_any() -> None:
    lease = new_lease("l", "n")
    lease["metadata"] = {"name": "l", "resourceVersion": "7", "annotations": {"team": "a"}}
    listing = held(lease, "a_1", NOW, 15, {10, 2})
    assert annotations_of(listing) == {"team": "a", LANES: "2,10"}
    assert leases_by_name([listing])["l"].lanes == {2, 10}
    assert annotations_of(held(listing, "a_1", NOW, 15)) == {"team": "a"}


@pytest.mark.parametrize(("text", "lanes"), [("", set()), ("1,x,,-2,3 ,4", {1, 4})])
def test_what_is_no_lane_in_a_lease_is_left_out(text: str, lanes: set[int]) -> None:
    lease = new_lease("l", "n")
    lease["metadata"] = {"name": "l", "annotations": {LANES: text}}
    assert lanes_of(lease) == lanes


def annotations_of(lease: JsonObject) -> object:
    metadata = lease["metadata"]
    assert isinstance(metadata, dict)
    return metadata["annotations"]
