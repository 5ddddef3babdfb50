"""The log of turns as it is written, entry by entry: who writes what, and that nothing is lost.

A lane into which somebody else wrote, or of which a slot was deleted, is judged no further, but for
what must hold in spite of that.
Source: docs/log.md and docs/model.md#what-must-hold-in-every-state.
"""

from __future__ import annotations

from collections.abc import Iterator

from perdure.verification.accounts import Account
from perdure.verification.bodies import identity_of
from perdure.verification.checks import EntryCheck, Texts, WriteCheck
from perdure.verification.entries import (
    CLAIM,
    CLOSED,
    EMPTY,
    OPENING,
    TURNS,
    LoggedTurn,
    lane_of,
)
from perdure.verification.evidence import Write
from perdure.verification.lanes import Replacement
from perdure.verification.world import LOGS, World

MAX_DATA = 256 * 1024
"""Bytes of an entry's data."""


def is_tampered(world: World, entry: Replacement) -> bool:
    """Return whether somebody who is no operator wrote over what stood there."""
    if entry.is_opening or world.is_operator(entry.write.actor):
        return False
    return identity_of(entry.new.incarnation) != entry.write.actor


def slots_stay(world: World, write: Write) -> Texts:
    """A slot of the log is never deleted by an operator."""
    if write.after is None and world.is_operator(write.actor):
        yield f"{write.actor} deleted it"


def slots_first(world: World, entry: Replacement) -> Texts:
    """All slots of a generation stand before its first entry, and none is created after that."""
    namespace, generation, number = entry.lane.place
    lanes = world.lanes.of_generation(namespace, generation)
    first = (entry.slot.lane, entry.slot.number) == (0, 0)
    if entry.old is None:
        if entry.new.kind != (OPENING if first else EMPTY) or entry.new.seq:
            yield f"it is created as {entry.new.kind} with number {entry.new.seq}"
        if not first and not world.lanes.is_opening(namespace, generation):
            yield f"it is created when generation {generation} is open, or not begun"
        return
    if entry.is_opening:
        missing = entry.new.lanes * world.bounds.slots - sum(len(one.entries) for one in lanes)
        if missing:
            yield f"generation {generation} is opened while {missing} slots are missing"
    elif world.lanes.is_opening(namespace, generation):
        yield f"lane {number} is written while its generation is being opened"


def one_by_one(world: World, entry: Replacement) -> Texts:
    """Entries of a lane follow each other one by one, each in its slot, with a nonce of its own."""
    lane, slot, new = entry.lane, entry.slot, entry.new
    if (new.generation, new.lane) != (slot.generation, slot.lane):
        yield f"it says that it is of generation {new.generation}, lane {new.lane}"
    lanes = world.lanes.lanes_of(lane.place[0], slot.generation) or new.lanes
    if new.lanes != lanes:
        yield f"it counts {new.lanes} lanes, the generation has {lanes}"
    if entry.is_opening:
        return
    if new.seq != lane.tail + 1:
        yield f"entry {new.seq} follows entry {lane.tail}"
    if new.seq % world.bounds.slots != slot.number:
        yield f"entry {new.seq} stands in slot {slot.number}"
    if not new.nonce or new.nonce in lane.nonces:
        yield f"its nonce {new.nonce!r} is not its own"


def readable(world: World, entry: Replacement) -> Texts:
    """An entry can be read, takes at most 256 KiB, and only one of kind Turns has new turns."""
    new = entry.new
    if new.fault:
        yield new.fault
    if new.size > MAX_DATA:
        yield f"its data has {new.size} bytes"
    if new.turns and new.kind != TURNS:
        yield f"an entry of kind {new.kind} has {len(new.turns)} new turns"


def own_lane(world: World, entry: Replacement) -> Texts:
    """Only the author of the newest claim writes in a lane, until it is released or closed."""
    new, actor = entry.new, entry.write.actor
    if entry.is_opening:
        return
    if identity_of(new.incarnation) != actor:
        yield f"{actor} wrote it for {new.incarnation}"
    elif not world.leases.is_known(new.incarnation):
        yield f"{new.incarnation} wrote it and has never held a Lease"
    if new.kind != CLAIM and new.incarnation != entry.lane.owner:
        owner = entry.lane.owner or "nobody"
        yield f"{new.incarnation} wrote {new.kind}, and the lane belongs to {owner}"


def nothing_over_closed(world: World, entry: Replacement) -> Texts:
    """Nothing is written in a lane after Closed."""
    if entry.lane.closed is not None:
        yield f"entry {entry.new.seq} ({entry.new.kind}) comes after {entry.lane.closed.seq}"


