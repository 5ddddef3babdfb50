"""A compiled definition: what the checker builds and the flow orchestrator runs.

Everything is frozen and shared by all instances that pin the revision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeAlias

from perdure.engine.values import Json
from perdure.language.expressions import Expression
from perdure.language.templates import Template


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """When and after how long a failed attempt is followed by another.

    `attempts` counts the first; -1 is without limit. Without `when`, what the error says
    (`retryable`) decides.
    """

    attempts: int = 1
    delay: timedelta = timedelta(seconds=1)
    factor: float = 2.0
    max_delay: timedelta = timedelta(minutes=1)
    has_jitter: bool = True
    attempt_timeout: timedelta | None = None
    when: Expression | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What a block or a catch entry runs: a named flow with parameters, or one leaf, or nothing."""

    flow: str | None = None
    params: Mapping[str, Template] = field(default_factory=dict)
    do: Step | None = None

    @property
    def is_empty(self) -> bool:
        """Return whether nothing runs."""
        return self.flow is None and self.do is None


NOTHING = Body()


@dataclass(frozen=True, slots=True, kw_only=True)
class Catch:
    """One entry of `catch`; without `when` it matches every error."""

    when: Expression | None = None
    body: Body = NOTHING
    output: Template | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """How an accepted call is followed until its condition holds."""

    target: str
    """`path`, `url`, or `location` for the Location header of the start's answer."""
    value: Template | None
    every: timedelta
    until: Expression


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpVerb:
    """A call of a service in the instance's namespace, or of a permitted URL."""

    method: str = "GET"
    service: Template | None = None
    port: int | str | None = None
    scheme: str | None = None
    path: Template | None = None
    url: Template | None = None
    query: Template | None = None
    headers: Template | None = None
    body: Template | None = None
    form: Template | None = None
    expect: Expression | None = None
    poll: Poll | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitVerb:
    """A durable pause: for a length of time, or until a moment."""

    length: Template | None = None
    moment: Template | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventVerb:
    """A wait for external events."""

    name: str
    where: Expression | None = None
    count: int = 1
    continues_on_timeout: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SetVerb:
    """New values for variables: of the instance, and of the flow's own."""

    instance: Mapping[str, Template]
    own: Mapping[str, Template]


@dataclass(frozen=True, slots=True, kw_only=True)
class RaiseVerb:
    """A failure that the definition makes itself."""

    type: str
    message: Template | None = None
    code: int | None = None
    details: Template | None = None
    retryable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnVerb:
    """The end of the flow, with a value."""

    value: Template | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One way of a switch."""

    when: Expression
    body: Body


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchVerb:
    """The first case whose condition holds, else the default, else nothing."""

    cases: tuple[Case, ...]
    default: Body | None = None

    def body(self, index: int) -> Body:
        """Return the body of a case, or of the default (-1)."""
        if index >= 0:
            return self.cases[index].body
        assert self.default is not None, "no default was compiled"
        return self.default


@dataclass(frozen=True, slots=True, kw_only=True)
class CallVerb:
    """A named flow, run once."""

    body: Body


Verb: TypeAlias = (
    HttpVerb | WaitVerb | EventVerb | SetVerb | RaiseVerb | ReturnVerb | SwitchVerb | CallVerb
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A step of a flow, or the leaf of a body (its name is then `do`)."""

    name: str
    verb: Verb
    when: Expression | None = None
    needs: frozenset[str] = frozenset()
    """The steps of the same flow that must be over before this one begins."""
    retry: Retry = Retry()
    timeout: Template | None = None
    catch: tuple[Catch, ...] = ()
    output: Template | None = None
    fails_on_unknown: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """A list of steps; `name` is None for the main flow."""

    name: str | None
    steps: tuple[Step, ...]
    params: tuple[str, ...] = ()
    vars: Mapping[str, Template] = field(default_factory=dict)
    output: Template | None = None

    def step(self, name: str) -> Step:
        """Return the step of this name."""
        return next(step for step in self.steps if step.name == name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A whole compiled definition."""

    main: Flow
    flows: Mapping[str, Flow]
    input_schema: Json = None
    timeout: timedelta | None = None

    def flow(self, name: str | None) -> Flow:
        """Return a flow by name; the main one for None."""
        return self.main if name is None else self.flows[name]
