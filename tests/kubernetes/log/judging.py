"""What is promised of the log, checked at every write and for all that processes were told.

Source: docs/model.md#what-must-hold-in-every-state.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping

from perdure.lanes.entry import Entry, EntryKind, LoggedTurn, entry_of
from perdure.lanes.ring import lane_of, slot_name, slot_of
from perdure.lanes.settling import Outcome, Refused, Stands
from perdure.verification.evidence import Write

GONE = math.inf
LOGS = "workflowlogs"


class Statuses:
    """Which rev the status of each instance shows; GONE where there is no instance any more.

    Read and written at one moment: what may happen to statuses on the network is not of this run.
    """

    def __init__(self) -> None:
        self._revs: dict[str, float] = {}

    def show(self, uid: str, rev: float) -> None:
        self._revs[uid] = max(rev, self.rev(uid))

    def rev(self, uid: str) -> float:
        return self._revs.get(uid, 0)


class Judge:
    """Keeps the true history, and takes note of every promise that is broken."""

    def __init__(self, statuses: Statuses, lanes: int) -> None:
        self.broken: list[str] = []
        self.seen: Counter[str] = Counter()
        """How often what happened: a run in which nothing did proves nothing."""
        self._statuses, self._lanes = statuses, lanes
        self._history: defaultdict[str, list[LoggedTurn]] = defaultdict(list)
        self._newest: Counter[int] = Counter()
        self._claims: dict[int, Entry] = {}
        """The newest claim of each lane that nothing was released since."""
        self._standing: dict[str, Entry] = {}
        self._refused: set[tuple[str, int, str]] = set()
        self._deleted: set[str] = set()

    def _blame(self, text: str) -> None:
        self.broken.append(text)

    def length(self, uid: str) -> int:
        """Return how many turns of an instance are committed."""
        return len(self._history[uid])

    def turn(self, uid: str, rev: int) -> LoggedTurn | None:
        """Return a committed turn, as the status that shows it would tell; None for rev 0."""
        return self._history[uid][rev - 1] if rev else None

    # --- writes -----------------------------------------------------------------------------

    def observe(self, write: Write) -> None:
        """Judge one accepted write."""
        if write.resource != LOGS:
            return
        if write.after is None:
            self._deleted.add(write.name)
            self.seen["deleted"] += 1
            return
        spec = write.after["spec"]
        assert isinstance(spec, dict)
        entry, before = entry_of(spec, write.name), self._standing.get(write.name)
        self._standing[write.name] = entry
        self.seen[entry.kind] += 1
        if entry.seq:
            if write.name in self._deleted:
                self._blame(f"entry {entry.seq} was written where a slot was deleted")
            self._follows(entry, write.name)
            self._carries(entry, before)
            self._is_by_the_owner(entry)
            for turn in entry.turns:
                self._commits(turn, entry)
            self._loses_nothing(entry.lane)

    def _follows(self, entry: Entry, name: str) -> None:
        if entry.seq != self._newest[entry.lane] + 1:
            self._blame(f"entry {entry.seq} follows {self._newest[entry.lane]}")
        if name != slot_name(entry.generation, entry.lane, slot_of(entry.seq)):
            self._blame(f"entry {entry.seq} stands in {name}")
        self._newest[entry.lane] = entry.seq

    def _carries(self, entry: Entry, before: Entry | None) -> None:
        stood = () if before is None else (*before.turns, *before.carried)
        self.seen["carried"] += len(entry.carried)
        if not set(map(names, entry.carried)) <= set(map(names, stood)):
            self._blame(f"entry {entry.seq} carries what did not stand in its slot")

    def _is_by_the_owner(self, entry: Entry) -> None:
        if entry.kind is EntryKind.CLAIM:
            self._claims[entry.lane] = entry
            return
        claim = self._claims.get(entry.lane)
        if claim is None or claim.incarnation != entry.incarnation:
            self._blame(f"entry {entry.seq} is by another than the newest claimant")
        if entry.kind is EntryKind.RELEASED:
            self._claims.pop(entry.lane, None)

    def _commits(self, turn: LoggedTurn, entry: Entry) -> None:
        history = self._history[turn.key.uid]
        self.seen["turns"] += 1
        if turn.rev != len(history) + 1:
            self._blame(f"turn {turn.rev} of {turn.key.uid} follows {len(history)}")
        elif turn.before != digest_of(history):
            self._blame(f"turn {turn.rev} of {turn.key.uid} follows another history")
        if lane_of(turn.key.uid, self._lanes) != entry.lane:
            self._blame(f"a turn of {turn.key.uid} stands in lane {entry.lane}")
        if names(turn) in self._refused:
            self._blame(f"turn {turn.rev} of {turn.key.uid} was committed after it was refused")
        history.append(turn)

    def _loses_nothing(self, lane: int) -> None:
        if self.is_damaged(lane):
            return
        entries = [entry for entry in self._standing.values() if entry.lane == lane]
        standing = {names(turn) for entry in entries for turn in (*entry.turns, *entry.carried)}
        for uid, history in self._history.items():
            if lane_of(uid, self._lanes) == lane:
                hidden = [turn for turn in history if turn.rev > self._statuses.rev(uid)]
                if not {names(turn) for turn in hidden} <= standing:
                    self._blame(f"a turn of {uid} is neither in the log nor in the status")

    def is_damaged(self, lane: int) -> bool:
        """Return whether a slot of a lane was deleted: what stood there is lost."""
        return any(name.startswith(f"g1-{lane}-") for name in self._deleted)

    # --- what processes are told --------------------------------------------------------------

    def told(self, turn: LoggedTurn, outcome: Outcome) -> None:
        """A process was told what became of a turn."""
        is_committed = names(turn) in map(names, self._history[turn.key.uid])
        self.seen[type(outcome).__name__] += 1
        if isinstance(outcome, Stands) and not is_committed:
            self._blame(f"turn {turn.rev} of {turn.key.uid} was answered before it stood")
        if isinstance(outcome, Refused):
            self._refused.add(names(turn))
            if is_committed:
                self._blame(f"turn {turn.rev} of {turn.key.uid} was refused, but stands")

    def knows(self, claim: Entry, known: Mapping[str, LoggedTurn | None]) -> None:
        """A process has claimed a lane, and takes these for the newest turns of its instances."""
        if self._claims.get(claim.lane) is not claim and not self._is_newest(claim):
            return  # It has lost the lane again, and will hear of that before it commits.
        self.seen["owners"] += 1
        for uid, turn in known.items():
            newest = self._history[uid][-1] if self._history[uid] else None
            is_same = turn is newest or (turn and newest and names(turn) == names(newest))
            if not is_same and self._statuses.rev(uid) != GONE:
                self._blame(f"a new owner of lane {claim.lane} does not know a turn of {uid}")

    def _is_newest(self, claim: Entry) -> bool:
        newest = self._claims.get(claim.lane)
        return newest is not None and newest.nonce == claim.nonce

    def has_hole(self, uid: str) -> None:
        """A process found that turns do not follow each other."""
        self._blame(f"a claimant sees a history of {uid} with a hole")


def names(turn: LoggedTurn) -> tuple[str, int, str]:
    """Return what tells a turn from every other one that was ever decided."""
    return turn.key.uid, turn.rev, turn.after


def digest_of(history: list[LoggedTurn]) -> str:
    return history[-1].after if history else ""
