"""`wait` and `event` steps."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.language.definitions import event, flow, http, put, wait

from perdure.engine.events import Door
from perdure.engine.external import MAX_EVENT_BYTES, MAX_WAITING_BYTES, MAX_WAITING_EVENTS
from perdure.engine.orchestrator import ExternalEvent
from perdure.engine.values import Json
from perdure.testing import Story, started
from perdure.testing.clock import BEGINNING

# --- wait -----------------------------------------------------------------------------------------


def wake_after(story: Story) -> float:
    wake = story.summary.wake_at
    assert wake is not None
    return (wake - story.now).total_seconds()


@pytest.mark.parametrize(
    ("length", "given", "seconds"),
    [
        ("1h30m", None, 5400),
        ("${input.t}", "1d", 86_400),
        ("${duration('90s')}", None, 90),
        ("${input.n}s", 3, 3),
        ("${input.t}", "1ms", 0.1),
        ("${timestamp('2020-01-01T00:00:00Z') - workflow.now}", None, 0.1),
    ],
)
def test_a_wait_lasts_as_long_as_it_says(length: str, given: Json, seconds: float) -> None:
    story = started(flow(wait("a", length)), {"t": given, "n": given})
    assert wake_after(story) == seconds
    story.later(seconds=seconds - 0.001)
    assert story.phase == "Running"
    story.later(seconds=0.001)
    assert story.phase == "Succeeded"


@pytest.mark.parametrize("at", ["2026-01-01T02:00:00+01:00", "${input.at}"])
def test_a_wait_ends_at_a_moment(at: str) -> None:
    story = started(flow({"name": "a", "wait": {"at": at}}), {"at": "2026-01-01T01:00:00Z"})
    assert wake_after(story) == 3600
    wake = story.summary.wake_at
    assert wake is not None
    assert wake.utcoffset() == timedelta(0)


def test_a_moment_in_the_past_ends_the_step_in_the_same_turn() -> None:
    story = started(flow({"name": "a", "wait": {"at": "1999-01-01T00:00:00Z"}}))
    assert (story.phase, story.commits) == ("Succeeded", 1)


@pytest.mark.parametrize(
    "verb",
    [
        {"for": "${input.t}"},
        {"at": "${input.t}"},
        {"at": "${'9999-12-31T23:59:59-10:00'}"},
        {"for": "${input.nothing}"},
    ],
)
def test_a_wait_for_nonsense_fails_its_step(verb: dict[str, Json]) -> None:
    story = started(flow({"name": "a", "wait": dict(verb)}), {"t": "soon"})
    assert story.error is not None
    assert story.error.type == "ExpressionError"


def test_the_output_of_a_wait_is_null_and_may_be_shaped() -> None:
    story = started(flow(wait("a"), output="${steps.a.output}"))
    story.until_wake()
    assert story.output is None
    story = started(flow(wait("a", output="done"), output="${steps.a.output}"))
    story.until_wake()
    assert story.output == "done"


def test_a_wait_whose_output_is_too_large_runs_out_of_attempts() -> None:
    big: Json = dict.fromkeys("abcdef", "${input.s}")
    step = wait("a", "1s", output=big, retry={"attempts": 3, "delay": "1s", "when": "true"})
    story = started(flow(step), {"s": "x" * 200_000})
    story.play({})
    assert story.error is not None
    assert (story.error.type, story.error.attempt) == ("TooLarge", 3)


# --- event ----------------------------------------------------------------------------------------


def test_an_event_is_matched_by_name_whatever_its_case() -> None:
    story = started(flow(event("a"), output="${steps.a.output}"))
    story.event("rejected", 1)
    assert story.phase == "Running"
    story.event("APPROVED", {"by": "ann"}, event_id="e9")
    assert story.output == {
        "id": "e9",
        "name": "APPROVED",
        "data": {"by": "ann"},
        "time": "2026-01-01T00:00:00Z",
    }


def test_events_that_came_before_the_wait_are_kept_and_matched_in_order_of_arrival() -> None:
    spec = flow(
        http("h"), event("a"), event("b"), output="${[steps.a.output.data, steps.b.output.data]}"
    )
    story = started(spec)
    story.event("approved", 1)
    story.event("other", 2)
    story.event("approved", 3)
    story.answer("h")
    assert story.output == [1, 3]
    assert [e.name for e in story.state.inbox] == []


def test_two_waits_share_events_the_first_step_first() -> None:
    spec = flow(
        event("a", needs=[]),
        event("b", needs=[]),
        output="${[steps.a.output.data, steps.b.output.data]}",
    )
    story = started(spec)
    story.event("approved", 1)
    story.event("approved", 2)
    assert story.output == [1, 2]


def test_count_collects_a_list() -> None:
    story = started(flow(event("a", count=2), output="${steps.a.output.map(e, e.data)}"))
    story.event("approved", 1)
    assert story.phase == "Running"
    story.event("approved", 2)
    assert story.output == [1, 2]


def test_where_chooses_and_one_that_fails_is_no_match() -> None:
    step = event("a", where="event.data.order == input.id")
    story = started(flow(step, output="${steps.a.output.id}"), {"id": 7})
    story.event("approved", {"order": 8}, event_id="other")
    story.event("approved", "no order at all", event_id="broken")
    assert story.phase == "Running"
    story.event("approved", {"order": 7}, event_id="right")
    assert story.output == "right"


def test_where_is_asked_again_when_what_it_sees_has_changed() -> None:
    spec = flow(
        event("a", where="event.data == vars.x", needs=[]),
        event("b", "go", needs=[]),
        put("c", needs=["b"]),
        vars={"x": 0},
    )
    story = started(spec)
    approved = ExternalEvent(id="1", name="approved", data=1, door=Door.SPEC)
    go = ExternalEvent(id="2", name="go", data=None, door=Door.SPEC)
    story.one_turn(events=(approved, go))
    assert story.phase == "Succeeded", "in the same turn: nothing else would ask again"


def test_a_time_out_fails_the_step_or_lets_it_go_on() -> None:
    story = started(flow(event("a", timeout="1h")))
    story.until_wake()
    assert story.error is not None
    assert story.error.type == "Timeout"
    spec = flow(event("a", timeout="1h", onTimeout="Continue"), output="${steps.a}")
    story = started(spec)
    story.until_wake()
    assert story.output == {"status": "Succeeded", "output": None}


def test_an_event_in_the_turn_of_the_time_out_wins() -> None:
    story = started(flow(event("a", timeout="1h"), output="${steps.a.output.data}"))
    story.now += timedelta(hours=2)
    story.event("approved", "yes")
    assert story.output == "yes"


def test_an_output_that_fails_uses_the_event_up() -> None:
    story = started(flow(event("a", output="${result.data.x}", catch=[{}]), wait("b")))
    story.event("approved", {})
    assert story.state.inbox == ()
    assert story.state.units["a"].stage.value == "Caught"


def test_an_id_counts_once_whichever_door() -> None:
    story = started(flow(event("a", count=2)))
    story.event("approved", 1, event_id="e1")
    assert story.event("approved", 2, event_id="e1", door=Door.OBJECT) == []
    assert story.event("approved", 2, event_id="e1") == []
    assert len(story.state.inbox) == 1


@pytest.mark.parametrize(("more", "is_taken"), [(-1, True), (0, True), (1, False)])
def test_the_size_of_an_event_is_bounded(more: int, is_taken: bool) -> None:
    story = started(flow(event("a")))
    events = story.event("approved", "x" * (MAX_EVENT_BYTES - 2 + more))
    assert ("EventReceived" in story.types(events)) is is_taken
    assert ("EventRefused" in story.types(events)) is not is_taken


@pytest.mark.parametrize(("count", "is_taken"), [(-2, True), (-1, True), (0, False)])
def test_the_number_of_waiting_events_is_bounded(count: int, is_taken: bool) -> None:
    story = started(flow(event("a", "other")))
    story.turn(
        events=tuple(
            ExternalEvent(id=str(i), name="approved", data=None, door=Door.OBJECT)
            for i in range(MAX_WAITING_EVENTS + count)
        )
    )
    story.turn()
    assert len(story.state.inbox) == MAX_WAITING_EVENTS + count
    events = story.event("approved", event_id="one more")
    assert ("EventReceived" in story.types(events)) is is_taken


@pytest.mark.parametrize(("more", "is_taken"), [(-1, True), (0, True), (1, False)])
def test_the_bytes_of_waiting_events_are_bounded(more: int, is_taken: bool) -> None:
    story = started(flow(event("a", "other")))
    for _ in range(MAX_WAITING_BYTES // MAX_EVENT_BYTES - 1):
        story.event("approved", "x" * (MAX_EVENT_BYTES - 2))
    story.event("approved", "x" * (MAX_EVENT_BYTES - 1000 - 2))
    events = story.event("approved", "x" * (1000 - 2 + more))
    assert ("EventReceived" in story.types(events)) is is_taken


def test_a_refused_id_of_the_spec_counts_as_used() -> None:
    story = started(flow(event("a")))
    story.event("approved", "x" * MAX_EVENT_BYTES, event_id="e1")
    assert story.event("approved", 1, event_id="e1") == []
    assert story.state.started_at == BEGINNING
