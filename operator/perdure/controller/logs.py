"""Structured logs: JSON lines, or readable ones on a terminal. Constant messages with fields."""

from __future__ import annotations

import logging
import sys

import structlog

_QUIET = ("kopf", "aiohttp.access", "asyncio")


def set_up(level: int = logging.INFO) -> None:
    """Send all logging of the process to stderr, in one form."""
    renderer: structlog.typing.Processor = structlog.processors.JSONRenderer()
    if sys.stderr.isatty():
        renderer = structlog.dev.ConsoleRenderer()
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            renderer,
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    # It warns that it ignores signals, which is meant: it runs beside the main thread.
    logging.getLogger("kopf._core.reactor.running").setLevel(logging.ERROR)
