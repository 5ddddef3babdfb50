"""Who was alive when, by the Leases that were written: the only witness that there is.

Source: docs/architecture.md#claims.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from perdure.verification.bodies import identity_of, part, text
from perdure.verification.evidence import Write

SETTLED = timedelta(seconds=5)
"""So long who was mute sends nothing after its next renewal: others may not have heard of it."""
LANES = "perdure.dev/lanes"
"""The annotation by which a Lease lists the lanes in which its holder makes calls."""


@dataclass(frozen=True, slots=True)
class Times:
    """When a Lease that is not renewed says that its process is silent, and that it is dead.

    After `dead` without a change, there or not, it may be taken for dead; after `mute` without a
    renewal of its own it sends nothing.
    """

    dead: timedelta
    mute: timedelta


ALONE = Times(dead=timedelta(seconds=15), mute=timedelta(seconds=10))
"""Where each commit is the write of a status."""
LANED = Times(dead=timedelta(seconds=8), mute=timedelta(seconds=5))
"""Where turns stand in a log: who loses its lanes commits nothing any more."""


@dataclass(slots=True)
class LeaseStory:
    """All that was written to one Lease: when, and who held it from then on ("" nobody)."""

    times: list[datetime] = field(default_factory=list)
    holders: list[str] = field(default_factory=list)
    owners: list[str] = field(default_factory=list)
    """Who took it in their own name, "" where one gave it up; each change once."""
    lanes: list[frozenset[str]] = field(default_factory=list)
    """Which lanes of the log it listed from each time on."""


class Leases:
    """The Leases of all processes, by what holds them."""

    def __init__(self) -> None:
        self._stories: dict[tuple[str, str], LeaseStory] = {}
        self._of: dict[str, LeaseStory] = {}
        """By incarnation: the Lease that it has held."""
        self.times = ALONE

    def note(self, write: Write) -> None:
        """Take down one write of a Lease.

        One that was deleted is nobody else's: whoever had it writes it again, and is dead when it
        has been absent for as long as one that did not change.
        """
        story = self._stories.setdefault((write.namespace, write.name), LeaseStory())
        if write.after is None:
            return
        holder = holder_of(write)
        story.times.append(write.at)
        story.holders.append(holder)
        story.lanes.append(_lanes_in(write))
        owner = story.owners[-1] if story.owners else ""
        is_own = write.actor == identity_of(holder or owner)
        if is_own and holder != owner:
            story.owners.append(holder)
        if holder:
            self._of[holder] = story

    def was_given_up(self, namespace: str, name: str, incarnation: str) -> bool:
        """Return whether this process start has had the Lease, and another one has it since.

        Only what processes write in their own name counts: a Lease that somebody else wrote to,
        and that was deleted before its process saw it, was taken by nobody.
        """
        story = self._stories.get((namespace, name))
        return story is not None and incarnation in story.owners[:-1]

    def is_known(self, incarnation: str) -> bool:
        """Return whether this process start has ever held a Lease."""
        return incarnation in self._of

    def was_replaced(self, incarnation: str, since: datetime, until: datetime) -> bool:
        """Return whether its Lease named another, or nobody, at a moment of the span."""
        story = self._of.get(incarnation)
        if story is None:
            return True
        first = max(bisect_right(story.times, since) - 1, 0)
        last = bisect_right(story.times, until)
        return any(holder != incarnation for holder in story.holders[first:last])

    def could_be_dead(
        self, incarnation: str, since: datetime, until: datetime, slack: timedelta
    ) -> bool:
        """Return whether there was a moment, `since` to `until`, to take the process for dead.

        That is: its Lease named another or nobody, or was not written for `times.dead`, there or
        not. `slack` is how imprecise the times are.
        """
        if self.was_replaced(incarnation, since, until):
            return True
        story = self._of[incarnation]
        return self._longest_silence(story, since, until) >= self.times.dead - slack

    @staticmethod
    def _longest_silence(story: LeaseStory, since: datetime, until: datetime) -> timedelta:
        """Return the longest silence that had been reached by some moment of the span."""
        first = max(bisect_right(story.times, since) - 1, 0)
        last = bisect_right(story.times, until)
        times = [*story.times[first:last], until]
        gaps = [later - earlier for earlier, later in pairwise(times)]
        return max(gaps, default=timedelta(0))

    def has_let_go(self, incarnation: str, lane: int, since: datetime, until: datetime) -> bool:
        """Return whether its Lease did not list a lane of the log at some moment of the span."""
        return any(str(lane) not in lanes for lanes in self._listed(incarnation, since, until))

    def lists(self, incarnation: str, lane: int, since: datetime, until: datetime) -> bool:
        """Return whether its Lease listed a lane of the log at some moment of the span."""
        return any(str(lane) in lanes for lanes in self._listed(incarnation, since, until))

    def _listed(
        self, incarnation: str, since: datetime, until: datetime
    ) -> Sequence[frozenset[str]]:
        story = self._of.get(incarnation)
        if story is None:
            return ()
        first = max(bisect_right(story.times, since) - 1, 0)
        return story.lanes[first : bisect_right(story.times, until)]

    def silence(
        self, incarnation: str, since: datetime, until: datetime, length: timedelta
    ) -> datetime | None:
        """Return when the first silence of so long began in a span; None without one.

        What was silent before `since` begins there. A Lease that names another is not silent.
        """
        story = self._of.get(incarnation)
        if story is None:
            return None
        first = max(bisect_right(story.times, since) - 1, 0)
        last = bisect_right(story.times, until)
        times = [since, *story.times[first + 1 : last], until]
        holders = story.holders[first:last]
        for holder, (earlier, later) in zip(holders, pairwise(times), strict=False):
            if holder != incarnation:
                return None
            if later - earlier >= length:
                return earlier
        return None

    def heard_again(self, incarnation: str, at: datetime, length: timedelta) -> datetime | None:
        """Return when a process start last wrote its Lease, before a time, after so long a silence.

        One that has just started is heard for the first time.
        """
        story = self._of.get(incarnation)
        if story is None:
            return None
        last = bisect_left(story.times, at)
        own = [
            time
            for time, holder in zip(story.times[:last], story.holders[:last], strict=True)
            if holder == incarnation
        ]
        ends = (later for earlier, later in pairwise(own) if later - earlier >= length)
        return max(ends, default=None)

    def is_heard(self, identity: str, since: datetime, until: datetime) -> bool:
        """Return whether one start of a process has renewed its Lease all the time of a span."""
        return any(
            identity_of(one) == identity
            and story.times[0] <= since
            and not self.was_replaced(one, since, until)
            and self._longest_silence(story, since, until) < self.times.mute
            for one, story in self._of.items()
        )

    def is_superseded(self, incarnation: str) -> bool:
        """Return whether the Lease of this process start names another or nobody now."""
        story = self._of.get(incarnation)
        return story is not None and story.holders[-1] != incarnation

    def age(self, incarnation: str, at: datetime) -> timedelta | None:
        """Return how old the last renewal of a process start was then; None without any."""
        story = self._of.get(incarnation)
        if story is None:
            return None
        last = bisect_left(story.times, at)
        return at - story.times[last - 1] if last else None


def holder_of(write: Write) -> str:
    """Return who holds a Lease after the write."""
    return text(part(write.after, "spec").get("holderIdentity"))


def _lanes_in(write: Write) -> frozenset[str]:
    """Return the lanes that a Lease lists after the write."""
    listed = text(part(write.after, "metadata", "annotations").get(LANES))
    return frozenset(listed.split(",")) if listed else frozenset()
