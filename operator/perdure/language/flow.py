"""The flow orchestrator: runs a program, one fact after the other.

Each fact is taken, and then everything that follows from it is decided, before the next one
counts: so "the first taken wins" holds by construction, and one pass from the top of each open
flow to its bottom is enough, because a step only ever waits for steps above it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from perdure.engine.events import (
    Ending,
    Failure,
    InstanceStarted,
    Purpose,
    TimerCreated,
)
from perdure.engine.orchestrator import Acceptance, Decision, Facts
from perdure.engine.paths import MAIN
from perdure.engine.recorder import Recorder
from perdure.engine.state import State
from perdure.engine.values import Json, ValueRefusedError, canonical, normalise
from perdure.language import taking
from perdure.language.ending import end_if_settled, finish
from perdure.language.expressions import EvaluationError
from perdure.language.inputs import fill_defaults, input_fault
from perdure.language.places import workflow
from perdure.language.program import Program
from perdure.language.run import MAX_VALUE_BYTES, Run
from perdure.language.stepping import run_frame
from perdure.language.verbs import http

MAX_INPUT_BYTES = 256 * 1024
MAX_HISTORY = 90_000
"""An instance with so many events fails; what a history may hold beyond is for its end."""


@dataclass(frozen=True, slots=True)
class FlowOrchestrator:
    """Decides for the instances of one revision. Implements engine.orchestrator.Orchestrator."""

    program: Program

    def advance(self, state: State, facts: Facts, now: datetime) -> Decision:
        """Return what follows; see the Protocol for the order of facts."""
        run = Run(self.program, Recorder(state, now), facts)
        if state.ended is not None:
            return Decision([])
        if state.ending is not None:
            end_if_settled(run)
        else:
            _live(run)
        return run.decision

    def is_over(self, state: State, path: str, result: Json, now: datetime) -> bool | Failure:
        """Return whether the polled call of a step is over with this result of a poll."""
        facts = Facts(incarnation="", commit_id="")
        return http.is_over(Run(self.program, Recorder(state, now), facts), path, result)


def _live(run: Run) -> None:
    if not run.state.is_started and run.facts.acceptance is not None:
        accept(run, run.facts.acceptance)
    if run.facts.terminate is not None and run.state.ended is None:
        finish(run, Ending.TERMINATED, error=_terminated(run.facts.terminate))
    if run.state.is_running and run.state.last_id >= MAX_HISTORY:
        finish(run, Ending.FAILED, error=_too_long())
    for number, fact in enumerate(taking.facts_in_order(run)):
        if not run.state.is_running or run.is_full:
            return
        before = run.state
        run.begin_move()
        fact(run)
        if number == 0 or run.state is not before:
            progress(run)


def _terminated(reason: str) -> Failure:
    return Failure(type="Terminated", message=reason or "terminated by its user")


def _too_long() -> Failure:
    message = f"the history has {MAX_HISTORY} events, which is as long as one may be"
    return Failure(type="HistoryLimit", message=message)


def progress(run: Run) -> None:
    """Decide all that follows from what is known now; nothing while suspended."""
    if run.state.is_suspended or run.facts.starts_nothing or not run.state.is_running:
        return
    done, before = run_frame(run, MAIN), None
    while done is None and run.state.waits and run.state.inbox and run.state is not before:
        # A step may have set what the condition of a wait above it sees.
        before = run.state
        done = run_frame(run, MAIN)
    if done is None:
        return
    if done.failure is not None:
        finish(run, Ending.FAILED, error=done.failure)
    else:
        finish(run, Ending.SUCCEEDED, output=done.output)


def accept(run: Run, acceptance: Acceptance) -> None:
    """Start the instance; input that does not fit fails it at once."""
    program = run.program
    given = {} if acceptance.input is None else acceptance.input
    fault, value, values = _start_values(run, acceptance, given)
    run.add(
        InstanceStarted(
            definition=acceptance.definition,
            revision=acceptance.revision,
            input=value,
            vars=values,
            steps=len(program.main.steps),
        )
    )
    if fault is not None:
        finish(run, Ending.FAILED, error=fault)
        return
    seconds = acceptance.timeout_seconds
    limit = program.timeout if seconds is None else timedelta(seconds=seconds)
    if limit is not None:
        fire_at = run.now + limit
        run.add(TimerCreated(path=MAIN, purpose=Purpose.INSTANCE_TIMEOUT, fire_at=fire_at))


def _start_values(
    run: Run, acceptance: Acceptance, given: Json
) -> tuple[Failure | None, Json, dict[str, Json]]:
    """Return what is wrong with the start, the input with defaults, the variables."""
    try:
        given = normalise(given, "input")
        size = len(canonical(given))
        if size > MAX_INPUT_BYTES:
            raise ValueRefusedError(
                f"spec.input has {size} bytes; at most {MAX_INPUT_BYTES} are accepted"
            )
        message = input_fault(run.program.input_schema, given)
        if message is not None:
            return Failure(type="InvalidInput", message=message), given, {}
        value = normalise(fill_defaults(run.program.input_schema, given), "input")
        return None, value, _variables(run, acceptance, value)
    except ValueRefusedError as error:
        return Failure(type="InvalidInput", message=str(error)), {}, {}
    except EvaluationError as error:
        return Failure(type="ExpressionError", message=f"spec.vars: {error}"), given, {}


def _variables(run: Run, acceptance: Acceptance, value: Json) -> dict[str, Json]:
    about = workflow(run.state, run.now)
    about |= {"definition": acceptance.definition, "revision": acceptance.revision.name}
    names: dict[str, Json] = {"input": value, "workflow": about}
    values = {
        name: normalise(template.render(names, run.allowance()), f"vars.{name}")
        for name, template in run.program.main.vars.items()
    }
    size = len(canonical(dict(values)))
    if size > MAX_VALUE_BYTES:
        raise ValueRefusedError(f"spec.vars has {size} bytes; at most {MAX_VALUE_BYTES} fit")
    return values
