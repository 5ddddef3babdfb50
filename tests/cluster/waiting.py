"""Waiting for a condition, with a deadline."""

import time
from collections.abc import Callable
from typing import TypeVar

from tests.cluster.errors import ClusterError

T = TypeVar("T")
POLL_SECONDS = 0.03  # short against a start of seconds, long against one look at a process


def wait_for(look: Callable[[], T | None], what: str, timeout_seconds: float) -> T:
    """Return the first answer of `look` that is neither None nor False.

    Raises ClusterError naming `what` once `timeout_seconds` have passed.
    """
    deadline = time.monotonic() + timeout_seconds
    while True:
        answer = look()
        if answer is not None and answer is not False:
            return answer
        if time.monotonic() > deadline:
            raise ClusterError(f"waited {timeout_seconds:g} s in vain for {what}")
        time.sleep(POLL_SECONDS)
