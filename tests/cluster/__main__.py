"""`python -m tests.cluster`: a control plane to develop against."""

import argparse
import sys
import time

from tests.cluster.clients import fetch_clients
from tests.cluster.cluster import Cluster
from tests.cluster.errors import ClusterError
from tests.cluster.identities import IDENTITIES, SERVICE_ACCOUNT
from tests.cluster.programs import build_programs


def main() -> int:
    arguments = parser().parse_args()
    try:
        return int(arguments.run(arguments))
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--name", default="dev", help="which cluster (default: dev)")

    build = commands.add_parser("build", help="build and fetch the programs, start nothing")
    build.set_defaults(run=run_build)
    up = commands.add_parser("up", parents=[shared], help="start, or start what is missing")
    up.add_argument(
        "--nodeless", action="store_true", help="no kubelet: pods stay Pending; the only mode"
    )
    up.set_defaults(run=run_up)
    down = commands.add_parser("down", parents=[shared], help="stop, and delete the data")
    down.set_defaults(run=run_down)
    status = commands.add_parser("status", parents=[shared], help="show pids; 1 unless all run")
    status.set_defaults(run=run_status)
    kubeconfig = commands.add_parser(
        "kubeconfig", parents=[shared], help="print the path of a kubeconfig"
    )
    kubeconfig.add_argument(
        "identity", nargs="?", default="admin", choices=[*IDENTITIES, SERVICE_ACCOUNT]
    )
    kubeconfig.set_defaults(run=run_kubeconfig)
    return top


def cluster_of(arguments: argparse.Namespace) -> Cluster:
    return Cluster(arguments.name, report)


def report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def run_build(_: argparse.Namespace) -> int:
    build_programs(report)
    fetch_clients(report)
    return 0


def run_up(arguments: argparse.Namespace) -> int:
    run_build(arguments)
    cluster = cluster_of(arguments)
    started = time.monotonic()
    cluster.up()
    cluster.apply_crds()
    print(f"cluster {cluster.name} is up at {cluster.server} ({time.monotonic() - started:.1f} s)")
    print(f"export KUBECONFIG={cluster.kubeconfig()}")
    return 0


def run_down(arguments: argparse.Namespace) -> int:
    cluster_of(arguments).down()
    return 0


def run_status(arguments: argparse.Namespace) -> int:
    status = cluster_of(arguments).status()
    for component, pid in status.items():
        print(f"{component:20}{'not running' if pid is None else f'pid {pid}'}")
    return 0 if all(status.values()) else 1


def run_kubeconfig(arguments: argparse.Namespace) -> int:
    print(cluster_of(arguments).kubeconfig(arguments.identity))
    return 0


if __name__ == "__main__":
    sys.exit(main())
