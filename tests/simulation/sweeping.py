"""The whole sweep: all cases of some canonical workflows, on all cores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

from tests.simulation.campaign import Brief, Campaign, Report, brief
from tests.simulation.sweep import Case, by_name, cases, reference, run_case
from tests.simulation.workloads.canonical import CANONICAL
from tests.simulation.world import Outcome


@lru_cache(maxsize=16)
def _calm(workflow: str, operators: int) -> Outcome:
    """Return the reference of a workflow, once per process."""
    return reference(by_name(workflow), operators)[0]


def _run(job: tuple[Case, int]) -> Brief:
    case, operators = job
    return brief(case.render(), run_case(case, _calm(case.workflow, operators)))


def sweep(names: Sequence[str] | None, operators: int, say: Callable[[str], None]) -> Report:
    """Sweep these workflows (None: all); a reference that fails is reported as it is."""
    jobs: list[tuple[Case, int]] = []
    for name in names or [workflow.workload.name for workflow in CANONICAL]:
        calm, occasions = reference(by_name(name), operators)
        if calm.violations:
            report = Report()
            report.add(brief(f"{name} without faults", calm))
            return report
        found = list(cases(by_name(name), occasions))
        say(f"{name}: {len(occasions)} requests, {len(found)} cases")
        jobs += [(case, operators) for case in found]
    return Campaign(_run, say=say).carry_out(_spread(jobs), len(jobs))


def _spread(jobs: list[tuple[Case, int]]) -> Iterator[tuple[Case, int]]:
    yield from jobs
