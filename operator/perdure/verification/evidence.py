"""What the three witnesses write down: accepted writes, effects, client calls; and the weather."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from perdure.engine.values import Json, JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One write that the API server accepted and that changed something.

    `at` is the server's time. `actor` is who sent it: an operator's identity, a client's name, or
    a controller of the cluster. `before` is None for a creation, `after` for an object that is
    gone with this write; both are whole objects and must not be changed.
    """

    revision: int
    at: datetime
    actor: str
    verb: str
    """create, update, patch or delete."""
    resource: str
    """The plural, as in paths."""
    subresource: str | None
    namespace: str
    name: str
    uid: str
    before: JsonObject | None
    after: JsonObject | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One request that reached a service, as the service saw it.

    `actor` is the process that sent it: the identity of an operator, "" where nobody could say.
    `uid`, `path` and `attempt` are what the request says of its activity (the workloads put uid
    and path into it; `attempt` is the header). `key` is the header Idempotency-Key. `answer` is
    None while, or if, none was given.
    """

    at: datetime
    actor: str
    uid: str
    path: str
    attempt: int
    key: str
    method: str
    target: str
    body: Json = None
    answer: Answered | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What a service answered, and when; `body` as parsed JSON."""

    at: datetime
    code: int
    body: Json = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request of an operator that the API server, or what stands before it, answered.

    `actor` is its identity, `start` says which of its processes, counted from 1. `revision` is
    that of the storage when the request was looked at. `tests` are the operations `test` of a JSON
    patch: pointer and value. Urgent are the requests for Leases.
    """

    actor: str
    start: int
    sent: datetime
    answered: datetime
    method: str
    path: str
    code: int
    revision: int
    is_urgent: bool = False
    retry_after: float | None = None
    """Seconds, as the answer says."""
    tests: tuple[tuple[str, Json], ...] = ()


class Outcome(StrEnum):
    """What a client knows of its call when it is over."""

    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    """Answered with an error after which nothing was done."""
    UNKNOWN = "unknown"
    """No answer, or one that leaves it open."""


class Deed(StrEnum):
    """What a client can do."""

    DEFINE = "define"
    UNDEFINE = "undefine"
    START = "start"
    RAISE = "raise"
    SUSPEND = "suspend"
    RESUME = "resume"
    TERMINATE = "terminate"
    DELETE = "delete"
    EDIT = "edit"
    """Anything that users should not do, or that must not matter: labels, status, finalizers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCall:
    """One thing that a client asked for, over as many requests as it took.

    `invoked` and `returned` are true times. `uid` is that of the object named (an instance's for
    all but definitions), "" where the client does not know it. `details` says what was asked:
    for RAISE `{"id", "name", "data", "door": "spec" | "object", "object"?: name, "instanceUid"?}`,
    for START `{"input"?, "definition"}`.
    """

    invoked: datetime
    returned: datetime | None
    client: str
    deed: Deed
    namespace: str
    name: str
    """Of the instance or definition that is meant."""
    uid: str
    outcome: Outcome
    details: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Disturbance:
    """Something that was done to the world on purpose, while it lasted.

    `kind` is that of docs/proof.md#faults (`F1`…), `point` where it struck (`C1`…, or ""),
    `victim` the identity of the process it struck, "" for the world. A crash lasts until the
    process is started again, or for ever (`ended` None).
    """

    kind: str
    point: str
    victim: str
    began: datetime
    ended: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything there is to judge a run by.

    `writes` are in order of revision and complete from the first on, unless `is_complete` is
    False (on a user's cluster only what stands there now is known: then there is a creation for
    each object, by actor ""). `clocks` says how far the clock of each identity may have been off
    at most, in seconds, through faults that were injected; absent: not at all. `healed_at` is when
    the last disturbance ended, `ended_at` when the run did; after the one everything that does not
    wait for the outside has to come to its end, and after that nothing may be written.
    """

    writes: tuple[Write, ...]
    effects: tuple[Effect, ...] = ()
    calls: tuple[ClientCall, ...] = ()
    exchanges: tuple[Exchange, ...] = ()
    disturbances: tuple[Disturbance, ...] = ()
    clocks: Mapping[str, float] = field(default_factory=dict)
    healed_at: datetime | None = None
    ended_at: datetime | None = None
    is_complete: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A promise that was broken: which invariant, on what, and what was seen instead.

    `invariant` is a heading of docs/proof.md (`I-1`…); `subject` names an object as
    `namespace/name` (or the process); `revision` is the write that showed it, None at the end.
    """

    invariant: str
    subject: str
    text: str
    revision: int | None = None

    def render(self) -> str:
        """Return one line for people."""
        where = "" if self.revision is None else f" at revision {self.revision}"
        return f"{self.invariant} {self.subject}{where}: {self.text}"


Violations: TypeAlias = list[Violation]
