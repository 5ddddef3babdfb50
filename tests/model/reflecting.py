"""Statuses: writing committed turns into them, looking at them, destroying what they replace."""

from __future__ import annotations

from tests.model.memory import Steps
from tests.model.plan import Plan
from tests.model.server import patch_landed
from tests.model.world import (
    OWNING,
    UNKNOWN,
    Process,
    World,
    replaced,
    shown_by,
    with_process,
)


def reflects(world: World, index: int, plan: Plan) -> Steps:
    """Yield the status patches of an owner, which may have been fenced without knowing it.

    A patch is answered at once, or it is on its way until it is too late, and no answer comes.
    """
    process = world.processes[index]
    for uid, rev in remembered(process):
        shown = process.shown[uid]
        if rev <= shown:
            continue
        patch = (uid, shown, rev)
        after = patch_landed(world, patch, plan)
        if after:
            seen = seen_by(process, uid, rev)
            yield (
                ("process {} reflects uid {} from rev {} to {}", process.author, *patch),
                with_process(after, index, seen),
            )
        if world.budget.late_patches and patch not in world.patches:
            budget = world.budget._replace(late_patches=world.budget.late_patches - 1)
            patches = tuple(sorted((*world.patches, patch)))
            label = (
                "process {} sends a status patch: uid {} from rev {} to {}",
                process.author,
                *patch,
            )
            yield label, world._replace(patches=patches, budget=budget)


def looks(world: World, index: int, plan: Plan) -> Steps:
    """Yield the fresh reads of a status that shows more than the process knows."""
    process = world.processes[index]
    for uid, rev in remembered(process):
        standing = shown_by(world, uid)
        if standing > process.shown[uid]:
            seen = seen_by(process, uid, standing)
            if not plan.rules.remembers_gone and rev == plan.last:
                seen = forgotten(seen, uid)
            label = ("process {} reads the status of uid {}: rev {}", process.author, uid, standing)
            yield label, with_process(world, index, seen)


def destroys(world: World, index: int, plan: Plan) -> Steps:
    """Yield the destruction of what the first turn of an instance took."""
    process = world.processes[index]
    for uid, rev in remembered(process):
        enough = process.shown[uid] if plan.rules.destroys_last else rev
        if world.sources[uid] and enough >= 1:
            after = world._replace(sources=replaced(world.sources, uid, 0))
            if shown_by(world, uid) < 1:
                after = after._replace(broken="a source was destroyed before a status shows it")
            yield ("process {} destroys the source of uid {}", process.author, uid), after


def remembered(process: Process) -> list[tuple[int, int]]:
    """Return uid and committed rev of each instance that the process owns, as it believes."""
    return [
        (uid, rev)
        for seat in process.seats
        if seat.stage == OWNING
        for uid, rev in enumerate(seat.known)
        if rev != UNKNOWN
    ]


def seen_by(process: Process, uid: int, rev: int) -> Process:
    """Return the process knowing that a status shows `rev`, or that the object is gone."""
    if rev <= process.shown[uid]:
        return process
    return process._replace(shown=replaced(process.shown, uid, rev))


def forgotten(process: Process, uid: int) -> Process:
    """Return the process without any memory of an instance."""
    seats = tuple(
        seat if seat.known[uid] == UNKNOWN else seat._replace(known=replaced(seat.known, uid, -1))
        for seat in process.seats
    )
    return process._replace(seats=seats)
