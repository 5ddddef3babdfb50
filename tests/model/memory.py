"""What processes do with their memory of a lane, whatever they are about to do there."""

from __future__ import annotations

from collections.abc import Iterator

from tests.model.explorer import Label
from tests.model.plan import Plan
from tests.model.server import turns_of
from tests.model.world import (
    IDLE,
    NO_ENTRY,
    TURNS,
    UNKNOWN,
    Entry,
    Process,
    Put,
    Ring,
    Seat,
    Turn,
    World,
    with_process,
    with_seat,
)

Step = tuple[Label, World]
Steps = Iterator[Step]


def empty_ring(plan: Plan) -> Ring:
    """Return a lane in which nothing was written. Its slots have numbers as if something was."""
    return tuple(Entry(seq, TURNS, 0, (), (), 0) for seq in range(plan.ring))


def idle_seat(plan: Plan) -> Seat:
    """Return the memory of a lane of which nothing is known."""
    floors = (0,) * plan.names if plan.informs else ()
    return Seat(IDLE, (NO_ENTRY,) * plan.ring, (), (UNKNOWN,) * plan.uids, floors)


def new_process(plan: Plan) -> Process:
    """Return the memory of a process that starts. Its informers may begin at any version."""
    cursors = (0,) * plan.names if plan.informs else ()
    return Process(0, (idle_seat(plan),) * plan.all_lanes, cursors, (0,) * plan.uids)


def crashes(world: World, index: int, plan: Plan) -> Steps:
    """Yield the crash of a process. What it sent is on its way still."""
    process = world.processes[index]
    if world.budget.crashes and process != new_process(plan):
        budget = world.budget._replace(crashes=world.budget.crashes - 1)
        after = with_process(world, index, new_process(plan))
        yield ("process {} crashes", process.author), after._replace(budget=budget)


def sends(
    world: World,
    index: int,
    lane: int,
    plan: Plan,
    *,
    kind: int,
    turns: tuple[Turn, ...] = (),
    lanes: int = 0,
) -> World:
    """Return the world after a process sent the entry that follows the newest that it knows.

    It may be sent many times over: the API server sees only whether it arrives again before it
    cannot be accepted any more.
    """
    process = world.processes[index]
    seat = process.seats[lane]
    seq = max(seat.view).seq + 1
    old = seat.view[seq % plan.ring]
    carried = not_reflected(old, process) if plan.rules.carries else ()
    put = Put(lane, old.seq, Entry(seq, kind, process.author, turns, carried, lanes))
    puts = tuple(sorted((*world.puts, put))) if put not in world.puts else world.puts
    waiting = with_seat(process, lane, seat._replace(sent=(*seat.sent, put)))
    return with_process(world._replace(puts=puts), index, waiting)


def not_reflected(entry: Entry, process: Process) -> tuple[Turn, ...]:
    """Return the turns of an entry that the process saw in no status."""
    shown = process.shown
    return tuple(sorted(turn for turn in turns_of(entry) if turn[1] > shown[turn[0]]))


def rev_in(view: Ring, uid: int, rev: int) -> int:
    """Return the rev of `uid` after the turns of a lane that follow `rev` without a gap."""
    revs = {turn[1] for entry in view for turn in turns_of(entry) if turn[0] == uid}
    while rev + 1 in revs:
        rev += 1
    return rev


def has_gap(view: Ring, uid: int, rev: int) -> bool:
    """Return whether there are turns of `uid` beyond `rev`, its last without a gap."""
    return any(u == uid and r > rev for entry in view for u, r in turns_of(entry))
