"""The lane protocol as a model to be explored.

The API server is in `server.py`, reading and claiming in `claiming.py`, the owner's entries in
`writing.py`, what becomes of them in `settling.py`, statuses in `reflecting.py`, watches in
`informing.py`, the change of the number of lanes in `resizing.py`. docs/model.md says what is
modelled and what is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.model.claiming import claims, loaded, loads, statuses
from tests.model.explorer import Label
from tests.model.informing import adopts, forgets, hears
from tests.model.memory import crashes, empty_ring, idle_seat, new_process
from tests.model.plan import Plan
from tests.model.reflecting import destroys, looks, reflects
from tests.model.resizing import closes, opens
from tests.model.server import administrators, landings, lost, users
from tests.model.settling import gives_way, settles
from tests.model.world import CLAIM, GONE, Entry, Process, Ring, World, replaced, with_process
from tests.model.writing import writes

FIRST = 1
"""The author that owns every lane at the start."""


@dataclass(frozen=True, slots=True)
class LaneProtocol:
    """What may happen next, and what must not have happened, within the bounds of a plan."""

    plan: Plan

    def start(self) -> World:
        """Return a world in which one process has just claimed every lane, and others idle."""
        plan = self.plan
        ring = replaced(empty_ring(plan), plan.ring - 1, first_claim(plan))
        unopened: tuple[Ring, ...] = ((),) * (plan.all_lanes - plan.lanes)
        world = World(
            lanes=(ring,) * plan.lanes + unopened,
            objects=plan.objects,
            processes=(new_process(plan),) * plan.processes,
            puts=(),
            patches=(),
            budget=plan.budget,
            authors=FIRST,
            history=tuple((FIRST,) * turns_so_far(plan, uid) for uid in range(plan.uids)),
            owners=(FIRST,) * plan.lanes + (0,) * len(unopened),
            sources=(int(plan.destroys),) * plan.uids,
            rejected=(),
            broken="",
        )
        return with_process(world, 0, first_owner(world, plan))

    def steps(self, world: World) -> Iterator[tuple[Label, World]]:
        """Yield everything that may happen next: to a request, to an object, in one process.

        A process that stands still is one that takes none of its steps.
        """
        plan = self.plan
        yield from landings(world, plan)
        yield from users(world, plan)
        yield from administrators(world, plan)
        if plan.targets:
            yield from opens(world, plan)
        earlier = None
        for index, process in enumerate(world.processes):
            if process != earlier:
                yield from own_steps(world, index, plan)
            earlier = process

    def broken(self, world: World) -> str:
        """Return the promise that a write broke, or that a turn is lost; empty if all is well."""
        return world.broken or lost(world, self.plan)


def own_steps(world: World, index: int, plan: Plan) -> Iterator[tuple[Label, World]]:
    """Yield everything that one process may do next."""
    yield from settles(world, index, plan)
    yield from gives_way(world, index, plan)
    yield from writes(world, index, plan)
    yield from claims(world, index, plan)
    yield from loads(world, index, plan)
    yield from reflects(world, index, plan)
    yield from looks(world, index, plan)
    yield from crashes(world, index, plan)
    if plan.destroys:
        yield from destroys(world, index, plan)
    if plan.informs:
        yield from hears(world, index, plan)
        yield from forgets(world, index, plan)
        yield from adopts(world, index, plan)
    if plan.targets:
        yield from closes(world, index, plan)


def first_claim(plan: Plan) -> Entry:
    return Entry(plan.ring - 1, CLAIM, FIRST, (), (), 0)


def turns_so_far(plan: Plan, uid: int) -> int:
    """Return how many turns of an instance the plan's objects show."""
    versions = plan.objects[uid % plan.names]
    return max((rev for u, rev in versions if u == uid and rev != GONE), default=0)


def first_owner(world: World, plan: Plan) -> Process:
    """Return the memory of the process that claimed every lane and read all statuses."""
    process = new_process(plan)
    seats = list(process.seats)
    shown = process.shown
    for lane in range(plan.lanes):
        read = statuses(world, lane, plan)
        seat = idle_seat(plan)._replace(view=world.lanes[lane])
        seats[lane] = loaded(world, lane, seat, read, plan)
        shown = tuple(max(*pair) for pair in zip(shown, read, strict=True))
    return process._replace(author=FIRST, seats=tuple(seats), shown=shown)
