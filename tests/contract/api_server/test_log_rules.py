"""Rules of the slots of the log: each only goes forward, whoever writes late."""

import copy

import pytest
from tests.contract.api_server.port import Body
from tests.contract.api_server.space import LOGS, Space, custom
from tests.contract.api_server.space import breaks_rules as breaks

EARLIER = (
    "an entry replaces only one with a lower seq: read the slot anew, somebody else has written "
    "there"
)
CLOSED = "a closed lane takes no entry any more: write to the lanes of the next generation"
ELSEWHERE = (
    "generation, lanes and lane of a slot do not change: another number of lanes is another "
    "generation, with slots of its own"
)
LANE = "lane counts from 0 and is below lanes: choose one of the lanes that there are"
NUMBERED = (
    "seq is 0 in a slot that is Opening or Empty and at least 1 in any other: correct seq or kind"
)
HEIR = "heir belongs to an entry that is Released: leave it out"
NEXT = (
    "nextLanes belongs to an entry that is Closed, and that needs it: set it there and leave it "
    "out elsewhere"
)
UNCHECKED = (
    "<nil>",
    "Invalid value: null: some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation",
)
KIB_256 = 256 * 1024


def slot(**spec: object) -> Body:
    """Return slot 5 of lane 0, in which entry 261 stands unless something else is said."""
    content = {
        "generation": 1,
        "lanes": 3,
        "lane": 0,
        "seq": 261,
        "kind": "Turns",
        "incarnation": "a_1",
        "nonce": "n1",
        "codec": "turns/1",
        "data": "eA==",
    }
    return custom(LOGS, "g1-0-5", content | spec)


def stored(space: Space, **spec: object) -> Body:
    """Create the slot; return what stands there."""
    result = space.post(slot(**spec), LOGS)
    assert result.status == 201, result.text
    return result.body


def changed(body: Body, **spec: object) -> Body:
    """Return the slot with another content; None takes a field away."""
    result = copy.deepcopy(body)
    content = result["spec"] | spec
    result["spec"] = {name: value for name, value in content.items() if value is not None}
    return result


# --- what a writer meets --------------------------------------------------------------------


def test_an_entry_replaces_the_one_before_it(space: Space) -> None:
    before = stored(space)
    result = space.put(changed(before, seq=517, nonce="n2", data="eQ=="), LOGS)
    assert (result.status, result.spec["seq"], result.spec["data"]) == (200, 517, "eQ==")
    assert result.version > int(before["metadata"]["resourceVersion"])


def test_a_late_writer_meets_a_conflict_even_with_a_higher_seq(space: Space) -> None:
    before = stored(space)
    assert space.put(changed(before, seq=517, nonce="mine"), LOGS).status == 200
    result = space.put(changed(before, seq=773, nonce="late"), LOGS)
    assert (result.status, result.reason) == (409, "Conflict")
    assert space.get("g1-0-5", LOGS).spec["nonce"] == "mine"


def test_the_same_bytes_a_second_time_are_a_conflict_too(space: Space) -> None:
    """Whoever gets a 409 has to look whose entry stands there: it may be its own."""
    entry = changed(stored(space), seq=517, nonce="mine")
    assert space.put(entry, LOGS).status == 200
    assert space.put(entry, LOGS).status == 409


def test_an_entry_needs_the_version_that_it_replaces(space: Space) -> None:
    entry = changed(stored(space), seq=517)
    del entry["metadata"]["resourceVersion"]
    result = space.put(entry, LOGS)
    assert (result.status, result.fields) == (422, {"metadata.resourceVersion"})


def test_a_slot_that_was_deleted_is_not_made_again_by_an_entry(space: Space) -> None:
    before = stored(space)
    space.delete("g1-0-5", resource=LOGS)
    assert space.put(changed(before, seq=517), LOGS).status == 404


def test_a_slot_that_was_made_anew_takes_no_entry_of_before(space: Space) -> None:
    before = stored(space)
    space.delete("g1-0-5", resource=LOGS)
    stored(space, kind="Empty", seq=0, data="")
    assert space.put(changed(before, seq=517), LOGS).status == 409


