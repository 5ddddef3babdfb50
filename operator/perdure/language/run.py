"""One `advance` in progress: the recorder, the facts, and how expressions are evaluated in it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from perdure.engine.events import AttemptFailed, Claim, Failure, HistoryEvent
from perdure.engine.orchestrator import Asked, Decision, Facts
from perdure.engine.paths import owner_of
from perdure.engine.recorder import Recorder
from perdure.engine.state import State, Unit
from perdure.engine.values import Json, ValueRefusedError, canonical, normalise
from perdure.language.effort import MAX_TOGETHER, MAX_TURN, Allowance
from perdure.language.expressions import EvaluationError, Expression
from perdure.language.places import Extra, Place, bindings
from perdure.language.program import Program
from perdure.language.templates import Template

MAX_VALUE_BYTES = 1024 * 1024
"""One value of a history; the store keeps larger ones nowhere."""

LEAST_WORK = 2_000
"""Asking a condition takes at least 20 microseconds, however short it is."""

NO_EXTRA: Extra = {}


class StepFault(Exception):  # noqa: N818  (control flow inside the orchestrator, never an error to callers)
    """The step fails with this failure; caught where the step is run."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class Run:
    """What the verbs of a definition need to decide: state, facts, evaluation, recording."""

    def __init__(self, program: Program, recorder: Recorder, facts: Facts) -> None:
        self.program = program
        self.recorder = recorder
        self.facts = facts
        # What is known of events that this state does not have is of another history.
        self._asked = {w: a for w, a in facts.asked.items() if a.upto <= self.state.last_id}
        self._allowance = Allowance(MAX_TOGETHER)
        self._worked = 0
        self._seen: set[int] = set()
        self._seen_in: State | None = None

    @property
    def state(self) -> State:
        """Return the state after all that has been recorded so far."""
        return self.recorder.state

    @property
    def now(self) -> datetime:
        """Return the time of the turn."""
        return self.recorder.now

    def unit(self, place: Place) -> Unit | None:
        """Return the unit of a place, None before it begins."""
        return self.state.units.get(place.path)

    def add(self, event: HistoryEvent) -> None:
        """Record a decision."""
        self.recorder.add(event)

    def claim(self) -> Claim:
        """Return this process's claim for the activity that is recorded next."""
        claim_id = f"{self.facts.commit_id}.{self.state.last_id + 1}"
        return Claim(delivery=1, incarnation=self.facts.incarnation, claim_id=claim_id)

    def attempt_of(self, place: Place) -> int:
        """Return the number of the attempt that begins next, from 1."""
        unit = self.unit(place)
        return 1 if unit is None else unit.attempt + 1

    def names(self, place: Place, extra: Extra = NO_EXTRA) -> dict[str, Json]:
        """Return what an expression of the step sees, with names of its own added.

        The leaf under `catch.do` also sees the `error` that its entry handles.
        """
        flow = self.program.flow(self.state.frames[place.frame].flow)
        seen = bindings(self.state, place.frame, self.now, flow)
        owner = self.state.units.get(owner_of(place.path))
        if owner is not None and owner.path != place.path and owner.failure is not None:
            seen["error"] = owner.failure.as_json()
        return {**seen, **extra}

    @property
    def is_full(self) -> bool:
        """Return whether this turn has decided or done as much as it may."""
        return self.recorder.is_full or self._worked + self._allowance.spent >= MAX_TURN

    def begin_move(self) -> None:
        """Let what is decided next do as much as one decision may, whatever was done before."""
        self._worked += self._allowance.spent
        self._allowance = Allowance(MAX_TOGETHER)

    @property
    def decision(self) -> Decision:
        """Return what has been decided."""
        asked = {w: a for w, a in self._asked.items() if w in self.state.waits}
        return Decision(self.recorder.events, asked, goes_on=self.is_full)

    def asked(self, wait_id: int) -> Asked | None:
        """Return what is known of a wait's answers; they hold only while it sees the same."""
        return self._asked.get(wait_id)

    def is_seen(self, wait_id: int) -> bool:
        """Return whether nothing that any condition sees has changed since `see` of the wait."""
        now, then = self.state, self._seen_in
        is_alike = then is not None and (
            now.units is then.units and now.frames is then.frames and now.vars is then.vars
        )
        if not is_alike:
            self._seen = set()
        self._seen_in = now
        return wait_id in self._seen

    def see(self, wait_id: int) -> None:
        """Take note that what the wait's condition sees has been compared in this state."""
        if not self.is_seen(wait_id):
            self._seen.add(wait_id)

    def note(self, wait_id: int, asked: Asked) -> None:
        """Remember a wait's answers, for later in this turn and for the turns after it."""
        self._asked[wait_id] = asked

    def accepts(self, condition: Expression, names: Extra) -> bool:
        """Return whether a condition is true; one that fails or gives no boolean is not."""
        self._worked += LEAST_WORK
        try:
            return condition.evaluate(names, self._allowance) is True
        except EvaluationError:
            return False

    def allowance(self) -> Allowance:
        """Return what one template may do."""
        return Allowance(of=self._allowance)

    def evaluate(
        self, place: Place, expression: Expression, what: str, extra: Extra = NO_EXTRA
    ) -> Json:
        """Return an expression's value; raise StepFault with an ExpressionError."""
        try:
            return normalise(expression.evaluate(self.names(place, extra), self._allowance))
        except (EvaluationError, ValueRefusedError) as error:
            raise StepFault(self.broken(place, what, str(error))) from error

    def holds(
        self, place: Place, expression: Expression, what: str, extra: Extra = NO_EXTRA
    ) -> bool:
        """Return a condition's value; what is not a boolean is a StepFault."""
        value = self.evaluate(place, expression, what, extra)
        if not isinstance(value, bool):
            found = type(value).__name__
            raise StepFault(self.broken(place, what, f"the condition gave {found}, not a boolean"))
        return value

    def render(self, place: Place, template: Template, what: str, extra: Extra = NO_EXTRA) -> Json:
        """Return a template's value; raise StepFault (ExpressionError or TooLarge)."""
        return self.render_with(place, template, what, self.names(place, extra))

    def render_with(self, place: Place, template: Template, what: str, names: Extra) -> Json:
        """Return a template's value over exactly these names."""
        try:
            value = normalise(template.render(names, self.allowance()))
        except (EvaluationError, ValueRefusedError) as error:
            raise StepFault(self.broken(place, what, str(error))) from error
        return self.bounded(place, value, what)

    def render_all(
        self,
        place: Place,
        templates: Mapping[str, Template],
        what: str,
        extra: Extra = NO_EXTRA,
    ) -> dict[str, Json]:
        """Return the values of several named templates, which are stored as one."""
        values = {
            name: self.render(place, template, f"{what}.{name}", extra)
            for name, template in templates.items()
        }
        self.bounded(place, dict(values), what)
        return values

    def bounded(self, place: Place, value: Json, what: str) -> Json:
        """Return the value, or raise StepFault TooLarge past MAX_VALUE_BYTES."""
        size = len(canonical(value))
        if size <= MAX_VALUE_BYTES:
            return value
        message = f"{what} of step {place.path} has {size} bytes; at most {MAX_VALUE_BYTES} fit"
        raise StepFault(self.failure(place, "TooLarge", message))

    def shaped(self, place: Place, result: Json, default: Json) -> Json:
        """Return the step's output: its `output` template over `result`, else `default`."""
        if place.step.output is None:
            return self.bounded(place, default, "output")
        return self.render(place, place.step.output, "output", {"result": result})

    def broken(self, place: Place, what: str, message: str) -> Failure:
        """Return the failure of an expression; never repeated."""
        text = f"{what} of step {place.path}: {message}"
        return self.failure(place, "ExpressionError", text, final=True)

    def failure(self, place: Place, kind: str, message: str, *, final: bool = False) -> Failure:
        """Return a failure of this place."""
        attempt = self.attempt_of(place)
        return Failure(type=kind, message=message, step=place.path, attempt=attempt, final=final)

    def fail_attempt(self, place: Place, failure: Failure, attempt: int) -> None:
        """Record that an attempt without activity failed."""
        self.add(AttemptFailed(path=place.path, attempt=attempt, failure=failure))
