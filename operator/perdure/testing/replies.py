"""Scripted answers: what a called service would have said."""

from __future__ import annotations

from dataclasses import dataclass

from perdure.engine.events import Failure
from perdure.engine.orchestrator import Answer
from perdure.engine.values import Json, JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer, whichever attempt it is for."""

    result: Json = None
    failure: Failure | None = None
    accepted: bool = False

    def to(self, scheduled_id: int) -> Answer:
        """Return the fact that this attempt came to this."""
        return Answer(
            scheduled_id=scheduled_id,
            result=self.result,
            failure=self.failure,
            accepted=self.accepted,
        )


def ok(
    body: Json = None,
    *,
    code: int = 200,
    headers: JsonObject | None = None,
    accepted: bool = False,
) -> Reply:
    """Return an answer as the HTTP executor reports one that it judges a success."""
    return Reply(result={"code": code, "headers": headers or {}, "body": body}, accepted=accepted)


def failed(
    kind: str = "NoAnswer",
    message: str = "no answer",
    *,
    retryable: bool = True,
    unknown: bool = False,
    code: int | None = None,
    retry_after_seconds: float | None = None,
    result: Json = None,
) -> Reply:
    """Return a failure of a call; `result` is the answer behind it, where there was one."""
    failure = Failure(
        type=kind,
        message=message,
        code=code,
        retryable=retryable,
        unknown=unknown,
        retry_after_seconds=retry_after_seconds,
    )
    return Reply(result=result, failure=failure)
