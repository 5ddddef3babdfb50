"""`perdure verify`: whether what stands in a cluster is what Perdure promises; reads only."""

from __future__ import annotations

import sys
from typing import Annotated

import typer


def verify(
    name: Annotated[str | None, typer.Argument(help="One instance; all if not given.")] = None,
    namespace: Annotated[
        str | None,
        typer.Option("--namespace", "-n", help="A namespace; that of the context by default."),
    ] = None,
    is_everywhere: Annotated[
        bool, typer.Option("--all-namespaces", "-A", help="All namespaces.")
    ] = False,
    kubeconfig: Annotated[
        str | None, typer.Option(help="A kubeconfig file; KUBECONFIG or the pod's by default.")
    ] = None,
    context: Annotated[str | None, typer.Option(help="A context of the kubeconfig.")] = None,
) -> None:
    """Check histories, statuses, pins and events in a cluster against what is promised.

    Writes nothing; needs get and list. Exit status 0: all good. 1: something is wrong, or it
    could not be found out. 2: wrong usage.
    """
    if is_everywhere and (name is not None or namespace is not None):
        print(
            "perdure verify: --all-namespaces goes with no name and no namespace", file=sys.stderr
        )
        sys.exit(2)
    # Imported here: `perdure lint` must not pay for aiohttp.
    from perdure.cli.inspection import Request, run

    request = Request(
        name=name,
        namespace=namespace,
        is_everywhere=is_everywhere,
        kubeconfig=kubeconfig,
        context=context,
    )
    sys.exit(run(request))
