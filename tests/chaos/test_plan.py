"""A plan is a function of its seed, and soon has some of everything."""

from pathlib import Path

from tests.chaos.faults import KINDS
from tests.chaos.plan import plan, read_plan, write_plan

SPANS = {name: kind.span for name, kind in KINDS.items()}


def test_a_plan_follows_from_its_seed_and_can_be_read_back(tmp_path: Path) -> None:
    strikes = plan(7, seconds=120, mean=5, victims=3, kinds=SPANS)
    write_plan(strikes, tmp_path / "plan.jsonl")
    assert read_plan(tmp_path / "plan.jsonl") == strikes
    assert plan(7, seconds=120, mean=5, victims=3, kinds=SPANS) == strikes
    assert plan(8, seconds=120, mean=5, victims=3, kinds=SPANS) != strikes


def test_no_kind_comes_twice_before_all_others_came_once() -> None:
    kinds = [s.kind for s in plan(1, seconds=4000, mean=10, victims=3, kinds=SPANS)]
    for start in range(0, len(kinds) - len(SPANS), len(SPANS)):
        assert sorted(kinds[start : start + len(SPANS)]) == sorted(SPANS)


def test_strikes_come_as_often_as_asked_and_end_with_the_plan() -> None:
    strikes = plan(3, seconds=3600, mean=12, victims=2, kinds=SPANS)
    assert 270 < len(strikes) < 330
    assert all(strike.at + strike.seconds <= 3600.01 for strike in strikes)
    assert {strike.victim for strike in strikes} == {0, 1}