def test_a_slot_is_created_once(space: Space) -> None:
    stored(space)
    assert space.post(slot(), LOGS).status == 409


# --- seq ------------------------------------------------------------------------------------


@pytest.mark.parametrize("seq", [261, 260, 5])
def test_seq_grows_whenever_the_entry_changes(space: Space, seq: int) -> None:
    before = stored(space)
    assert breaks(space.put(changed(before, seq=seq, nonce="n2"), LOGS), "spec", EARLIER)
    assert space.get("g1-0-5", LOGS).body == before


def test_data_do_not_change_without_seq(space: Space) -> None:
    assert breaks(space.put(changed(stored(space), data="eQ=="), LOGS), "spec", EARLIER)


def test_an_entry_is_not_taken_back(space: Space) -> None:
    empty = changed(stored(space), kind="Empty", seq=0, data="")
    assert breaks(space.put(empty, LOGS), "spec", EARLIER)


def test_labels_change_without_seq(space: Space) -> None:
    for fields in ({}, {"kind": "Closed", "nextLanes": 5}):
        before = stored(space, **fields)
        before["metadata"]["labels"] = {"perdure.dev/log-lane": "g1-0"}
        assert space.put(before, LOGS).status == 200
        space.delete("g1-0-5", resource=LOGS)


@pytest.mark.parametrize("kind", ["Empty", "Opening"])
def test_only_a_slot_without_entry_has_seq_0(space: Space, kind: str) -> None:
    assert breaks(space.post(slot(kind=kind), LOGS), "spec", NUMBERED)
    assert space.post(slot(kind=kind, seq=0), LOGS).status == 201


@pytest.mark.parametrize("kind", ["Turns", "Claim", "Released"])
def test_entries_are_counted_from_1(space: Space, kind: str) -> None:
    assert breaks(space.post(slot(kind=kind, seq=0), LOGS), "spec", NUMBERED)
    assert space.post(slot(kind=kind, seq=1), LOGS).status == 201


# --- opening --------------------------------------------------------------------------------


def test_an_opening_slot_becomes_an_empty_one(space: Space) -> None:
    opening = stored(space, kind="Opening", seq=0, data="")
    result = space.put(changed(opening, kind="Empty", incarnation="b_1", nonce=""), LOGS)
    assert (result.status, result.spec["kind"], result.spec["seq"]) == (200, "Empty", 0)


@pytest.mark.parametrize("kind", ["Empty", "Opening"])
def test_nobody_opens_again_what_is_open(space: Space, kind: str) -> None:
    empty = stored(space, kind="Empty", seq=0, data="")
    assert breaks(space.put(changed(empty, kind=kind, nonce="n2"), LOGS), "spec", EARLIER)


def test_two_that_open_do_not_write_over_each_other(space: Space) -> None:
    opening = stored(space, kind="Opening", seq=0, data="")
    assert breaks(space.put(changed(opening, incarnation="b_1"), LOGS), "spec", EARLIER)


def test_an_opening_slot_keeps_its_number_of_lanes(space: Space) -> None:
    opening = stored(space, kind="Opening", seq=0, data="")
    result = space.put(changed(opening, kind="Empty", lanes=5), LOGS)
    assert breaks(result, "spec", ELSEWHERE)


# --- what does not change -------------------------------------------------------------------


@pytest.mark.parametrize("change", [{"generation": 2}, {"lanes": 5}, {"lane": 1}])
def test_a_slot_stays_in_its_lane(space: Space, change: dict[str, int]) -> None:
    assert breaks(space.put(changed(stored(space), seq=517, **change), LOGS), "spec", ELSEWHERE)


@pytest.mark.parametrize("kind", ["Turns", "Claim", "Released"])
def test_nothing_is_written_over_closed(space: Space, kind: str) -> None:
    closed = stored(space, kind="Closed", nextLanes=5)
    later = changed(closed, kind=kind, seq=517, nextLanes=None)
    assert breaks(space.put(later, LOGS), "spec", CLOSED)
    assert breaks(space.put(changed(closed, nextLanes=7, seq=517), LOGS), "spec", CLOSED)
    assert breaks(space.put(changed(closed, nextLanes=7), LOGS), "spec", CLOSED, EARLIER)
    assert space.get("g1-0-5", LOGS).body == closed


