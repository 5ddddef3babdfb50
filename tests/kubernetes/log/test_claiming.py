"""Reading and taking a lane."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.kubernetes.log.laboratory import (
    ME,
    NAMESPACE,
    OTHER,
    Laboratory,
    forbidden,
    lost_answer,
    lost_request,
    never,
    refused,
    revs,
    turn,
)

from perdure.engine.values import JsonObject
from perdure.errors import (
    LogDamagedError,
    NewerLogError,
    SettingsError,
    TransientError,
)
from perdure.kubernetes.log.claiming import MOST_READS, Claimant, Claimed, Closed, Overtaken
from perdure.kubernetes.log.slots import Generation, Slots, slot_in
from perdure.lanes.entry import Entry, EntryKind
from perdure.lanes.ring import Slot
from perdure.lanes.settling import Place, Stands, place_of
from perdure.ports import WORKFLOW_LOGS


def deleted(laboratory: Laboratory, name: str) -> None:
    """Delete a slot, as an administrator may."""
    body = laboratory.run(laboratory.requests.get(WORKFLOW_LOGS, NAMESPACE, name))
    uid = str(metadata(body)["uid"])
    laboratory.run(laboratory.requests.delete(WORKFLOW_LOGS, NAMESPACE, name, uid=uid))


def metadata(body: JsonObject) -> JsonObject:
    found = body["metadata"]
    assert isinstance(found, dict)
    return found


def written(laboratory: Laboratory, entry: Entry) -> None:
    """Write an entry after the newest one, whoever owns the lane."""
    view = laboratory.view()
    entry = replace(entry, seq=view.tail.seq + 1)
    number = entry.seq % len(view.slots)
    body = laboratory.slots.written(place_of(view.slots[number]), entry, number)
    laboratory.run(laboratory.slots.replace(body))


def test_a_claim_stands_after_the_newest_entry_and_carries_what_it_replaces(
    laboratory: Laboratory, small_ring: int
) -> None:
    writer = laboratory.writer(laboratory.claimed(OTHER))
    last = 2 * small_ring + 2
    for rev in range(1, last + 1):
        assert isinstance(laboratory.run(writer.submit(turn("a", rev))), Stands)
    view = laboratory.view()
    result = laboratory.run(laboratory.claimant(ME).claim(view))
    assert isinstance(result, Claimed)
    claim = result.view.tail
    assert (claim.seq, claim.kind, claim.incarnation) == (last + 2, EntryKind.CLAIM, ME)
    assert revs(claim.carried) == [("a", 3), ("a", small_ring + 3)]
    assert result.view == laboratory.view()
    assert revs([*result.view.turns()]) == [("a", rev) for rev in range(1, last + 1)]


@pytest.mark.parametrize("fault", [lost_request, lost_answer, forbidden, refused, never])
def test_what_became_of_a_claim_is_found_out(laboratory: Laboratory, fault: object) -> None:
    view = laboratory.view()
    laboratory.requests.faults = [fault]  # type: ignore[list-item]
    result = laboratory.run(laboratory.claimant().claim(view))
    assert isinstance(result, Claimed)
    assert result.view == laboratory.view()


def test_who_comes_too_late_is_told(laboratory: Laboratory) -> None:
    view = laboratory.view()
    laboratory.claimed(OTHER)
    assert laboratory.run(laboratory.claimant().claim(view)) == Overtaken()
    assert [entry.incarnation for entry in laboratory.entries()] == [OTHER]


def test_of_two_claims_at_once_one_wins(laboratory: Laboratory) -> None:
    view = laboratory.view()
    tasks = [laboratory.start(laboratory.claimant(who).claim(view)) for who in (ME, OTHER)]
    results = [laboratory.result(task) for task in tasks]
    assert sorted(type(result).__name__ for result in results) == ["Claimed", "Overtaken"]


def test_nobody_claims_over_closed(laboratory: Laboratory) -> None:
    closed = Entry(generation=1, lanes=1, lane=0, seq=0, kind=EntryKind.CLOSED, next_lanes=5)
    written(laboratory, closed)
    laboratory.requests.written.clear()
    assert laboratory.run(laboratory.claimant().claim(laboratory.view())) == Closed(5)
    assert laboratory.requests.written == []


def test_entries_of_another_number_of_lanes_are_not_read(laboratory: Laboratory) -> None:
    claimant = Claimant(laboratory.slots, laboratory.clock, Generation(1, 3), ME)
    with pytest.raises(SettingsError, match="with 3 lanes, but the log has 1"):
        laboratory.run(claimant.read(0))


def test_an_entry_of_a_newer_form_is_not_read(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = laboratory.view()
    with monkeypatch.context() as context:
        context.setattr("perdure.lanes.entry.CODEC", "turns/2")
        laboratory.run(laboratory.claimant(OTHER).claim(view))
    with pytest.raises(NewerLogError, match="g1-0-1"):
        laboratory.run(laboratory.claimant().read(0))


def test_a_lane_that_lacks_a_slot_is_not_read(laboratory: Laboratory) -> None:
    deleted(laboratory, "g1-0-3")
    with pytest.raises(LogDamagedError, match="g1-0-3"):
        laboratory.run(laboratory.claimant().read(0))


def test_a_slot_that_is_deleted_under_a_claim_is_damage(laboratory: Laboratory) -> None:
    view = laboratory.view()
    deleted(laboratory, "g1-0-1")
    with pytest.raises(LogDamagedError, match="g1-0-1"):
        laboratory.run(laboratory.claimant().claim(view))


class TornSlots(Slots):
    """Lists of which one slot is out of an older cache, so many times."""

    def __init__(self, laboratory: Laboratory, old: Slot, times: int) -> None:
        super().__init__(laboratory.requests, NAMESPACE)
        self._old, self.times = old, times

    async def list(self, generation: int, lane: int) -> dict[int, Slot]:
        slots = await super().list(generation, lane)
        self.times -= 1
        return {**slots, 1: self._old} if self.times >= 0 else slots


def test_slots_of_different_moments_are_read_again(laboratory: Laboratory) -> None:
    old = laboratory.view().slots[1]
    writer = laboratory.writer(laboratory.claimed(OTHER))
    laboratory.run(writer.submit(turn("a", 1)))
    torn = TornSlots(laboratory, old, MOST_READS - 1)
    claimant = Claimant(torn, laboratory.clock, Generation(1, 1), ME)
    assert laboratory.run(claimant.read(0)) == laboratory.view()
    torn.times = MOST_READS
    with pytest.raises(TransientError, match="never of one moment"):
        laboratory.run(claimant.read(0))
    assert torn.times == 0


def test_a_lane_that_is_still_being_opened_is_not_read(laboratory: Laboratory) -> None:
    opening = Entry(generation=2, lanes=1, lane=0, seq=0, kind=EntryKind.OPENING)
    laboratory.run(laboratory.slots.create(opening, 0))
    claimant = Claimant(laboratory.slots, laboratory.clock, Generation(2, 1), ME)
    with pytest.raises(TransientError, match="still being opened"):
        laboratory.run(claimant.read(0))


def test_a_slot_is_read_back_as_it_was_written(laboratory: Laboratory) -> None:
    laboratory.claimed(ME)
    body = laboratory.run(laboratory.requests.get(WORKFLOW_LOGS, NAMESPACE, "g1-0-1"))
    slot = slot_in(body)
    assert place_of(slot) == Place("g1-0-1", str(metadata(body)["resourceVersion"]), 1)
    assert metadata(body)["labels"] == {
        "perdure.dev/log-lane": "g1-0",
        "perdure.dev/log-slot": "1",
    }
    assert laboratory.run(laboratory.slots.get("g1-0-99")) is None
