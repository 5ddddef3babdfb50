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
    EventsMatched,
    Failure,
    FlowEntered,
    HistoryEvent,
    InstanceEnded,
    InstanceResumed,
    InstanceSuspended,
    Purpose,
    StepFailed,
    StepSkipped,
    TimerCreated,
)
from perdure.engine.recorder import Recorder
from perdure.engine.state import State
from perdure.engine.summary import MAX_MESSAGE, MAX_WAITING, Phase, What, summarise

UNAVAILABLE = Failure(type="HttpStatus", message="503 from pay", code=503, retryable=True)


def after(*events: HistoryEvent) -> State:
    recorder = Recorder(State(uid="u", namespace="n", name="order-1"), NOW)
    for event in events:
        recorder.add(event)
    return recorder.state


def step_timer(path: str, purpose: Purpose, **delay: float) -> TimerCreated:
    return TimerCreated(path=path, purpose=purpose, fire_at=NOW + timedelta(**delay))


def test_before_the_start_it_is_pending() -> None:
    summary = summarise(after())
    assert (summary.phase, summary.message) == (Phase.PENDING, "not started yet")
    assert summary.progress is None
    assert summary.started_at is None


def test_a_running_instance_tells_what_it_waits_for_and_until_when() -> None:
    summary = summarise(
        after(
            started(steps=5),
            EventAwaited(path="approve", name="Approved"),
            step_timer("approve", Purpose.STEP_TIMEOUT, hours=24),
        )
    )
    assert summary.phase is Phase.RUNNING
    assert summary.message == 'waiting for event "approved" until 2026-01-02T12:00:00Z'
    assert summary.progress == "0/5"
    assert summary.started_at == NOW
    assert summary.wake_at == NOW + timedelta(hours=24)
    (waiting,) = summary.waiting_for
    assert (waiting.what, waiting.name, waiting.path) == (What.EVENT, "approved", "approve")
    assert (waiting.since, waiting.until) == (NOW, NOW + timedelta(hours=24))


def test_activities_come_first_and_the_rest_is_counted() -> None:
    summary = summarise(
        after(
            started(),
            timer("hold", minutes=1),
            EventAwaited(path="approve", name="approved"),
            scheduled("charge"),
        )
    )
    assert [w.what for w in summary.waiting_for] == [What.ACTIVITY, What.EVENT, What.TIMER]
    assert summary.message == "waiting for charge, and 2 more"


def test_a_status_shows_at_most_ten_of_what_it_waits_for() -> None:
    many = [scheduled(f"call{i}") for i in range(MAX_WAITING + 5)]
    summary = summarise(after(started(), timer("hold", minutes=1), *many))
    assert len(summary.waiting_for) == MAX_WAITING
    assert summary.message == "waiting for call0, and 15 more"


def test_a_retry_tells_when_and_why() -> None:
    summary = summarise(
        after(
            started(),
            scheduled("charge"),
            ActivityFailed(scheduled_id=2, failure=UNAVAILABLE),
            step_timer("charge", Purpose.RETRY, seconds=5),
        )
    )
    (waiting,) = summary.waiting_for
    assert (waiting.what, waiting.attempt) == (What.RETRY, 2)
    assert waiting.message == "HttpStatus: 503 from pay"
    assert summary.message == (
        "attempt 2 of charge at 2026-01-01T12:00:05Z after HttpStatus: 503 from pay"
    )


def test_progress_counts_ended_steps_of_the_main_flow_only() -> None:
    summary = summarise(
        after(
            started(steps=4),
            scheduled("charge"),
            completed(2),
            StepSkipped(path="gift"),
            FlowEntered(path="pay", flow="payment"),
            scheduled("pay.charge"),
            completed(6),
        )
    )
    assert summary.progress == "2/4"


def test_without_a_number_of_steps_there_is_no_progress() -> None:
    assert summarise(after(started(steps=0))).progress is None


def test_suspended_is_a_phase_with_its_reason_and_no_wake_up() -> None:
    events: list[HistoryEvent] = [
        started(),
        timer("hold", minutes=1),
        InstanceSuspended(reason="audit"),
    ]
    summary = summarise(after(*events))
    assert (summary.phase, summary.message) == (Phase.SUSPENDED, "suspended: audit")
    assert summary.wake_at is None
    assert [w.what for w in summary.waiting_for] == [What.TIMER]
    resumed = summarise(after(*events, InstanceResumed()))
    assert (resumed.phase, resumed.message) == (
        Phase.RUNNING,
        "waiting at hold until 2026-01-01T12:01:00Z",
    )


def test_an_instance_that_is_ending_still_runs() -> None:
    error = Failure(type="Terminated", message="by alice")
    summary = summarise(
        after(
            started(),
            scheduled("charge"),
            EndRequested(ending=Ending.TERMINATED, error=error),
        )
    )
    assert summary.phase is Phase.RUNNING
    assert summary.message == (
        "ending: terminated: Terminated: by alice; open work is being cancelled"
    )
    assert summary.completed_at is None
    assert summary.error is None


def test_the_end_shows_output_or_error() -> None:
    good = summarise(after(started(steps=1), scheduled("a"), completed(2), ended({"sum": 3})))
    assert (good.phase, good.message, good.progress) == (Phase.SUCCEEDED, "succeeded", "1/1")
    assert (good.output, good.error) == ({"sum": 3}, None)
    assert (good.completed_at, good.waiting_for, good.wake_at) == (NOW, (), None)
    error = Failure(type="HttpStatus", message="503 from pay", step="charge")
    bad = summarise(
        after(
            started(),
            StepFailed(path="charge", error=error),
            InstanceEnded(ending=Ending.FAILED, error=error),
        )
    )
    assert bad.phase is Phase.FAILED
    assert bad.message == "failed at charge: HttpStatus: 503 from pay"
    assert bad.error == error


def test_long_messages_are_cut() -> None:
    error = Failure(type="T", message="m" * 5000)
    summary = summarise(after(started(), InstanceEnded(ending=Ending.FAILED, error=error)))
    assert len(summary.message) == MAX_MESSAGE
    assert summary.message.endswith("…")


@pytest.mark.parametrize("count", [1, 3])
def test_a_wait_that_is_matched_is_no_longer_shown(count: int) -> None:
    received = [
        EventReceived(event_id=f"e{i}", name="ok", door=Door.SPEC, data=i) for i in range(count)
    ]
    summary = summarise(
        after(
            started(steps=1),
            EventAwaited(path="approve", name="ok", count=count),
            *received,
            EventsMatched(wait_id=2, received=tuple(range(3, 3 + count))),
        )
    )
    assert summary.waiting_for == ()
    assert (summary.message, summary.progress) == ("running", "1/1")