def closed_alike(world: World, entry: Replacement) -> Texts:
    """Lane 0 is closed first, and all for one number of lanes before the next generation begins."""
    namespace, generation, number = entry.lane.place
    if entry.new.kind == CLOSED:
        lanes = world.lanes.of_generation(namespace, generation)
        first = next((lane.closed for lane in lanes if lane.place[2] == 0), None)
        if first is None and number:
            yield f"lane {number} is closed before lane 0"
        elif first is not None and first.next_lanes != entry.new.next_lanes:
            yield f"closed for {entry.new.next_lanes} lanes, lane 0 for {first.next_lanes}"
    if entry.is_opening and entry.old is not None and generation > 1:
        yield from _begun(world, entry)


def _begun(world: World, entry: Replacement) -> Iterator[str]:
    """Yield how the generation before the one that is opened is not over."""
    namespace, generation, _ = entry.lane.place
    for lane in world.lanes.of_generation(namespace, generation - 1):
        if lane.closed is None:
            yield f"generation {generation} begins while lane {lane.place[2]} is not closed"
        elif lane.closed.next_lanes != entry.new.lanes:
            yield f"it begins with {entry.new.lanes} lanes, not {lane.closed.next_lanes}"


def one_turn_each(world: World, entry: Replacement) -> Texts:
    """A turn is committed once for its uid and rev, in order, on the digest of the turn before."""
    for turn in entry.new.turns:
        account = world.accounts.get(turn.uid)
        if account is None or (account.namespace, account.name) != (turn.namespace, turn.name):
            yield f"a turn of {turn.namespace}/{turn.name}, {turn.uid}, which never existed"
        elif not account.is_split:
            fault = misfit(account, turn)
            if fault is not None:
                yield f"{account.subject}: {fault}"


def misfit(account: Account, turn: LoggedTurn) -> str | None:
    """Return why a turn does not follow the newest one of its instance, None where it does."""
    if turn.rev != account.rev + 1:
        return f"turn {turn.rev} follows turn {account.rev}"
    if turn.before != account.digest:
        return f"turn {turn.rev} does not stand on the digest of turn {account.rev}"
    return None


def in_its_lane(world: World, entry: Replacement) -> Texts:
    """The turns of an instance stand in the lane of its uid."""
    for turn in entry.new.turns:
        lane = lane_of(turn.uid, max(entry.new.lanes, 1))
        if lane != entry.slot.lane:
            yield f"a turn of {turn.namespace}/{turn.name}, which belongs to lane {lane}"


def carried_truly(world: World, entry: Replacement) -> Texts:
    """An entry carries only what stood in the slot that it replaces, as it stood there."""
    stood = {} if entry.old is None else {turn.key: turn for turn in entry.old.standing}
    for turn in entry.new.carried:
        if stood.get(turn.key) != turn:
            yield f"turn {turn.rev} of {turn.namespace}/{turn.name} did not stand there"


def kept_until_shown(world: World, entry: Replacement) -> Texts:
    """A turn stands in its lane until a status shows it, or its instance is gone."""
    for turn in entry.leaving():
        if not _is_shown(world, turn.key):
            yield f"turn {turn.rev} of {turn.namespace}/{turn.name} is lost: no status shows it"
    if entry.new.kind == CLOSED:
        left = [key for key in entry.lane.standing if not _is_shown(world, key)]
        for uid, rev in left:
            yield f"closed, and turn {rev} of {uid} is shown by no status"


def _is_shown(world: World, key: tuple[str, int]) -> bool:
    """Return whether nobody has to find the turn in the log any more."""
    account = world.accounts.get(key[0])
    if account is None or account.gone is not None or account.is_split:
        return True
    return key[1] <= account.shown.rev


CHECKS = (
    WriteCheck("I-44", frozenset({LOGS}), slots_stay),
    EntryCheck("I-44", slots_first),
    EntryCheck("I-44", one_by_one),
    EntryCheck("I-44", readable),
    EntryCheck("I-45", own_lane),
    EntryCheck("I-45", nothing_over_closed, is_lasting=True),
    EntryCheck("I-45", closed_alike),
    EntryCheck("I-46", one_turn_each, is_lasting=True),
    EntryCheck("I-46", in_its_lane, is_lasting=True),
    EntryCheck("I-47", carried_truly),
    EntryCheck("I-47", kept_until_shown),
)
