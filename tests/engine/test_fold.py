"""What each event means, and what holds of every history whatever happens in which order."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.language.definitions import X, back, call, event, flow, http, put, wait

from perdure.engine import events as e
from perdure.engine.fold import fold, replay
from perdure.engine.orchestrator import Answer
from perdure.engine.recorder import LONGEST_DECISION, MAX_EVENTS, Recorder, is_full
from perdure.engine.state import Stage, State
from perdure.engine.values import JsonObject
from perdure.engine.work import next_wake, open_work
from perdure.testing import Story, failed, fresh_state, ok, started
from perdure.testing.clock import BEGINNING

CLAIM = e.Claim(delivery=1, incarnation="perdure-0-1", claim_id="c1.2")
FAILURE = e.Failure(type="NoAnswer", message="no answer", retryable=True)
BEGUN = e.InstanceStarted(
    definition="order", revision=e.Revision(name="order-1", digest="d"), input={}, vars={"x": 0}
)
CALL = e.ActivityScheduled(path="a", kind="http", attempt=1, claim=CLAIM, request={"r": 1})


def told(*history: e.HistoryEvent) -> State:
    """Return the state after these events; they get their ids and times."""
    recorder = Recorder(fresh_state(), BEGINNING)
    for one in history:
        recorder.add(one)
    return recorder.state


def test_an_event_that_does_not_follow_is_a_damaged_history() -> None:
    with pytest.raises(AssertionError, match="event 3 does not follow 1"):
        fold(told(BEGUN), replace(CALL, id=3, at=BEGINNING))


def test_a_start_opens_the_main_flow() -> None:
    state = told(BEGUN)
    assert (state.is_running, state.started_at, list(state.frames)) == (True, BEGINNING, [""])


def test_an_attempt_is_open_from_its_schedule_to_its_result() -> None:
    state = told(BEGUN, CALL)
    assert list(state.activities) == [2]
    assert state.units["a"].attempt == 1
    done = fold(state, e.ActivityCompleted(id=3, at=BEGINNING, scheduled_id=2, output=7))
    assert (done.activities, done.units["a"].stage, done.units["a"].output) == (
        {},
        Stage.SUCCEEDED,
        7,
    )


def test_a_later_attempt_uses_the_request_of_the_first() -> None:
    retry = e.TimerCreated(path="a", purpose=e.Purpose.RETRY, fire_at=BEGINNING)
    again = replace(CALL, attempt=2, request=None, request_of=2)
    failure = e.ActivityFailed(scheduled_id=2, failure=FAILURE)
    state = told(BEGUN, CALL, failure, retry, e.TimerFired(timer_id=4), again)
    assert state.activities[6].request == {"r": 1}
    assert state.activities[6].attempt == 2
    with pytest.raises(AssertionError, match="no such request"):
        told(BEGUN, CALL, failure, retry, replace(again, request_of=1))


LATE: list[e.HistoryEvent] = [
    e.ActivityCompleted(scheduled_id=99, output=1),
    e.ActivityFailed(scheduled_id=99, failure=FAILURE),
    e.ActivityClaimed(scheduled_id=99, claim=CLAIM),
    e.ActivityAccepted(scheduled_id=99),
    e.TimerFired(timer_id=99),
    e.EventsMatched(wait_id=99, received=()),
]


@pytest.mark.parametrize("late", LATE, ids=lambda late: type(late).__name__)
def test_a_fact_about_what_is_not_open_changes_nothing(late: e.HistoryEvent) -> None:
    before = told(BEGUN, CALL)
    after = fold(before, replace(late, id=3, at=BEGINNING))
    assert replace(after, last_id=2) == before


def test_a_claim_changes_hands_and_an_acceptance_keeps_the_answer() -> None:
    other = replace(CLAIM, delivery=2, incarnation="perdure-1-1")
    state = told(
        BEGUN,
        CALL,
        e.ActivityClaimed(scheduled_id=2, claim=other),
        e.ActivityAccepted(scheduled_id=2, answer={"code": 202}),
    )
    (work,) = open_work(state)
    assert (work.claim, work.is_accepted, work.answer) == (other, True, {"code": 202})


@pytest.mark.parametrize(
    ("purpose", "stage"), [(e.Purpose.WAIT, Stage.RESULT), (e.Purpose.RETRY, Stage.READY)]
)
def test_a_timer_moves_its_step_on(purpose: e.Purpose, stage: Stage) -> None:
    begin = e.AttemptFailed(path="a", attempt=1, failure=FAILURE)
    timer = e.TimerCreated(path="a", purpose=purpose, fire_at=BEGINNING + timedelta(seconds=5))
    state = told(BEGUN, begin, timer)
    assert next_wake(state) == BEGINNING + timedelta(seconds=5)
    state = fold(state, e.TimerFired(id=4, at=BEGINNING, timer_id=3))
    assert (state.units["a"].stage, state.timers) == (stage, {})


def test_the_time_out_of_a_step_closes_everything_below_it() -> None:
    state = told(
        BEGUN,
        e.TimerCreated(path="a", purpose=e.Purpose.STEP_TIMEOUT, fire_at=BEGINNING),
        e.FlowEntered(path="a", flow="f"),
        replace(CALL, path="a.b"),
        e.EventAwaited(path="a.c", name="n"),
        replace(CALL, path="ab"),
        e.TimerFired(timer_id=2),
    )
    assert [a.path for a in state.activities.values()] == ["ab"]
    assert (state.waits, list(state.frames), sorted(state.units)) == ({}, [""], ["a", "ab"])
    failure = state.units["a"].failure
    assert failure is not None
    assert (failure.type, failure.final) == ("Timeout", True)


def test_every_begun_attempt_of_a_step_counts() -> None:
    retry = e.TimerCreated(path="a", purpose=e.Purpose.RETRY, fire_at=BEGINNING)
    nap = e.TimerCreated(path="a", purpose=e.Purpose.WAIT, fire_at=BEGINNING)
    failure = e.AttemptFailed(path="a", attempt=1, failure=FAILURE)
    assert told(BEGUN, nap, failure, retry, nap).units["a"].attempt == 2
    awaited = e.EventAwaited(path="a", name="n")
    assert told(BEGUN, awaited, failure, retry, awaited).units["a"].attempt == 2
    values = e.VariablesSet(path="a", frame="", instance={"x": 1})
    assert told(BEGUN, values).units["a"].attempt == 1


def test_a_return_from_the_main_flow_leaves_open_calls_to_the_end() -> None:
    state = told(BEGUN, CALL, e.FlowReturned(path="", step="r", value=1))
    assert (list(state.activities), state.frames[""].returned) == ([2], True)


def test_variables_of_a_frame_end_with_it() -> None:
    state = told(
        BEGUN,
        e.FlowEntered(path="a", flow="f", vars={"own": 1}),
        e.VariablesSet(path="a.s", frame="a", instance={"x": 5}, own={"own": 2}),
    )
    assert (state.vars, state.frames["a"].vars) == ({"x": 5}, {"own": 2})
    state = fold(state, e.StepSucceeded(id=4, at=BEGINNING, path="a", output=1))
    assert (list(state.frames), list(state.units)) == ([""], ["a"])


def test_events_are_kept_until_they_are_matched_and_their_ids_for_longer() -> None:
    received = e.EventReceived(event_id="e1", name="N", door=e.Door.SPEC, data="x")
    state = told(BEGUN, e.EventAwaited(path="a", name="N"), received)
    assert (state.waits[2].name, len(state.inbox), state.inbox_bytes) == ("n", 1, 3)
    state = fold(state, e.EventsMatched(id=4, at=BEGINNING, wait_id=2, received=(3,)))
    assert (state.inbox, state.inbox_bytes, list(state.taken)) == ((), 0, ["e1"])
    output = state.units["a"].output
    assert isinstance(output, dict)
    assert output["data"] == "x"


def test_the_end_closes_everything() -> None:
    received = e.EventReceived(event_id="e1", name="n", door=e.Door.SPEC)
    state = told(BEGUN, CALL, received, e.EndRequested(ending=e.Ending.TERMINATED))
    assert (state.is_running, open_work(state), next_wake(state)) == (False, (), None)
    assert state.activities == {}
    state = fold(state, e.InstanceEnded(id=5, at=BEGINNING, ending=e.Ending.TERMINATED))
    assert (state.inbox, state.inbox_bytes, state.ended is not None) == ((), 0, True)


def test_a_recorder_never_goes_back_in_time() -> None:
    recorder = Recorder(told(BEGUN), BEGINNING - timedelta(hours=1))
    recorder.add(CALL)
    assert recorder.events[0].at == BEGINNING


def test_a_turn_is_full_while_the_longest_decision_still_fits() -> None:
    assert not is_full(MAX_EVENTS - LONGEST_DECISION)
    assert is_full(MAX_EVENTS - LONGEST_DECISION + 1)


# --- whatever happens -----------------------------------------------------------------------------

INNER: JsonObject = {
    "name": "inner",
    "params": ["p"],
    "vars": {"own": 1},
    "steps": [
        http("h", needs=[], retry={"attempts": 2, "delay": "1s"}),
        event("w", "go", needs=[], timeout="20s", onTimeout="Continue"),
        back("r", "${p}", when="vars.x > 2"),
    ],
    "output": "${[p, steps.h.output]}",
}
RICH = flow(
    http("a", needs=[], retry={"attempts": 3, "delay": "2s"}, timeout="1m", catch=[{"output": 1}]),
    wait("b", "5s", needs=[]),
    event("c", "approved", needs=[], where="event.data != 3", timeout="30s", catch=[{}]),
    put("d", needs=["b"], when="vars.x == 0"),
    call("e", "inner", {"p": "${vars.x}"}, needs=["b"], retry={"attempts": 2, "when": "true"}),
    http("f", onUnknown="Fail", catch=[{"do": {"http": {"service": "s", "path": "/"}}}]),
    flows=[INNER],
    vars=X,
    timeout="10m",
    output="${[steps.c.status, vars.x]}",
)

actions = st.sampled_from(
    [
        "answer",
        "answer",
        "fail",
        "unknown",
        "late",
        "go",
        "approved",
        "odd",
        "later",
        "wake",
        "wake",
        "suspend",
        "resume",
        "die",
        "terminate",
    ]
)


def act(story: Story, action: str, number: int, resolved: list[Answer]) -> None:
    """Bring one fact; remember the answers given."""
    work = story.open[number % len(story.open)] if story.open else None
    if action in ("answer", "fail", "unknown") and work is not None:
        reply = ok(number) if action == "answer" else failed(unknown=action == "unknown")
        resolved.append(reply.to(work.scheduled_id))
        story.facts_answers(resolved[-1])
    elif action == "late" and resolved:
        story.facts_answers(resolved[number % len(resolved)])
    elif action in ("go", "approved", "odd"):
        story.event("approved" if action == "odd" else action, 3 if action == "odd" else number)
    elif action == "later":
        story.later(seconds=number)
    elif action == "wake" and next_wake(story.state) is not None:
        story.until_wake()
    elif action == "suspend":
        story.suspend()
    elif action == "resume":
        story.resume()
    elif action == "terminate" and number == 0:
        story.terminate()
    elif action == "die":
        dead, story.incarnation = story.incarnation, f"perdure-{len(story.events)}-1"
        story.turn(dead=frozenset({dead}))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(actions, st.integers(0, 15)), max_size=40))
def test_whatever_happens_history_stays_sound(script: list[tuple[str, int]]) -> None:
    story, resolved = started(RICH), list[Answer]()
    for action, number in script:
        was = story.state
        act(story, action, number, resolved)
        if was.ended is not None:
            assert story.state == was, "final stays final"
    assert replay(fresh_state(), story.events) == story.state
    assert [event.id for event in story.events] == list(range(1, len(story.events) + 1))
    results = Counter(
        one.scheduled_id
        for one in story.events
        if isinstance(one, e.ActivityCompleted | e.ActivityFailed)
    )
    assert all(times == 1 for times in results.values()), "an attempt resolves at most once"
    scheduled = {one.id for one in story.events if isinstance(one, e.ActivityScheduled)}
    assert set(results) <= scheduled
    fired = Counter(one.timer_id for one in story.events if isinstance(one, e.TimerFired))
    assert all(times == 1 for times in fired.values()), "a timer fires at most once"
    for one in story.events:
        if isinstance(one, e.TimerFired):
            timer = story.events[one.timer_id - 1]
            assert isinstance(timer, e.TimerCreated)
            assert one.at >= timer.fire_at, "never early"
    ids = Counter(one.event_id for one in story.events if isinstance(one, e.EventReceived))
    assert all(times == 1 for times in ids.values()), "an external event counts once"
    assert story.facts_answers(*resolved) == [], "repeated facts change nothing"
