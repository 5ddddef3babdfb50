from datetime import timedelta

import pytest
from tests.contract.worlds import NOW, completed, ended, scheduled, started, timer

from perdure.engine.events import (
    ActivityFailed,
    Door,
    Ending,
    EndRequested,
    EventAwaited,
    EventReceived,
    Failure,
    HistoryEvent,
    InstanceResumed,
    InstanceSuspended,
    Purpose,
    TimerCreated,
)
from perdure.engine.recorder import Recorder
from perdure.engine.state import State
from perdure.kubernetes.log.showing import urgency
from perdure.ports import Observed

NOTHING = Observed()
AT_ONCE, STARTED, PROGRESS = 0.0, 1.0, 5.0
EMPTY = State(uid="uid-1", namespace="shop", name="order-1")
AWAIT = EventAwaited(path="w", name="go", count=1)
SENT = EventReceived(event_id="e1", name="other", door=Door.OBJECT)
FAILURE = Failure(type="HttpStatus", message="503")


def after(state: State, *events: HistoryEvent, seconds: float = 0.0) -> State:
    recorder = Recorder(state, NOW + timedelta(seconds=seconds))
    for event in events:
        recorder.add(event)
    return recorder.state


def within(state: State, *events: HistoryEvent, seconds: float = 0.0) -> float:
    """Return the urgency of a turn that observes nothing."""
    return urgency(state, after(state, *events, seconds=seconds), NOTHING, NOTHING)


def retry(seconds: float) -> TimerCreated:
    fire_at = NOW + timedelta(seconds=seconds)
    return TimerCreated(path="a", purpose=Purpose.RETRY, fire_at=fire_at)


def limit(path: str, purpose: Purpose) -> TimerCreated:
    return TimerCreated(path=path, purpose=purpose, fire_at=NOW + timedelta(hours=1))


CALLING = after(EMPTY, started(), scheduled("a"))
"""Activity 2 is open."""
CALLING_TWICE = after(CALLING, scheduled("b"))
SLEEPING = after(EMPTY, started(), timer("s", hours=1))
SUSPENDED = after(CALLING, InstanceSuspended(reason="lunch"))


def test_the_end_is_shown_at_once() -> None:
    assert within(CALLING, completed(2), ended()) == AT_ONCE
    assert within(EMPTY, started(), ended()) == AT_ONCE


def test_suspending_and_resuming_are_shown_at_once() -> None:
    assert within(CALLING, InstanceSuspended()) == AT_ONCE
    assert within(SUSPENDED, InstanceResumed()) == AT_ONCE
    assert within(SUSPENDED, completed(2)) == PROGRESS


def test_a_start_is_shown_after_a_second() -> None:
    assert within(EMPTY, started(), scheduled("a")) == STARTED


def test_a_start_that_leads_to_a_wait_is_shown_at_once() -> None:
    assert within(EMPTY, started(), AWAIT) == AT_ONCE
    assert within(EMPTY, started(), timer("s", hours=1)) == AT_ONCE


def test_progress_can_wait() -> None:
    assert within(CALLING, completed(2), scheduled("b")) == PROGRESS
    assert within(CALLING, EndRequested(ending=Ending.TERMINATED)) == PROGRESS


def test_a_wait_for_an_event_is_shown_at_once_whatever_else_runs() -> None:
    assert within(CALLING, AWAIT) == AT_ONCE
    assert within(after(CALLING, AWAIT), SENT) == PROGRESS


@pytest.mark.parametrize(("seconds", "expected"), [(4.9, PROGRESS), (5.0, AT_ONCE)])
def test_a_timer_is_shown_at_once_if_it_takes_long(seconds: float, expected: float) -> None:
    assert within(CALLING, completed(2), timer("s", seconds=seconds)) == expected


@pytest.mark.parametrize(("seconds", "expected"), [(4.9, PROGRESS), (5.0, AT_ONCE)])
def test_a_retry_is_shown_at_once_if_its_delay_is_long(seconds: float, expected: float) -> None:
    failed = ActivityFailed(scheduled_id=2, failure=FAILURE)
    assert within(CALLING, failed, retry(seconds)) == expected


def test_a_timer_beside_work_is_progress_until_the_work_is_done() -> None:
    assert within(CALLING, timer("s", hours=1)) == PROGRESS
    both = after(CALLING_TWICE, timer("s", hours=1))
    one = after(both, completed(2))
    assert within(both, completed(2)) == PROGRESS
    assert within(one, completed(3)) == AT_ONCE


def test_of_several_timers_the_shortest_counts() -> None:
    assert within(CALLING, completed(2), timer("s", hours=1), timer("t", seconds=1)) == PROGRESS


def test_limits_of_time_are_no_waits() -> None:
    assert within(CALLING, limit("a", Purpose.STEP_TIMEOUT)) == PROGRESS
    assert within(CALLING, completed(2), limit("", Purpose.INSTANCE_TIMEOUT)) == PROGRESS


def test_what_rests_already_is_not_shown_again_for_nothing() -> None:
    assert within(SLEEPING, SENT) == PROGRESS
    assert within(SLEEPING, timer("t", hours=2)) == AT_ONCE


def test_another_reason_for_standing_still_is_shown_at_once() -> None:
    pending = Observed(pending=("DefinitionNotFound", "there is none"))
    stalled = Observed(stalled=("NonDeterminism", "the definition changed"))
    assert urgency(EMPTY, EMPTY, NOTHING, pending) == AT_ONCE
    assert urgency(CALLING, CALLING, NOTHING, stalled) == AT_ONCE
    assert urgency(CALLING, CALLING, stalled, NOTHING) == AT_ONCE
    assert urgency(EMPTY, EMPTY, pending, pending) == PROGRESS


def test_a_warning_can_wait() -> None:
    assert urgency(CALLING, CALLING, NOTHING, Observed(warning="two")) == PROGRESS
