"""An owner's entries: deciding turns, sending them, finding out what became of them."""

from __future__ import annotations

from tests.model.memory import Steps, idle_seat, sends
from tests.model.plan import Plan
from tests.model.world import (
    CLAIM,
    CLAIMED,
    CLAIMING,
    GONE,
    NO_PUT,
    OWNING,
    RELEASED,
    TURNS,
    Entry,
    Process,
    Seat,
    Turn,
    World,
    replaced,
    with_process,
    with_seat,
)


def writes(world: World, index: int, plan: Plan) -> Steps:
    """Yield each entry that an owner may send next: the turns of one instance, or of all."""
    process = world.processes[index]
    for lane, seat in enumerate(process.seats):
        if seat.stage != OWNING or seat.sent is not NO_PUT:
            continue
        for turns in batches(process, seat, plan):
            after = sends(world, index, lane, plan, kind=TURNS, turns=turns)
            if not plan.rules.commits_before_effects:
                after = with_effects(after, process, turns)
            yield ("process {} sends turns {} to lane {}", process.author, turns, lane), after
        if world.budget.releases:
            budget = world.budget._replace(releases=world.budget.releases - 1)
            after = sends(world, index, lane, plan, kind=RELEASED)
            yield (
                ("process {} sends Released to lane {}", process.author, lane),
                after._replace(budget=budget),
            )


def batches(process: Process, seat: Seat, plan: Plan) -> list[tuple[Turn, ...]]:
    """Return what an entry may carry: the next turn of one instance that goes on, or of all."""
    ready = [
        (uid, rev + 1)
        for uid, rev in enumerate(seat.known)
        if 0 <= rev < plan.last and process.shown[uid] != GONE
    ]
    alone: list[tuple[Turn, ...]] = [(turn,) for turn in ready]
    return [*alone, tuple(ready)] if len(ready) > 1 else alone


def with_effects(world: World, process: Process, turns: tuple[Turn, ...]) -> World:
    """Return the world after a process answered and started what these turns decided."""
    for uid, rev in turns:
        if world.history[uid][rev - 1 : rev] != (process.author,):
            return world._replace(broken="something was done for a turn that is not committed")
    return world


def settles(world: World, index: int, plan: Plan) -> Steps:
    """Yield how a process learns what became of an entry that it sent.

    It reads the slot. That the answer 200 arrives is the same as that it reads at once, and waits.
    While the slot stands as it was, the same bytes go again, and nothing changes.
    """
    process = world.processes[index]
    for lane, seat in enumerate(process.seats):
        if seat.sent is NO_PUT:
            continue
        _, base, entry = seat.sent
        standing = world.lanes[lane][entry.seq % plan.ring]
        if standing.seq == entry.seq and standing.author == entry.author:
            yield confirmed(world, index, lane, plan)
            if not plan.rules.takes_409_as_unknown and seat.stage == OWNING:
                yield mistaken(world, index, lane)
        elif standing.seq != base:
            fenced = with_seat(process, lane, idle_seat(plan))
            yield (
                ("process {} finds another's entry in lane {}: it is fenced", process.author, lane),
                with_process(world, index, fenced),
            )
        if not plan.rules.settles and entry.kind == TURNS:
            after = with_seat(process, lane, after_entry(seat, entry, plan))
            yield (
                ("process {} takes its entry in lane {} for committed", process.author, lane),
                with_process(world, index, after),
            )


def confirmed(world: World, index: int, lane: int, plan: Plan) -> tuple[tuple[object, ...], World]:
    """Return that a process finds its entry in the slot: its turns are committed."""
    process = world.processes[index]
    entry = process.seats[lane].sent.entry
    after = with_seat(process, lane, after_entry(process.seats[lane], entry, plan))
    world = with_process(world, index, after)
    return ("process {} finds its entry in lane {}", process.author, lane), with_effects(
        world, process, entry.turns
    )


def after_entry(seat: Seat, entry: Entry, plan: Plan) -> Seat:
    """Return the memory of who knows that its entry stands."""
    goes_on = entry.kind == RELEASED and not plan.rules.stops_after_released
    if entry.kind not in (TURNS, CLAIM) and not goes_on:
        return idle_seat(plan)
    known = seat.known
    for uid, rev in entry.turns:
        known = replaced(known, uid, rev)
    return seat._replace(
        stage=CLAIMED if seat.stage == CLAIMING else OWNING,
        view=replaced(seat.view, entry.seq % plan.ring, entry),
        sent=NO_PUT,
        known=known,
    )


def mistaken(world: World, index: int, lane: int) -> tuple[tuple[object, ...], World]:
    """Return that a process gets a 409 for the second copy of its entry, and gives its turns up:
    it reads the slot, writes after it, and has decided them anew."""
    process = world.processes[index]
    seat = process.seats[lane]
    standing = world.lanes[lane][seat.sent.entry.seq % len(seat.view)]
    view = replaced(seat.view, standing.seq % len(seat.view), standing)
    after = with_seat(process, lane, seat._replace(view=view, sent=NO_PUT))
    return ("process {} gets a 409 for its entry in lane {}", process.author, lane), with_process(
        world, index, after
    )
