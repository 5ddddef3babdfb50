"""The simulation from the command line: `python -m tests.simulation --help`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.simulation.campaign import Campaign, Report, run_logged_seed, run_seed
from tests.simulation.exhaustive import explore, faults_of
from tests.simulation.plan import Plan
from tests.simulation.plans import logged_plan_of, plan_of, seeds_of
from tests.simulation.saved import read, save
from tests.simulation.shrinking import Shrinker
from tests.simulation.sweeping import sweep
from tests.simulation.tables import cells_table, summary
from tests.simulation.total import OFTEN, Total, total
from tests.simulation.world import Outcome, World

OUTPUT = Path("build/simulation.json")
LOG_HELP = "the turns stand in the log, which is being built"


def main(arguments: Sequence[str]) -> int:
    """Do what the command line says; return the exit code: 1 where a promise was broken."""
    options = parser().parse_args(arguments)
    match options.command:
        case "random":
            return random_mode(options)
        case "total":
            return tell_total(total(options.files))
        case "sweep":
            return tell(sweep(options.workflow or None, options.operators, print))
        case "explore":
            return exhaustive_mode(options)
        case "seed":
            return one(World(plan_for(options)), show_trace=options.trace)
        case "file":
            return one(World(read(options.file)), show_trace=options.trace)
        case "shrink":
            return shrink(plan_for(options))
        case _:
            raise AssertionError(options.command)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    found = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    commands = found.add_subparsers(dest="command", required=True)
    random = commands.add_parser("random", help="run many seeds")
    random.add_argument("--seeds", type=int, default=1000)
    random.add_argument("--first", type=int, default=0)
    random.add_argument("--workers", type=int)
    random.add_argument("--seconds", type=float, help="begin no more seeds after this time")
    random.add_argument("--hashes", type=Path, help="write the trace hash of every seed there")
    random.add_argument("--situation", action="append", help="only seeds that bring it about")
    random.add_argument("--log", action="store_true", help=LOG_HELP)
    added = commands.add_parser("total", help="add up reports of long runs (build/simulation.json)")
    added.add_argument("files", type=Path, nargs="+")
    swept = commands.add_parser("sweep", help="one fault at every request of workflows")
    swept.add_argument("--workflow", action="append", help="its name; all if not given")
    swept.add_argument("--operators", type=int, default=2)
    orders = commands.add_parser("explore", help="every order of deliveries in a small world")
    orders.add_argument("--depth", type=int, default=14)
    orders.add_argument("--crashes", action="store_true", help="one operator may die, too")
    single = commands.add_parser("seed", help="run one seed again")
    single.add_argument("seed", type=int)
    single.add_argument("--trace", action="store_true", help="print all that happened")
    single.add_argument("--log", action="store_true", help=LOG_HELP)
    kept = commands.add_parser("file", help="run a plan that was kept")
    kept.add_argument("file", type=Path)
    kept.add_argument("--trace", action="store_true", help="print all that happened")
    smaller = commands.add_parser("shrink", help="find the smallest run that fails like a seed")
    smaller.add_argument("seed", type=int)
    smaller.add_argument("--log", action="store_true", help=LOG_HELP)
    return found


def plan_for(options: argparse.Namespace) -> Plan:
    """Return the plan of the seed that is named."""
    return logged_plan_of(options.seed) if options.log else plan_of(options.seed)


def random_mode(options: argparse.Namespace) -> int:
    """Run many seeds."""
    run = run_logged_seed if options.log else run_seed
    campaign = Campaign(run, workers=options.workers, seconds=options.seconds)
    span = range(options.first, options.first + options.seeds)
    seeds = seeds_of(options.situation or (), span)
    report = campaign.carry_out(seeds, len(seeds))
    if options.hashes is not None:
        options.hashes.write_text(json.dumps(report.hashes, indent=1, sort_keys=True) + "\n")
    return tell(report)


def exhaustive_mode(options: argparse.Namespace) -> int:
    """Follow every order of deliveries."""
    found = explore(options.depth, crashes=options.crashes, say=print)
    print(f"{found.runs} orders, {len(found.states)} states, {len(found.failures)} failed")
    for choices, outcome in found.failures:
        print(f"choices {choices}: {'; '.join(faults_of(outcome))}")
    return 1 if found.failures else 0


def tell(report: Report) -> int:
    """Print and keep a report; return the exit code."""
    print(cells_table(report.cells))
    print(summary(report))
    OUTPUT.parent.mkdir(exist_ok=True)
    cells = {f"{fault} {point}": n for (fault, point), n in sorted(report.cells.items())}
    figures = {"runs": report.runs, "elapsed": report.elapsed, "cells": cells}
    OUTPUT.write_text(json.dumps({**figures, **report.totals}, indent=1) + "\n")
    for failure in report.failures:
        print(f"{failure.name} fails; `python -m tests.simulation {failure.name}` repeats it")
        for violation in failure.violations[:5]:
            print(f"  {violation}")
    return 1 if report.failures else 0


def tell_total(found: Total) -> int:
    """Print the sum of several reports; return the exit code: 1 where a cell was hit rarely."""
    print(cells_table(found.cells))
    print(", ".join(f"{name} {value}" for name, value in sorted(found.figures.items())))
    rare = [f"{fault} at {point}: {count}" for (fault, point), count in found.rare().items()]
    print(f"fewer than {OFTEN} hits: {'; '.join(rare)}" if rare else f"all cells {OFTEN} times")
    return 1 if rare else 0


def one(world: World, *, show_trace: bool) -> int:
    """Run one world and tell how it went."""
    if show_trace:
        world.scheduler.lines = []
    outcome = world.run()
    for line in world.scheduler.lines or ():
        print(line, end="")
    return tell_one(outcome)


def tell_one(outcome: Outcome) -> int:
    """Print what a run came to; return the exit code."""
    plan = outcome.plan
    print(f"{plan.operators} operators, heals at {plan.heal_at:.1f} s, {plan.workload.name}")
    for storm in plan.storms:
        print(f"  storm {storm}")
    for stroke in outcome.strokes:
        print(f"  {stroke.at:9.3f} {stroke.process} {stroke.number} {stroke.point} {stroke.fate}")
    for violation in outcome.violations:
        print(violation.render())
    print(f"{outcome.seconds:.1f} s of virtual time, trace {outcome.trace_hash}")
    return 1 if outcome.violations else 0


def shrink(plan: Plan) -> int:
    """Make a failing seed small and keep it."""
    outcome = World(plan).run()
    if not outcome.violations:
        print(f"seed {plan.seed} does not fail")
        return 1
    smallest = Shrinker(outcome, print).shrink()
    tell_one(smallest)
    print(f"kept in {save(smallest.plan, f'seed-{plan.seed}')}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
