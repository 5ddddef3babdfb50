"""`wait`: a durable pause."""

from __future__ import annotations

from datetime import datetime

from perdure.engine.events import Purpose, TimerCreated
from perdure.language.durations import parse_delay, parse_time
from perdure.language.places import Place
from perdure.language.program import WaitVerb
from perdure.language.run import Run, StepFault


def begin(run: Run, place: Place, verb: WaitVerb) -> None:
    """Set the timer; a moment in the past is due at once."""
    fire_at = _moment(run, place, verb)
    run.add(TimerCreated(path=place.path, purpose=Purpose.WAIT, fire_at=max(fire_at, run.now)))


def _moment(run: Run, place: Place, verb: WaitVerb) -> datetime:
    template, what = (verb.length, "wait.for") if verb.length else (verb.moment, "wait.at")
    assert template is not None, "the checker asks for one of for and at"
    text = run.render(place, template, what)
    try:
        if verb.length is not None:
            return run.now + parse_delay(str(text))
        return parse_time(str(text))
    except ValueError as error:
        raise StepFault(run.broken(place, what, str(error))) from error
