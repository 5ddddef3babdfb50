"""The shapes of a state: what the API server holds, what is on its way, what processes remember.

All of it is tuples of integers: a million of them fit in memory, and their hashes cost little.
A uid is `name + names × life`: the lives of one name follow each other.
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

TURNS, CLAIM, RELEASED, CLOSED, ABSENT = range(5)
"""Kinds of entries. ABSENT stands for a slot that somebody deleted; that it keeps its seq and
turns is for judging, nobody can read them."""
KINDS = ("Turns", "Claim", "Released", "Closed")

IDLE, READING, CLAIMING, CLAIMED, OWNING = range(5)
"""What a process is to a lane. CLAIMED: its claim stands, the statuses are not read yet."""

GONE = 9
"""As a rev: the object was deleted. Above every other, so that its turns count as reflected."""
UNKNOWN = -1

Turn = tuple[int, int]
"""uid, rev."""
Version = tuple[int, int]
"""uid and `status.rev` of an object, as one write left it."""
Patch = tuple[int, int, int]
"""A status patch: uid, the `status.rev` that it tests, the one that it writes."""
T = TypeVar("T")


class Entry(NamedTuple):
    """What stands in a slot. `seq` is first: the greatest entry is the newest.

    The whole entry stands for the nonce: a process that sends other bytes for one seq sends other
    turns.
    """

    seq: int
    kind: int
    author: int
    turns: tuple[Turn, ...]
    carried: tuple[Turn, ...]
    lanes: int
    """Of a Closed: how many lanes the next generation has."""


Ring = tuple[Entry, ...]
"""The slots of a lane; empty while its generation is not opened."""


class Put(NamedTuple):
    """A slot's replacement on its way. `base` is the seq of the entry that it replaces: it stands
    for the resourceVersion, because every write of a slot has another, greater one."""

    lane: int
    base: int
    entry: Entry


class Seat(NamedTuple):
    """What a process remembers of a lane.

    `view`: the slots as it read or wrote them. `sent`: what it tried to put into one slot, while
    it does not know what stands there; the tries differ only where one was refused.
    `known`: for each uid the rev that it knows to be committed. `floors`: for each name how many
    versions there were when the statuses were read.
    """

    stage: int
    view: Ring
    sent: tuple[Put, ...]
    known: tuple[int, ...]
    floors: tuple[int, ...]


class Process(NamedTuple):
    """The memory of a process; a crash empties it.

    `author`: who it is in the entries that it writes, 0 until it claims. `cursors`: for each name
    which version its informer delivered last. `shown`: for each uid the greatest rev that it saw
    in a status.
    """

    author: int
    seats: tuple[Seat, ...]
    cursors: tuple[int, ...]
    shown: tuple[int, ...]


class Budget(NamedTuple):
    """How often what makes a world endless may still happen."""

    claims: int
    crashes: int = 0
    releases: int = 0
    late_patches: int = 0
    deletions: int = 0
    refusals: int = 0
    damages: int = 0


class World(NamedTuple):
    """A state. From `history` on the fields are no part of any memory: they are for judging.

    `history`: for each uid the authors of its turns, as they were committed. `owners`: for each
    lane the author of its newest claim, 0 after `Released`. `sources`: for each uid 1 while the
    fact that its first turn took stands elsewhere, too. `rejected`: the entries whose turns were
    answered as refused for good.
    """

    lanes: tuple[Ring, ...]
    objects: tuple[tuple[Version, ...], ...]
    processes: tuple[Process, ...]
    puts: tuple[Put, ...]
    patches: tuple[Patch, ...]
    budget: Budget
    authors: int
    history: tuple[tuple[int, ...], ...]
    owners: tuple[int, ...]
    sources: tuple[int, ...]
    rejected: tuple[Entry, ...]
    broken: str


NO_ENTRY = Entry(-1, TURNS, 0, (), (), 0)
"""A slot that was not read yet."""
NO_SLOT = Entry(-99, ABSENT, 0, (), (), 0)
"""A slot that was found absent. Its seq is far from any that could be missing."""


def readable(entry: Entry) -> Entry:
    """Return what a reader finds in a slot."""
    return NO_SLOT if entry.kind == ABSENT else entry


def replaced(items: tuple[T, ...], index: int, value: T) -> tuple[T, ...]:
    """Return the items with another one at `index`."""
    return (*items[:index], value, *items[index + 1 :])


def with_process(world: World, index: int, process: Process) -> World:
    """Return the world with another memory of one process.

    Processes have no names, so their order means nothing: they are sorted, and worlds that differ
    only in who is who are one.
    """
    return world._replace(processes=tuple(sorted(replaced(world.processes, index, process))))


def with_seat(process: Process, lane: int, seat: Seat) -> Process:
    """Return the process with another memory of one lane."""
    return process._replace(seats=replaced(process.seats, lane, seat))


def shown_by(world: World, uid: int) -> int:
    """Return the rev in the status of `uid` as it stands; GONE if the object does not exist."""
    current, rev = world.objects[uid % len(world.objects)][-1]
    return rev if current == uid else GONE
