"""What is to be written when: wishes by their deadlines, and a pace for those that can wait. Pure.

Times are monotonic seconds, given by whoever asks. Source: docs/log.md#reflecting.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

TICK = 0.001
"""What is due within it is due: clocks and sums of floats are no finer."""


class Kind(Enum):
    """How a wish is served."""

    URGENT = "urgent"
    """As soon as there is a place."""
    PACED = "paced"
    """Not before its deadline, so that later turns are written with it, and at a bounded rate."""


@dataclass(slots=True)
class _Wish:
    """`since` is when the oldest part of it was wanted, `due` when it has to be written.

    It waits until `not_before` after a failure. `ticket` is that of its entry in a heap.
    """

    kind: Kind
    since: float
    due: float
    not_before: float = -math.inf
    ticket: int = 0

    @property
    def at(self) -> float:
        return max(self.due, self.not_before)

    def join(self, other: _Wish) -> None:
        self.since, self.due = min(self.since, other.since), min(self.due, other.due)
        self.kind = Kind.URGENT if Kind.URGENT in (self.kind, other.kind) else Kind.PACED


class Agenda:
    """Instances by uid: those that wait, earliest deadline first, and those being written.

    What is wanted of one that is being written waits until that has ended.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, _Wish] = {}
        self._running: dict[str, _Wish] = {}
        self._again: dict[str, _Wish] = {}
        self._heaps: dict[Kind, list[tuple[float, int, str]]] = {kind: [] for kind in Kind}
        self._tickets = 0

    def want(self, uid: str, now: float, within: float) -> None:
        """Ask for a write within so many seconds; an earlier deadline stays."""
        wish = _Wish(Kind.PACED if within > 0 else Kind.URGENT, since=now, due=now + within)
        if uid in self._running:
            self._join(self._again, uid, wish)
        else:
            before = self._waiting.get(uid)
            known = (None, 0.0) if before is None else (before.kind, before.at)
            self._join(self._waiting, uid, wish)
            joined = self._waiting[uid]
            if (joined.kind, joined.at) != known:
                self._push(uid, joined)

    @staticmethod
    def _join(wishes: dict[str, _Wish], uid: str, wish: _Wish) -> None:
        if uid in wishes:
            wishes[uid].join(wish)
        else:
            wishes[uid] = wish

    def begin(self, kind: Kind, now: float) -> str | None:
        """Return the next one of a kind that is due, which counts as being written from now on."""
        if self.next_at(kind) > now + TICK:
            return None
        _, _, uid = heapq.heappop(self._heaps[kind])
        self._running[uid] = self._waiting.pop(uid)
        return uid

    def end(self, uid: str) -> None:
        """Note that its write has ended well, or that there is nothing to write."""
        del self._running[uid]
        again = self._again.pop(uid, None)
        if again is not None:
            self._waiting[uid] = again
            self._push(uid, again)

    def put_off(self, uid: str, until: float) -> None:
        """Note that its write has failed; whatever is wanted of it waits until then."""
        wish = self._running.pop(uid)
        if uid in self._again:
            wish.join(self._again.pop(uid))
        wish.not_before = until
        self._waiting[uid] = wish
        self._push(uid, wish)

    def next_at(self, kind: Kind) -> float:
        """Return when the next one of a kind is due; infinite where none waits."""
        heap = self._heaps[kind]
        while heap and not self._is_current(heap[0]):
            heapq.heappop(heap)
        return heap[0][0] if heap else math.inf

    def oldest(self) -> float | None:
        """Return since when the oldest wish has been waiting or being served."""
        return min((wish.since for wish in self._wishes()), default=None)

    def __contains__(self, uid: str) -> bool:
        """Return whether anything is wanted of the instance."""
        return uid in self._waiting or uid in self._running

    def _wishes(self) -> Iterator[_Wish]:
        for wishes in (self._waiting, self._running, self._again):
            yield from wishes.values()

    def _push(self, uid: str, wish: _Wish) -> None:
        self._tickets += 1
        wish.ticket = self._tickets
        heap = self._heaps[wish.kind]
        heapq.heappush(heap, (wish.at, wish.ticket, uid))
        if len(heap) > 64 and len(heap) > 2 * len(self._waiting):
            self._heaps[wish.kind] = [entry for entry in heap if self._is_current(entry)]
            heapq.heapify(self._heaps[wish.kind])

    def _is_current(self, entry: tuple[float, int, str]) -> bool:
        wish = self._waiting.get(entry[2])
        return wish is not None and wish.ticket == entry[1]


class Pace:
    """A bucket of tokens: `per_second` come into it, `most` fit in."""

    def __init__(self, per_second: float, most: int, now: float) -> None:
        self._per_second, self._most = per_second, most
        self._tokens, self._at = float(most), now

    def next_at(self, now: float) -> float:
        """Return when the next token is there: `now` or later."""
        self._fill(now)
        return now + max(0.0, 1.0 - self._tokens) / self._per_second

    def take(self, now: float) -> None:
        """Take a token. It may be up to TICK early, which the next one waits for."""
        self._fill(now)
        self._tokens -= 1

    def _fill(self, now: float) -> None:
        gained = (now - self._at) * self._per_second
        self._tokens, self._at = min(self._tokens + gained, float(self._most)), now
