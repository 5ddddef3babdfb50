"""Refusing the real world: in a simulation nobody asks the machine for time, chance or threads."""

from __future__ import annotations

import logging
import os
import random  # noqa: TID251 - to refuse it
import secrets
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

REFUSED: tuple[tuple[object, str], ...] = (
    (time, "time"),
    (time, "time_ns"),
    (time, "sleep"),
    (time, "monotonic"),
    (random, "random"),
    (random, "randrange"),
    (random, "randint"),
    (random, "uniform"),
    (random, "choice"),
    (random, "shuffle"),
    (secrets, "token_hex"),
    (secrets, "token_bytes"),
    (os, "urandom"),
    (uuid, "uuid4"),
    (uuid, "uuid1"),
    (threading.Thread, "start"),
)
"""`datetime.now` cannot be replaced; the linter bans it everywhere but in runtime/clock.py."""


class RealWorldError(AssertionError):
    """Something in a simulation asked the machine."""


@contextmanager
def real_world_refused() -> Iterator[None]:
    """Have every such question fail, loudly, within the block.

    Nothing is logged there, either: every record asks what time it is.
    """
    with ExitStack() as stack:
        stack.callback(logging.disable, logging.root.manager.disable)
        logging.disable(logging.CRITICAL)
        for owner, name in REFUSED:
            stack.enter_context(patch.object(owner, name, _refusing(name)))
        yield


def _refusing(name: str) -> Callable[..., None]:
    def refuse(*args: object, **kwargs: object) -> None:
        raise RealWorldError(f"a simulation asked the machine for {name}")

    return refuse