# --- what an entry may say ------------------------------------------------------------------


def test_there_are_as_many_lanes_as_lanes_says(space: Space) -> None:
    assert space.post(slot(lane=2), LOGS).status == 201
    for lane in (3, 63):
        assert breaks(space.post(slot(lane=lane), LOGS), "spec", LANE)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lanes": 0}, "spec.lanes in body should be greater than or equal to 1"),
        ({"lanes": 65}, "spec.lanes in body should be less than or equal to 64"),
        ({"lane": -1}, "spec.lane in body should be greater than or equal to 0"),
        ({"generation": 0}, "spec.generation in body should be greater than or equal to 1"),
        ({"seq": -1}, "spec.seq in body should be greater than or equal to 0"),
    ],
)
def test_numbers_have_bounds(space: Space, change: dict[str, int], message: str) -> None:
    result = space.post(slot(**change), LOGS)
    ((name, value),) = change.items()
    assert (result.status, result.reason) == (422, "Invalid")
    assert (f"spec.{name}", f"Invalid value: {value}: {message}") in result.causes


def test_an_heir_is_for_a_released_lane(space: Space) -> None:
    assert breaks(space.post(slot(heir="b"), LOGS), "spec", HEIR)
    assert space.post(slot(heir="b", kind="Released"), LOGS).status == 201
    space.delete("g1-0-5", resource=LOGS)
    assert space.post(slot(kind="Released"), LOGS).status == 201


def test_the_next_number_of_lanes_is_for_a_closed_lane(space: Space) -> None:
    assert breaks(space.post(slot(nextLanes=5), LOGS), "spec", NEXT)
    assert breaks(space.post(slot(kind="Closed"), LOGS), "spec", NEXT)
    assert space.post(slot(kind="Closed", nextLanes=5), LOGS).status == 201


def test_a_kind_of_a_later_version_is_refused(space: Space) -> None:
    result = space.post(slot(kind="Merged"), LOGS)
    assert result.causes == {
        (
            "spec.kind",
            'Unsupported value: "Merged": supported values: "Opening", "Empty", "Turns", "Claim", '
            '"Released", "Closed"',
        ),
        UNCHECKED,
    }


@pytest.mark.parametrize(
    "field",
    ["generation", "lanes", "lane", "seq", "kind", "incarnation", "nonce", "codec", "data"],
)
def test_every_entry_is_complete(space: Space, field: str) -> None:
    body = slot()
    del body["spec"][field]
    assert (f"spec.{field}", "Required value") in space.post(body, LOGS).causes


def test_an_entry_has_at_most_256_kib_of_data(space: Space) -> None:
    before = stored(space, data="x" * KIB_256)
    result = space.put(changed(before, seq=517, data="x" * (KIB_256 + 1)), LOGS)
    assert (result.status, result.reason) == (422, "Invalid")
    assert result.causes == {
        ("spec.data", f"Too long: may not be more than {KIB_256} bytes"),
        UNCHECKED,
    }
    assert space.get("g1-0-5", LOGS).body == before


# --- finding slots --------------------------------------------------------------------------


def test_slots_are_found_by_lane_and_by_number(space: Space) -> None:
    for lane, number in ((0, 0), (0, 1), (1, 0)):
        body = slot(lane=lane, kind="Empty", seq=0, data="")
        labels = {"perdure.dev/log-lane": f"g1-{lane}", "perdure.dev/log-slot": str(number)}
        body["metadata"] = {"name": f"g1-{lane}-{number}", "labels": labels}
        assert space.post(body, LOGS).status == 201
    assert space.list(LOGS, labelSelector="perdure.dev/log-lane=g1-0").names == [
        "g1-0-0",
        "g1-0-1",
    ]
    assert space.list(LOGS, labelSelector="perdure.dev/log-slot=0").names == ["g1-0-0", "g1-1-0"]
