"""Everything that has been written so far, as the checks look it up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from perdure.engine.values import Json, JsonObject
from perdure.verification.accounts import Account
from perdure.verification.bodies import as_written, identity_of, items, part, text
from perdure.verification.chain import canonical, sha256
from perdure.verification.evidence import Write
from perdure.verification.lanes import Lanes
from perdure.verification.leases import Leases, holder_of

INSTANCES = "workflowinstances"
EVENTS = "workflowevents"
HISTORIES = "workflowhistories"
DEFINITIONS = "workflowdefinitions"
REVISIONS = "controllerrevisions"
LEASES = "leases"
LOGS = "workflowlogs"

UNREADABLE: JsonObject = {"unreadable": True}
"""What stands for a revision that may not be read."""

Place = tuple[str, str]
"""Namespace and name."""


def exact(identity: str) -> float:
    """Return how far a clock is off that is right."""
    return 0.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """How exact the witnesses are.

    `history_events` is how many events a history has at most before its end is decided.
    `clock_seconds` says how far the clock of an identity may have been off so far, through faults
    that were injected; `stamps_seconds` how far the times of writes may be off the true ones (0 in
    a simulation; where a watch dates them, its delay). `slots` is how many a lane of the log has.
    """

    clock_seconds: Callable[[str], float] = exact
    stamps_seconds: float = 0.0
    history_events: int = 90_000
    slots: int = 256

    @property
    def stamps(self) -> timedelta:
        """Return how far the time of a write may be off."""
        return timedelta(seconds=self.stamps_seconds)

    def clock_of(self, identity: str) -> timedelta:
        """Return how far an operator's clock may be off the true time that a write shows."""
        return timedelta(seconds=self.clock_seconds(identity) + self.stamps_seconds)


@dataclass(slots=True)
class Kept:
    """A WorkflowHistory object. `value` is that of a payload, decoded once."""

    write: Write
    body: JsonObject
    value: Json = None
    is_sound: bool = True

    @property
    def spec(self) -> JsonObject:
        """Return its spec."""
        return part(self.body, "spec")


@dataclass(slots=True)
class Sent:
    """A WorkflowEvent object. `answers` are its true conditions Taken and Refused, first seen."""

    write: Write
    body: JsonObject
    answers: dict[str, tuple[datetime, str]] = field(default_factory=dict)
    gone: Write | None = None
    is_edited: bool = False
    """Whether it was written again before it was answered, which moves it in the order."""

    @property
    def spec(self) -> JsonObject:
        """Return its spec."""
        return part(self.body, "spec")

    @property
    def event_id(self) -> str:
        """Return the id by which the event counts once."""
        return text(self.spec.get("id")) or self.write.name

    def is_for(self, account: Account) -> bool:
        """Return whether it is meant for this very instance."""
        uid = self.spec.get("instanceUid")
        return self.write.namespace == account.namespace and uid in (None, account.uid)


