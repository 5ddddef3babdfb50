"""What conditions an instance and a definition show: pure functions.

Tools read them alike: `kubectl wait` looks at one condition, kstatus (Helm's `--wait`, Flux) takes
`Reconciling` for "in progress" and `Stalled` for "failed". An instance never shows `Ready`, since
`Ready` that is not True means "in progress": a run of a week would hold up `helm --wait`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

TRUE: Final = "True"
FALSE: Final = "False"
UNKNOWN: Final = "Unknown"

MAX_MESSAGE = 4096
# Kubernetes' own pattern of a reason, which error types named by users need not match.
_REASON = re.compile(r"[A-Za-z]([A-Za-z0-9_,:]{0,1022}[A-Za-z0-9_])?")
# Pending on purpose: nothing is about to happen, so that `helm --wait` need not wait for it.
_WAITS_ON_PURPOSE = frozenset({"StartsLater"})
_ENDED_STALLED = {"Failed": "InstanceFailed", "Terminated": "InstanceTerminated"}


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition as it stands in a status. `last_transition_time` is aware UTC."""

    type: str
    status: str
    reason: str
    message: str
    last_transition_time: datetime
    observed_generation: int

    def to_json(self) -> dict[str, Any]:
        return {
            "type": self.type,
            "status": self.status,
            "reason": self.reason,
            "message": self.message,
            "lastTransitionTime": _rfc3339(self.last_transition_time),
            "observedGeneration": self.observed_generation,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What the engine says about an instance, as far as its conditions go.

    `phase` is the word of `status.phase`. `reason` says more about it: why an instance is Pending
    or Stalled, the type of the error of a failed one; "" where there is nothing to say.
    `previous` is `status.conditions` as it stands in the object, as JSON. `generation` is the one
    of the spec that was looked at.
    """

    phase: str
    reason: str = ""
    message: str = ""
    is_suspended: bool = False
    generation: int
    now: datetime
    previous: Iterable[Mapping[str, Any]] = ()


def instance_conditions(summary: Summary) -> list[Condition]:
    """Return the conditions of an instance: Succeeded, Completed and Suspended always.

    Reconciling stands there while it waits to be accepted, Stalled when it cannot go on, failed or
    was terminated; where they are not true they are absent. The time of a condition changes only
    with its status.
    """
    return _dated(_instance_facts(summary), summary)


def definition_conditions(summary: Summary, *, is_ready: bool) -> list[Condition]:
    """Return the conditions of a definition: Ready, and nothing else. `phase` is not looked at."""
    status = TRUE if is_ready else FALSE
    reason = _reason(summary.reason, "Checked" if is_ready else "Faults")
    return _dated(iter([_Fact("Ready", status, reason, summary.message)]), summary)


@dataclass(frozen=True, slots=True)
class _Fact:
    type: str
    status: str
    reason: str
    message: str = ""


def _instance_facts(summary: Summary) -> Iterator[_Fact]:
    phase, message = summary.phase, summary.message
    reason = _reason(summary.reason, phase)
    is_over = phase == "Succeeded" or phase in _ENDED_STALLED
    succeeded = {"Succeeded": TRUE}.get(phase, FALSE if is_over else UNKNOWN)
    yield _Fact("Succeeded", succeeded, reason, message)
    yield _Fact("Completed", TRUE if is_over else FALSE, phase, message)
    yield _suspended(summary, is_over=is_over)
    if _is_reconciling(summary):
        yield _Fact("Reconciling", TRUE, reason, message)
    if phase in _ENDED_STALLED:
        yield _Fact("Stalled", TRUE, _ENDED_STALLED[phase], message)
    elif phase == "Stalled":
        yield _Fact("Stalled", TRUE, reason, message)


def _suspended(summary: Summary, *, is_over: bool) -> _Fact:
    is_suspended = not is_over and (summary.is_suspended or summary.phase == "Suspended")
    if is_suspended:
        return _Fact("Suspended", TRUE, "Suspended", summary.message)
    return _Fact("Suspended", FALSE, "Ended" if is_over else "NotSuspended")


def _is_reconciling(summary: Summary) -> bool:
    waits_on_purpose = summary.is_suspended or summary.reason in _WAITS_ON_PURPOSE
    return summary.phase == "Pending" and not waits_on_purpose


def _dated(facts: Iterator[_Fact], summary: Summary) -> list[Condition]:
    previous = {str(one.get("type")): one for one in summary.previous}
    return [
        Condition(
            type=fact.type,
            status=fact.status,
            reason=fact.reason,
            message=fact.message[:MAX_MESSAGE],
            last_transition_time=_since(fact, previous.get(fact.type), summary.now),
            observed_generation=summary.generation,
        )
        for fact in facts
    ]


def _since(fact: _Fact, before: Mapping[str, Any] | None, now: datetime) -> datetime:
    """Return the time that the condition had if its status is the same, else now."""
    if before is None or before.get("status") != fact.status:
        return now
    try:
        since = datetime.fromisoformat(str(before.get("lastTransitionTime")))
    except ValueError:
        return now
    return since if since.tzinfo is not None else now


def _reason(reason: str, otherwise: str) -> str:
    return reason if _REASON.fullmatch(reason) else otherwise


def _rfc3339(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
