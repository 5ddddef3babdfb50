"""Errors of the test cluster: `ClusterError` and below."""


class ClusterError(Exception):
    """Something around the test cluster failed; the message says what to do next."""


class MissingToolError(ClusterError):
    """A program that has to be on this machine is missing or too old."""


class ApiError(ClusterError):
    """The API server refused a request.

    `status` is the HTTP status, `reason` the word of the `Status` object (such as
    `Conflict` or `Expired`), empty where the answer was not a `Status`.
    """

    def __init__(self, call: str, status: int, reason: str, message: str) -> None:
        super().__init__(f"{call}: {status} {reason}: {message}")
        self.status, self.reason, self.message = status, reason, message
