"""What became of an entry that was sent, told from what a quorum read of its slot shows. Pure.

No answer but 200 says it: a 409 may come from a second copy, after the first one has won. Source:
docs/log.md#writing.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import TypeAlias

from perdure.lanes.ring import Slot


@dataclass(frozen=True, slots=True)
class Place:
    """A slot as the writer of its next entry has seen it: `seq` stands there at `version`."""

    name: str
    version: str
    seq: int


@dataclass(frozen=True, slots=True)
class Stands:
    """One of our tries stands: the one of this nonce. Of a turn: it is committed, in that entry."""

    nonce: str


@dataclass(frozen=True, slots=True)
class SendAgain:
    """Nothing was written; a try that is still on its way may yet land."""


@dataclass(frozen=True, slots=True)
class Fenced:
    """Somebody else has written there. Of a turn: nobody here may say what became of it."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The turn cannot be stored as it is, and no try of it can land any more."""

    message: str
    is_too_large: bool = False


@dataclass(frozen=True, slots=True)
class Damaged:
    """The slot is gone or has gone back in time: the lane is to be left alone."""

    message: str


Verdict: TypeAlias = Stands | SendAgain | Fenced | Damaged
Outcome: TypeAlias = Stands | Fenced | Refused
"""What a turn is answered."""


def place_of(slot: Slot) -> Place:
    return Place(slot.name, slot.version, slot.entry.seq)


def settle(seen: Slot | None, replaced: Place, nonces: Container[str]) -> Verdict:
    """Return what a read of a slot says of our tries to replace what stood there.

    `seen` is None where there is no such object; `nonces` are those of all tries, whatever was in
    them.
    """
    if seen is None:
        return Damaged(f"WorkflowLog {replaced.name} was deleted: what stood there may be lost")
    if seen.entry.seq > replaced.seq and seen.entry.nonce in nonces:
        return Stands(seen.entry.nonce)
    if seen.version == replaced.version:
        return SendAgain()
    if seen.entry.seq < replaced.seq:
        return Damaged(
            f"WorkflowLog {replaced.name} holds entry {seen.entry.seq}, but has held "
            f"{replaced.seq}: it was made anew, or etcd was restored"
        )
    return Fenced()
