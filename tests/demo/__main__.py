"""`python -m tests.demo up|down`: what `make demo` and `make demo-down` run."""

import argparse
import sys
import time

from tests.cluster.control_plane import ROOT
from tests.cluster.errors import ClusterError, MissingToolError
from tests.demo import background, stage, story
from tests.demo.errors import DemoError
from tests.demo.screen import chapter, command, console, report, say
from tests.demo.stage import Stage

CONTEXT_FILE = "context"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.demo", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="start all, and run the order")
    up.add_argument("--cluster", choices=["own", "current"], default="own")
    up.set_defaults(run=run_up)
    down = commands.add_parser("down", help="end all that is running")
    down.set_defaults(run=run_down)
    arguments = parser.parse_args()
    try:
        arguments.run(arguments)
    except MissingToolError as error:
        own = "; or use a cluster of your own: make demo CLUSTER=current"
        print(f"\nmissing: {error}{own}", file=sys.stderr)
        return 1
    except (ClusterError, DemoError) as error:
        print(f"\nerror: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; `make demo-down` ends what is running", file=sys.stderr)
        return 130
    return 0


def run_up(arguments: argparse.Namespace) -> None:
    started = time.monotonic()
    context = stage.current_context() if arguments.cluster == "current" else None
    if context is not None:
        ask_leave(stage.plan_of(context))
    with chapter("A Kubernetes API server" if context is None else f"The cluster {context.name}"):
        if context is None:
            place = stage.local_stage()
        else:
            background.remember(CONTEXT_FILE, context.name)
            place = stage.current_stage(context)
    with chapter("Perdure's kinds"):
        place.admin.run("apply", "-f", "crds/")
        place.admin.quiet("wait", "--for=condition=Established", "-f", "crds/", "--timeout=30s")
    with chapter("The services of the example, and the operator"):
        services = background.start_services()
        background.start_operator(place, services)
    story.tell(place.reader, services)
    console.print(f"\n[bold]Done in {time.monotonic() - started:.0f} s.[/bold]")
    suggest(place)


def ask_leave(plan: list[str]) -> None:
    """Say what will be done; on a terminal, ask whether it may. Raises DemoError if not."""
    for line in plan:
        say(line)
    if sys.stdin.isatty() and input("  Go on? [y/N] ").strip().lower() not in ("y", "yes"):
        raise DemoError("nothing was done")


def suggest(place: Stage) -> None:
    """Print what to try next."""
    kubectl, order = place.reader, f"{story.EXAMPLE}/instance.yaml"
    console.print("All of it goes on running. What to try next, from this folder:\n")
    for line in place.exports:
        command(line)
    shown = kubectl.shown
    command(f"{shown} get wfi")
    command(f"{shown} describe wfi {story.INSTANCE}")
    command(f"{shown} explain wfd.spec.steps.http")
    say("another order; kill the operator half-way, `make demo` starts one that goes on with it:")
    command(f"sed s/{story.INSTANCE}/order-43/ {order} | {shown} apply -f -")
    command(f"kill -9 $(cut -d' ' -f1 {_pid_file()})")
    say("change the definition, and look for faults before you apply it:")
    command(f".venv/bin/perdure lint {story.EXAMPLE}/definition.yaml")
    say(f"the operator's log: {_log_file()}; the end of it all: make demo-down")


def _pid_file() -> str:
    return str(background.process("operator").pid_file.relative_to(ROOT))


def _log_file() -> str:
    return str(background.process("operator").log_file.relative_to(ROOT))


def run_down(_: argparse.Namespace) -> None:
    for name in ("operator", "services"):
        if background.stop(name):
            say(f"{name}: stopped")
    context = background.recall(CONTEXT_FILE)
    if context is not None:
        stage.leave_context(context)
    stage.stop_local_stage()
    report("the demo is over; `make demo` starts it again")


if __name__ == "__main__":
    sys.exit(main())
