"""What a status shows is what its history folds to: I-28.

The reference is `summarise(fold(history))` and docs/reference/workflowinstance.md#status; how the
operator writes it down is told here a second time, and not imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from perdure.engine.events import Failure
from perdure.engine.summary import Summary, Waiting, summarise
from perdure.engine.values import Json, JsonObject
from perdure.verification.bodies import is_same, part
from perdure.verification.chain import canonical
from perdure.verification.checks import Showing, StatusCheck, Texts
from perdure.verification.external import stored_value

MAX_DETAILS = 4 * 1024
MAX_OUTPUT = 16 * 1024


def told_truly(showing: Showing) -> Texts:
    """The status shows what its history folds to: phase, message, waits, times, result.

    What somebody else wrote into it a moment ago goes with the next commit, not always with this.
    """
    state = showing.state
    if state is None or showing.account.is_edited:
        return
    summary, status = summarise(state), showing.status
    for name, expected in _shown(summary).items():
        if status.get(name) != expected and not _is_observed(name, summary, status):
            yield f"{name} is {status.get(name)!r}, the history gives {expected!r}"
    revision = state.revision
    pin = None if revision is None else {"name": revision.name, "digest": revision.digest}
    if status.get("revision") != pin:
        yield f"revision is {status.get('revision')!r}, the history gives {pin!r}"
    if not is_same(
        stored_value(showing.world, showing.account, status.get("output")), summary.output
    ):
        yield "output is not that of the history"


def says_why(showing: Showing) -> Texts:
    """An instance that does not run says why: what it waits for, or what is in its way."""
    status, observed = showing.status, part(showing.status, "observed")
    if status.get("phase") == "Stalled" and not part(observed, "stalled").get("reason"):
        yield "Stalled without a reason"
    waits = status.get("waitingFor")
    if status.get("phase") == "Pending" and not waits and showing.write.after is not None:
        yield "Pending, and does not say what it waits for"


def inline_output(showing: Showing) -> Texts:
    """An output over 16 KiB is a reference in the status."""
    output = showing.status.get("output")
    size = len(canonical(output)) if showing.has("InstanceEnded") else 0
    if size > MAX_OUTPUT + 16:
        yield f"the output in the status has {size} bytes"


def _is_observed(name: str, summary: Summary, status: JsonObject) -> bool:
    """Return whether a field tells what only the outside knows, instead of the history."""
    if summary.completed_at is not None:
        return False
    observed = part(status, "observed")
    if part(observed, "stalled"):
        if name == "phase":
            return status.get("phase") == "Stalled"
        if name == "message":
            return status.get("message") == part(observed, "stalled").get("message")
    if summary.started_at is not None:
        return False
    pending = part(observed, "pending")
    if name == "message":
        return status.get("message") == pending.get("message")
    return bool(pending) and name in ("waitingFor", "wakeAt")


def _shown(summary: Summary) -> Mapping[str, Json]:
    return {
        "phase": summary.phase.value,
        "message": summary.message,
        "progress": summary.progress,
        "waitingFor": [_waiting(one) for one in summary.waiting_for] or None,
        "startedAt": _text(summary.started_at),
        "completedAt": _text(summary.completed_at),
        "wakeAt": _text(summary.wake_at),
        "error": None if summary.error is None else _error(summary.error),
    }


def _waiting(waiting: Waiting) -> JsonObject:
    entry: dict[str, Json] = {
        "what": waiting.what.value,
        "name": waiting.name,
        "path": waiting.path,
        "since": _text(waiting.since),
        "until": _text(waiting.until),
        "attempt": waiting.attempt,
        "message": waiting.message,
    }
    return {key: item for key, item in entry.items() if item is not None}


def _error(failure: Failure) -> JsonObject:
    """Return an error without what is empty, and without details that are too large to show."""
    shown: JsonObject = {key: item for key, item in failure.as_json().items() if item is not None}
    for key in ("details", "cause"):
        if key in shown and len(canonical(shown[key])) > MAX_DETAILS:
            del shown[key]
    return shown


def _text(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat().replace("+00:00", "Z")


CHECKS = (
    StatusCheck("I-28", told_truly, needs_log=False),
    StatusCheck("I-28", says_why),
    StatusCheck("I-33", inline_output),
)
