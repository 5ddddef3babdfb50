"""The hunt for planted bugs from the command line: `python -m tests.simulation.planted --help`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from tests.simulation.plans import seeds_of
from tests.simulation.planted.catalogue import MUTANTS, QUICK
from tests.simulation.planted.copies import ROOT
from tests.simulation.planted.hunt import Result, hunt_all
from tests.simulation.planted.mutant import Mutant
from tests.simulation.planted.tables import as_json, line, markdown

OUTPUT = ROOT / "build"
SEEDS, QUICK_SEEDS = 2000, 100


def main(arguments: Sequence[str]) -> int:
    """Hunt the mutants that are asked for; return the exit code: 1 where one survives."""
    options = parser().parse_args(arguments)
    wanted = chosen(options.names, is_quick=options.quick)
    count = options.seeds or (QUICK_SEEDS if options.quick else SEEDS)
    seeds = seeds_of(options.situation or (), range(options.first, options.first + count))
    results = []
    for result in hunt_all(wanted, seeds):
        results.append(result)
        print(f"{len(results):>4} of {len(wanted)}  {line(result)}", flush=True)
    keep(results)
    survivors = [result.mutant.name for result in results if result.catch is None]
    print(f"{len(results) - len(survivors)} of {len(results)} caught", *survivors, sep="\n  ")
    return 1 if survivors else 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    found = argparse.ArgumentParser(prog="python -m tests.simulation.planted", description=__doc__)
    found.add_argument("names", nargs="*", metavar="NAME", help="of mutants; without: all")
    found.add_argument("--seeds", type=int, help=f"at most, for each; {SEEDS} if not given")
    found.add_argument("--first", type=int, default=0, help="the first of the seeds")
    found.add_argument("--situation", action="append", help="only seeds that bring it about")
    found.add_argument(
        "--quick", action="store_true", help=f"only those of `make test`, {QUICK_SEEDS} seeds each"
    )
    return found


def chosen(names: Sequence[str], *, is_quick: bool) -> list[Mutant]:
    """Return the mutants of these names, else all. Exits for an unknown one."""
    known = {mutant.name: mutant for mutant in MUTANTS}
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit(f"there is no mutant {', '.join(unknown)}; known are {', '.join(known)}")
    usual = QUICK if is_quick else list(known)
    return [known[name] for name in names or usual]


def keep(results: Sequence[Result]) -> None:
    """Write the figures to build/mutants.json and the table to build/mutants.md."""
    OUTPUT.mkdir(exist_ok=True)
    order = {mutant.name: number for number, mutant in enumerate(MUTANTS)}
    sorted_ = sorted(results, key=lambda result: order[result.mutant.name])
    (OUTPUT / "mutants.json").write_text(as_json(sorted_))
    (OUTPUT / "mutants.md").write_text(markdown(sorted_))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