@dataclass(slots=True)
class World:
    """The objects that stand, what stood before, and who is an operator."""

    bounds: Bounds
    accounts: dict[str, Account] = field(default_factory=dict)
    named: dict[Place, list[Account]] = field(default_factory=dict)
    """All instances that ever had a name, in order of their creation."""
    histories: dict[Place, Kept] = field(default_factory=dict)
    events: dict[Place, Sent] = field(default_factory=dict)
    sent: dict[Place, list[Sent]] = field(default_factory=dict)
    """All event objects ever, by the instance that they name, in order of their creation."""
    revisions: dict[Place, Write] = field(default_factory=dict)
    """The creation of each revision that stands, by its newest write."""
    recipes: dict[str, JsonObject] = field(default_factory=dict)
    """Every recipe that a revision ever held, by its digest."""
    definitions: dict[Place, JsonObject] = field(default_factory=dict)
    leases: Leases = field(default_factory=Leases)
    lanes: Lanes = field(default_factory=Lanes)
    operators: set[str] = field(default_factory=set)
    """Whoever writes a Lease in its own name is one."""

    def is_operator(self, actor: str) -> bool:
        """Return whether the writer is one of ours, and not a user or a part of the cluster."""
        return actor in self.operators

    @property
    def between_clocks(self) -> timedelta:
        """Return how far the clocks of two operators may be apart."""
        return 2 * max(map(self.bounds.clock_of, self.operators), default=self.bounds.stamps)

    def has_let_go(
        self, account: Account, incarnation: str, since: datetime, until: datetime
    ) -> bool:
        """Return whether a process told by its Lease that it makes no calls of the instance."""
        lane = self.lanes.lane_of(account.uid)
        return lane is not None and self.leases.has_let_go(incarnation, lane, since, until)

    def has_come_back(self, account: Account, incarnation: str, since: datetime) -> bool:
        """Return whether a process has claimed the instance's lane since then."""
        claimed = self.lanes.claimed_at(account.uid, incarnation)
        return claimed is not None and claimed > since

    def living(self, namespace: str, name: str) -> Account | None:
        """Return the instance that has the name now."""
        accounts = self.named.get((namespace, name))
        return accounts[-1] if accounts and accounts[-1].gone is None else None

    def kept(self, account: Account, name: str) -> Kept | None:
        """Return a WorkflowHistory object that the instance may refer to."""
        return self.histories.get((account.namespace, name))


def note(world: World, write: Write) -> None:
    """Enter a write of anything but an instance."""
    match write.resource:
        case "workflowhistories":
            _note_history(world, write)
        case "workflowevents":
            _note_event(world, write)
        case "controllerrevisions":
            _note_standing(world.revisions, write)
            _note_recipe(world, write)
        case "workflowdefinitions":
            place = (write.namespace, write.name)
            if write.after is None:
                world.definitions.pop(place, None)
            else:
                world.definitions[place] = write.after
        case "leases":
            world.leases.note(write)
            if write.after is not None and identity_of(holder_of(write)) == write.actor:
                world.operators.add(write.actor)
        case _:
            pass


def _note_standing(standing: dict[Place, Write], write: Write) -> None:
    if write.after is None:
        standing.pop((write.namespace, write.name), None)
    else:
        standing[write.namespace, write.name] = write


def _note_recipe(world: World, write: Write) -> None:
    """Remember a recipe when its revision is created: after that it never changes."""
    recipe = part(write.after, "data", "spec")
    if write.before is None and recipe:
        world.recipes[digest_of(recipe)] = recipe


def digest_of(recipe: JsonObject) -> str:
    """Return the digest by which a recipe is pinned."""
    return sha256(canonical(as_written(recipe)))


def _note_history(world: World, write: Write) -> None:
    place = (write.namespace, write.name)
    if write.after is None:
        world.histories.pop(place, None)
    elif write.before is None:
        world.histories[place] = Kept(write, write.after)
    elif place in world.histories:
        world.histories[place].body = write.after


def _note_event(world: World, write: Write) -> None:
    place = (write.namespace, write.name)
    if write.after is None:
        sent = world.events.pop(place, None)
        if sent is not None:
            sent.gone = write
        return
    if write.before is None:
        sent = world.events[place] = Sent(write, write.after)
        instance = text(sent.spec.get("instance"))
        world.sent.setdefault((write.namespace, instance), []).append(sent)
    else:
        sent = world.events.get(place)
        if sent is not None and not sent.answers:
            sent.is_edited = sent.is_edited or not answers_of(write.after)
    if sent is not None:
        sent.body = write.after
        for kind, reason in answers_of(write.after).items():
            sent.answers.setdefault(kind, (write.at, reason))


def answers_of(body: Json) -> dict[str, str]:
    """Return the reasons of the conditions Taken and Refused that are true."""
    return {
        text(one.get("type")): text(one.get("reason"))
        for one in items(part(body, "status").get("conditions"))
        if one.get("type") in ("Taken", "Refused") and one.get("status") == "True"
    }
