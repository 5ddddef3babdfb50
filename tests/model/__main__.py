"""The model of the lane protocol from the command line: `python -m tests.model --help`."""

from __future__ import annotations

import argparse
import resource
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.model.explorer import Result, explore, told
from tests.model.faults import PLANTED
from tests.model.plan import Plan
from tests.model.plans import PLANS
from tests.model.protocol import LaneProtocol
from tests.model.tables import Explored, explored_table, faults_table
from tests.model.walks import walk

OUTPUT = Path("build/model.md")


def main(arguments: Sequence[str]) -> int:
    """Do what the command line says; return the exit code: 1 where a promise is broken, or a
    planted fault is not found."""
    options = parser().parse_args(arguments)
    if options.command == "faults":
        return hunt(options.name, is_told=options.trace)
    plans = [plan for plan in PLANS if not options.name or plan.name in options.name]
    if options.command == "walk":
        return walk_all(plans, options.walks)
    return explore_all(plans, options.states)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    found = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    commands = found.add_subparsers(dest="command", required=True)
    states = commands.add_parser("explore", help=f"visit states; writes {OUTPUT}")
    states.add_argument("name", nargs="*", help="of a plan; without: all")
    states.add_argument("--states", type=int, default=1_000_000, help="at most, of all together")
    walks = commands.add_parser("walk", help="walk at random, to the end of all budgets")
    walks.add_argument("name", nargs="*", help="of a plan; without: all")
    walks.add_argument("--walks", type=int, default=2000, help="of each plan")
    faults = commands.add_parser("faults", help="hunt the planted faults")
    faults.add_argument("name", nargs="*", help="of a fault, or a part of it; without: all")
    faults.add_argument("--trace", action="store_true", help="print the shortest way to each")
    return found


def explore_all(plans: Sequence[Plan], most_states: int) -> int:
    """Explore the plans one by one. What one does not need is left to those after it."""
    explored: list[Explored] = []
    left = most_states
    for rank, plan in enumerate(plans):
        print(f"== {plan.name}: {plan.covers}", flush=True)
        result = explore(LaneProtocol(plan), left // (len(plans) - rank), say=say)
        left -= result.states
        explored.append((plan, result))
        print(summary(result), *told(result.trace), sep="\n  ", flush=True)
        if result.fault:
            return 1
    text = "\n".join(explored_table(explored))
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(text + "\n")
    print(text)
    print(f"memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024:,} MiB at most")
    return 0


def walk_all(plans: Sequence[Plan], walks: int) -> int:
    """Walk `walks` times through each plan, by seeds from 0."""
    for plan in plans:
        walked = walk(LaneProtocol(plan), range(walks))
        count = len(walked.states)
        print(
            f"{plan.name:>10}: {walks:,} walks of {walked.deepest} steps at most, {count:,} states"
        )
        if walked.fault:
            print(f"BROKEN: {walked.fault}", *told(walked.trace), sep="\n  ")
            return 1
    return 0


def say(text: str) -> None:
    print(text, flush=True)


def summary(result: Result) -> str:
    """Return one line about an exploration."""
    return (
        f"{result.states:>11,} states, {result.steps:,} steps, {result.depth} deep, "
        f"{result.states / max(result.seconds, 1e-3):,.0f} states/s"
        f"{', all there are' if result.is_complete else ''}"
        f"{f': BROKEN: {result.fault}' if result.fault else ''}"
    )


def hunt(names: Sequence[str], *, is_told: bool) -> int:
    """Hunt the faults whose name has one of these texts in it."""
    found = []
    for planted in PLANTED:
        if not names or any(name in planted.name for name in names):
            result = planted.hunt()
            found.append((planted, result))
            if is_told:
                print(f"{planted.name}: {result.fault}", *told(result.trace), sep="\n  ")
    print("\n".join(faults_table(found)))
    return 0 if all(result.fault for _, result in found) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
