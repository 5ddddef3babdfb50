"""How a call fails, as values. Source: docs/reference/errors.md, the outcomes of a call."""

from __future__ import annotations

from perdure.engine.events import Failure


class CallFailedError(Exception):
    """A call cannot go on; carries the Failure that the executor reports. Never leaves it."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def not_allowed(message: str) -> CallFailedError:
    """Return the error for a call that must not be made as it is; nothing was sent."""
    return CallFailedError(Failure(type="NotAllowed", message=message))


def no_answer(
    message: str, *, is_unknown: bool = False, retry_after: float | None = None
) -> CallFailedError:
    """Return the error for a call without answer; `is_unknown` once it may have been sent.

    `retry_after` is in seconds.
    """
    return CallFailedError(
        Failure(
            type="NoAnswer",
            message=message,
            retryable=True,
            unknown=is_unknown,
            retry_after_seconds=retry_after,
        )
    )


def timed_out(message: str, *, is_unknown: bool) -> CallFailedError:
    """Return the error for an attempt that used up its time."""
    return CallFailedError(
        Failure(type="Timeout", message=message, retryable=True, unknown=is_unknown)
    )


def too_large(message: str) -> CallFailedError:
    """Return the error for an answer over the bound: the call has happened."""
    return CallFailedError(Failure(type="TooLarge", message=message))


def invalid_answer(message: str) -> CallFailedError:
    """Return the error for an answer that is not what it says it is: the call has happened."""
    return CallFailedError(Failure(type="InvalidAnswer", message=message))
