"""`event`: wait for external events, in the order of their arrival."""

from __future__ import annotations

from perdure.engine.events import EventAwaited, EventsMatched
from perdure.engine.external import as_json, output_of
from perdure.engine.state import OpenWait, ReceivedEvent
from perdure.language.expressions import EvaluationError
from perdure.language.places import Place
from perdure.language.program import EventVerb
from perdure.language.run import Run, StepFault


def begin(run: Run, place: Place, verb: EventVerb) -> None:
    """Open the wait; events that came before count too."""
    run.add(EventAwaited(path=place.path, name=verb.name, count=verb.count))


def go_on(run: Run, place: Place, verb: EventVerb) -> None:
    """Match the wait with what is in the inbox, if that is enough."""
    wait = next((w for w in run.state.waits.values() if w.path == place.path), None)
    if wait is None:
        return
    matching = _matching(run, place, verb, wait)
    if len(matching) < wait.count:
        return
    taken = matching[: wait.count]
    received = tuple(event.received_id for event in taken)
    if place.step.output is None:
        run.add(EventsMatched(wait_id=wait.wait_id, received=received))
        return
    result = output_of(taken, wait.count)
    try:
        output = run.shaped(place, result, result)
    except StepFault as fault:
        run.add(EventsMatched(wait_id=wait.wait_id, received=received, failure=fault.failure))
        return
    run.add(EventsMatched(wait_id=wait.wait_id, received=received, shaped=True, output=output))


def _matching(run: Run, place: Place, verb: EventVerb, wait: OpenWait) -> list[ReceivedEvent]:
    refused, found = run.refused, []
    for event in run.state.inbox:
        asked = (wait.wait_id, event.received_id)
        if event.name.casefold() != wait.name or asked in refused:
            continue
        if _accepts(run, place, verb, event):
            found.append(event)
        else:
            refused.add(asked)
    return found


def _accepts(run: Run, place: Place, verb: EventVerb, event: ReceivedEvent) -> bool:
    """Return whether `where` holds; one that fails or gives no boolean is no match."""
    if verb.where is None:
        return True
    try:
        return verb.where.evaluate(run.names(place, {"event": as_json(event)})) is True
    except EvaluationError:
        return False
