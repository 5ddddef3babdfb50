"""How the log stands, for an administrator; reads only.

Source: docs/reference/store.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from perdure.kubernetes.instances import rev_of
from perdure.kubernetes.log.replicas import Holder
from perdure.kubernetes.log.surveying import LaneSurvey
from perdure.kubernetes.reading import Bodies
from perdure.lanes import ring
from perdure.lanes.entry import Entry, LoggedTurn
from perdure.lanes.mending import Loss
from perdure.ports import InstanceKey

READS_AT_ONCE = 8
"""Instances that are read at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneStanding:
    """One lane.

    `holders` are the processes whose Leases list it. `turns` stand in it, of `instances`; of
    `unshown` instances no status shows all of them yet. `size` is in characters of stored turns.
    `damage` says in words what is wrong.
    """

    lane: int
    newest: Entry | None
    holders: tuple[Holder, ...]
    turns: int
    instances: int
    unshown: int
    size: int
    damage: tuple[str, ...]


async def standing_of(
    survey: LaneSurvey, holders: Sequence[Holder], bodies: Bodies
) -> LaneStanding:
    """Return how a lane stands. Reads every instance that has turns in it; raises TransientError
    where that does not work."""
    turns = _distinct(survey)
    newest: dict[InstanceKey, int] = {}
    for turn in turns:
        newest[turn.key] = max(turn.rev, newest.get(turn.key, 0))
    return LaneStanding(
        lane=survey.lane,
        newest=survey.tail,
        holders=tuple(holder for holder in holders if survey.lane in holder.lanes),
        turns=len(turns),
        instances=len(newest),
        unshown=await _unshown(newest, bodies),
        size=survey.size,
        damage=(*survey.faults, *map(in_words, survey.losses)),
    )


def _distinct(survey: LaneSurvey) -> list[LoggedTurn]:
    """Return each turn that can be read once."""
    found = {
        (turn.key.uid, turn.rev): turn
        for slot in survey.slots.values()
        for turn in (*slot.entry.carried, *slot.entry.turns)
    }
    return [*found.values()]


async def _unshown(newest: dict[InstanceKey, int], bodies: Bodies) -> int:
    """Return of how many instances a status does not show their newest turn. One that is gone has
    nothing to be shown."""
    pending, count = [*newest.items()], 0

    async def work() -> None:
        nonlocal count
        while pending:
            key, rev = pending.pop()
            body = await bodies.get(key)
            count += body is not None and (rev_of(body) or 0) < rev

    await asyncio.gather(*(work() for _ in range(READS_AT_ONCE)))
    return count


def in_words(loss: Loss) -> str:
    """Return what is lost, and what that may mean."""
    what = "is missing" if loss.blank is None else "was deleted and made anew"
    if loss.due == 0:
        return f"WorkflowLog {loss.name} {what}; no entry stood there"
    if loss.may_be_newest:
        before = loss.due - ring.SLOTS
        other = f"entry {before} otherwise" if before > 0 else "none otherwise"
        return f"WorkflowLog {loss.name} {what}; perhaps entry {loss.due} stood there, {other}"
    return f"WorkflowLog {loss.name} {what}; entry {loss.due} stood there"
