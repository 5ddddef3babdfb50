from __future__ import annotations

import re
from dataclasses import replace

import pytest
from tests.simulation.planted.catalogue import MUTANTS, QUICK
from tests.simulation.planted.copies import ROOT, apply, changed_files, copied, imported_from
from tests.simulation.planted.hunt import hunt_all
from tests.simulation.planted.mutant import Change, Mutant, StaleMutantError
from tests.simulation.planted.tables import line

QUICK_SEEDS = 100
WITHOUT_RULES = {
    # How the code is cut, which the import contracts hold.
    "docs/architecture.md": {"Layers"},
    # A list of the simulation is of one moment; tests/kubernetes/log and tests/model tear one. And
    # what people do is no rule of the operators.
    "docs/log.md": {"Reading", "What an administrator may do"},
}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_still_applies_and_compiles(mutant: Mutant) -> None:
    for path, text in changed_files(mutant).items():
        compile(text, str(path), "exec")


@pytest.mark.parametrize("page", WITHOUT_RULES)
def test_every_section_of_a_page_has_planted_bugs_of_its_own(page: str) -> None:
    sections = set(re.findall(r"^## (.+)$", (ROOT / page).read_text(), re.MULTILINE))

    caught = {mutant.section for mutant in MUTANTS if mutant.page == page}

    assert caught == sections - WITHOUT_RULES[page]


def test_the_page_of_the_proof_lists_what_is_planted() -> None:
    text = (ROOT / "docs" / "proof.md").read_text()
    rows = re.findall(r"^\| ([a-z0-9-]+) \| (.+) \| \S+ \| \d+ \|$", text, re.MULTILINE)

    assert rows == [(mutant.name, mutant.rule) for mutant in MUTANTS]


def test_no_two_mutants_share_a_name() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


def test_a_mutant_whose_place_is_gone_is_named() -> None:
    stale = replace(MUTANTS[0], changes=(Change("runtime/turn.py", "no such line", ""),))

    with pytest.raises(StaleMutantError, match=MUTANTS[0].name):
        changed_files(stale)


def test_a_process_takes_the_product_from_the_copy_with_the_bug() -> None:
    with copied() as pristine, apply(MUTANTS[0], pristine) as directory:
        assert imported_from(directory) == directory
        change = MUTANTS[0].changes[0]
        assert change.new in (directory / "perdure" / change.file).read_text()


def test_the_chosen_bugs_are_caught_within_100_seeds() -> None:
    chosen = [mutant for mutant in MUTANTS if mutant.name in QUICK]

    results = list(hunt_all(chosen, range(QUICK_SEEDS)))

    assert len(results) == len(QUICK)
    assert [line(result) for result in results if result.catch is None] == []
