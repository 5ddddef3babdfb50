"""Steps are found in a recipe by the path that they have in a running instance."""

from __future__ import annotations

import pytest

from perdure.engine.values import JsonObject
from perdure.verification.recipes import step_at

SPEC: JsonObject = {
    "steps": [
        {
            "name": "plain",
            "onUnknown": "1",
            "catch": [{"flow": "tidy"}, {"do": {"onUnknown": "2"}}],
        },
        {"name": "pay", "call": {"flow": "paying"}},
        {"name": "one-way", "switch": {"cases": [{"do": {"onUnknown": "3"}}]}},
        {
            "name": "two-ways",
            "switch": {"cases": [{"flow": "paying"}], "default": {"flow": "tidy"}},
        },
    ],
    "flows": [
        {"name": "paying", "steps": [{"name": "charge", "onUnknown": "4"}]},
        {"name": "tidy", "steps": [{"name": "log", "onUnknown": "5"}]},
    ],
}


@pytest.mark.parametrize(
    ("path", "mark"),
    [
        ("plain", "1"),
        ("plain.catch[1]", "2"),
        ("plain.catch[0].log", "5"),
        ("one-way.do", "3"),
        ("one-way~2.do", "3"),
        ("pay.charge", "4"),
        ("pay~2.charge", "4"),
        ("two-ways.charge", None),
        ("two-ways.do", None),
        ("plain.catch[2].log", None),
        ("nowhere", None),
    ],
)
def test_a_step_is_found_by_its_path_or_not_guessed(path: str, mark: str | None) -> None:
    assert step_at(SPEC, path).get("onUnknown") == mark
