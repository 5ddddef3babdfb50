"""`raise`: a failure that the definition makes itself."""

from __future__ import annotations

from perdure.engine.events import Failure
from perdure.language.places import Place
from perdure.language.program import RaiseVerb
from perdure.language.run import Run
from perdure.language.templates import text_of


def begin(run: Run, place: Place, verb: RaiseVerb) -> None:
    """Fail the attempt."""
    attempt = run.attempt_of(place)
    message = "" if verb.message is None else run.render(place, verb.message, "raise.message")
    details = None if verb.details is None else run.render(place, verb.details, "raise.details")
    failure = Failure(
        type=verb.type,
        message=text_of(message),
        code=verb.code,
        retryable=verb.retryable,
        step=place.path,
        attempt=attempt,
        details=details,
    )
    run.fail_attempt(place, failure, attempt)
