"""The promises in disturbed worlds where the turns stand in the log. Source: docs/log.md."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from tests.simulation.campaign import Campaign, run_logged_seed
from tests.simulation.guard import real_world_refused
from tests.simulation.manifests import spec_of
from tests.simulation.plans import logged_plan_of
from tests.simulation.test_simulation import failures
from tests.simulation.world import World

SEEDS = 150
TWICE = 8


@pytest.mark.timeout(600)
def test_no_logged_seed_breaks_a_promise() -> None:
    report = Campaign(run_logged_seed).carry_out(range(SEEDS), SEEDS)
    assert report.runs == SEEDS, failures(report)
    assert not report.failures, failures(report)
    assert report.totals["strokes"] > SEEDS


def test_the_turns_of_a_logged_seed_stand_in_entries() -> None:
    with real_world_refused():
        outcome = World(logged_plan_of(0)).run()
    kinds = Counter(
        spec_of(write.after)["kind"]
        for write in outcome.evidence.writes
        if write.resource == "workflowlogs" and write.after is not None
    )
    assert kinds["Turns"] > kinds["Claim"] > 0


def test_equal_logged_seeds_have_equal_traces_elsewhere(tmp_path: Path) -> None:
    with real_world_refused():
        here = {
            f"seed {seed} --log": World(logged_plan_of(seed)).run().trace_hash
            for seed in range(TWICE)
        }
    file = tmp_path / "hashes.json"
    elsewhere = {**os.environ, "PYTHONHASHSEED": "4711", "TZ": "Pacific/Chatham", "LC_ALL": "C"}
    program = [sys.executable, "-m", "tests.simulation", "random", "--log"]
    options = ["--seeds", str(TWICE), "--workers", "1", "--hashes", str(file)]
    subprocess.run([*program, *options], check=True, env=elsewhere, capture_output=True)
    assert json.loads(file.read_text()) == here
