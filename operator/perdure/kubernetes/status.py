"""What a status shows beside the history: summary, conditions, and what was observed.

Source: docs/reference/workflowinstance.md#status.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import cast

from perdure.engine.events import Failure
from perdure.engine.external import size_of, time_text
from perdure.engine.summary import Phase, Summary, Waiting, summarise
from perdure.engine.values import Json, JsonObject
from perdure.kubernetes.payloads import escaped
from perdure.ports import Observed, Turn
from perdure.resources import conditions

MAX_INLINE_OUTPUT = 16 * 1024
"""Bytes of an output that the status shows itself; a larger one is a payload reference."""

MAX_INLINE_DETAILS = 4 * 1024
"""Bytes of an error's details, and of its causes, that the status shows; all is in the history."""

MANAGED = frozenset(
    {
        "rev",
        "commitId",
        "observedGeneration",
        "phase",
        "conditions",
        "message",
        "progress",
        "waitingFor",
        "startedAt",
        "completedAt",
        "wakeAt",
        "revision",
        "output",
        "error",
        "observed",
    }
)
"""The fields that a commit owns; others, a newer operator's, are left alone. Beside `history`."""

STALLED = "Stalled"
STARTS_LATER = "StartsLater"
PENDING_WAITS: Mapping[str, str] = {
    "DefinitionNotFound": "Definition",
    "DefinitionNotReady": "Definition",
    "StorageBudget": "Storage",
    STARTS_LATER: "Start",
}


def status_after(
    turn: Turn, before: Mapping[str, Json], now: datetime, large_output: JsonObject | None
) -> JsonObject:
    """Return the MANAGED fields of the status after the turn; None is never a value.

    `before` is the status that the base read. `large_output` is the reference to the output,
    needed if it is over MAX_INLINE_OUTPUT. After the end only the observed generation changes.
    """
    managed: JsonObject = {key: item for key, item in before.items() if key in MANAGED}
    if turn.base.state.ended is None:
        managed = _shown(turn, before, now, large_output)
    managed["observedGeneration"] = turn.base.generation
    return managed


def with_commit(status: Mapping[str, Json], rev: int | None, commit_id: str) -> JsonObject:
    """Return the status with its commit counter raised."""
    return {**status, "rev": (rev or 0) + 1, "commitId": commit_id}


def _shown(
    turn: Turn, before: Mapping[str, Json], now: datetime, large_output: JsonObject | None
) -> JsonObject:
    summary, observed = summarise(turn.state), turn.observed
    shown: dict[str, Json | None] = {
        "phase": _phase(summary, observed),
        "message": _message(summary, observed),
        "progress": summary.progress,
        "waitingFor": _waiting_for(turn, summary) or None,
        "startedAt": _time(summary.started_at),
        "completedAt": _time(summary.completed_at),
        "wakeAt": _time(summary.wake_at or _start_at(turn)),
        "revision": _revision(turn),
        "output": _output(summary.output, large_output),
        "error": None if summary.error is None else error_json(summary.error),
        "observed": observed_json(observed) or None,
        "conditions": _conditions(turn, summary, before, now),
    }
    return {key: item for key, item in shown.items() if item is not None}


def _phase(summary: Summary, observed: Observed) -> str:
    is_stalled = observed.stalled is not None and summary.completed_at is None
    return STALLED if is_stalled else summary.phase.value


def _message(summary: Summary, observed: Observed) -> str:
    if summary.completed_at is None and observed.stalled is not None:
        return observed.stalled[1]
    if summary.phase is Phase.PENDING and observed.pending is not None:
        return observed.pending[1]
    return summary.message


def _waiting_for(turn: Turn, summary: Summary) -> list[Json]:
    pending = turn.observed.pending
    if summary.phase is Phase.PENDING and pending is not None:
        return [_pending_wait(turn, *pending)]
    return [waiting_json(waiting) for waiting in summary.waiting_for]


def _pending_wait(turn: Turn, reason: str, message: str) -> JsonObject:
    what = PENDING_WAITS.get(reason, "Definition")
    name = turn.base.controls.definition if what == "Definition" else turn.base.key.name
    wait: JsonObject = {
        "what": what,
        "name": name,
        "since": time_text(turn.base.created_at),
        "message": message,
    }
    until = _time(_start_at(turn))
    return wait if until is None else {**wait, "until": until}


