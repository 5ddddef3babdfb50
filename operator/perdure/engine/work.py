"""open_work(state): what ought to be in flight now; next_wake(state): when something comes due.

The runtime compares this with what is in flight, after a commit, a restart or a missed message,
and starts or cancels the difference. There is no list of commands that could be lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from perdure.engine.events import Claim
from perdure.engine.state import OpenActivity, State
from perdure.engine.values import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityWork:
    """One delivery of one activity attempt. `key` is the stable idempotency key.

    `answer` is what the other side said when it accepted (`is_accepted`): then it is only polled.
    """

    uid: str
    namespace: str
    instance: str
    scheduled_id: int
    path: str
    kind: str
    attempt: int
    claim: Claim
    request: Json
    since: datetime
    is_accepted: bool
    answer: Json

    @property
    def key(self) -> str:
        """Return the idempotency key; the attempt is not part of it."""
        return idempotency_key(self.uid, self.path)


def idempotency_key(uid: str, path: str) -> str:
    """Return the key of an effect: instance, round (no rollover yet: 0) and path."""
    return f"{uid}/r0/{path}"


def open_work(state: State) -> tuple[ActivityWork, ...]:
    """Return the activity deliveries that ought to be in flight, in order of their schedule.

    While suspended, calls that were sent go on, but nothing is polled.
    """
    if not state.is_running:
        return ()
    wanted = (state.activities[i] for i in sorted(state.activities))
    return tuple(_work(state, a) for a in wanted if not (state.is_suspended and a.is_accepted))


def _work(state: State, activity: OpenActivity) -> ActivityWork:
    return ActivityWork(
        uid=state.uid,
        namespace=state.namespace,
        instance=state.name,
        scheduled_id=activity.scheduled_id,
        path=activity.path,
        kind=activity.kind,
        attempt=activity.attempt,
        claim=activity.claim,
        request=activity.request,
        since=activity.since,
        is_accepted=activity.is_accepted,
        answer=activity.answer,
    )


def next_wake(state: State) -> datetime | None:
    """Return when the earliest timer comes due; None when none can act."""
    if state.is_suspended or not state.is_running or not state.timers:
        return None
    return min(timer.fire_at for timer in state.timers.values())
