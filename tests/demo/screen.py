"""What the demo prints: plain lines, with colour on a terminal that wants it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from tests.demo.errors import DemoError

POLL_SECONDS = 0.1
NEWS_SECONDS = 5.0

console = Console(highlight=False, soft_wrap=True)


def say(line: str = "") -> None:
    """Print a line as it is."""
    console.print(f"  {escape(line)}" if line else "", emoji=False)


def report(line: str) -> None:
    """Print a line of progress."""
    console.print(f"  [dim]{escape(line)}[/dim]", emoji=False)


def command(line: str) -> None:
    """Print a command that is about to run, or that the reader can type."""
    console.print(f"  [bold cyan]$ {escape(line)}[/bold cyan]", emoji=False)


@contextmanager
def chapter(title: str) -> Iterator[None]:
    """Head a part of the demo, and end it with the time that it took."""
    console.print(f"\n[bold]{escape(title)}[/bold]", emoji=False)
    started = time.monotonic()
    yield
    console.print(f"  [green]✓[/green] [dim]{time.monotonic() - started:.1f} s[/dim]")


def wait_for(what: str, look: Callable[[], bool], timeout_seconds: float) -> None:
    """Wait until `look` says yes, with a line every few seconds.

    Raises DemoError naming `what` when the time is over.
    """
    started = news = time.monotonic()
    while not look():
        now = time.monotonic()
        if now - started > timeout_seconds:
            raise DemoError(f"waited {timeout_seconds:g} s in vain for {what}")
        if now - news > NEWS_SECONDS:
            news = now
            report(f"waiting for {what}: {now - started:.0f} s of at most {timeout_seconds:g}")
        time.sleep(POLL_SECONDS)
