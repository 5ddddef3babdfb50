"""When the next attempt starts: pure arithmetic over the retry policy."""

from __future__ import annotations

import hashlib
from datetime import timedelta

from perdure.engine.events import Failure
from perdure.language.durations import SMALLEST
from perdure.language.program import Retry

LONGEST_RETRY_AFTER = timedelta(hours=1)


def may_repeat(retry: Retry, attempt: int, failure: Failure) -> bool:
    """Return whether the policy's count and the failure itself allow another attempt.

    `attempt` is the one that failed, from 1. The policy's `when` is asked elsewhere. An
    expression that failed is never repeated: the call has happened.
    """
    if failure.final or failure.type == "ExpressionError":
        return False
    return retry.attempts == -1 or attempt < retry.attempts


def delay_before_next(retry: Retry, attempt: int, failure: Failure, key: str) -> timedelta:
    """Return how long to wait after attempt `attempt` (from 1) failed.

    The server's Retry-After wins, up to an hour. Else the delay grows by `factor` up to
    `max_delay`, and full jitter takes a share of it that depends on key and attempt alone, so
    that every decision about it is the same decision. Source: docs/language.md#retry.
    """
    if failure.retry_after_seconds is not None:
        wished = min(failure.retry_after_seconds, LONGEST_RETRY_AFTER.total_seconds())
        return max(SMALLEST, timedelta(seconds=max(wished, 0.0)))
    ceiling = _grown(retry, attempt)
    if not retry.has_jitter:
        return max(SMALLEST, ceiling)
    return max(SMALLEST, ceiling * _share(key, attempt))


def _grown(retry: Retry, attempt: int) -> timedelta:
    longest = retry.max_delay.total_seconds()
    seconds = retry.delay.total_seconds()
    for _ in range(attempt - 1):
        if seconds >= longest or retry.factor <= 1:
            break
        seconds *= retry.factor
    return timedelta(seconds=min(seconds, longest))


def _share(key: str, attempt: int) -> float:
    digest = hashlib.sha256(f"{key}#{attempt}".encode()).digest()
    return int.from_bytes(digest[:6]) / float(1 << 48)
