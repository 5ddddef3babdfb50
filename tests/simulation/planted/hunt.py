"""Hunting planted bugs with many seeds, several at a time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from tests.simulation.planted.catch import Catch
from tests.simulation.planted.copies import ROOT, apply, copied, environment
from tests.simulation.planted.mutant import Mutant

HUNTER = "tests.simulation.planted.hunter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one mutant: `catch` is None where it survived all its seeds.

    `seeds` is how many seeds were run, the one that caught it included; `seconds` of real time.
    """

    mutant: Mutant
    catch: Catch | None
    seeds: int
    seconds: float


class HunterFailedError(Exception):
    """The child process itself failed: the mutant does not even start."""


def hunt_all(mutants: Sequence[Mutant], seeds: Sequence[int]) -> Iterator[Result]:
    """Yield results as they come, one hunter per core. Raises StaleMutantError."""
    with copied() as pristine, ThreadPoolExecutor(os.cpu_count()) as pool:
        controls = {kind: Control(pristine, is_logged=kind) for kind in (False, True)}
        hunts = [
            pool.submit(_hunt, mutant, controls[mutant.is_logged], seeds) for mutant in mutants
        ]
        try:
            for done in as_completed(hunts):
                yield done.result()
        finally:
            pool.shutdown(cancel_futures=True)


class Control:
    """The product without any bug. A seed that fails there proves nothing about a mutant."""

    def __init__(self, pristine: Path, *, is_logged: bool) -> None:
        self.pristine = pristine
        self.is_logged = is_logged
        self.failing: set[int] = set()
        self._holding: set[int] = set()

    def fails(self, seed: int) -> bool:
        """Return whether the seed fails without a bug; each is run once for all mutants."""
        if seed not in self.failing | self._holding:
            caught = _run(self.pristine, [seed], is_logged=self.is_logged)
            (self._holding if caught is None else self.failing).add(seed)
        return seed in self.failing


def _hunt(mutant: Mutant, control: Control, seeds: Sequence[int]) -> Result:
    began = time.monotonic()
    with apply(mutant, control.pristine) as directory:
        catch = _first_true(directory, control, seeds)
    return Result(
        mutant=mutant,
        catch=catch,
        seeds=len(seeds) if catch is None else seeds.index(catch.seed) + 1,
        seconds=time.monotonic() - began,
    )


def _first_true(directory: Path, control: Control, seeds: Sequence[int]) -> Catch | None:
    """Return the first seed that fails with the bug and holds without it."""
    left = list(seeds)
    while left := [seed for seed in left if seed not in control.failing]:
        catch = _run(directory, left, is_logged=control.is_logged)
        if catch is None or not control.fails(catch.seed):
            return catch
        left = left[left.index(catch.seed) + 1 :]
    return None


def _run(directory: Path, seeds: Sequence[int], *, is_logged: bool) -> Catch | None:
    """Run seeds with the product of this directory until one fails. Raises HunterFailedError."""
    options = ["--log"] if is_logged else []
    done = subprocess.run(
        [sys.executable, "-m", HUNTER, str(directory), *options],
        cwd=ROOT,
        env=environment(directory),
        input=" ".join(map(str, seeds)),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise HunterFailedError(f"{directory.name}: {done.stderr[-2000:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    return None if found is None else Catch(**found)
