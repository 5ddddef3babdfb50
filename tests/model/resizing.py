"""Another number of lanes: closing every lane, opening the next generation."""

from __future__ import annotations

from tests.model.memory import Steps, empty_ring, sends
from tests.model.plan import Plan
from tests.model.server import closed_with
from tests.model.world import (
    CLOSED,
    OWNING,
    UNKNOWN,
    Process,
    Ring,
    Seat,
    World,
)


def closes(world: World, index: int, plan: Plan) -> Steps:
    """Yield the closing of lanes by an owner: for as many lanes as it was called with, or as
    lane 0 says if that is closed already."""
    process = world.processes[index]
    for lane, seat in enumerate(process.seats[: plan.lanes]):
        if seat.stage != OWNING or seat.sent or not may_close(process, seat, plan):
            continue
        target = plan.targets[process.author % len(plan.targets)]
        if plan.rules.closes_lane_0_first:
            decided = closed_with(world.lanes[:1])
            if lane and not decided:
                continue
            target = decided[0] if decided else target
        elif not holds_all(world, process, plan):
            continue
        after = sends(world, index, lane, plan, kind=CLOSED, lanes=target)
        text = "process {} sends Closed to lane {}: {} next"
        yield (text, process.author, lane, target), after


def may_close(process: Process, seat: Seat, plan: Plan) -> bool:
    """Return whether every turn in the lane is reflected, as far as its owner knows."""
    if not plan.rules.reflects_before_closed:
        return True
    return all(
        rev == UNKNOWN or rev <= shown for rev, shown in zip(seat.known, process.shown, strict=True)
    )


def holds_all(world: World, process: Process, plan: Plan) -> bool:
    """Return whether a process believes that it holds each lane, or closed it."""
    for seat, ring in zip(process.seats, world.lanes[: plan.lanes], strict=False):
        newest = max(ring)
        is_closed_by_it = newest.kind == CLOSED and newest.author == process.author
        if seat.stage != OWNING and not is_closed_by_it:
            return False
    return True


def opens(world: World, plan: Plan) -> Steps:
    """Yield the opening of the next generation, by whoever sees that each lane is closed.

    Closed stays: that each was seen at another time makes no difference.
    """
    closing = world.lanes[: plan.lanes]
    numbers = closed_with(closing)
    needed = plan.lanes if plan.rules.opens_last else 1
    if len(numbers) >= needed and not any(world.lanes[plan.lanes :]):
        opened: list[Ring] = [empty_ring(plan)] * numbers[0]
        unused: list[Ring] = [()] * (max(plan.targets) - numbers[0])
        yield (
            ("the next generation is opened with {} lanes", numbers[0]),
            world._replace(lanes=(*closing, *opened, *unused)),
        )
