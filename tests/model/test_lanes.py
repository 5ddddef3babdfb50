"""The lane protocol keeps its promises in every state that is visited; without a rule, not."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path

import pytest
from tests.model.explorer import explore, told
from tests.model.faults import PLANTED, Planted
from tests.model.plan import Plan, Rules
from tests.model.plans import LATE, PLANS, RESIZE, THREE
from tests.model.protocol import LaneProtocol
from tests.model.tables import faults_table

PAGE = (Path(__file__).parents[2] / "docs" / "model.md").read_text()
SMALL_PLANS = list({p.plan.name: p.plan for p in PLANTED if p.plan not in PLANS}.values())
STATES = 7_000
"""Of each plan: 84,000 together, in some seconds."""


def name_of(case: Plan | Planted) -> str:
    return case.name


@pytest.mark.parametrize("plan", PLANS, ids=name_of)
def test_no_state_breaks_a_promise(plan: Plan) -> None:
    result = explore(LaneProtocol(plan), STATES)
    assert (result.fault, told(result.trace)) == ("", [])
    assert result.states >= STATES


@pytest.mark.parametrize("planted", PLANTED, ids=name_of)
def test_a_planted_fault_is_found_by_a_short_trace(planted: Planted) -> None:
    result = planted.hunt()
    assert result.fault
    assert 0 < len(result.trace) <= planted.most_steps
    assert faults_table([(planted, result)])[-1] in PAGE


@pytest.mark.parametrize("plan", SMALL_PLANS, ids=name_of)
def test_the_small_plans_of_planted_faults_are_clean_with_all_rules(plan: Plan) -> None:
    assert plan.rules == Rules()
    result = explore(LaneProtocol(plan), STATES)
    assert (result.fault, told(result.trace)) == ("", [])


def test_every_rule_is_left_out_by_some_planted_fault() -> None:
    left_out = {
        rule.name
        for planted in PLANTED
        for rule in fields(Rules)
        if not getattr(planted.rules, rule.name)
    }
    assert left_out == {rule.name for rule in fields(Rules)}


@pytest.mark.parametrize("plan", [THREE, LATE, RESIZE], ids=name_of)
@pytest.mark.parametrize(
    "rules", [Rules(only_grows=False), Rules(tests_version=False)], ids=["version", "growth"]
)
def test_the_resource_version_and_the_rule_that_seq_grows_guard_alike(
    plan: Plan, rules: Rules
) -> None:
    result = explore(LaneProtocol(replace(plan, rules=rules)), STATES)
    assert (result.fault, told(result.trace)) == ("", [])


def test_the_page_names_every_plan_and_no_other() -> None:
    tables = re.search("<!-- explored -->(.*?)<!-- end -->", PAGE, re.DOTALL)
    assert tables
    assert re.findall(r"^\| `([a-z-]+)`", tables[1], re.MULTILINE) == [p.name for p in PLANS]
