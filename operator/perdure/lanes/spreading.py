"""Which lanes a process should try to take, and which to give back.

Nothing here is about safety: a claim decides, and any process may claim any lane at any time. This
only keeps processes out of each other's way. Source: docs/log.md#spreading.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass

RANK_SECONDS = 2.0
"""How much longer each heir waits than the one before it: for the time that a claim takes."""

CROWDED_SECONDS = 30.0
"""For so long one has to hold too many, while another has room, before it gives one back."""


@dataclass(frozen=True, slots=True)
class Share:
    """What the Lease of a living process says of the lanes it holds."""

    identity: str
    lanes: frozenset[int]


def fair_share(lanes: int, living: int) -> int:
    """Return how many lanes one process holds at most, where they are spread evenly."""
    return -(-lanes // max(living, 1))


def heirs(lane: int, living: Collection[str]) -> list[str]:
    """Return the living identities in the order in which they should try to take a lane.

    By hash of both, so that the lanes of a dead process go to several others.
    """
    return sorted(living, key=lambda identity: (_rank(lane, identity), identity))


def _rank(lane: int, identity: str) -> bytes:
    return hashlib.sha256(f"{lane}/{identity}".encode()).digest()


def wanted(
    me: str, shares: Collection[Share], free_seconds: Mapping[int, float], lanes: int
) -> list[int]:
    """Return the lanes that `me` should claim now, the longest free one first.

    `shares` are those of all living processes, ours too. `free_seconds` says of each lane that no
    living process lists for how long that has been so. Who holds its share leaves a lane to others
    with room, for as long as each of them has had its turn to try.
    """
    living = [share.identity for share in shares]
    most = fair_share(lanes, len(living))
    room = {share.identity: most - len(share.lanes) for share in shares}
    found: list[int] = []
    for lane, seconds in sorted(free_seconds.items(), key=lambda item: (-item[1], item[0])):
        order = heirs(lane, [one for one in living if room[one] > 0])
        order += heirs(lane, [one for one in living if room[one] <= 0])
        if me in order and seconds >= RANK_SECONDS * order.index(me):
            found.append(lane)
            room[me] -= 1
    return found


def surplus(me: str, shares: Collection[Share], lanes: int) -> tuple[int, str] | None:
    """Return a lane that `me` should give back, and to whom; None if it holds no more than its due.

    The one who has room and holds the fewest gets it.
    """
    most = fair_share(lanes, len(shares))
    mine = next((share.lanes for share in shares if share.identity == me), frozenset[int]())
    others = [share for share in shares if share.identity != me]
    if not mine or not others:
        return None
    poorest = min(others, key=lambda share: (len(share.lanes), share.identity))
    is_crowded = len(mine) > most or len(mine) > len(poorest.lanes) + 1
    if not is_crowded or len(poorest.lanes) >= most:
        return None
    return max(mine), poorest.identity
