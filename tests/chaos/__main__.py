"""`python -m tests.chaos --minutes 2 --seed 7 --operators 3`; exits with 1 on violations."""

import argparse
import asyncio
import os
import signal
import sys
import time
from pathlib import Path

from tests.chaos.clocks import missing
from tests.chaos.faults import KINDS
from tests.chaos.plan import Strike, plan, read_plan, write_plan
from tests.chaos.run import Options, run
from tests.cluster.cluster import Cluster
from tests.cluster.control_plane import ROOT, remove
from tests.cluster.errors import ClusterError
from tests.e2e.operators import LOGS
from tests.e2e.trial import say

NAMESPACE = "chaos"
REPORT = ROOT / "build" / "chaos.json"


def main(arguments: argparse.Namespace) -> int:
    """Run on a cluster of its own; return the exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that all is cleaned up
    began = time.monotonic()

    def report(line: str) -> None:
        say(f"{time.monotonic() - began:7.1f}  {line}")

    options = options_of(arguments)
    cluster = Cluster(f"{arguments.name}-{os.getpid()}", say)
    try:
        cluster.up()
        cluster.apply_crds()
        cluster.create_namespace(NAMESPACE)
        verdict = asyncio.run(run(cluster, NAMESPACE, options, report))
    except ClusterError as error:
        say(f"error: {error}")
        return 1
    finally:
        cluster.down()
        remove(cluster.layout.root)
    verdict.write(arguments.report)
    say(verdict.told())
    say(verdict.row(arguments.seed, arguments.minutes, arguments.operators))
    say(f"took {time.monotonic() - began:.0f} s; {arguments.report} has all of it")
    return 0 if verdict.is_good else 1


def options_of(arguments: argparse.Namespace) -> Options:
    seconds = arguments.minutes * 60
    return Options(
        seconds=seconds,
        seed=arguments.seed,
        operators=arguments.operators,
        interval=arguments.order_every,
        most_open=arguments.most_open,
        strikes=strikes_of(arguments, seconds),
    )


def strikes_of(arguments: argparse.Namespace, seconds: float) -> list[Strike]:
    """Return the plan, made from the seed or read; it is left in a file to be repeated."""
    problem = missing()
    if problem is not None:
        say(problem)
    if arguments.plan is not None:
        strikes = read_plan(arguments.plan)
    else:
        kinds = {
            name: kind.span
            for name, kind in KINDS.items()
            if problem is None or not kind.needs_clock
            if not arguments.kinds or name in arguments.kinds
        }
        strikes = plan(
            arguments.seed,
            seconds=seconds,
            mean=arguments.fault_every,
            victims=arguments.operators,
            kinds=kinds,
        )
    file = LOGS / NAMESPACE / "plan.jsonl"
    write_plan(strikes, file)
    say(f"{len(strikes)} faults are planned; {file} repeats them (--plan)")
    return strikes


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    top.add_argument("--minutes", type=float, default=2)
    top.add_argument("--seed", type=int, default=1)
    top.add_argument("--operators", type=int, default=2)
    top.add_argument("--fault-every", type=float, default=10, help="mean seconds between faults")
    top.add_argument("--order-every", type=float, default=0.7, help="seconds between two orders")
    top.add_argument("--most-open", type=int, default=60, help="orders that are open at once")
    top.add_argument("--kinds", nargs="+", choices=sorted(KINDS), default=[], help="only these")
    top.add_argument("--plan", type=Path, help="a plan that was written before")
    top.add_argument("--report", type=Path, default=REPORT)
    top.add_argument("--name", default="chaos", help="of the cluster")
    return top


if __name__ == "__main__":
    sys.exit(main(parser().parse_args()))
