"""Arms of the fold: external events, from taking one to matching it with a wait."""

from __future__ import annotations

from datetime import datetime

from perdure.engine.events import (
    Door,
    EventAwaited,
    EventReceived,
    EventRefused,
    EventsMatched,
)
from perdure.engine.state import OpenWait, ReceivedEvent, Stage, State, TakenEvent
from perdure.engine.steps import succeed
from perdure.engine.update import begun, changed, drop, put, with_unit
from perdure.engine.values import Json, canonical


def await_event(state: State, event: EventAwaited) -> State:
    """Open a wait."""
    wait = OpenWait(
        wait_id=event.id,
        path=event.path,
        name=event.name.casefold(),
        count=event.count,
        since=event.at,
    )
    state = changed(state, waits=put(state.waits, event.id, wait))
    return begun(state, event.path, at=event.at, stage=Stage.WORKING)


def receive(state: State, event: EventReceived) -> State:
    """Keep the event until a wait matches it; its id is used from now on."""
    received = ReceivedEvent(
        received_id=event.id,
        event_id=event.event_id,
        name=event.name,
        data=event.data,
        time=event.received_at or event.at,
    )
    state = _taken(state, event.event_id, event.door, event.at)
    return changed(
        state,
        inbox=(*state.inbox, received),
        inbox_bytes=state.inbox_bytes + size_of(event.data),
    )


def refuse(state: State, event: EventRefused) -> State:
    """The id counts as used, the event is not kept."""
    return _taken(state, event.event_id, Door.SPEC, event.at)


def _taken(state: State, event_id: str, door: Door, at: datetime) -> State:
    return changed(state, taken=put(state.taken, event_id, TakenEvent(door=door, at=at)))


def match(state: State, event: EventsMatched) -> State:
    """End the wait with the events it took; they leave the inbox."""
    wait = state.waits.get(event.wait_id)
    if wait is None:
        return state
    used = {e.received_id: e for e in state.inbox if e.received_id in event.received}
    state = changed(
        state,
        inbox=tuple(e for e in state.inbox if e.received_id not in used),
        inbox_bytes=state.inbox_bytes - sum(size_of(e.data) for e in used.values()),
    )
    if event.failure is not None:
        state = changed(state, waits=drop(state.waits, event.wait_id))
        return with_unit(state, wait.path, at=event.at, stage=Stage.FAILING, failure=event.failure)
    output = event.output
    if not event.shaped:
        output = output_of([used[i] for i in event.received], wait.count)
    return succeed(state, wait.path, output, at=event.at)


def output_of(received: list[ReceivedEvent], count: int) -> Json:
    """Return a wait's result: one event, or the list of them where `count` asks for several."""
    shown = [as_json(event) for event in received]
    return shown[0] if count == 1 else list(shown)


def as_json(event: ReceivedEvent) -> Json:
    """Return an external event as expressions see it."""
    return {
        "id": event.event_id,
        "name": event.name,
        "data": event.data,
        "time": time_text(event.time),
    }


def time_text(value: datetime) -> str:
    """Return RFC 3339 in UTC, with as many digits as there are."""
    return value.isoformat().replace("+00:00", "Z")


def size_of(value: Json) -> int:
    """Return the size of a value in bytes, as bounds count it."""
    return len(canonical(value))


MAX_EVENT_BYTES = 16 * 1024
MAX_WAITING_EVENTS = 1000
MAX_WAITING_BYTES = 1024 * 1024


def refusal_of(state: State, data: Json) -> tuple[str, str] | None:
    """Return why an event with this data cannot be taken (reason, message), None if it can."""
    size = size_of(data)
    if size > MAX_EVENT_BYTES:
        return "TooLarge", f"the data has {size} bytes; at most {MAX_EVENT_BYTES} are taken"
    if len(state.inbox) >= MAX_WAITING_EVENTS or state.inbox_bytes + size > MAX_WAITING_BYTES:
        return "TooMany", f"{len(state.inbox)} events wait already and nothing takes them"
    return None
