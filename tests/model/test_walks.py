"""Walks go where no exploration has the time to go, and keep every promise there, too."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.model.explorer import told
from tests.model.plan import Plan, Rules
from tests.model.plans import (
    DAMAGED,
    ENDS,
    LATE,
    PAGES,
    PLANS,
    REBORN,
    REFUSED,
    RELEASED,
    REOPENED,
    RESIZE,
    THREE,
)
from tests.model.protocol import LaneProtocol
from tests.model.walks import walk

WALKS = range(60)


def name_of(plan: object) -> str | None:
    return plan.name if isinstance(plan, Plan) else None


@pytest.mark.parametrize("plan", PLANS, ids=name_of)
def test_no_walk_breaks_a_promise(plan: Plan) -> None:
    walked = walk(LaneProtocol(plan), WALKS)
    assert (walked.fault, told(walked.trace)) == ("", [])
    assert walked.deepest >= 20


def test_a_walk_finds_what_a_missing_rule_lets_happen() -> None:
    walked = walk(LaneProtocol(replace(THREE, rules=Rules(carries=False))), WALKS)
    assert walked.fault == "a committed turn is lost"
    assert told(walked.trace)


@pytest.mark.parametrize(
    ("plan", "text"),
    [
        (LATE, "a late status patch is accepted"),
        (LATE, "finds another's entry"),
        (PAGES, "begins to read"),
        (REFUSED, "is refused"),
        (DAMAGED, "somebody deletes slot"),
        (RELEASED, "sends Released"),
        (ENDS, "forgets"),
        (ENDS, "destroys"),
        (REBORN, "takes in"),
        (RESIZE, "the next generation is opened"),
        (REOPENED, "takes in"),
    ],
    ids=name_of,
)
def test_a_plan_comes_by_what_it_is_for(plan: Plan, text: str) -> None:
    protocol = LaneProtocol(plan)
    walks = (walk(protocol, [seed]) for seed in range(400))
    assert any(text in kind for walked in walks for kind in walked.kinds)
