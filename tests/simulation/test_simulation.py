"""The promises, in worlds that are disturbed in every way there is. Source: docs/proof.md."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.simulation.campaign import Brief, Campaign, Report, run_seed
from tests.simulation.guard import real_world_refused
from tests.simulation.plans import plan_of
from tests.simulation.saved import REGRESSIONS, read, save
from tests.simulation.sweeping import sweep
from tests.simulation.world import World

SEEDS = 5000
SWEPT = ("five-in-sequence", "race-with-timeout", "suspend-and-resume", "large-values")
TWICE = 24


def failures(report: Report) -> str:
    """Return what failed, with how to repeat it."""
    return "\n".join(told(failure) for failure in report.failures)


def told(failure: Brief) -> str:
    return "\n  ".join([f"{failure.name} (python -m tests.simulation …):", *failure.violations])


@pytest.mark.timeout(1800)
def test_no_seed_breaks_a_promise() -> None:
    report = Campaign(run_seed).carry_out(range(SEEDS), SEEDS)
    assert report.runs == SEEDS, failures(report)
    assert not report.failures, failures(report)
    assert report.totals["strokes"] > SEEDS


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("workflow", SWEPT)
def test_no_single_fault_at_any_request_breaks_a_promise(workflow: str) -> None:
    report = sweep([workflow], operators=2, say=print)
    assert not report.failures, failures(report)
    assert report.runs > 100


def test_equal_seeds_have_equal_traces_elsewhere(tmp_path: Path) -> None:
    with real_world_refused():
        here = {f"seed {seed}": World(plan_of(seed)).run().trace_hash for seed in range(TWICE)}
    file = tmp_path / "hashes.json"
    elsewhere = {**os.environ, "PYTHONHASHSEED": "4711", "TZ": "Pacific/Chatham", "LC_ALL": "C"}
    program = [sys.executable, "-m", "tests.simulation", "random", "--seeds", str(TWICE)]
    options = ["--workers", "1", "--hashes", str(file)]
    subprocess.run([*program, *options], check=True, env=elsewhere, capture_output=True)
    assert json.loads(file.read_text()) == here


@pytest.mark.parametrize("file", sorted(REGRESSIONS.glob("*.json")), ids=lambda file: file.stem)
def test_what_once_failed_does_not_any_more(file: Path) -> None:
    with real_world_refused():
        outcome = World(read(file)).run()
    assert [violation.render() for violation in outcome.violations] == []


def test_a_plan_is_the_same_after_it_was_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.simulation.saved.REGRESSIONS", tmp_path)
    for seed in range(50):
        plan = plan_of(seed)
        assert read(save(plan, str(seed))) == plan
