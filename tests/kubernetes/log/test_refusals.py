"""Entries that are refused for what they say."""

from __future__ import annotations

import asyncio

from tests.kubernetes.log.laboratory import (
    Apply,
    Laboratory,
    forbidden,
    never,
    outcomes,
    refused,
    refused_as_too_large,
    slow,
    submitted,
    turn,
)

from perdure.engine.values import JsonObject
from perdure.kubernetes.log.placing import HEDGE_SECONDS
from perdure.lanes.entry import EntryKind, unpacked
from perdure.lanes.settling import Refused, Stands
from perdure.ports import Resource


def test_a_refused_entry_is_halved(laboratory: Laboratory) -> None:
    writer = laboratory.writer(laboratory.claimed())
    laboratory.requests.faults = [refused]
    tasks = submitted(laboratory, writer, *[turn(uid, 1) for uid in "abcd"])
    assert all(isinstance(each, Stands) for each in outcomes(laboratory, tasks))
    sizes = [len(entry.turns) for entry in laboratory.entries() if entry.turns]
    assert sizes == [2, 2]


def poisonous(uid: str, laboratory: Laboratory) -> None:
    """Refuse every entry that has a turn of this instance."""
    through = laboratory.requests.replace

    async def replace(resource: Resource, namespace: str, body: JsonObject) -> JsonObject:
        spec = body["spec"]
        assert isinstance(spec, dict)
        turns, _ = unpacked(spec["data"], "sent")
        if any(each.key.uid == uid for each in turns):
            return await refused(lambda: through(resource, namespace, body))
        return await through(resource, namespace, body)

    laboratory.requests.replace = replace  # type: ignore[method-assign]


def test_one_turn_that_is_refused_stops_no_other(laboratory: Laboratory) -> None:
    writer = laboratory.writer(laboratory.claimed())
    poisonous("c", laboratory)
    tasks = submitted(laboratory, writer, *[turn(uid, 1) for uid in "abcde"])
    answers = outcomes(laboratory, tasks)
    assert [type(each) for each in answers] == [Stands, Stands, Refused, Stands, Stands]
    assert "a policy is against it" in str(answers[2])
    assert [uid for uid, _ in laboratory.turns()] == ["a", "b", "d", "e"]
    assert [entry.seq for entry in laboratory.entries() if not entry.turns] == [1]


def test_what_else_waits_takes_the_slot_of_a_refused_turn(laboratory: Laboratory) -> None:
    writer = laboratory.writer(laboratory.claimed())
    poisonous("a", laboratory)
    tasks = submitted(laboratory, writer, *[turn(uid, 1) for uid in "abcd"])
    assert [type(each) for each in outcomes(laboratory, tasks)] == [Refused] + [Stands] * 3
    assert [len(entry.turns) for entry in laboratory.entries()] == [0, 1, 2]


def test_a_turn_that_is_refused_alone_is_answered_when_an_empty_entry_stands(
    laboratory: Laboratory,
) -> None:
    writer = laboratory.writer(laboratory.claimed())
    laboratory.requests.faults = [refused_as_too_large, slow(0.5)]
    (task,) = submitted(laboratory, writer, turn("a", 1))
    laboratory.wait(0.4)
    assert not task.done()
    answer = laboratory.result(task)
    assert isinstance(answer, Refused)
    assert answer.is_too_large
    newest = laboratory.entries()[-1]
    assert (newest.seq, newest.kind, newest.turns) == (2, EntryKind.TURNS, ())


def test_an_earlier_copy_that_lands_after_a_refusal_counts(laboratory: Laboratory) -> None:
    writer = laboratory.writer(laboratory.claimed())
    laboratory.requests.faults = [slow(1.1), refused, forbidden]
    (task,) = submitted(laboratory, writer, turn("a", 1))
    assert isinstance(laboratory.result(task), Stands)
    assert laboratory.turns() == [("a", 1)]


def test_the_answer_to_an_earlier_copy_decides_at_once(laboratory: Laboratory) -> None:
    writer = laboratory.writer(laboratory.claimed())
    laboratory.requests.faults = [slow(1.2), refused, never, never, never]
    tasks = submitted(laboratory, writer, turn("a", 1), turn("b", 1))
    laboratory.wait(1.5)
    assert all(isinstance(each, Stands) for each in outcomes(laboratory, tasks))
    assert laboratory.scheduler.now < 2.0


def test_tries_of_one_slot_are_told_apart(laboratory: Laboratory) -> None:
    """The first copy of all turns lands, unheard, while the first half of them is sent."""
    writer = laboratory.writer(laboratory.claimed())

    async def lands_unheard(apply: Apply) -> JsonObject:
        await asyncio.sleep(HEDGE_SECONDS + 0.05)
        await apply()
        return await never(apply)

    laboratory.requests.faults = [lands_unheard, refused, slow(0.5)]
    tasks = submitted(laboratory, writer, turn("a", 1), turn("b", 1))
    answers = outcomes(laboratory, tasks)
    assert all(isinstance(each, Stands) for each in answers)
    assert laboratory.turns() == [("a", 1), ("b", 1)]
    assert len(laboratory.entries()) == 2


def test_what_is_refused_whatever_it_says_is_tried_until_it_is_not(laboratory: Laboratory) -> None:
    writer = laboratory.writer(laboratory.claimed())
    laboratory.requests.faults = [refused] * 6
    (task,) = submitted(laboratory, writer, turn("a", 1))
    assert isinstance(laboratory.result(task), Refused)
    times = [at for at, _ in laboratory.requests.written]
    assert len(times) == 7
    assert times[-1] - times[-2] > 1.0
