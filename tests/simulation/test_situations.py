from __future__ import annotations

import re

import pytest
from tests.simulation.plans import plan_of, seeds_of, situation_of
from tests.simulation.planted.copies import ROOT
from tests.simulation.situations import SITUATIONS, Situation
from tests.simulation.workloads.actions import Edit, Tamper
from tests.simulation.workloads.clients import EDITS


def test_the_page_on_proofs_names_every_situation() -> None:
    text = (ROOT / "docs" / "proof.md").read_text()
    table = text.partition("| Situation |")[2].partition("\n\n")[0]

    named = re.findall(r"^\| ([a-z-]+) \|", table, re.MULTILINE)

    assert sorted(named) == sorted(situation.name for situation in SITUATIONS)


def test_every_situation_is_brought_about_by_its_share_of_the_seeds() -> None:
    seeds = range(2000)

    shares = [len(seeds_of([situation.name], seeds)) for situation in SITUATIONS]

    assert min(shares) > 2000 * 0.3 / len(SITUATIONS) / 2
    assert 500 < sum(shares) < 700


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.name)
def test_a_situation_is_the_same_for_the_same_seed_and_another_for_another(
    situation: Situation,
) -> None:
    assert situation.plan(7) == situation.plan(7)
    assert situation.plan(7) != situation.plan(8)


def test_an_unknown_situation_is_named() -> None:
    with pytest.raises(ValueError, match="narrow"):
        seeds_of(["calm"], range(10))


def test_seeds_bring_about_what_their_plan_says() -> None:
    (first, *_) = seeds_of(["narrow"], range(2000))
    situation = situation_of(first)

    assert situation is not None
    assert plan_of(first) == situation.plan(first)


def test_what_no_generated_user_does_is_done_in_situations() -> None:
    plans = [situation.plan(seed) for situation in SITUATIONS for seed in range(60)]
    done = {a.edit for plan in plans for a in plan.workload.actions if isinstance(a, Tamper)}

    assert done >= set(Edit) - set(EDITS)
