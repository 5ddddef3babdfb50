"""What a check is: a pure function that says in texts what is wrong, and the invariant it guards.

The first line of its docstring is the rule, for the table in docs/proof.md; its name names it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from perdure.engine.values import JsonObject
from perdure.verification.accounts import Account
from perdure.verification.bodies import part
from perdure.verification.evidence import Effect, Evidence, Write
from perdure.verification.world import World

Texts: TypeAlias = Iterator[str]


@dataclass(slots=True)
class Commit:
    """One write of an instance, with what came before it.

    `new` are the events that it adds. While they are checked one after the other, `account` has
    those before. `segments` are the names of those that it adds, `waits` the ids of the waits that
    were open before it. `is_whole` is False where a history is first met as it stands: then
    nothing is known of its single commits.
    """

    world: World
    account: Account
    write: Write
    before: JsonObject
    after: JsonObject
    new: list[JsonObject] = field(default_factory=list)
    segments: list[str] = field(default_factory=list)
    waits: Collection[int] = ()
    is_whole: bool = True

    @property
    def status(self) -> JsonObject:
        """Return the status that it leaves."""
        return part(self.after, "status")

    @property
    def old_status(self) -> JsonObject:
        """Return the status that it found."""
        return part(self.before, "status")

    @property
    def is_operators(self) -> bool:
        """Return whether an operator wrote it."""
        return self.world.is_operator(self.write.actor)

    def has(self, *types: str) -> bool:
        """Return whether an event of these types is among the new ones."""
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
class CommitCheck:
    """Judges a status that an operator wrote, after its events were entered."""

    invariant: str
    run: Callable[[Commit], Texts]
    needs_log: bool = True


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


Check: TypeAlias = EventCheck | CommitCheck | WriteCheck | EndCheck
