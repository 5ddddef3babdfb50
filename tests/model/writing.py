"""An owner's entries: deciding turns and sending them."""

from __future__ import annotations

from tests.model.memory import Steps, sends
from tests.model.plan import Plan
from tests.model.settling import with_effects
from tests.model.world import (
    GONE,
    OWNING,
    RELEASED,
    TURNS,
    Process,
    Seat,
    Turn,
    World,
)


def writes(world: World, index: int, plan: Plan) -> Steps:
    """Yield each entry that an owner may send next: the turns of one instance, or of all."""
    process = world.processes[index]
    for lane, seat in enumerate(process.seats):
        if seat.stage != OWNING or seat.sent:
            continue
        for turns in batches(process, seat, plan):
            after = sends(world, index, lane, plan, kind=TURNS, turns=turns)
            if not plan.rules.commits_before_effects:
                after = with_effects(after, process, turns)
            yield ("process {} sends turns {} to lane {}", process.author, turns, lane), after
        if world.budget.releases:
            budget = world.budget._replace(releases=world.budget.releases - 1)
            after = sends(world, index, lane, plan, kind=RELEASED)._replace(budget=budget)
            yield ("process {} sends Released to lane {}", process.author, lane), after


def batches(process: Process, seat: Seat, plan: Plan) -> list[tuple[Turn, ...]]:
    """Return what an entry may carry: the next turn of one instance that goes on, or of all."""
    ready = [
        (uid, rev + 1)
        for uid, rev in enumerate(seat.known)
        if 0 <= rev < plan.last and process.shown[uid] != GONE
    ]
    alone: list[tuple[Turn, ...]] = [(turn,) for turn in ready]
    return [*alone, tuple(ready)] if len(ready) > 1 else alone
