"""The registry knows every check once, each has a rule, and each was made to speak by a test."""

from __future__ import annotations

from pathlib import Path

from perdure.verification.registry import CHECKS, name_of, rule_of, table
from perdure.verification.unseen import UNSEEN, unseen

TESTS = "".join(file.read_text() for file in sorted(Path(__file__).parent.glob("test_*.py")))


def test_each_check_has_a_name_of_its_own_and_a_rule_in_one_line() -> None:
    names = [name_of(check) for check in CHECKS]
    assert len(set(names)) == len(names)
    for check in CHECKS:
        assert rule_of(check).endswith("."), name_of(check)


def test_each_check_is_made_to_speak_by_a_test() -> None:
    silent = [name_of(check) for check in CHECKS if f'"{name_of(check)}"' not in TESTS]
    assert silent == []


def test_the_table_has_a_line_for_each_check() -> None:
    lines = table().splitlines()
    assert len(lines) == len(CHECKS) + 2
    assert all(line.startswith("| I-") for line in lines[2:])


def test_the_table_of_what_is_not_seen_has_a_line_for_each() -> None:
    lines = unseen().splitlines()
    assert len(lines) == len(UNSEEN) + 2
    assert all(line.count("|") == 3 for line in lines)


def test_the_tables_in_the_documentation_are_those_of_the_code() -> None:
    text = (Path(__file__).parents[2] / "docs" / "proof.md").read_text()
    assert between(text, "<!-- checks -->", "<!-- end of checks -->") == table().strip()
    assert between(text, "<!-- unseen -->", "<!-- end of unseen -->") == unseen().strip()


def between(text: str, start: str, end: str) -> str:
    return text.partition(start)[2].partition(end)[0].strip()
