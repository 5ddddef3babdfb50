"""Opening the log: once, by whoever comes, and never over what was there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.kubernetes.log.laboratory import ME, NAMESPACE, Laboratory, lost_answer, refused
from tests.kubernetes.log.test_claiming import deleted

from perdure.errors import (
    LogDamagedError,
    ObjectConflictError,
    ObjectRejectedError,
    SettingsError,
)
from perdure.kubernetes.log.opening import Opener, blank
from perdure.kubernetes.log.slots import Generation, Slots
from perdure.lanes.entry import Entry, EntryKind
from perdure.ports import WORKFLOW_LOGS


@pytest.fixture
def bare(small_ring: int) -> Iterator[Laboratory]:
    """Nothing was opened yet; two lanes are wanted."""
    laboratory = Laboratory(lanes=2)
    yield laboratory
    laboratory.close()


def names(laboratory: Laboratory) -> set[str]:
    bodies = laboratory.run(laboratory.requests.list(WORKFLOW_LOGS, NAMESPACE))
    found = [body["metadata"] for body in bodies]
    return {str(each["name"]) for each in found if isinstance(each, dict)}


def all_names(laboratory: Laboratory, slots: int) -> set[str]:
    return {f"g1-{lane}-{slot}" for lane in range(laboratory.lanes) for slot in range(slots)}


def test_all_slots_are_created_and_empty(bare: Laboratory, small_ring: int) -> None:
    assert bare.open() == Generation(1, 2)
    assert names(bare) == all_names(bare, small_ring)
    for lane in range(2):
        kinds = {slot.entry.kind for slot in bare.view(lane).slots}
        assert kinds == {EntryKind.EMPTY}


def test_what_is_open_is_left_as_it_is(bare: Laboratory) -> None:
    bare.open()
    bare.claimed(ME)
    revision = bare.server.revision
    assert bare.open() == Generation(1, 2)
    assert bare.server.revision == revision


def test_two_open_it_together(bare: Laboratory, small_ring: int) -> None:
    openers = [Opener(bare.slots, bare.clock, 2) for _ in range(2)]
    tasks = [bare.start(opener.open()) for opener in openers]
    assert [bare.result(task) for task in tasks] == [Generation(1, 2)] * 2
    assert names(bare) == all_names(bare, small_ring)


def test_where_another_has_begun_the_rest_is_created(bare: Laboratory, small_ring: int) -> None:
    generation = Generation(1, 2)
    bare.run(bare.slots.create(blank(generation, 0, EntryKind.OPENING), 0))
    bare.run(bare.slots.create(blank(generation, 1, EntryKind.EMPTY), 3))
    assert bare.open() == generation
    assert names(bare) == all_names(bare, small_ring)
    assert bare.view(0).slots[0].entry.kind is EntryKind.EMPTY


class ReluctantSlots(Slots):
    """A slot that cannot be created the first time, although it is not there."""

    is_willing = False

    async def create(self, entry: Entry, number: int) -> None:
        if (entry.lane, number) == (1, 3) and not self.is_willing:
            self.is_willing = True
            raise ObjectConflictError("try again", status=409, reason="Conflict")
        await super().create(entry, number)


def test_it_is_not_open_before_every_slot_is_there(bare: Laboratory, small_ring: int) -> None:
    slots = ReluctantSlots(bare.requests, NAMESPACE)
    assert bare.run(Opener(slots, bare.clock, 2).open()) == Generation(1, 2)
    assert names(bare) == all_names(bare, small_ring)


def test_a_lost_answer_does_not_matter(bare: Laboratory) -> None:
    bare.requests.faults = [lost_answer]
    assert bare.open() == Generation(1, 2)


def test_another_number_of_lanes_is_refused_with_what_to_do(bare: Laboratory) -> None:
    bare.open()
    with pytest.raises(SettingsError, match=r"--lanes 2, or .* `perdure store resize 3`"):
        bare.run(Opener(bare.slots, bare.clock, 3).open())


def test_who_wants_another_number_does_not_help(bare: Laboratory) -> None:
    bare.run(bare.slots.create(blank(Generation(1, 2), 0, EntryKind.OPENING), 0))
    with pytest.raises(SettingsError):
        bare.run(Opener(bare.slots, bare.clock, 3).open())
    assert names(bare) == {"g1-0-0"}


def test_where_the_first_slot_was_deleted_nothing_is_opened(bare: Laboratory) -> None:
    bare.open()
    deleted(bare, "g1-0-0")
    before = names(bare)
    with pytest.raises(LogDamagedError, match="g1-0-0"):
        bare.open()
    deleted(bare, "g1-1-0")
    with pytest.raises(LogDamagedError, match="g1-0-0"):
        bare.open()
    assert names(bare) == before - {"g1-1-0"}


def test_a_slot_that_was_deleted_later_is_not_made_anew(bare: Laboratory) -> None:
    bare.open()
    deleted(bare, "g1-1-5")
    assert bare.open() == Generation(1, 2)
    assert "g1-1-5" not in names(bare)


def test_entries_in_a_log_that_is_being_opened_are_damage(bare: Laboratory) -> None:
    bare.open()
    bare.claimed(ME)
    deleted(bare, "g1-0-0")
    deleted(bare, "g1-1-4")
    bare.run(bare.slots.create(blank(Generation(1, 2), 0, EntryKind.OPENING), 0))
    with pytest.raises(LogDamagedError, match="g1-0-1 holds entry 1"):
        bare.open()
    assert "g1-1-4" not in names(bare)


def test_what_may_not_be_opened_is_said(bare: Laboratory) -> None:
    bare.requests.faults = [refused]
    with pytest.raises(ObjectRejectedError):
        bare.open()


def test_the_newest_generation_counts(bare: Laboratory) -> None:
    bare.open()
    second = Generation(2, 3)
    bare.run(bare.slots.create(blank(second, 0, EntryKind.OPENING), 0))
    assert bare.run(Opener(bare.slots, bare.clock, 3).open()) == second
