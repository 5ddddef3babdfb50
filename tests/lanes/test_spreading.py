"""Lanes find living owners, evenly, and stay where they are when all is well."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.lanes.spreading import RANK_SECONDS, Share, fair_share, heirs, surplus, wanted


def share(identity: str, lanes: Iterable[int] = ()) -> Share:
    return Share(identity, frozenset(lanes))


@pytest.mark.parametrize(
    ("lanes", "living", "expected"), [(3, 1, 3), (3, 2, 2), (3, 3, 1), (3, 4, 1), (3, 0, 3)]
)
def test_a_fair_share_is_rounded_up(lanes: int, living: int, expected: int) -> None:
    assert fair_share(lanes, living) == expected


def test_one_process_takes_every_free_lane() -> None:
    assert wanted("a", [share("a")], {0: 0.0, 1: 0.0, 2: 5.0}, 3) == [2, 0, 1]


def test_nobody_takes_a_lane_that_is_not_free() -> None:
    assert wanted("a", [share("a"), share("b", [0, 1, 2])], {}, 3) == []


def test_the_first_heir_tries_at_once_and_the_next_one_later() -> None:
    first, second = heirs(0, ["a", "b"])
    shares = [share("a"), share("b")]
    assert wanted(first, shares, {0: 0.0}, 1) == [0]
    assert wanted(second, shares, {0: RANK_SECONDS - 0.1}, 1) == []
    assert wanted(second, shares, {0: RANK_SECONDS}, 1) == [0]


def test_who_has_room_comes_first() -> None:
    shares = [share("a", [0]), share("b", [1]), share("c")]
    assert wanted("c", shares, {2: 0.0}, 3) == [2]
    assert wanted("a", shares, {2: 0.0}, 3) == []
    late = {2: 2 * RANK_SECONDS}
    assert [2] in (wanted("a", shares, late, 3), wanted("b", shares, late, 3))


def test_who_is_not_known_to_live_takes_nothing() -> None:
    assert wanted("a", [share("b")], {0: 99.0}, 1) == []


def test_what_is_too_much_goes_to_the_one_with_the_fewest() -> None:
    assert surplus("a", [share("a", [0, 1, 2]), share("b")], 3) == (2, "b")
    assert surplus("a", [share("a", [0, 1]), share("b", [2])], 3) is None
    assert surplus("a", [share("a", [0, 1]), share("b", [2]), share("c")], 3) == (1, "c")
    assert surplus("b", [share("a", [0, 1]), share("b", [2]), share("c")], 3) is None
    assert surplus("a", [share("a", [0, 1, 2])], 3) is None


@given(st.integers(1, 5), st.lists(st.none() | st.integers(0, 4), min_size=1, max_size=8))
def test_however_processes_come_and_go_the_lanes_end_spread_evenly(
    count: int, holders: list[int | None]
) -> None:
    lanes, living = len(holders), [f"p{number}" for number in range(count)]
    held = {one: set[int]() for one in living}
    free: dict[int, float] = {}
    for lane, holder in enumerate(holders):
        if holder is None or holder >= count:
            free[lane] = 0.0
        else:
            held[living[holder]].add(lane)
    for _ in range(100):
        shares = [share(one, held[one]) for one in living]
        for one in living:
            for lane in wanted(one, shares, free, lanes):
                if free.pop(lane, None) is not None:
                    held[one].add(lane)
        free = {lane: seconds + RANK_SECONDS for lane, seconds in free.items()}
        for one in living:
            given = surplus(one, [share(each, held[each]) for each in living], lanes)
            if given is not None:
                held[one].remove(given[0])
                held[given[1]].add(given[0])
    assert sorted(lane for mine in held.values() for lane in mine) == list(range(lanes))
    counts = sorted(len(mine) for mine in held.values())
    assert counts[-1] - counts[0] <= 1
