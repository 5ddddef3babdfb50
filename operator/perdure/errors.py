"""The tree of exceptions. Adapters translate into it; no library's exception crosses a port.

PerdureError
├── InvalidDefinitionError      the spec is wrong; nobody acts until it changes
├── HistoryCorruptError         stored history does not add up; the instance is Stalled
├── NewerHistoryError           history was written in a form this version does not know
├── LogDamagedError             an entry of the log is missing or unreadable; its lane stalls
├── NewerLogError               the log holds an entry in a form this version does not know
├── NotOwnedError               the instance is in a lane that another process owns
├── WrongStateError             what is asked for is impossible as things stand
├── TransientError              the surroundings fail for now; try again after a while
│   └── ThrottledError          … and the API server said how long
├── ObjectError                 the API server refused one call about one object
│   ├── ObjectNotFoundError     404
│   ├── ObjectConflictError     409: exists already, or a precondition failed
│   ├── ObjectRejectedError     400, 413, 422: the object or patch is not acceptable
│   └── ObjectForbiddenError    403: RBAC, quota or a namespace that is going away
├── UnknownOutcomeError         a write was sent and its answer was lost
└── SettingsError               a flag or environment variable is not usable

What an activity did wrong is not an exception but a `Failure` value (engine/events.py). Our own
bugs are AssertionErrors.
"""

from __future__ import annotations


class PerdureError(Exception):
    """Base of all errors of Perdure."""


class InvalidDefinitionError(PerdureError):
    """A definition cannot be run as it is; the message names the first fault."""


class HistoryCorruptError(PerdureError):
    """The stored history of an instance does not add up; it must be left alone."""


class NewerHistoryError(PerdureError):
    """The history was written by a newer version, in a form that this one cannot fold."""


class LogDamagedError(PerdureError):
    """The log of turns does not add up; nothing may be written to that lane."""


class NewerLogError(PerdureError):
    """The log was written by a newer version, in a form that this one cannot read."""


class NotOwnedError(PerdureError):
    """The instance is in a lane of the log that this process does not own (any more)."""


class WrongStateError(PerdureError):
    """The caller asks for what cannot be done as things stand; the message says what to do."""


class TransientError(PerdureError):
    """The surroundings fail for now. `retry_after` is in seconds, None when nobody said."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ThrottledError(TransientError):
    """The API server asked to slow down (429)."""


class ObjectError(PerdureError):
    """One call about one object was refused. `status` is the HTTP status, `reason` Kubernetes'."""

    def __init__(self, message: str, *, status: int, reason: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class ObjectNotFoundError(ObjectError):
    """404: there is no such object."""


class ObjectConflictError(ObjectError):
    """409: the object exists already, or a precondition did not hold."""


class ObjectRejectedError(ObjectError):
    """400, 413 or 422: what was sent is not acceptable, or a `test` of a patch failed."""


class ObjectForbiddenError(ObjectError):
    """403: not allowed, over quota, or the namespace is being deleted."""


class UnknownOutcomeError(PerdureError):
    """A write was sent and no answer came: it may or may not have happened."""


class SettingsError(PerdureError):
    """A flag or environment variable cannot be used; the message names it and what is expected."""
