"""The API server: which write it accepts, and what each accepted write is judged by."""

from __future__ import annotations

from collections.abc import Iterator

from tests.model.explorer import Label
from tests.model.plan import Plan
from tests.model.world import (
    ABSENT,
    CLAIM,
    CLOSED,
    GONE,
    KINDS,
    Entry,
    Patch,
    Put,
    Ring,
    World,
    replaced,
)

ARRIVES = "{} {} of process {} is accepted by lane {} as entry {}"


def landings(world: World, plan: Plan) -> Iterator[tuple[Label, World]]:
    """Yield what happens when one of the requests on their way arrives.

    One that never arrives is one that is always overtaken. What cannot be accepted any more is
    taken off the way (`put_landed`), and its refusal need not be told: the sender asks anyway.
    """
    for put in world.puts:
        after = put_landed(world, put, plan)
        if after:
            entry = put.entry
            label = (ARRIVES, KINDS[entry.kind], entry.turns, entry.author, put.lane, entry.seq)
            yield label, after
    for patch in world.patches:
        after = patch_landed(world, patch, plan)
        if after:
            yield ("a late status patch is accepted: uid {} from rev {} to {}", *patch), after


def put_landed(world: World, put: Put, plan: Plan) -> World | None:
    """Return the world after the PUT is accepted; None if it is refused."""
    lane, base, entry = put
    ring = world.lanes[lane]
    slot = entry.seq % len(ring)
    if not is_accepted(ring[slot], put, plan):
        return None
    puts = world.puts
    if plan.rules.tests_version:
        # These are refused for ever: no resourceVersion comes back. Among them its own copies.
        puts = tuple(other for other in puts if other[1] != base or other[0] != lane)
    history = world.history
    for uid, _ in entry.turns:
        history = replaced(history, uid, (*history[uid], entry.author))
    owners = world.owners
    if entry.kind != 0:
        owners = replaced(owners, lane, entry.author if entry.kind == CLAIM else 0)
    return world._replace(
        lanes=replaced(world.lanes, lane, replaced(ring, slot, entry)),
        puts=puts,
        history=history,
        owners=owners,
        broken=world.broken or verdict(world, lane, entry, plan),
    )


def is_accepted(old: Entry, put: Put, plan: Plan) -> bool:
    if old.kind == ABSENT:
        return False
    if plan.rules.tests_version and old.seq != put.base:
        return False
    return not plan.rules.only_grows or put.entry.seq > old.seq


def verdict(world: World, lane: int, entry: Entry, plan: Plan) -> str:
    """Return the promise that this entry breaks where it lands; empty if none."""
    if entry in world.rejected:
        return "a turn was committed after it was rejected"
    newest = max(world.lanes[lane])
    if newest.kind == CLOSED:
        return "an entry was written over Closed"
    if entry.seq != newest.seq + 1:
        return "entries do not follow each other one by one"
    if entry.kind != CLAIM and entry.author != world.owners[lane]:
        return "an entry was written by another than the newest claimant"
    if lane >= plan.lanes and not is_closed_alike(world, plan):
        return "an entry was written in a generation while the one before is open"
    if entry.kind == CLOSED and any(
        entry.lanes != n for n in closed_with(world.lanes[: plan.lanes])
    ):
        return "lanes were closed for different numbers of lanes"
    for uid, rev in entry.turns:
        count = len(world.history[uid])
        if count == plan.last:
            return "an instance that ended was started again"
        if rev <= count:
            return "two turns were committed for one rev"
        if rev > count + 1:
            return "a turn was committed without the one before it"
    return ""


def closed_with(lanes: tuple[Ring, ...]) -> list[int]:
    """Return the number of lanes of the next generation, as each closed lane says it."""
    newest = [max(ring) for ring in lanes]
    return [entry.lanes for entry in newest if entry.kind == CLOSED]


def is_closed_alike(world: World, plan: Plan) -> bool:
    numbers = closed_with(world.lanes[: plan.lanes])
    return len(numbers) == plan.lanes and len(set(numbers)) == 1


def patch_landed(world: World, patch: Patch, plan: Plan) -> World | None:
    """Return the world after the status patch is accepted; None if it is refused."""
    uid, tested, rev = patch
    current, standing = world.objects[uid % plan.names][-1]
    is_other = current != uid and plan.rules.patches_test_uid
    is_later = standing != tested and plan.rules.patches_test_rev
    if standing == GONE or is_other or is_later:
        return None
    after = with_version(world, current, rev, plan)
    if rev < standing:
        return after._replace(broken="a status went back")
    if rev > len(world.history[current]):
        return after._replace(broken="a status shows a turn that is not committed")
    return after


def with_version(world: World, uid: int, rev: int, plan: Plan) -> World:
    """Return the world after a write of the object."""
    name = uid % plan.names
    older = world.objects[name] if plan.informs else ()
    patches = world.patches
    if plan.rules.patches_test_rev and plan.rules.patches_test_uid:
        # These are refused for ever: rev only grows, and no uid comes back.
        patches = tuple(p for p in patches if p[0] != uid or p[1] >= rev)
    objects = replaced(world.objects, name, (*older, (uid, rev)))
    return world._replace(objects=objects, patches=patches)


def users(world: World, plan: Plan) -> Iterator[tuple[Label, World]]:
    """Yield what users and the retention do: delete an object, create it again."""
    for versions in world.objects:
        uid, rev = versions[-1]
        if rev == GONE:
            if uid + plan.names < plan.uids:
                yield (
                    ("a user creates the object again, as uid {}", uid + plan.names),
                    reborn(world, uid, plan),
                )
        elif world.budget.deletions and (plan.deletes_open or rev == plan.last):
            budget = world.budget._replace(deletions=world.budget.deletions - 1)
            yield (
                ("somebody deletes uid {}", uid),
                with_version(world, uid, GONE, plan)._replace(budget=budget),
            )


def administrators(world: World, plan: Plan) -> Iterator[tuple[Label, World]]:
    """Yield the deletion of a slot, by mistake. It is final: nobody repairs here."""
    if not world.budget.damages:
        return
    budget = world.budget._replace(damages=world.budget.damages - 1)
    for lane, ring in enumerate(world.lanes):
        for slot, entry in enumerate(ring):
            damaged = replaced(ring, slot, entry._replace(kind=ABSENT))
            after = world._replace(lanes=replaced(world.lanes, lane, damaged), budget=budget)
            yield ("somebody deletes slot {} of lane {}", slot, lane), after


def reborn(world: World, uid: int, plan: Plan) -> World:
    return with_version(world, uid + plan.names, 0, plan)


def lost(world: World, plan: Plan) -> str:
    """Return what is said of a turn that stands in no status and in no slot that is read.

    What stood in a slot that was deleted is not the protocol's fault, as long as nobody goes on
    without it.
    """
    for versions in world.objects:
        uid, rev = versions[-1]
        count = len(world.history[uid])
        if rev >= count:
            continue
        found = {turn for entry in live_ring(world, uid, plan) for turn in turns_of(entry)}
        if any((uid, missing) not in found for missing in range(rev + 1, count + 1)):
            return "a committed turn is lost"
    return ""


def live_ring(world: World, uid: int, plan: Plan) -> Ring:
    """Return the lane in which an owner of this uid looks for its turns."""
    opened = [ring for ring in world.lanes[plan.lanes :] if ring]
    rings = opened or world.lanes[: plan.lanes]
    return rings[uid % len(rings)]


def turns_of(entry: Entry) -> tuple[tuple[int, int], ...]:
    return entry.turns + entry.carried
