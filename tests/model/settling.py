"""What became of an entry that was sent: it stands, another's does, or nobody can say yet."""

from __future__ import annotations

from tests.model.memory import Step, Steps, idle_seat, sends
from tests.model.plan import Plan
from tests.model.world import (
    CLAIM,
    CLAIMED,
    CLAIMING,
    OWNING,
    RELEASED,
    TURNS,
    Entry,
    Process,
    Put,
    Seat,
    Turn,
    World,
    readable,
    replaced,
    with_process,
    with_seat,
)


def settles(world: World, index: int, plan: Plan) -> Steps:
    """Yield how a process learns what became of an entry that it sent.

    It reads the slot. That the answer 200 arrives is the same as that it reads at once, and waits.
    While the slot stands as it was, the same bytes go again, and nothing changes.
    """
    process = world.processes[index]
    author = process.author
    for lane, seat in enumerate(process.seats):
        if not seat.sent:
            continue
        _, base, entry = seat.sent[-1]
        standing = readable(world.lanes[lane][entry.seq % plan.ring])
        if standing.seq == entry.seq and standing.author == author:
            own = standing if plan.rules.tells_tries_apart else entry
            yield confirmed(world, index, lane, own, plan)
            if not plan.rules.takes_409_as_unknown and seat.stage == OWNING:
                yield mistaken(world, index, lane, standing)
        elif standing.seq != base:
            fenced = with_process(world, index, with_seat(process, lane, idle_seat(plan)))
            yield ("process {} finds another's entry in lane {}: fenced", author, lane), fenced
        if not plan.rules.settles and entry.kind == TURNS:
            after = with_seat(process, lane, after_entry(seat, entry, plan))
            label = ("process {} takes its entry in lane {} for committed", author, lane)
            yield label, with_process(world, index, after)


def confirmed(world: World, index: int, lane: int, entry: Entry, plan: Plan) -> Step:
    """Return that a process finds its entry in the slot: its turns are committed, and after an
    empty one those that it tried before are rejected."""
    process = world.processes[index]
    after = with_seat(process, lane, after_entry(process.seats[lane], entry, plan))
    world = with_effects(with_process(world, index, after), process, entry.turns)
    if entry.kind == TURNS and not entry.turns:
        tries = tuple(put.entry for put in process.seats[lane].sent[:-1])
        world = world._replace(rejected=tuple(sorted({*world.rejected, *tries})))
    return ("process {} finds its entry in lane {}", process.author, lane), world


def with_effects(world: World, process: Process, turns: tuple[Turn, ...]) -> World:
    """Return the world after a process answered and started what these turns decided."""
    for uid, rev in turns:
        if world.history[uid][rev - 1 : rev] != (process.author,):
            return world._replace(broken="something was done for a turn that is not committed")
    return world


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
        sent=(),
        known=known,
    )


def mistaken(world: World, index: int, lane: int, standing: Entry) -> Step:
    """Return that a process gets a 409 for the second copy of its entry, and gives its turns up:
    it reads the slot, writes after it, and has decided them anew."""
    process = world.processes[index]
    seat = process.seats[lane]
    view = replaced(seat.view, standing.seq % len(seat.view), standing)
    after = with_seat(process, lane, seat._replace(view=view, sent=()))
    label = ("process {} gets a 409 for its entry in lane {}", process.author, lane)
    return label, with_process(world, index, after)


def gives_way(world: World, index: int, plan: Plan) -> Steps:
    """Yield what a process does after an entry was refused for what is in it.

    It tries half of the turns in the same slot, and none after one that was refused alone. The
    tries before may be accepted yet: an admission that failed may succeed for an earlier copy.
    """
    process = world.processes[index]
    if not world.budget.refusals:
        return
    budget = world.budget._replace(refusals=world.budget.refusals - 1)
    for lane, seat in enumerate(process.seats):
        if seat.stage != OWNING or not seat.sent or not seat.sent[-1].entry.turns:
            continue
        refused = seat.sent[-1]
        for turns in smaller(refused):
            after = sends(world, index, lane, plan, kind=TURNS, turns=turns)
            if not turns and not plan.rules.rejects_last:
                after = after._replace(rejected=tuple(sorted({*world.rejected, refused.entry})))
            label = (
                "process {} is refused in lane {}: sends turns {}",
                process.author,
                lane,
                turns,
            )
            yield label, after._replace(budget=budget)


def smaller(refused: Put) -> list[tuple[Turn, ...]]:
    """Return what may be tried instead: each turn alone, or nothing."""
    turns = refused.entry.turns
    return [(turn,) for turn in turns] if len(turns) > 1 else [()]
