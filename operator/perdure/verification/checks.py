"""What a check is: a pure function that says in texts what is wrong, and the invariant it guards.

The first line of its docstring is the rule, for the table in docs/proof.md; its name names it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from perdure.engine.state import State
from perdure.engine.values import Json, JsonObject
from perdure.verification.accounts import Account
from perdure.verification.bodies import part
from perdure.verification.evidence import Effect, Evidence, Write
from perdure.verification.lanes import Replacement
from perdure.verification.world import World

Texts: TypeAlias = Iterator[str]


@dataclass(slots=True)
class Commit:
    """One turn as it was committed: by an entry of the log, or by the status that shows it.

    `write` is that of the entry or of the status, `body` the instance as it stood then. `rev` is
    the number of the turn, `old_rev` that of the turn before it; `generation` the one of the spec
    that it says it has seen, `base` the newest one that it cannot have missed. `new` are the events
    that it adds. While they are checked one after the other, `account` has those before; `waits`
    are the ids of the waits that were open before it. `is_whole` is False where a history is first
    met as it stands: then nothing is known of its single commits.
    """

    world: World
    account: Account
    write: Write
    body: JsonObject
    old_rev: Json
    rev: Json
    commit_id: str
    generation: int
    base: int
    new: list[JsonObject] = field(default_factory=list)
    waits: Collection[int] = ()
    is_whole: bool = True

    def has(self, *types: str) -> bool:
        """Return whether an event of these types is among the new ones."""
        return any(event.get("type") in types for event in self.new)


@dataclass(slots=True)
class Showing:
    """One write of a status by an operator, with what came before it.

    `new` are the events that it is the first to show, `state` is what its history folds to (None
    where that is not known), `segments` are the names of those that it adds. `commit` is the turn
    that is committed by this very write, None where its turns stood in the log before.
    """

    world: World
    account: Account
    write: Write
    before: JsonObject
    after: JsonObject
    new: list[JsonObject] = field(default_factory=list)
    state: State | None = None
    segments: list[str] = field(default_factory=list)
    commit: Commit | None = None

    @property
    def status(self) -> JsonObject:
        """Return the status that it leaves."""
        return part(self.after, "status")

    @property
    def old_status(self) -> JsonObject:
        """Return the status that it found."""
        return part(self.before, "status")

    def has(self, *types: str) -> bool:
        """Return whether an event of these types is among those newly shown."""
        return any(event.get("type") in types for event in self.new)


@dataclass(frozen=True, slots=True)
class Finding:
    """What an end check found, and about which object."""

    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class Trial:
    """Everything at the end of a run. `effects` are by uid, path and attempt, in order of time."""

    evidence: Evidence
    world: World
    effects: Mapping[tuple[str, str, int], list[Effect]]

    def standing(self) -> Iterator[Account]:
        """Yield the instances that were not deleted."""
        return (account for account in self.world.accounts.values() if account.gone is None)


@dataclass(frozen=True, slots=True)
class EventCheck:
    """Judges each new history event of these types, before it is entered.

    `needs_log` says that it looks at who wrote when: it is not asked of a history that is met as
    it stands.
    """

    invariant: str
    types: frozenset[str]
    run: Callable[[Commit, JsonObject], Texts]
    needs_log: bool = False


@dataclass(frozen=True, slots=True)
class TurnCheck:
    """Judges a turn as a whole, after its events were entered; not one met as it stands."""

    invariant: str
    run: Callable[[Commit], Texts]


@dataclass(frozen=True, slots=True)
class StatusCheck:
    """Judges a status that an operator wrote, after its events were entered."""

    invariant: str
    run: Callable[[Showing], Texts]
    needs_log: bool = True


@dataclass(frozen=True, slots=True)
class EntryCheck:
    """Judges each entry that an operator writes into a lane, before it is entered.

    `is_lasting` says that it is also asked of a lane that somebody else has damaged.
    """

    invariant: str
    run: Callable[[World, Replacement], Texts]
    is_lasting: bool = False


@dataclass(frozen=True, slots=True)
class WriteCheck:
    """Judges each write of these resources, before it is entered."""

    invariant: str
    resources: frozenset[str]
    run: Callable[[World, Write], Texts]


@dataclass(frozen=True, slots=True)
class EndCheck:
    """Judges the whole at the end. `needs_log` as with EventCheck."""

    invariant: str
    run: Callable[[Trial], Iterator[Finding]]
    needs_log: bool = True


Check: TypeAlias = EventCheck | TurnCheck | StatusCheck | EntryCheck | WriteCheck | EndCheck
