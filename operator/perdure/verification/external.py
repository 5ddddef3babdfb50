"""External events in a history: once per id, as they were sent, in order, one wait each.

Source: docs/architecture.md#what-is-promised-after-a-crash.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from perdure.engine.values import Json, JsonObject
from perdure.verification.accounts import Account
from perdure.verification.bodies import as_written, is_same, number, part, text
from perdure.verification.chain import canonical
from perdure.verification.checks import Commit, EventCheck, Texts
from perdure.verification.postings import matched_ids
from perdure.verification.world import Sent, World

ARRIVED = frozenset({"EventReceived", "EventRefused"})
RECEIVED = frozenset({"EventReceived"})
MATCHED = frozenset({"EventsMatched"})
MAX_DATA = 16 * 1024
SEEN = timedelta(minutes=1)
"""An instance that is older than this was there when somebody looked for it."""
KEPT_WAITING = timedelta(hours=24) - timedelta(seconds=1)
"""So long an event waits for its instance to come; its creation is known to the second."""


def once_per_id(commit: Commit, event: JsonObject) -> Texts:
    """An event id enters the history of an instance once."""
    before = commit.account.taken.get(text(event.get("eventId")))
    if before is not None:
        yield (
            f'external event "{event.get("eventId")}" enters by event {event.get("id")}, and did '
            f"by event {before.get('id')}"
        )


def as_sent(commit: Commit, event: JsonObject) -> Texts:
    """An event in the history was sent to this instance, with this name and this data."""
    account, world = commit.account, commit.world
    event_id = text(event.get("eventId"))
    data = stored_value(world, account, event.get("data"))
    for name, sent_data in _sendings(world, account, event_id, event.get("door")):
        if name == event.get("name") and (
            event.get("type") == "EventRefused" or is_same(as_written(sent_data), data)
        ):
            return
    yield f'external event "{event_id}" was not sent like this by {event.get("door")}'


def _sendings(
    world: World, account: Account, event_id: str, door: Json
) -> Iterable[tuple[Json, Json]]:
    """Return name and data of everything that was sent under the id by a door."""
    if door == "Object":
        for sent in world.sent.get((account.namespace, account.name), ()):
            if sent.event_id == event_id and sent.is_for(account):
                yield sent.spec.get("name"), sent.spec.get("data")
    elif event_id in account.spec_events:
        entry = account.spec_events[event_id]
        yield entry.get("name"), entry.get("data")


def stored_value(world: World, account: Account, stored: Json) -> Json:
    """Return a value as it was before it was stored: unwrapped, or from its payload."""
    if isinstance(stored, dict) and len(stored) == 1:
        if "$value" in stored:
            return stored["$value"]
        if "$payload" in stored:
            kept = world.kept(account, text(part(stored, "$payload").get("ref")))
            return None if kept is None else kept.value
    return stored


def in_order(commit: Commit, event: JsonObject) -> Texts:
    """WorkflowEvents enter in the order in which they were created."""
    account, world = commit.account, commit.world
    sent = _first(world, account, event)
    if sent is None or sent.is_edited:
        return
    for before in reversed(account.received.values()):
        earlier = _first(world, account, before.event)
        if earlier is None or earlier.is_edited:
            continue
        if earlier.write.revision > sent.write.revision:
            yield f'"{sent.event_id}" was created before "{earlier.event_id}"'
        return


def _first(world: World, account: Account, event: JsonObject) -> Sent | None:
    """Return the first object that was created for an event that entered as an object.

    Not one that was gone before there was the instance: that was for another of its name.
    """
    if event.get("door") != "Object":
        return None
    for sent in world.sent.get((account.namespace, account.name), ()):
        is_meant = sent.event_id == event.get("eventId") and sent.is_for(account)
        is_past = sent.gone is not None and sent.gone.revision < account.created.revision
        if is_meant and not is_past:
            return sent
    return None


def refused_with_reason(commit: Commit, event: JsonObject) -> Texts:
    """An event of `spec.events` is refused only for its size, or for how many wait already."""
    account = commit.account
    entry = account.spec_events.get(text(event.get("eventId")))
    size = 0 if entry is None else len(canonical(as_written(entry.get("data"))))
    reason = event.get("reason")
    if reason not in ("TooLarge", "TooMany"):
        yield f'"{event.get("eventId")}" is refused with {reason}'
    elif entry is not None and reason == "TooLarge" and size <= MAX_DATA:
        yield f'"{event.get("eventId")}" is refused as too large with {size} bytes'


def one_wait_each(commit: Commit, event: JsonObject) -> Texts:
    """A wait is over once, and an event satisfies at most one wait, of its own name."""
    account = commit.account
    wait = account.waits.get(number(event.get("waitId")))
    if wait is None:
        yield f"event {event.get('id')} ends wait {event.get('waitId')}, which nobody opened"
        return
    if wait.is_over:
        yield f"the wait of {wait.path} is over twice"
    received = matched_ids(event)
    if len(received) != wait.count or len(set(received)) != len(received):
        yield f"the wait of {wait.path} for {wait.count} took {received}"
    for received_id in received:
        yield from _fault_of(account, wait.name, received_id)


def _fault_of(account: Account, name: str, received_id: int) -> Texts:
    found = account.received.get(received_id)
    if found is None:
        yield f"event {received_id} satisfies a wait and was never received"
    elif found.wait_id is not None:
        yield f"event {received_id} satisfies a second wait"
    elif text(found.event.get("name")).casefold() != name:
        yield f"event {received_id} is no {name}"


def marks_are_true(world: World, sent: Sent, kind: str, reason: str, at: datetime) -> Texts:
    """A WorkflowEvent is marked Taken after the commit that took it, Refused only with reason."""
    if kind == "Taken":
        if not was_taken(world, sent):
            yield "marked Taken before any commit took it"
        return
    place = (sent.write.namespace, text(sent.spec.get("instance")))
    named = world.named.get(place, [])
    if reason in ("NoInstance", "InstanceGone") and _is_there(world, sent, at):
        yield f"refused with {reason}, although its instance is there"
    age = at - sent.write.at
    if reason == "NoInstance" and age < KEPT_WAITING - world.between_clocks:
        yield f"refused with NoInstance {age} after it was sent: its instance may come yet"
    if reason == "Ended" and not any(one.ended is not None for one in named):
        yield "refused with Ended, although no instance of the name has ended"
    size = len(canonical(as_written(sent.spec.get("data"))))
    if reason == "TooLarge" and size <= MAX_DATA:
        yield f"refused as too large with {size} bytes"


def _is_there(world: World, sent: Sent, at: datetime) -> bool:
    """Return whether a look for the instance would have found it.

    An instance that the event names by its uid was there before the event: until it is deleted,
    each look finds it.
    """
    alive = world.living(sent.write.namespace, text(sent.spec.get("instance")))
    if alive is None or not sent.is_for(alive):
        return False
    return sent.spec.get("instanceUid") is not None or at - alive.created.at > SEEN


def was_taken(world: World, sent: Sent) -> bool:
    """Return whether an instance that the event may be for has its id in its history.

    What is in a history that somebody damaged nobody can say: it may.
    """
    named = world.named.get((sent.write.namespace, text(sent.spec.get("instance"))), [])
    return any(sent.event_id in one.taken or not one.is_sound for one in named if sent.is_for(one))


def is_shown_taken(world: World, sent: Sent) -> bool:
    """Return whether a status shows that the event was taken, or its instance is gone with it."""
    named = world.named.get((sent.write.namespace, text(sent.spec.get("instance"))), [])
    return any(_shows(one, sent) for one in named if sent.is_for(one))


def _shows(account: Account, sent: Sent) -> bool:
    if not account.is_sound:
        return True
    taken = account.taken.get(sent.event_id)
    if taken is None:
        return False
    return account.gone is not None or number(taken.get("id")) <= account.shown.length


CHECKS = (
    EventCheck("I-15", ARRIVED, once_per_id),
    EventCheck("I-17", ARRIVED, as_sent, needs_log=True),
    EventCheck("I-18", RECEIVED, in_order, needs_log=True),
    EventCheck("I-16", frozenset({"EventRefused"}), refused_with_reason),
    EventCheck("I-19", MATCHED, one_wait_each),
)
