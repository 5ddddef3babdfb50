"""Generated workloads: valid, equal in every process, and with all of the language in them."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import time
from collections import Counter
from dataclasses import fields
from functools import lru_cache
from itertools import islice

import pytest
from tests.simulation.workloads import generated, is_confluent, reductions
from tests.simulation.workloads.actions import Start, Tamper
from tests.simulation.workloads.clients import EDITS
from tests.simulation.workloads.verbs import RULES
from tests.simulation.workloads.workload import VERBS, Workload, steps_in, verbs_in

from perdure.definitions import review, spec_digest
from perdure.engine.values import JsonObject, canonical
from perdure.resources.validate import shape_faults

SEEDS = range(300)


@lru_cache(maxsize=1)
def workloads() -> tuple[Workload, ...]:
    """Return the workloads of the seeds that most tests look at."""
    return tuple(generated(seed) for seed in SEEDS)


_judged: dict[str, list[str]] = {}


def faults_of(spec: JsonObject) -> list[str]:
    """Return what is wrong with a definition; each one is looked at once."""
    digest = spec_digest(spec)
    if digest not in _judged:
        _judged[digest] = [fault.render() for fault in review(spec).faults]
    return _judged[digest]


def is_valid(spec: JsonObject) -> bool:
    """Return whether a definition can run."""
    return not faults_of(spec)


def fingerprint(seeds: range) -> str:
    """Return a digest of everything in the workloads of these seeds."""
    text = "\n".join(repr(generated(seed)) for seed in seeds)
    return hashlib.sha256(text.encode()).hexdigest()


def test_every_definition_is_valid() -> None:
    for workload in workloads():
        for define in workload.definitions:
            assert faults_of(define.spec) == [], f"{workload.name}: {define.spec}"


def test_every_instance_has_the_shape_that_the_server_asks_for() -> None:
    for workload in workloads():
        for start in workload.actions:
            if isinstance(start, Start):
                assert shape_faults(start.spec, "WorkflowInstance") == [], workload.name


def test_actions_are_in_the_order_of_their_times() -> None:
    for workload in workloads():
        times = [action.at for action in workload.actions]
        assert times == sorted(times)


@pytest.mark.parametrize("hash_seed", ["0", "4711"])
def test_a_seed_gives_the_same_workload_in_every_process(hash_seed: str) -> None:
    code = "from tests.simulation.test_workloads import fingerprint; print(fingerprint(range(40)))"
    other = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "TZ": "Pacific/Apia"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert other.stdout.strip() == fingerprint(range(40))


def test_there_is_a_rule_for_every_verb() -> None:
    assert set(RULES) == set(VERBS)


def test_everything_that_users_can_do_is_done() -> None:
    done = Counter(type(action).__name__ for workload in workloads() for action in workload.actions)
    edits = Counter(
        action.edit
        for workload in map(generated, range(1500))
        for action in workload.actions
        if isinstance(action, Tamper)
    )
    assert min(done.values()) >= 3, done
    assert len(done) == 10, done
    assert set(edits) == set(EDITS), edits


def test_every_verb_and_what_may_stand_around_it_is_used() -> None:
    used = Counter(
        key
        for workload in workloads()
        for define in workload.definitions
        for step in steps_in(define.spec)
        for key in step
    )
    around = ("needs", "when", "retry", "timeout", "catch", "output", "onUnknown")
    assert all(used[key] >= 20 for key in (*VERBS, *around)), used
    polled = sum(
        "poll" in http
        for workload in workloads()
        for define in workload.definitions
        for http in verbs_in(define.spec, "http")
    )
    assert polled >= 20


def test_definitions_are_small_and_never_large() -> None:
    sizes = sorted(
        len(list(steps_in(define.spec)))
        for workload in workloads()
        for define in workload.definitions
    )
    assert sizes[len(sizes) // 2] <= 6
    assert sizes[-1] <= 30


def test_flows_run_flows_at_most_three_deep() -> None:
    depths = [depth_of(define.spec) for workload in workloads() for define in workload.definitions]
    assert max(depths) == 3


def depth_of(spec: JsonObject) -> int:
    """Return how many levels of flows the main flow runs."""
    flows = spec.get("flows")
    by_name = {
        str(f["name"]): f for f in (flows if isinstance(flows, list) else []) if isinstance(f, dict)
    }

    def below(flow: JsonObject) -> int:
        called = re.findall(r"'flow': '(\w+)'", str(flow["steps"]))
        return max((1 + below(by_name[name]) for name in called), default=0)

    return below(spec)


def test_a_workload_is_generated_in_less_than_two_milliseconds() -> None:
    took = []
    for seed in SEEDS:
        began = time.perf_counter()
        generated(seed)
        took.append(1000 * (time.perf_counter() - began))
    took.sort()
    assert took[len(took) // 2] < 2, f"median {took[150]:.2f} ms, 99 % {took[296]:.2f} ms"


def test_calls_say_whose_they_are() -> None:
    for workload in workloads():
        for define in workload.definitions:
            for http in verbs_in(define.spec, "http"):
                said = http.get("body") or http.get("form") or http.get("query")
                assert isinstance(said, dict), http
                assert {"uid", "path"} <= said.keys(), http


def test_enough_workloads_have_an_end_that_does_not_depend_on_timing() -> None:
    confluent = [workload for workload in workloads() if is_confluent(workload)]
    assert len(confluent) >= 60


def size_of(workload: Workload) -> int:
    """Return a measure of what is in a workload: what is unset counts nothing."""
    moods = sum(
        int(getattr(temper, mood.name) > 0)
        for temper in workload.script.tempers.values()
        for mood in fields(temper)
    )
    acts = repr(workload.actions).replace("starts_after=None", "")
    return len(acts) + len(workload.script.tempers) + moods


def test_reductions_are_smaller_and_stay_valid() -> None:
    for workload in workloads()[:12]:
        for smaller in islice(reductions(workload, is_valid=is_valid), 40):
            assert size_of(smaller) < size_of(workload), workload.name
            assert smaller.instances, workload.name
            for define in smaller.definitions:
                assert faults_of(define.spec) == []


def test_reductions_come_to_an_end() -> None:
    # Whatever is left when every first reduction is taken cannot be reduced to nothing.
    workload = generated(7)
    for _ in range(2000):
        smaller = next(reductions(workload, is_valid=is_valid), None)
        if smaller is None:
            break
        workload = smaller
    assert next(reductions(workload, is_valid=is_valid), None) is None
    assert len(canonical([d.spec for d in workload.definitions])) < 400
