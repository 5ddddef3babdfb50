"""Informers: versions of objects, each in its order, delivered when they please."""

from __future__ import annotations

from tests.model.claiming import home
from tests.model.memory import Step, Steps, rev_in
from tests.model.plan import Plan
from tests.model.reflecting import forgotten, seen_by
from tests.model.world import (
    GONE,
    OWNING,
    UNKNOWN,
    Process,
    Version,
    World,
    replaced,
    with_process,
    with_seat,
)


def hears(world: World, index: int, plan: Plan) -> Steps:
    """Yield the next version of each object; with the rule left out, the one before, too."""
    process = world.processes[index]
    for name, versions in enumerate(world.objects):
        cursor = process.cursors[name]
        if cursor + 1 < len(versions):
            yield heard(world, index, name, cursor + 1, plan)
        if cursor and not plan.rules.moves_forward:
            yield heard(world, index, name, cursor - 1, plan)


def heard(world: World, index: int, name: int, cursor: int, plan: Plan) -> Step:
    process = world.processes[index]
    version = world.objects[name][cursor]
    moved = process._replace(cursors=replaced(process.cursors, name, cursor))
    moved = learned(moved, version, plan)
    label = ("process {} is told by its watch: uid {} at rev {}", process.author, *version)
    return label, with_process(world, index, moved)


def learned(process: Process, version: Version, plan: Plan) -> Process:
    """Return the process knowing what a version shows: a later uid shows that this one is gone."""
    uid, rev = version
    for other in range(uid % plan.names, plan.uids, plan.names):
        if other < uid:
            process = seen_by(process, other, GONE)
        elif other == uid or (not plan.rules.compares_uids and rev != GONE):
            process = seen_by(process, other, rev)
    return process


def forgets(world: World, index: int, plan: Plan) -> Steps:
    """Yield what an owner forgets: ended instances whose final status the informer delivered,
    and those that it shows gone."""
    process = world.processes[index]
    for seat in process.seats:
        for uid, rev in enumerate(seat.known):
            if rev == UNKNOWN:
                continue
            version = world.objects[uid % plan.names][process.cursors[uid % plan.names]]
            is_gone = version[0] > uid or version == (uid, GONE)
            is_final = version == (uid, plan.last) or not plan.rules.remembers_ended
            if is_gone or (rev == plan.last and is_final and process.shown[uid] >= rev):
                after = with_process(world, index, forgotten(process, uid))
                yield ("process {} forgets uid {}", process.author, uid), after


def adopts(world: World, index: int, plan: Plan) -> Steps:
    """Yield the instances that an owner does not know and its informer shows unfinished."""
    process = world.processes[index]
    for lane, seat in enumerate(process.seats):
        if seat.stage != OWNING:
            continue
        for name, cursor in enumerate(process.cursors):
            uid, rev = world.objects[name][cursor]
            if seat.known[uid] != UNKNOWN or rev >= plan.last:
                continue
            if plan.rules.awaits_informer and cursor < seat.floors[name]:
                continue
            if lane == home(world, uid, lane, plan):
                seen = replaced(seat.known, uid, rev_in(seat.view, uid, rev))
                after = with_seat(process, lane, seat._replace(known=seen))
                after = after._replace(shown=replaced(after.shown, uid, rev))
                yield (
                    ("process {} takes in uid {}", process.author, uid),
                    with_process(world, index, after),
                )
