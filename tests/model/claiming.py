"""Reading a lane, claiming it, and reading the statuses of its instances."""

from __future__ import annotations

from tests.model.memory import Step, Steps, has_gap, idle_seat, rev_in, sends
from tests.model.plan import Plan
from tests.model.world import (
    CLAIM,
    CLAIMED,
    CLAIMING,
    CLOSED,
    GONE,
    IDLE,
    NO_ENTRY,
    NO_SLOT,
    OWNING,
    READING,
    TURNS,
    UNKNOWN,
    Entry,
    Ring,
    Seat,
    World,
    readable,
    replaced,
    with_process,
    with_seat,
)


def claims(world: World, index: int, plan: Plan) -> Steps:
    """Yield how a process that has no part in a lane goes on to read and claim it."""
    if not world.budget.claims:
        return
    for lane, ring in enumerate(world.lanes):
        seat = world.processes[index].seats[lane]
        if seat.stage > READING or not ring:
            continue
        if not plan.is_paged:
            view = tuple(map(readable, ring))
            if not is_refused(view, plan) and is_whole(view, plan):
                yield claim(world, index, lane, view, plan)
            continue
        yield from reads_slot(world, index, lane, plan)
        if is_read(seat.view, plan):
            yield from claims_read(world, index, lane, plan)


def reads_slot(world: World, index: int, lane: int, plan: Plan) -> Steps:
    """Yield the reading of one more slot. Any order at any time stands for pages out of caches of
    any age: a page that is old is one that was read early."""
    process = world.processes[index]
    seat = process.seats[lane]
    if seat.stage == IDLE and not plan.rules.claims_before_statuses:
        seat = seat._replace(known=statuses(world, lane, plan))
    for slot, entry in enumerate(world.lanes[lane]):
        if seat.view[slot] is NO_ENTRY:
            view = replaced(seat.view, slot, readable(entry))
            read = with_seat(process, lane, seat._replace(stage=READING, view=view))
            label = ("process {} reads of lane {} slot {}", process.author, lane, slot)
            yield label, with_process(world, index, read)


def is_read(view: Ring, plan: Plan) -> bool:
    """Return whether enough slots were read for a claim."""
    if NO_ENTRY not in view:
        return True
    if plan.rules.reads_to_the_end or view.count(NO_ENTRY) > 1:
        return False
    return view[(max(view).seq + 1) % plan.ring] is not NO_ENTRY


def claims_read(world: World, index: int, lane: int, plan: Plan) -> Steps:
    """Yield the claim that follows from the slots that were read, or that they are read again;
    nothing where one is absent: the lane is damaged, and left alone."""
    process = world.processes[index]
    view = process.seats[lane].view
    if NO_SLOT in view and not is_whole(view, plan):
        return
    if is_refused(view, plan) or (plan.rules.checks_pages and not is_whole(view, plan)):
        again = with_seat(process, lane, idle_seat(plan))
        label = ("process {} begins to read lane {} again", process.author, lane)
        yield label, with_process(world, index, again)
    else:
        yield claim(world, index, lane, view, plan)


def is_refused(view: Ring, plan: Plan) -> bool:
    return plan.rules.respects_closed and max(view).kind == CLOSED


def is_whole(view: Ring, plan: Plan) -> bool:
    """Return whether the slots hold numbers that follow each other; slots not read do not count."""
    if NO_ENTRY in view:
        return True
    newest = max(view).seq
    expected = range(newest - len(view) + 1, newest + 1)
    missing = [seq for seq in expected if view[seq % len(view)].seq != seq]
    return not missing or missing == missing_by_age(view, plan)


def missing_by_age(view: Ring, plan: Plan) -> list[int]:
    """Return which number may be missing because its slot was never needed yet: with the rule
    that all slots are created first, none."""
    before = max(view).seq + 1 - len(view)
    is_young = 0 <= before < len(view) - 1
    return [before] if is_young and not plan.rules.creates_slots_first else []


def claim(world: World, index: int, lane: int, view: Ring, plan: Plan) -> Step:
    """Return the sending of a claim into the slot after the newest that was read."""
    process = world.processes[index]
    authors = world.authors
    if not process.author:
        authors += 1
        process = process._replace(author=authors)
    slot = (max(view).seq + 1) % plan.ring
    if view[slot] is NO_SLOT:
        # Taken for one that was never created: it is, and the claim replaces it.
        created = Entry(max(view).seq + 1 - plan.ring, TURNS, 0, (), (), 0)
        view = replaced(view, slot, created)
        ring = replaced(world.lanes[lane], slot, created)
        world = world._replace(lanes=replaced(world.lanes, lane, ring))
    seat = process.seats[lane]._replace(stage=CLAIMING, view=view)
    budget = world.budget._replace(claims=world.budget.claims - 1)
    reader = replaced(world.processes, index, with_seat(process, lane, seat))
    world = world._replace(processes=reader, budget=budget, authors=authors)
    label = ("process {} sends a Claim to lane {}", process.author, lane)
    return label, sends(world, index, lane, plan, kind=CLAIM)


def loads(world: World, index: int, plan: Plan) -> Steps:
    """Yield how a process whose claim stands reads the statuses: all at one moment, after it.

    A read of one instance at a later time sees a later status, which can only show more.
    """
    process = world.processes[index]
    for lane, seat in enumerate(process.seats):
        if seat.stage == CLAIMED:
            read = statuses(world, lane, plan)
            base = read if plan.rules.claims_before_statuses else seat.known
            owner = loaded(world, lane, seat, base, plan)
            shown = tuple(max(*pair) for pair in zip(process.shown, read, strict=True))
            owning = with_seat(process, lane, owner)._replace(shown=shown)
            after = with_process(world, index, owning)
            after = after._replace(broken=missed(world, process.author, lane, owner))
            yield ("process {} reads the statuses of lane {}", process.author, lane), after


def loaded(world: World, lane: int, seat: Seat, base: tuple[int, ...], plan: Plan) -> Seat:
    """Return the memory of a new owner: each status, and the turns of the lane above it."""
    known = tuple(
        rev_in(seat.view, uid, rev) if UNKNOWN < rev < GONE else UNKNOWN
        for uid, rev in enumerate(base)
    )
    floors = tuple(len(versions) - 1 for versions in world.objects) if plan.informs else ()
    return seat._replace(stage=OWNING, known=known, floors=floors)


def missed(world: World, author: int, lane: int, owner: Seat) -> str:
    """Return what is said of an owner that did not learn of a turn; empty if it knows them all.

    Who lost the lane again meanwhile may know less, but must not see a history with a hole.
    """
    for uid, rev in enumerate(owner.known):
        if rev == UNKNOWN:
            continue
        if world.owners[lane] == author and rev != len(world.history[uid]):
            return "a new owner does not know a committed turn"
        if has_gap(owner.view, uid, rev):
            return "a claimant sees a history with a hole"
    return ""


def statuses(world: World, lane: int, plan: Plan) -> tuple[int, ...]:
    """Return the rev in each status of the lane's instances; UNKNOWN for all others."""
    found = [UNKNOWN] * plan.uids
    for versions in world.objects:
        uid, rev = versions[-1]
        if rev < GONE and lane == home(world, uid, lane, plan):
            found[uid] = rev
    return tuple(found)


def home(world: World, uid: int, lane: int, plan: Plan) -> int:
    """Return the lane of an instance in the generation that `lane` belongs to."""
    if lane < plan.lanes:
        return uid % plan.lanes
    return plan.lanes + uid % sum(1 for ring in world.lanes[plan.lanes :] if ring)
