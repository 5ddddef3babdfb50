"""What histories say that services answered, against what they did answer: I-14.

Source: docs/architecture.md#calls.
"""

from __future__ import annotations

from collections.abc import Iterator

from perdure.engine.values import Json, JsonObject
from perdure.verification.accounts import Account, Attempt
from perdure.verification.bodies import is_same, number, part
from perdure.verification.checks import EndCheck, Finding, Trial
from perdure.verification.effects import known_attempts
from perdure.verification.evidence import Answered, Effect
from perdure.verification.external import stored_value
from perdure.verification.progress import referred
from perdure.verification.recipes import spec_of, step_at

Findings = Iterator[Finding]


def true_results(trial: Trial) -> Findings:
    """A result in a history is one that a service gave to that very attempt."""
    for account in trial.world.accounts.values():
        for attempt in account.attempts.values():
            effects = trial.effects.get((account.uid, attempt.path, attempt.number), [])
            for event in attempt.ends[:1]:
                fault = _result_fault(trial, account, attempt, event, effects)
                if fault is not None:
                    yield Finding(account.subject, f"{attempt.path}: {fault}")


def _result_fault(
    trial: Trial, account: Account, attempt: Attempt, event: JsonObject, effects: list[Effect]
) -> str | None:
    ended_at = attempt.ended_at
    assert ended_at is not None, "it has an end"
    slack = trial.world.bounds.stamps
    answers = [e.answer for e in effects if e.answer and e.answer.at <= ended_at + slack]
    if event.get("type") == "ActivityFailed":
        failure = part(event, "failure")
        codes = {answer.code for answer in answers}
        if failure.get("type") == "HttpStatus" and number(failure.get("code")) not in codes:
            return f"failed with code {failure.get('code')}, services answered {sorted(codes)}"
        return None
    if not answers:
        return "completed, although no service had answered"
    output = stored_value(trial.world, account, event.get("output"))
    if not _is_body(trial, account, attempt) or (account.gone is not None and referred(event)):
        return None  # Large values go with their instance.
    if not any(_could_give(answer, output) for answer in answers):
        return "completed with an output that no service answered"
    return None


def _could_give(answer: Answered, output: Json) -> bool:
    """Return whether an output is the body of an answer; one that is no JSON was not kept."""
    return is_same(answer.body, output) or (answer.body is None and isinstance(output, str))


def _is_body(trial: Trial, account: Account, attempt: Attempt) -> bool:
    """Return whether the step's output is the body of the answer, as it is."""
    step = step_at(spec_of(trial.world, account), attempt.path)
    return "http" in step and step.get("output") is None


def accepted_starts(trial: Trial) -> Findings:
    """What was accepted is what the service answered to the start."""
    for attempt, account, effects in known_attempts(trial):
        if attempt.accepted is None or attempt.accepted_at is None:
            continue
        answer = stored_value(trial.world, account, attempt.accepted.get("answer"))
        given = [e.answer for e in effects if e.answer is not None and e.key]
        if not any(_is_answer(answer, one.code, one.body) for one in given):
            yield Finding(account.subject, f"{attempt.path}: accepted what nobody answered")


def _is_answer(answer: Json, code: int, body: Json) -> bool:
    found = part(answer)
    return found.get("code") == code and is_same(found.get("body"), body)


CHECKS = (
    EndCheck("I-14", true_results),
    EndCheck("I-14", accepted_starts),
)
