"""What must be true of the orders of a run beside what holds of every workflow (`oracle.py`).

Each check is a generator of texts, one for each thing that is wrong.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tests.chaos.cases import CALLS, SMOOTH, Fate, names_of
from tests.chaos.oracle import Judgement, judged
from tests.chaos.record import Record
from tests.chaos.witness import accepted
from tests.e2e.history import Dump, HistoryFaultError, history_of
from tests.e2e.orders import EVENT, approver
from tests.e2e.refold import refold_elsewhere
from tests.e2e.services import Request
from tests.e2e.verdict import Attempt, attempts_of

SETTLE_SECONDS = 60.0
REST_AFTER_SECONDS = 5.0
"""How long after the last end events may still be cleaned up."""
BEFORE = {"charge": "reserve", "ship": "charge"}

Texts = Iterator[str]
Effect = tuple[str, str, int]
"""uid, step and attempt."""


def judge(record: Record, file: Path) -> tuple[Judgement, list[str]]:
    """Return what the oracle found, and all that is wrong; the histories are left in `file`."""
    judgement = judged(record)
    found = [violation.render() for violation in judgement.violations]
    checks: Sequence[Callable[[Record], Texts]] = (settled, ended, passed_on, rested, survived)
    for check in checks:
        found += [f"{check.__name__}: {text}" for text in check(record)]
    sound = [dump for dump in record.dumps if fault_of(dump) is None]
    found += [f"refolded: {text}" for text in refold_elsewhere(sound, file)]
    return judgement, found


def fault_of(dump: Dump) -> str | None:
    """Return what is wrong with a history as it stands, None if nothing is."""
    try:
        history_of(dump)
    except HistoryFaultError as fault:
        return str(fault)
    return None


def settled(record: Record) -> Texts:
    """Every instance ends within a minute after the last fault."""
    if record.settled_at is None:
        yield f"not all instances had ended {SETTLE_SECONDS:g} s after the last fault"


def ended(record: Record) -> Texts:
    """Every order stands as its users left it: succeeded, terminated in time, or gone."""
    dumps = {dump.name: dump for dump in record.dumps}
    for name in names_of(record.cases, *SMOOTH):
        dump = dumps.get(name)
        phase = None if dump is None else dump.status.get("phase")
        if dump is None or phase != "Succeeded":
            message = "" if dump is None else dump.status.get("message")
            yield f"{name} should have succeeded and is {phase}: {message}"
    for name in names_of(record.cases, Fate.TERMINATED):
        phase = dumps[name].status.get("phase") if name in dumps else None
        if phase not in ("Terminated", "Succeeded"):
            yield f"{name} should have been terminated and is {phase}"
    expected = names_of(record.cases, *Fate) - names_of(record.cases, Fate.DELETED)
    for name in dumps.keys() - expected:
        yield f"{name} should not exist"


def passed_on(record: Record) -> Texts:
    """Each call and the output carry on the results that the history has, and the event's data."""
    by_effect: dict[Effect, list[Request]] = {}
    for request in record.requests:
        by_effect.setdefault((request.uid, request.step, request.attempt), []).append(request)
    approvers = {case.name: approver(case.order) for case in record.cases}
    for dump in record.dumps:
        fault = fault_of(dump)
        if fault is not None:
            yield fault
            continue
        attempts = attempts_of(history_of(dump))
        yield from carried(dump, attempts, by_effect, approvers.get(dump.name))


def carried(
    dump: Dump,
    attempts: Sequence[Attempt],
    by_effect: dict[Effect, list[Request]],
    person: str | None,
) -> Texts:
    tokens: dict[str, str] = {}
    for attempt in attempts:
        for request in by_effect.get((dump.uid, attempt.step, attempt.attempt), []):
            before = BEFORE.get(attempt.step)
            if before is not None and request.body["after"] != tokens.get(before):
                yield f"{dump.name}: {attempt.step} was sent with another {before}"
            if attempt.step == "ship" and request.body["by"] != person:
                yield f"{dump.name}: shipped for {request.body['by']}, not for {person}"
        if attempt.result is not None and attempt.result["type"] == "ActivityCompleted":
            if attempt.step in tokens:
                yield f"{dump.name}: {attempt.step} was completed twice"
            tokens[attempt.step] = attempt.result["output"]["token"]
    if dump.status.get("phase") != "Succeeded":
        return
    if dump.status.get("output") != tokens or tokens.keys() != set(CALLS):
        yield f"{dump.name}: the output is {dump.status.get('output')}, its results are {tokens}"
    received = [e for e in dump.status["history"]["events"] if e["type"] == "EventReceived"]
    if not any(event["name"] == EVENT for event in received):
        yield f"{dump.name}: went on without its event"


def rested(record: Record) -> Texts:
    """Once all has ended nothing is written any more but Leases."""
    if record.settled_at is None:
        return
    since = max(record.settled_at, record.healed_at) + REST_AFTER_SECONDS
    for seen in accepted(record.journal):
        if seen.at > since and not seen.place.startswith("leases/"):
            yield f"{seen.place} was written {seen.at - since:.1f} s after all should have rested"


def survived(record: Record) -> Texts:
    """No operator ended by itself, or had to be ended because its health stayed bad."""
    yield from record.deaths