def _start_at(turn: Turn) -> datetime | None:
    """Return when an instance that waits for its start is to be looked at again."""
    pending = turn.observed.pending
    if turn.state.is_started or pending is None or pending[0] != STARTS_LATER:
        return None
    return turn.base.controls.start_at


def waiting_json(waiting: Waiting) -> JsonObject:
    """Return one entry of `status.waitingFor`."""
    entry: dict[str, Json | None] = {
        "what": waiting.what.value,
        "name": waiting.name,
        "path": waiting.path,
        "since": _time(waiting.since),
        "until": _time(waiting.until),
        "attempt": waiting.attempt,
        "message": waiting.message,
    }
    return {key: item for key, item in entry.items() if item is not None}


def error_json(failure: Failure) -> JsonObject:
    """Return `status.error`: as expressions see it, without details and causes that are large."""
    error = failure.as_json()
    for field in ("details", "cause"):
        if size_of(error[field]) > MAX_INLINE_DETAILS:
            error[field] = None
    return {key: item for key, item in error.items() if item is not None}


def observed_json(observed: Observed) -> JsonObject:
    """Return `status.observed`; empty where nothing was observed."""
    shown: JsonObject = {}
    if observed.pending is not None:
        shown["pending"] = _reason_json(*observed.pending)
    if observed.stalled is not None:
        shown["stalled"] = _reason_json(*observed.stalled)
    if observed.warning is not None:
        shown["warning"] = observed.warning
    return shown


def _reason_json(reason: str, message: str) -> JsonObject:
    return {"reason": reason, "message": message}


def _revision(turn: Turn) -> JsonObject | None:
    revision = turn.state.revision
    return None if revision is None else {"name": revision.name, "digest": revision.digest}


def _output(output: Json, large_output: JsonObject | None) -> Json:
    if output is None or size_of(output) <= MAX_INLINE_OUTPUT:
        return escaped(output)
    assert large_output is not None, "an output of this size has been moved out of its event"
    return large_output


def _conditions(
    turn: Turn, summary: Summary, before: Mapping[str, Json], now: datetime
) -> list[Json]:
    facts = conditions.Summary(
        phase=_phase(summary, turn.observed),
        reason=_reason(turn, summary),
        message=_message(summary, turn.observed),
        is_suspended=turn.state.is_suspended and turn.state.ended is None,
        generation=turn.base.generation,
        now=now,
        previous=previous_conditions(before),
    )
    return [one.to_json() for one in conditions.instance_conditions(facts)]


def previous_conditions(before: Mapping[str, Json]) -> list[JsonObject]:
    """Return the conditions of a status that are objects."""
    listed = before.get("conditions")
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []


def _reason(turn: Turn, summary: Summary) -> str:
    observed = turn.observed
    if summary.error is not None:
        return summary.error.type
    if summary.completed_at is None and observed.stalled is not None:
        return observed.stalled[0]
    if summary.phase is Phase.PENDING and observed.pending is not None:
        return observed.pending[0]
    return ""


def _time(time: datetime | None) -> str | None:
    return None if time is None else time_text(time)


def stalled_status(
    before: Mapping[str, Json], reason: str, message: str, generation: int, now: datetime
) -> JsonObject:
    """Return the MANAGED fields of a status whose history cannot be read: what stays, and why."""
    managed: JsonObject = {key: item for key, item in before.items() if key in MANAGED}
    observed = before.get("observed")
    kept = observed if isinstance(observed, dict) else {}
    facts = conditions.Summary(
        phase=STALLED,
        reason=reason,
        message=message,
        generation=generation,
        now=now,
        previous=previous_conditions(before),
    )
    return managed | {
        "phase": STALLED,
        "message": message,
        "observedGeneration": generation,
        "observed": cast("Json", {**kept, "stalled": _reason_json(reason, message)}),
        "conditions": [one.to_json() for one in conditions.instance_conditions(facts)],
    }
