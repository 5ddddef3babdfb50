"""Many runs on all cores, with progress, and what they add up to."""

from __future__ import annotations

import gc
import logging
import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import islice
from typing import Generic, TypeVar

from tests.simulation.guard import real_world_refused
from tests.simulation.plans import logged_plan_of, plan_of
from tests.simulation.world import Outcome, World

Job = TypeVar("Job")

BATCH = 20
PROGRESS_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """What is kept of a run: small enough to travel between processes."""

    name: str
    trace_hash: str
    violations: tuple[str, ...]
    invariants: tuple[str, ...]
    cells: Counter[tuple[str, str]]
    strokes: int
    instances: int
    writes: int
    effects: int
    requests: int
    seconds: float


def brief(name: str, outcome: Outcome) -> Brief:
    """Return what is kept of an outcome."""
    evidence = outcome.evidence
    return Brief(
        name=name,
        trace_hash=outcome.trace_hash,
        violations=tuple(violation.render() for violation in outcome.violations),
        invariants=tuple(violation.invariant for violation in outcome.violations),
        cells=outcome.cells,
        strokes=sum(outcome.cells.values()),
        instances=sum(
            write.resource == "workflowinstances" and write.before is None
            for write in evidence.writes
        ),
        writes=len(evidence.writes),
        effects=len(evidence.effects),
        requests=outcome.requests,
        seconds=outcome.seconds,
    )


def run_seed(seed: int) -> Brief:
    """Run the plan of a seed."""
    return brief(f"seed {seed}", World(plan_of(seed)).run())


def run_logged_seed(seed: int) -> Brief:
    """Run the plan of a seed with its turns in a log."""
    return brief(f"seed {seed} --log", World(logged_plan_of(seed)).run())


@dataclass(slots=True)
class Report:
    """The sum of many runs."""

    runs: int = 0
    cells: Counter[tuple[str, str]] = field(default_factory=Counter)
    totals: Counter[str] = field(default_factory=Counter)
    failures: list[Brief] = field(default_factory=list)
    hashes: dict[str, str] = field(default_factory=dict)
    elapsed: float = 0.0

    def add(self, one: Brief) -> None:
        """Take one more run into account."""
        self.runs += 1
        self.cells += one.cells
        self.totals += Counter(
            strokes=one.strokes,
            instances=one.instances,
            writes=one.writes,
            effects=one.effects,
            requests=one.requests,
            seconds=int(one.seconds),
        )
        self.hashes[one.name] = one.trace_hash
        if one.violations:
            self.failures.append(one)

    @property
    def rate(self) -> float:
        """Runs per second, of all workers together."""
        return self.runs / self.elapsed if self.elapsed else 0.0


class Campaign(Generic[Job]):
    """Carries out jobs in batches on `workers` processes; stops after `most_failures`."""

    def __init__(
        self,
        run: Callable[[Job], Brief],
        *,
        workers: int | None = None,
        most_failures: int = 10,
        say: Callable[[str], None] = print,
        seconds: float | None = None,
    ) -> None:
        self._run = run
        self._workers = workers or os.cpu_count() or 1
        self._most_failures = most_failures
        self._say = say
        self._seconds = seconds

    def carry_out(self, jobs: Iterable[Job], total: int) -> Report:
        """Return what the jobs came to; those left undone after failures are not counted."""
        report, began, said = Report(), time.monotonic(), time.monotonic()
        batches = _batches(jobs)
        context = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(self._workers, mp_context=context, initializer=_settle) as pool:
            pending: set[Future[list[Brief]]] = set()
            while True:
                is_over = len(report.failures) >= self._most_failures or self._is_late(began)
                room = 0 if is_over else 2 * self._workers - len(pending)
                pending |= {
                    pool.submit(_run_batch, self._run, batch) for batch in islice(batches, room)
                }
                if not pending:
                    break
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                for one in [each for future in done for each in future.result()]:
                    report.add(one)
                    if one.violations:
                        self._say(f"{one.name} fails: {one.violations[0]}")
                report.elapsed = time.monotonic() - began
                if time.monotonic() - said >= PROGRESS_SECONDS:
                    said = time.monotonic()
                    self._say(progress(report, total))
        return report

    def _is_late(self, began: float) -> bool:
        return self._seconds is not None and time.monotonic() - began > self._seconds


def progress(report: Report, total: int) -> str:
    """Return one line that shows life."""
    return (
        f"{report.runs:>7} of {total}, {report.rate:.1f}/s, {report.totals['strokes']} faults, "
        f"{report.totals['instances']} instances, {len(report.failures)} failed"
    )


def _batches(jobs: Iterable[Job]) -> Iterator[Sequence[Job]]:
    left = iter(jobs)
    while batch := tuple(islice(left, BATCH)):
        yield batch


def _settle() -> None:
    """Make a worker ready: no logs, and a collector that looks only at what runs leave behind."""
    logging.disable(logging.CRITICAL)
    gc.disable()
    gc.collect()
    gc.freeze()


def _run_batch(run: Callable[[Job], Brief], batch: Sequence[Job]) -> list[Brief]:
    with real_world_refused():
        done = [run(job) for job in batch]
    gc.collect()
    return done
