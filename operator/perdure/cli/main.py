"""`perdure`: the commands and their exit codes (0 good, 1 failed or faults, 2 usage)."""

from __future__ import annotations

import sys

import typer

from perdure.cli import lint, operator, store, verify
from perdure.errors import PerdureError
from perdure.version import VERSION

app = typer.Typer(
    name="perdure",
    help="Durable workflows that live entirely in Kubernetes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("operator")(operator.operator)
app.command("lint")(lint.lint)
app.command("verify")(verify.verify)
app.add_typer(store.app, name="store", no_args_is_help=True)


@app.command("version")
def version() -> None:
    """Print the version."""
    print(VERSION)


def main() -> None:
    """Run the command line; an error of ours is one line, never a trace."""
    try:
        app()
    except PerdureError as error:
        print(f"perdure: {error}", file=sys.stderr)
        sys.exit(1)
