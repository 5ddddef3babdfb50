"""Transcripts and kept histories: what followed once follows for ever."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.golden.transcripts import (
    FOLDER,
    HISTORIES,
    comes_to,
    fold_stored,
    play,
    read,
    stored_history,
    write,
)

from perdure.engine.values import canonical

SCENARIOS = sorted(FOLDER.glob("*.yaml"))
KEPT = sorted((FOLDER / "histories").glob("*/*.json"))
ROOT = FOLDER.parent.parent

FOLD_ALL = """
import json, sys
from tests.golden.transcripts import fold_stored
for path in sys.argv[1:]:
    with open(path) as file:
        print(repr(fold_stored(json.load(file))))
"""


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_a_transcript_comes_out_as_it_was_written(path: Path, pytestconfig: pytest.Config) -> None:
    transcript = read(path)
    story, told = play(transcript)
    if pytestconfig.getoption("rewrite_golden"):
        write(path, {**transcript, "story": told})
        kept = HISTORIES / f"{path.stem}.json"
        kept.write_text(json.dumps(stored_history(story), indent=1, sort_keys=True) + "\n")
    assert read(path)["story"] == told


def test_there_are_transcripts_and_each_has_a_kept_history() -> None:
    assert len(SCENARIOS) >= 10
    assert {path.stem for path in SCENARIOS} <= {path.stem for path in KEPT}


@pytest.mark.parametrize("path", KEPT, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_kept_history_comes_to_the_same_on_this_version(path: Path) -> None:
    history = json.loads(path.read_text())
    assert canonical(comes_to(fold_stored(history))) == canonical(history["comesTo"])


def test_another_interpreter_with_other_hashes_in_another_zone_folds_to_the_same_states() -> None:
    here = "".join(f"{fold_stored(json.loads(path.read_text()))!r}\n" for path in KEPT)
    for seed, zone in (("1", "Pacific/Kiritimati"), ("4242", "America/St_Johns")):
        there = subprocess.run(
            [sys.executable, "-c", FOLD_ALL, *map(str, KEPT)],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed, "TZ": zone, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert there == here
