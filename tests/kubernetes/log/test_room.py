"""How large entries are, and what they carry."""

from __future__ import annotations

from tests.kubernetes.log.laboratory import (
    Laboratory,
    outcomes,
    submitted,
    turn,
)

from perdure.engine.values import JsonObject
from perdure.kubernetes.log import owning
from perdure.lanes.settling import Refused, Stands


def puts(laboratory: Laboratory) -> list[JsonObject]:
    """Return the specs that were sent."""
    specs = [body["spec"] for _, body in laboratory.requests.written]
    return [spec for spec in specs if isinstance(spec, dict)]


def test_entries_are_not_larger_than_the_server_takes(laboratory: Laboratory) -> None:
    writer = laboratory.writer(laboratory.claimed())
    tasks = submitted(laboratory, writer, *[turn(f"i{n}", 1, size=50_000) for n in range(12)])
    assert all(isinstance(each, Stands) for each in outcomes(laboratory, tasks))
    lengths = [len(str(spec["data"])) for spec in puts(laboratory)]
    assert max(lengths) <= owning.MOST_DATA
    assert len(lengths) < 10


def test_a_large_turn_that_deflates_stands_alone(laboratory: Laboratory) -> None:
    writer = laboratory.writer(laboratory.claimed())
    large = turn("large", 1, size=300_000)
    assert len(large.wire) > owning.MOST_WIRE
    tasks = submitted(laboratory, writer, turn("a", 1), large, turn("b", 1))
    assert [type(each) for each in outcomes(laboratory, tasks)] == [Stands] * 3
    assert sorted(len(entry.turns) for entry in laboratory.entries()) == [0, 1, 1, 1]


def test_a_turn_that_no_entry_has_room_for_is_refused_at_once(laboratory: Laboratory) -> None:
    writer = laboratory.writer(laboratory.claimed())
    tasks = submitted(laboratory, writer, turn("large", 1, size=900_000), turn("a", 1))
    answers = outcomes(laboratory, tasks)
    assert isinstance(answers[0], Refused)
    assert answers[0].is_too_large
    assert "shop/order-large" in answers[0].message
    assert isinstance(answers[1], Stands)
    assert len(puts(laboratory)) == 1


def test_what_no_status_shows_is_carried_round_the_ring(
    laboratory: Laboratory, small_ring: int
) -> None:
    writer = laboratory.writer(laboratory.claimed())
    for rev in range(1, 3 * small_ring):
        assert isinstance(laboratory.run(writer.submit(turn("a", rev))), Stands)
    held = [(each.key.uid, each.rev) for each in laboratory.view().turns()]
    assert held == [("a", rev) for rev in range(1, 3 * small_ring)]


def test_what_a_status_shows_is_carried_no_more(laboratory: Laboratory, small_ring: int) -> None:
    writer = laboratory.writer(laboratory.claimed())
    laboratory.run(writer.submit(turn("a", 1)))
    laboratory.run(writer.submit(turn("b", 1)))
    writer.shown("a", 1)
    writer.gone("b")
    for rev in range(1, small_ring + 2):
        laboratory.run(writer.submit(turn("c", rev)))
        writer.shown("c", rev)
    assert {each.key.uid for each in laboratory.view().turns()} == {"c"}


def test_instances_whose_slots_come_round_are_told(laboratory: Laboratory, small_ring: int) -> None:
    writer = laboratory.writer(laboratory.claimed())
    laboratory.run(writer.submit(turn("a", 1)))
    assert laboratory.due == []
    for rev in range(1, small_ring // 2 + 1):
        laboratory.run(writer.submit(turn("b", rev)))
    assert laboratory.due[0] == "a"


def test_much_to_carry_holds_new_turns_back_until_it_is_shown(
    laboratory: Laboratory, small_ring: int
) -> None:
    writer = laboratory.writer(laboratory.claimed())
    laboratory.run(writer.submit(turn("a", 1, size=owning.MOST_CARRIED)))
    for rev in range(1, small_ring):
        laboratory.run(writer.submit(turn("b", rev)))
    (task,) = submitted(laboratory, writer, turn("b", small_ring))
    laboratory.wait(owning.PATIENCE_SECONDS / 2)
    assert not task.done()
    assert "a" in laboratory.due
    writer.shown("a", 1)
    laboratory.wait(0.1)
    assert isinstance(laboratory.result(task), Stands)


def test_a_status_that_cannot_be_written_does_not_stop_the_lane(
    laboratory: Laboratory, small_ring: int
) -> None:
    writer = laboratory.writer(laboratory.claimed())
    laboratory.run(writer.submit(turn("a", 1, size=owning.MOST_CARRIED)))
    for rev in range(1, 2 * small_ring):
        assert isinstance(laboratory.run(writer.submit(turn("b", rev))), Stands)
        writer.shown("b", rev)
    assert ("a", 1) in [(each.key.uid, each.rev) for each in laboratory.view().turns()]


def test_a_large_turn_waits_for_a_slot_with_room(laboratory: Laboratory, small_ring: int) -> None:
    writer = laboratory.writer(laboratory.claimed())
    laboratory.run(writer.submit(turn("a", 1, size=60_000)))
    for rev in range(1, small_ring):
        laboratory.run(writer.submit(turn("b", rev)))
    large = turn("large", 1, size=310_000)
    assert isinstance(laboratory.run(writer.submit(large)), Stands)
    standing = [entry for entry in laboratory.entries() if entry.seq == small_ring + 2]
    assert [len(entry.turns) for entry in standing] == [0]
