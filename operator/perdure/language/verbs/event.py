"""`event`: wait for external events, in the order of their arrival."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

from perdure.engine.events import EventAwaited, EventsMatched
from perdure.engine.external import as_json, output_of
from perdure.engine.orchestrator import Asked
from perdure.engine.state import OpenWait, ReceivedEvent
from perdure.engine.values import Json, is_same
from perdure.language.places import Extra, Place
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
    """Return the events that the wait takes, in order of arrival, no more than it needs.

    No event is asked about twice while the condition sees the same: what was asked in this turn
    and in those before it is known. A turn that has done enough leaves the rest to the next.
    """
    asked = _known(run, place, verb, wait)
    waiting = {event.received_id: event for event in run.state.inbox} if asked.taken else {}
    found = [waiting[one] for one in asked.taken if one in waiting]
    upto, names = asked.upto, None
    for event in _after(run.state.inbox, asked.upto):
        if len(found) >= wait.count or run.is_full:
            break
        upto = event.received_id
        if event.name.casefold() != wait.name:
            continue
        names = run.names(place) if names is None else names
        if _accepts(run, names, verb, event):
            found.append(event)
    run.note(wait.wait_id, replace(asked, upto=upto, taken=tuple(e.received_id for e in found)))
    return found


def _known(run: Run, place: Place, verb: EventVerb, wait: OpenWait) -> Asked:
    """Return what is known of the wait's answers; nothing is where it sees something else now."""
    asked = run.asked(wait.wait_id)
    if asked is not None and run.is_seen(wait.wait_id):
        return asked
    sees: Json = None if verb.where is None else verb.where.reads(run.names(place))
    if asked is None or not is_same(asked.sees, sees):
        asked = Asked(sees, upto=0)
    run.see(wait.wait_id)
    return asked


def _after(inbox: Sequence[ReceivedEvent], upto: int) -> Iterator[ReceivedEvent]:
    """Yield the events with greater ids: ids grow with the order of arrival."""
    first = bisect_right(inbox, upto, key=lambda event: event.received_id)
    return islice(inbox, first, None)


def _accepts(run: Run, names: Extra, verb: EventVerb, event: ReceivedEvent) -> bool:
    """Return whether `where` holds; one that fails or gives no boolean is no match."""
    if verb.where is None:
        return True
    run.begin_move()
    return run.accepts(verb.where, {**names, "event": as_json(event)})
