"""`perdure store`: what an administrator may do with the log of turns."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import typer

from perdure.errors import SettingsError
from perdure.settings import parse_length

app = typer.Typer(help="The log of turns: how it stands, and what to do about it.")

Namespace = Annotated[
    str,
    typer.Option(
        "--namespace", "-n", envvar="PERDURE_NAMESPACE", help="The operator's own namespace."
    ),
]
Kubeconfig = Annotated[
    str | None, typer.Option(help="A kubeconfig file; KUBECONFIG or the pod's by default.")
]
Context = Annotated[str | None, typer.Option(help="A context of the kubeconfig.")]
Timeout = Annotated[
    str, typer.Option(help="How long statuses have to show what stands in the log.")
]


class Output(StrEnum):
    """How a report is written."""

    TABLE = "table"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Access:
    """Where the log is, and how the API server is reached."""

    namespace: str
    kubeconfig: str | None
    context: str | None


@app.command("status")
def status(
    output: Annotated[Output, typer.Option("--output", "-o", help="For people, or programs.")] = (
        Output.TABLE
    ),
    namespace: Namespace = "perdure-system",
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Tell how each lane stands; writes nothing.

    Exit status 0: all good. 1: something is damaged, or it could not be found out. 2: wrong usage.
    """
    # Imported in each command: `perdure lint` must not pay for aiohttp.
    from perdure.cli import storekeeping

    access = Access(namespace, kubeconfig, context)
    sys.exit(storekeeping.status(access, is_json=output is Output.JSON))


@app.command("drain")
def drain(
    timeout: Timeout = "60s",
    namespace: Namespace = "perdure-system",
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Show in statuses all that stands in the log, while no operator runs.

    Exit status 0: everything is shown. 1: something is not, or a replica runs. 2: wrong usage.
    124: the API server did not answer in time.
    """
    from perdure.cli import storekeeping

    access = Access(namespace, kubeconfig, context)
    sys.exit(storekeeping.drain(access, _seconds(timeout)))


@app.command("resize")
def resize(
    lanes: Annotated[int, typer.Argument(min=1, max=64, help="How many lanes there shall be.")],
    timeout: Timeout = "60s",
    namespace: Namespace = "perdure-system",
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Give the log another number of lanes, while no operator runs; cut off, it goes on.

    Exit status 0: done. 1: it cannot be done as things stand. 2: wrong usage. 124: the API server
    did not answer in time.
    """
    from perdure.cli import storekeeping

    access = Access(namespace, kubeconfig, context)
    sys.exit(storekeeping.resize(access, lanes, _seconds(timeout)))


@app.command("repair")
def repair(
    is_agreed: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    namespace: Namespace = "perdure-system",
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Make lanes whole of which slots were deleted; what stood there stays lost.

    Exit status 0: all good. 1: something is still damaged. 2: wrong usage. 124: the API server did
    not answer in time.
    """
    from perdure.cli import storekeeping

    sys.exit(storekeeping.repair(Access(namespace, kubeconfig, context), is_agreed=is_agreed))


def _seconds(timeout: str) -> float:
    try:
        return parse_length(timeout, "--timeout").total_seconds()
    except SettingsError as error:
        print(f"perdure store: {error}", file=sys.stderr)
        sys.exit(2)
