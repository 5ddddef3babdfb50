"""What a status shows beside the history: summary, conditions, and what was observed.

Source: docs/reference/workflowinstance.md#status.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from perdure.engine.events import Failure
from perdure.engine.external import size_of, time_text
from perdure.engine.state import State
from perdure.engine.summary import Phase, Summary, Waiting, summarise
from perdure.engine.values import Json, JsonObject
from perdure.kubernetes.payloads import escaped
from perdure.ports import Controls, InstanceKey, Observed, Turn
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


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a status is made of, beside its history.

    `generation` is the one of the spec that `state` has seen. `is_over` says that the end is
    shown already: then only the generation changes.
    """

    key: InstanceKey
    controls: Controls
    created_at: datetime
    generation: int
    state: State
    observed: Observed
    is_over: bool


def status_after(
    turn: Turn, before: Mapping[str, Json], now: datetime, large_output: JsonObject | None
) -> JsonObject:
    """Return the MANAGED fields of the status after the turn, as `status_of_view` does."""
    base = turn.base
    view = View(
        key=base.key,
        controls=base.controls,
        created_at=base.created_at,
        generation=base.generation,
        state=turn.state,
        observed=turn.observed,
        is_over=base.state.ended is not None,
    )
    return status_of_view(view, before, now, large_output)


def status_of_view(
    view: View, before: Mapping[str, Json], now: datetime, large_output: JsonObject | None
) -> JsonObject:
    """Return the MANAGED fields of the status that shows this; None is never a value.

    `before` is the status as it was read. `large_output` is the reference to the output, needed
    if it is over MAX_INLINE_OUTPUT.
    """
    managed: JsonObject = {key: item for key, item in before.items() if key in MANAGED}
    if not view.is_over:
        managed = _shown(view, before, now, large_output)
    managed["observedGeneration"] = view.generation
    return managed


def with_commit(status: Mapping[str, Json], rev: int | None, commit_id: str) -> JsonObject:
    """Return the status with its commit counter raised."""
    return {**status, "rev": (rev or 0) + 1, "commitId": commit_id}


def _shown(
    view: View, before: Mapping[str, Json], now: datetime, large_output: JsonObject | None
) -> JsonObject:
    summary, observed = summarise(view.state), view.observed
    shown: dict[str, Json | None] = {
        "phase": _phase(summary, observed),
        "message": _message(summary, observed),
        "progress": summary.progress,
        "waitingFor": _waiting_for(view, summary) or None,
        "startedAt": _time(summary.started_at),
        "completedAt": _time(summary.completed_at),
        "wakeAt": _time(summary.wake_at or _start_at(view)),
        "revision": _revision(view),
        "output": _output(summary.output, large_output),
        "error": None if summary.error is None else error_json(summary.error),
        "observed": observed_json(observed) or None,
        "conditions": _conditions(view, summary, before, now),
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


def _waiting_for(view: View, summary: Summary) -> list[Json]:
    pending = view.observed.pending
    if summary.phase is Phase.PENDING and pending is not None:
        return [_pending_wait(view, *pending)]
    return [waiting_json(waiting) for waiting in summary.waiting_for]


def _pending_wait(view: View, reason: str, message: str) -> JsonObject:
    what = PENDING_WAITS.get(reason, "Definition")
    name = view.controls.definition if what == "Definition" else view.key.name
    wait: JsonObject = {
        "what": what,
        "name": name,
        "since": time_text(view.created_at),
        "message": message,
    }
    until = _time(_start_at(view))
    return wait if until is None else {**wait, "until": until}


def _start_at(view: View) -> datetime | None:
    """Return when an instance that waits for its start is to be looked at again."""
    pending = view.observed.pending
    if view.state.is_started or pending is None or pending[0] != STARTS_LATER:
        return None
    return view.controls.start_at


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


def _revision(view: View) -> JsonObject | None:
    revision = view.state.revision
    return None if revision is None else {"name": revision.name, "digest": revision.digest}


def _output(output: Json, large_output: JsonObject | None) -> Json:
    if output is None or size_of(output) <= MAX_INLINE_OUTPUT:
        return escaped(output)
    assert large_output is not None, "an output of this size has been moved out of its event"
    return large_output


def _conditions(
    view: View, summary: Summary, before: Mapping[str, Json], now: datetime
) -> list[Json]:
    facts = conditions.Summary(
        phase=_phase(summary, view.observed),
        reason=_reason(view, summary),
        message=_message(summary, view.observed),
        is_suspended=view.state.is_suspended and view.state.ended is None,
        generation=view.generation,
        now=now,
        previous=previous_conditions(before),
    )
    return [one.to_json() for one in conditions.instance_conditions(facts)]


def previous_conditions(before: Mapping[str, Json]) -> list[JsonObject]:
    """Return the conditions of a status that are objects."""
    listed = before.get("conditions")
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []


def _reason(view: View, summary: Summary) -> str:
    observed = view.observed
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
