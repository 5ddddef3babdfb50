"""`raise`: a failure that the definition makes itself."""

from __future__ import annotations

from perdure.engine.events import Failure
from perdure.engine.values import canonical
from perdure.language.places import Place
from perdure.language.program import RaiseVerb
from perdure.language.run import Run, StepFault
from perdure.language.templates import text_of

MAX_MESSAGE = 4096
MAX_DETAILS_BYTES = 16 * 1024
"""An error is written again by every block and flow that it passes on its way up."""


def begin(run: Run, place: Place, verb: RaiseVerb) -> None:
    """Fail the attempt."""
    attempt = run.attempt_of(place)
    message = "" if verb.message is None else run.render(place, verb.message, "raise.message")
    details = None if verb.details is None else run.render(place, verb.details, "raise.details")
    size = len(canonical(details))
    if size > MAX_DETAILS_BYTES:
        text = (
            f"raise.details of step {place.path} has {size} bytes; at most {MAX_DETAILS_BYTES} fit"
        )
        raise StepFault(run.failure(place, "TooLarge", text))
    failure = Failure(
        type=verb.type,
        message=text_of(message)[:MAX_MESSAGE],
        code=verb.code,
        retryable=verb.retryable,
        step=place.path,
        attempt=attempt,
        details=details,
    )
    run.fail_attempt(place, failure, attempt)
