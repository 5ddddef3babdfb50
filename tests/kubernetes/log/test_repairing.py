"""`perdure store repair`: what is missing is accepted as lost, and the lane is whole again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import count, islice

import pytest
from tests.kubernetes.log.administration import STORE, Office, office
from tests.kubernetes.log.laboratory import ME, NAMESPACE, OTHER, Apply, lost_answer, turn
from tests.kubernetes.log.test_claiming import deleted, written

from perdure.engine.values import JsonObject
from perdure.errors import LogDamagedError, WrongStateError
from perdure.kubernetes.log.claiming import Claimant
from perdure.kubernetes.log.opening import blank
from perdure.kubernetes.log.slots import Generation, Slots
from perdure.kubernetes.versions import metadata_of
from perdure.lanes.entry import Entry, EntryKind
from perdure.lanes.ring import lane_of
from perdure.lanes.settling import Fenced, Stands
from perdure.ports import WORKFLOW_LOGS

GENERATION = Generation(1, 2)


@pytest.fixture
def desk(small_ring: int) -> Iterator[Office]:
    with office() as found:
        yield found


def fill(desk: Office, newest: int) -> None:
    """Let lane 0 have entries up to `newest`, each with a turn of an instance that is gone."""
    writer = desk.writer(desk.claimed(OTHER))
    uids = (uid for uid in (f"gone-{number}" for number in count()) if lane_of(uid, 2) == 0)
    for uid in islice(uids, newest - 1):
        assert isinstance(desk.run(writer.submit(turn(uid, 1))), Stands)
    assert desk.tails()[0].seq == newest


def made_anew(desk: Office, number: int, kind: EntryKind = EntryKind.EMPTY) -> None:
    """Do what somebody does who deletes a slot and means to put that right."""
    deleted(desk, f"g1-0-{number}")
    desk.run(desk.slots.create(blank(GENERATION, 0, kind), number))


def name(body: JsonObject) -> str:
    return str(metadata_of(body)["name"])


def losses(desk: Office) -> list[tuple[str, int]]:
    return [(loss.name, loss.due) for loss in desk.survey().lanes[0].losses]


def test_nothing_is_written_where_nothing_is_missing(desk: Office) -> None:
    fill(desk, 11)
    before = desk.versions()
    assert desk.repair() == []
    assert desk.versions() == before


def test_a_missing_slot_is_filled_and_the_lane_claimed(desk: Office) -> None:
    fill(desk, 11)
    deleted(desk, "g1-0-6")
    assert losses(desk) == [("g1-0-6", 6)]
    assert desk.repair() == ["released"]
    view = desk.view()
    filled = view.slots[6].entry
    assert (filled.seq, filled.kind, filled.turns) == (6, EntryKind.TURNS, ())
    assert [(one.seq, one.kind, one.incarnation) for one in desk.entries()[-2:]] == [
        (12, EntryKind.CLAIM, STORE),
        (13, EntryKind.RELEASED, STORE),
    ]


def test_what_is_there_is_left_alone(desk: Office) -> None:
    fill(desk, 11)
    before = desk.versions()
    deleted(desk, "g1-0-6")
    desk.repair()
    after = desk.versions()
    changed = {name for name, version in after.items() if version != before[name]}
    assert changed == {"g1-0-6", "g1-0-4", "g1-0-5"}  # The last two by Claim and Released.


def test_instances_go_on_after_a_loss(desk: Office) -> None:
    kept = desk.waiting()
    writer = desk.written(kept)
    [slot] = [each for each in desk.view().slots if each.entry.seq == 3]
    deleted(desk, slot.name)
    desk.repair()
    lost = desk.drain()
    assert lost.is_complete
    assert desk.rev(kept) == 2
    assert desk.run(writer.submit(turn("x", 1))) == Fenced()


def test_where_the_newest_may_be_lost_its_writer_is_fenced(desk: Office) -> None:
    owned = desk.claimed(OTHER)
    writer = desk.writer(owned)
    for rev in range(1, 5):
        desk.run(writer.submit(turn("a", rev)))
    deleted(desk, "g1-0-5")
    assert losses(desk) == [("g1-0-5", 5)]
    desk.repair()
    assert desk.tails()[0].seq == 7
    assert desk.run(writer.submit(turn("a", 5))) == Fenced()
    assert desk.fenced == [0]


def test_a_slot_made_anew_is_damage_and_no_torn_read(desk: Office) -> None:
    fill(desk, 11)
    made_anew(desk, 6)
    with pytest.raises(LogDamagedError, match=r"g1-0-6 is Empty, but .* made anew.*store repair"):
        desk.view()


class OnceOtherwise(Slots):
    """The first list of lane 0 comes from an old cache: `seen` makes of it what was read."""

    def __init__(self, desk: Office, seen: Callable[[JsonObject], JsonObject | None]) -> None:
        super().__init__(desk.requests, NAMESPACE)
        self._seen = seen
        self.is_over = False

    async def bodies(self, generation: int, lane: int) -> Sequence[JsonObject]:
        bodies = await super().bodies(generation, lane)
        if (generation, lane) != (1, 0) or self.is_over:
            return bodies
        self.is_over = True
        return [seen for body in bodies if (seen := self._seen(body)) is not None]


def test_a_slot_that_only_seemed_blank_is_read_again(desk: Office) -> None:
    old = desk.body("g1-0-6")
    fill(desk, 11)
    slots = OnceOtherwise(desk, lambda body: old if name(body) == "g1-0-6" else body)
    assert desk.survey(slots).lanes[0].losses == ()
    assert slots.is_over
    slots.is_over = False
    claimant = Claimant(slots, desk.clock, GENERATION, ME)
    assert desk.run(claimant.read(0)).tail.seq == 11
    assert slots.is_over


def test_a_slot_that_a_list_left_out_is_not_missing(desk: Office) -> None:
    fill(desk, 11)
    slots = OnceOtherwise(desk, lambda body: None if name(body) == "g1-0-6" else body)
    assert desk.survey(slots).lanes[0].losses == ()
    assert slots.is_over


def test_a_slot_made_anew_is_filled_again(desk: Office) -> None:
    fill(desk, 11)
    made_anew(desk, 6)
    assert losses(desk) == [("g1-0-6", 6)]
    assert desk.repair() == ["released"]
    assert desk.view().slots[6].entry.kind is EntryKind.TURNS


@pytest.mark.parametrize("newest", [3, 11])
def test_opening_among_entries_is_mended(desk: Office, newest: int) -> None:
    fill(desk, newest)
    made_anew(desk, 0, EntryKind.OPENING)
    with pytest.raises(LogDamagedError, match="g1-0-0"):
        desk.open()
    assert desk.repair() == ["released"]
    assert desk.open() == GENERATION
    assert desk.tails()[0].seq == newest + 2


def test_the_slot_that_says_how_many_lanes_there_are_is_made_anew(desk: Office) -> None:
    fill(desk, 11)
    deleted(desk, "g1-0-0")
    with pytest.raises(LogDamagedError, match="g1-0-0"):
        desk.open()
    assert desk.repair() == ["released"]
    assert desk.open() == GENERATION


def test_a_lane_of_which_nothing_is_left_begins_anew(desk: Office, small_ring: int) -> None:
    fill(desk, 11)
    for number in range(small_ring):
        deleted(desk, f"g1-0-{number}")
    assert len(losses(desk)) == small_ring
    assert desk.repair() == ["released"]
    assert desk.tails()[0].seq == 2


def test_the_lanes_are_found_without_any_first_slot(desk: Office) -> None:
    fill(desk, 11)
    deleted(desk, "g1-0-0")
    deleted(desk, "g1-1-0")
    assert desk.survey().generation == GENERATION
    assert desk.repair() == ["released", "released"]
    assert desk.open() == GENERATION


def test_a_closed_lane_stays_closed(desk: Office) -> None:
    fill(desk, 10)
    closed = Entry(generation=1, lanes=2, lane=0, seq=0, kind=EntryKind.CLOSED, next_lanes=5)
    written(desk, closed)
    for number in (4, 6):
        deleted(desk, f"g1-0-{number}")
    assert desk.repair() == ["closed"]
    assert desk.tails()[0].next_lanes == 5
    assert desk.tails()[0].seq == 11


def test_the_newest_generation_is_repaired(desk: Office) -> None:
    desk.resize(3)
    deleted(desk, "g2-0-0")
    deleted(desk, "g2-1-0")
    deleted(desk, "g2-2-0")
    assert desk.survey().generation == Generation(2, 3)
    assert desk.repair() == ["released"] * 3


@pytest.mark.parametrize("hundredths", range(1, 31, 2))
def test_cut_off_at_any_moment_it_can_be_run_again(desk: Office, hundredths: int) -> None:
    fill(desk, 21)
    for number in (1, 5, 6, 7):
        deleted(desk, f"g1-0-{number}")
    made_anew(desk, 3)
    task = desk.start(desk.repairs())
    desk.wait(hundredths / 100 + 0.005)
    task.cancel()
    desk.wait(1.0)
    desk.repair()
    assert desk.survey().lanes[0].losses == ()
    assert desk.view().tail.seq >= 23
    assert desk.drain().is_complete


def test_what_cannot_be_read_is_told_and_not_touched(desk: Office) -> None:
    fill(desk, 11)
    body = desk.body("g1-0-6")
    spec = body["spec"]
    assert isinstance(spec, dict)
    spoiled = {**body, "spec": {**spec, "seq": 14, "data": "%%%"}}
    desk.run(desk.requests.replace(WORKFLOW_LOGS, NAMESPACE, spoiled))
    deleted(desk, "g1-0-7")
    before = desk.versions()
    lane = desk.survey().lanes[0]
    assert lane.losses == ()
    assert ["g1-0-6 cannot be read" in fault for fault in lane.faults] == [True]
    assert desk.repair() == []
    assert desk.versions() == before


def test_a_write_of_somebody_else_is_not_written_over(desk: Office) -> None:
    fill(desk, 11)
    deleted(desk, "g1-0-6")

    class Hasty(Slots):
        async def create(self, entry: Entry, number: int) -> None:
            await super().create(replace(entry, incarnation=OTHER), number)
            await super().create(entry, number)

    desk.slots = Hasty(desk.requests, NAMESPACE)
    with pytest.raises(WrongStateError, match=r"g1-0-6 was written meanwhile.*: run this again"):
        desk.repair()


def test_a_lost_answer_is_told(desk: Office) -> None:
    fill(desk, 11)
    made_anew(desk, 6)
    desk.requests.faults = [lost_answer]
    with pytest.raises(WrongStateError, match="g1-0-6 may have been written or not: run this"):
        desk.repair()
    assert desk.repair() == []
    assert desk.view().slots[6].entry.seq == 6


def test_an_operator_that_is_faster_owns_the_lane(desk: Office) -> None:
    fill(desk, 11)
    deleted(desk, "g1-0-6")

    async def overtaken(apply: Apply) -> JsonObject:
        claimant = desk.claimant(OTHER)
        await claimant.claim(await claimant.read(0))
        return await apply()

    desk.requests.faults = [overtaken]
    assert desk.repair() == ["claimed by another process"]
    assert desk.tails()[0].incarnation == OTHER
