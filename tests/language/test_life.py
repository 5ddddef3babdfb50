"""The life of an instance: input, time-outs, suspend and resume, terminate, bounds of a turn."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.language.definitions import X, call, event, flow, http, put, wait

from perdure.engine.events import InstanceStarted, Purpose, TimerFired
from perdure.engine.values import Json, JsonObject
from perdure.errors import InvalidDefinitionError
from perdure.language.flow import MAX_INPUT_BYTES
from perdure.testing import failed, ok, started


def with_schema(schema: JsonObject, *steps: JsonObject, **fields: Json) -> JsonObject:
    return flow(*(steps or (put("a"),)), input={"schema": schema}, vars=X, **fields)


# --- input ----------------------------------------------------------------------------------------


def test_absent_input_is_an_empty_object() -> None:
    assert started(flow(put("a"), vars=X, output="${input}")).output == {}


def test_defaults_of_the_schema_are_filled_in_at_every_depth() -> None:
    schema: JsonObject = {
        "type": "object",
        "properties": {
            "a": {"type": "integer", "default": 1},
            "b": {
                "type": "object",
                "default": {},
                "properties": {"c": {"type": "string", "default": "x"}},
            },
            "l": {"type": "array", "items": {"properties": {"d": {"default": True}}}},
        },
    }
    story = started(with_schema(schema, output="${input}"), {"l": [{}, {"d": False}]})
    assert story.output == {"a": 1, "b": {"c": "x"}, "l": [{"d": True}, {"d": False}]}


def test_input_that_does_not_fit_fails_the_instance_at_once() -> None:
    schema: JsonObject = {
        "type": "object",
        "properties": {"lines": {"items": {"properties": {"n": {"minimum": 1}}}}},
    }
    story = started(with_schema(schema, http("a")), {"lines": [{"n": 1}, {"n": 0}]})
    assert story.types() == ["InstanceStarted", "InstanceEnded"]
    assert story.error is not None
    assert story.error.type == "InvalidInput"
    assert story.error.message == "spec.input.lines[1].n: 0 is less than the minimum of 1"


@pytest.mark.parametrize(("more", "phase"), [(-1, "Succeeded"), (0, "Succeeded"), (1, "Failed")])
def test_the_size_of_the_input_is_bounded(more: int, phase: str) -> None:
    given: Json = {"x": "y" * (MAX_INPUT_BYTES - len('{"x":""}') + more)}
    story = started(flow(put("a"), vars=X), given)
    assert story.phase == phase


@pytest.mark.parametrize("given", [{"x": 2**64}, {"x": "\ud800"}, [1]])
def test_input_that_cannot_be_stored_fails_the_instance(given: Json) -> None:
    story = started(flow(put("a"), vars=X), given)
    assert story.error is not None
    assert story.error.type == "InvalidInput"


def test_input_that_is_far_too_large_does_not_enter_history() -> None:
    story = started(flow(put("a"), vars=X), {"x": "y" * (2 * 1024 * 1024)})
    (begin, _) = story.events
    assert isinstance(begin, InstanceStarted)
    assert begin.input == {}


def test_variables_see_the_input_and_one_that_fails_fails_the_instance() -> None:
    assert (
        started(flow(put("a"), vars={"x": "${input.n + 1}"}, output="${vars.x}"), {"n": 1}).output
        == 1
    )
    story = started(flow(put("a"), vars={"x": "${input.n}"}))
    assert story.error is not None
    assert story.error.type == "ExpressionError"


def test_an_output_that_fails_fails_the_instance() -> None:
    story = started(flow(put("a"), vars=X, output="${input.nothing}"))
    assert story.error is not None
    assert (story.error.type, story.error.step) == ("ExpressionError", None)


def test_what_the_definition_gets_wrong_is_told_before_anything_starts() -> None:
    with pytest.raises(InvalidDefinitionError, match="did you mean"):
        started(flow(http("charge"), output="${steps.chrage.output}"))


# --- the instance's time-out ----------------------------------------------------------------------


def test_the_time_out_of_the_instance_fails_it() -> None:
    story = started(flow(wait("a", "1h"), timeout="10m"))
    story.until_wake()
    assert story.error is not None
    assert (story.error.type, story.phase) == ("Timeout", "Failed")
    assert story.now - story.events[0].at == timedelta(minutes=10)


def test_its_own_time_out_comes_before_that_of_the_definition() -> None:
    story = started(flow(wait("a", "1h"), timeout="10m"), timeout=timedelta(minutes=2))
    story.later(minutes=2)
    assert story.phase == "Failed"


def test_the_time_out_ends_in_two_commits_while_a_call_is_in_flight() -> None:
    story = started(flow(http("a"), timeout="10m"))
    story.now += timedelta(minutes=10)
    assert story.types(story.one_turn()) == ["TimerFired", "EndRequested"]
    assert story.types(story.one_turn()) == ["InstanceEnded"]


# --- suspend and resume ---------------------------------------------------------------------------


def test_suspended_nothing_new_starts_and_facts_are_kept() -> None:
    story = started(flow(http("a"), http("b")))
    assert story.types(story.suspend("incident 7")) == ["InstanceSuspended"]
    assert story.types(story.answer("a")) == ["ActivityCompleted"]
    assert not story.open
    assert story.phase == "Suspended"
    assert story.types(story.resume()) == ["InstanceResumed", "ActivityScheduled"]


def test_an_instance_may_begin_suspended() -> None:
    story = started(flow(http("a")), is_suspended=True)
    assert story.types() == ["InstanceStarted", "InstanceSuspended"]
    story.resume()
    assert [work.path for work in story.open] == ["a"]


def test_timers_that_came_due_act_at_resume_in_the_order_of_their_time() -> None:
    story = started(flow(wait("b", "2h", needs=[]), wait("a", "1h", needs=[]), timeout="3h"))
    story.suspend()
    assert story.later(hours=5) == []
    events = story.resume()
    fired = [e.timer_id for e in events if isinstance(e, TimerFired)]
    assert [e.id for e in story.events if e.id in fired] == sorted(fired)
    assert story.types(events)[:2] == ["InstanceResumed", "TimerFired"]
    assert story.phase == "Succeeded"


def test_the_time_out_of_the_instance_acts_at_resume_in_its_turn() -> None:
    story = started(flow(wait("a", "3h"), timeout="2h"))
    story.suspend()
    story.later(hours=5)
    story.resume()
    assert story.phase == "Failed"


def test_events_come_before_timers_at_resume() -> None:
    story = started(flow(event("a", timeout="1h"), output="${steps.a.output.data}"))
    story.suspend()
    story.later(hours=2)
    story.event("approved", "in time")
    story.resume()
    assert story.output == "in time"


def test_a_retry_is_committed_while_suspended_and_fires_at_resume() -> None:
    story = started(flow(http("a", retry={"attempts": 2, "delay": "1s"})))
    story.suspend()
    assert story.types(story.fail("a")) == ["ActivityFailed", "TimerCreated"]
    assert story.later(hours=1) == []
    story.resume()
    assert story.activity("a").attempt == 2


def test_suspended_no_claim_is_taken_over() -> None:
    story = started(flow(http("a")))
    mine = story.incarnation
    story.suspend()
    story.incarnation = "perdure-1-1"
    assert story.turn(dead=frozenset({mine})) == []
    story.resume()
    assert story.types(story.turn(dead=frozenset({mine}))) == ["ActivityClaimed"]


def test_a_process_that_is_stopping_takes_no_claim_over() -> None:
    story = started(flow(http("a")))
    mine = story.incarnation
    story.incarnation = "perdure-1-1"
    assert story.turn(dead=frozenset({mine}), starts_nothing=True) == []
    assert story.types(story.turn(dead=frozenset({mine}))) == ["ActivityClaimed"]


def test_a_clock_that_is_not_trusted_fires_nothing() -> None:
    story = started(flow(wait("a")))
    story.control(holds_timers=True)
    assert story.later(hours=1) == []
    story.control(holds_timers=False)
    story.turn()
    assert story.phase == "Succeeded"


# --- terminate ------------------------------------------------------------------------------------


def test_terminate_ends_at_once_where_nothing_is_in_flight() -> None:
    story = started(flow(wait("a")))
    assert story.types(story.terminate("customer cancelled")) == ["InstanceEnded"]
    assert story.error is not None
    assert (story.error.type, story.error.message) == ("Terminated", "customer cancelled")
    assert story.phase == "Terminated"


def test_terminate_with_open_calls_ends_only_when_they_are_settled() -> None:
    story = started(flow(http("a"), http("b")))
    scheduled = story.activity("a").scheduled_id
    story.control(terminate="")
    assert story.types(story.one_turn(is_settled=False)) == ["EndRequested"]
    assert not story.open
    late = (ok().to(scheduled),)
    assert story.one_turn(is_settled=False, answers=late) == []
    assert story.types(story.one_turn()) == ["InstanceEnded"]


def test_terminate_comes_before_results_and_suspension() -> None:
    story = started(flow(http("a")), is_suspended=True)
    story.control(is_suspended=True)
    story.terminate()
    assert story.phase == "Terminated"
    story = started(flow(http("a")))
    scheduled = story.activity("a").scheduled_id
    story.control(terminate="stop")
    events = story.one_turn(answers=(ok().to(scheduled),))
    assert story.types(events) == ["EndRequested"]


def test_terminate_before_the_first_turn_starts_nothing() -> None:
    story = started(flow(http("a")), terminate="never mind")
    assert story.types() == ["InstanceStarted", "InstanceEnded"]


def test_after_the_end_nothing_happens_any_more() -> None:
    story = started(flow(put("a"), vars=X))
    state = story.state
    assert story.terminate() == []
    assert story.event("approved") == []
    assert story.suspend() == []
    assert story.later(days=1) == []
    assert story.state == state


# --- the bounds of a turn -------------------------------------------------------------------------


def test_a_turn_that_is_too_long_goes_on_in_the_next() -> None:
    leaf: JsonObject = {"name": "leaf", "steps": [put(f"s{i}") for i in range(60)]}
    middle: JsonObject = {"name": "middle", "steps": [call(f"c{i}", "leaf") for i in range(5)]}
    spec = flow(*[call(f"m{i}", "middle") for i in range(2)], flows=[leaf, middle], vars=X)
    story = started(spec)
    assert story.phase == "Succeeded"
    assert story.commits > 1
    assert len(story.state.units) == 2


def test_two_hundred_steps_side_by_side_take_one_turn() -> None:
    story = started(flow(*[put(f"s{i}", needs=[]) for i in range(200)], vars=X))
    assert (story.phase, story.commits) == ("Succeeded", 1)


@pytest.mark.parametrize("skipped", range(6))
@pytest.mark.parametrize("puts", [10, 130])
def test_a_full_turn_stops_at_any_depth(puts: int, skipped: int) -> None:
    flows: list[Json] = [{"name": "f0", "steps": [put(f"s{i}") for i in range(90)]}]
    for depth in range(1, 30):
        flows.append({"name": f"f{depth}", "steps": [call("c", f"f{depth - 1}", timeout="1h")]})
    before = [put(f"s{i}") for i in range(puts)]
    before += [put(f"k{i}", when="false") for i in range(skipped)]
    spec = flow(call("a", "f0"), *before, call("b", "f29"), call("c", "f29"), flows=flows, vars=X)
    assert started(spec).phase == "Succeeded"


def test_facts_left_over_by_a_full_turn_count_in_the_next() -> None:
    long: JsonObject = {"name": "long", "steps": [put(f"s{i}") for i in range(100)]}
    blocks = [call(f"c{i}", "long", needs=["a"]) for i in range(3)]
    spec = flow(http("a", needs=[]), http("b", needs=[]), *blocks, flows=[long], vars=X)
    story = started(spec)
    story.replies({"a": ok(), "b": failed(retryable=False)})
    assert story.error is not None
    assert story.error.step == "b"


def test_a_call_in_flight_has_one_open_timer_at_most() -> None:
    story = started(flow(http("a", timeout="1h", retry={"attempts": 9})))
    for _ in range(3):
        story.fail("a")
        story.until_wake()
    purposes = [timer.purpose for timer in story.state.timers.values()]
    assert purposes == [Purpose.STEP_TIMEOUT]


def test_first_values_that_are_too_large_together_fail_the_instance() -> None:
    names = [f"v{i}" for i in range(6)]
    story = started(
        flow(put("a"), vars={"x": 0, **dict.fromkeys(names, "${input.s}")}), {"s": "x" * 200_000}
    )
    assert story.error is not None
    assert "spec.vars has" in story.error.message


@pytest.mark.parametrize(("more", "phase"), [(0, "Succeeded"), (1, "Failed")])
def test_the_output_of_an_instance_is_bounded(more: int, phase: str) -> None:
    story = started(flow(http("a"), output=["${steps.a.output}"]))
    story.answer("a", "x" * (1024 * 1024 - len('[""]') + more))
    assert story.phase == phase
