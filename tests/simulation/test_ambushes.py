"""Ambushes strike the one request that they wait for."""

from __future__ import annotations

from perdure.testing.simulation.ambushes import Ambush, Ambushed
from perdure.testing.simulation.fates import Calm, Fate, Fault, Occasion
from perdure.testing.simulation.points import Point

FATE = Fate(fault=Fault.PAUSE, variant="before", seconds=3.0)


def occasion(at: float, *, process: str = "perdure-0", is_write: bool = True) -> Occasion:
    return Occasion(
        process=process,
        number=1,
        point=Point.RECIPE,
        at=at,
        is_operator=True,
        is_write=is_write,
    )


def test_an_ambush_strikes_once_and_only_the_request_that_it_waits_for() -> None:
    ambush = Ambush(
        process="perdure-0", point=Point.RECIPE, since=5.0, fate=FATE, number=2, is_write=True
    )
    fates = Ambushed((ambush,), Calm())
    met = [
        fates.decide(each)
        for each in (
            occasion(4.0),
            occasion(5.0),
            occasion(6.0, process="perdure-1"),
            occasion(6.0, is_write=False),
            occasion(7.0),
            occasion(8.0),
        )
    ]
    assert met == [None, None, None, None, FATE, None]


def test_every_request_counts_for_every_ambush_and_meets_one_of_them() -> None:
    ambushes = tuple(
        Ambush(process="perdure-0", point=Point.RECIPE, since=0.0, fate=FATE, number=number)
        for number in (1, 1, 3)
    )
    fates = Ambushed(ambushes, Calm())
    assert [fates.decide(occasion(float(at))) for at in range(5)] == [FATE, FATE, FATE, None, None]
