"""`set`, `raise`, `return`, `switch`, `call`, `catch`, `needs`: how flows go on."""

from __future__ import annotations

import pytest
from tests.language.definitions import (
    X,
    back,
    call,
    call_http,
    fail,
    flow,
    http,
    put,
    wait,
)

from perdure.engine.events import FlowReturned
from perdure.engine.orchestrator import Answer
from perdure.engine.values import Json, JsonObject
from perdure.language.verbs.raising import MAX_DETAILS_BYTES, MAX_MESSAGE
from perdure.testing import failed, ok, started

# --- set ------------------------------------------------------------------------------------------


def test_all_right_sides_of_set_see_the_old_values() -> None:
    step: JsonObject = {"name": "a", "set": {"x": "${vars.z}", "z": "${vars.x}"}}
    story = started(flow(step, vars={"x": 1, "z": 2}, output="${vars}"))
    assert story.output == {"x": 2, "z": 1}


def test_a_flow_sets_its_own_variables_before_those_of_the_instance() -> None:
    inner: JsonObject = {
        "name": "inner",
        "vars": {"x": "${vars.x + 10}"},
        "steps": [{"name": "a", "set": {"x": "${vars.x + 1}", "z": "${vars.x}"}}],
        "output": "${vars.x}",
    }
    spec = flow(
        call("one", "inner"),
        flows=[inner],
        vars={"x": 1, "z": 0},
        output="${[steps.one.output, vars.x, vars.z]}",
    )
    assert started(spec).output == [12, 1, 11]


def test_variables_that_grow_too_large_together_fail_their_step() -> None:
    names = [f"v{i}" for i in range(6)]
    step: JsonObject = {"name": "a", "set": dict.fromkeys(names, "${input.s}")}
    story = started(flow(step, vars=dict.fromkeys(names, 0)), {"s": "x" * 200_000})
    assert story.error is not None
    assert (story.error.type, story.error.attempt) == ("TooLarge", 1)


def test_a_failing_output_of_set_names_its_attempt() -> None:
    story = started(flow(put("a", "${input.x}"), vars=X))
    assert story.error is not None
    assert (story.error.type, story.error.attempt) == ("ExpressionError", 1)


# --- raise ----------------------------------------------------------------------------------------


def test_raise_fails_the_step_with_its_own_error() -> None:
    verb: Json = {
        "type": "CardDeclined",
        "message": "no ${input.o}",
        "code": 7,
        "details": {"a": 1},
    }
    story = started(flow({"name": "a", "raise": verb}), {"o": {"k": 1}})
    assert story.error is not None
    assert story.error.as_json() == {
        "type": "CardDeclined",
        "message": 'no {"k":1}',
        "code": 7,
        "retryable": False,
        "step": "a",
        "attempt": 1,
        "details": {"a": 1},
        "cause": None,
    }


@pytest.mark.parametrize(("more", "kind"), [(0, "Big"), (1, "TooLarge")])
def test_the_error_of_a_raise_is_bounded(more: int, kind: str) -> None:
    verb: Json = {"type": "Big", "details": "${input.d}", "message": "${input.m}"}
    given: Json = {"d": "x" * (MAX_DETAILS_BYTES - 2 + more), "m": "y" * 10_000}
    story = started(flow({"name": "a", "raise": verb}), given)
    assert story.error is not None
    assert story.error.type == kind
    assert len(story.error.message) <= MAX_MESSAGE


def test_a_retryable_raise_is_repeated() -> None:
    retry: Json = {"attempts": 3}
    step: JsonObject = {"name": "a", "raise": {"type": "Busy", "retryable": True}, "retry": retry}
    story = started(flow(step))
    story.until_wake()
    assert story.phase == "Running"
    story.until_wake()
    assert story.error is not None
    assert (story.error.type, story.error.attempt) == ("Busy", 3)


# --- return ---------------------------------------------------------------------------------------


def test_return_ends_the_main_flow_with_its_value() -> None:
    story = started(flow(back("a", {"n": "${input.n}"}), http("b"), output="no"), {"n": 1})
    assert (story.phase, story.output) == ("Succeeded", {"n": 1})


def test_return_under_do_ends_the_flow_of_its_step() -> None:
    case: Json = {"when": "true", "do": {"return": {"value": 5}}}
    story = started(flow({"name": "a", "switch": {"cases": [case]}}, http("b")))
    assert story.output == 5


def test_return_of_a_flow_ends_that_flow_only_and_cancels_what_runs_in_it() -> None:
    inner: JsonObject = {
        "name": "inner",
        "steps": [http("slow", needs=[]), http("quick", needs=[]), back("r", 3, needs=["quick"])],
    }
    story = started(flow(call("a", "inner"), http("b"), flows=[inner], output="${steps.a.output}"))
    slow = story.activity("a.slow").scheduled_id
    story.answer("a.quick")
    assert [work.path for work in story.open] == ["b"]
    assert story.facts_answers(ok().to(slow)) == []
    story.answer("b")
    assert story.output == 3


def test_return_from_the_main_flow_ends_in_two_commits_when_calls_are_in_flight() -> None:
    story = started(flow(http("slow", needs=[]), http("a", needs=[]), back("r", 1, needs=["a"])))
    events = story.one_turn(answers=(ok().to(story.activity("a").scheduled_id),))
    assert story.types(events) == ["ActivityCompleted", "FlowReturned", "EndRequested"]
    assert not story.open
    assert story.phase == "Running"
    assert story.types(story.one_turn(is_settled=False)) == []
    assert story.types(story.one_turn(is_settled=True)) == ["InstanceEnded"]
    assert story.output == 1


def test_return_in_a_catch_ends_the_flow_of_the_step() -> None:
    step = fail("a", catch=[{"do": {"return": {"value": "${error.type}"}}}])
    story = started(flow(step, http("b")))
    assert story.output == "Broken"


def test_the_first_taken_of_a_failure_and_a_return_wins() -> None:
    spec = flow(http("a", needs=[]), http("b", needs=[]), back("r", 1, needs=["b"]))
    story = started(spec)
    story.replies({"b": ok(), "a": failed(retryable=False)})
    assert story.phase == "Failed"
    spec = flow(http("b", needs=[]), http("a", needs=[]), back("r", 1, needs=["b"]))
    story = started(spec)
    story.replies({"a": failed(retryable=False), "b": ok()})
    assert story.phase == "Succeeded"
    assert sum(isinstance(e, FlowReturned) for e in story.events) == 1


# --- switch ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("given", "output"), [(1, "one"), (2, "two"), (3, "other"), (-1, "one")])
def test_a_switch_takes_the_first_case_that_holds(given: int, output: str) -> None:
    cases: Json = [
        {"when": "input.n < 2", "do": {"set": {"x": 1}, "output": "one"}},
        {"when": "input.n < 3", "flow": "two", "with": {"p": "two"}},
    ]
    default: Json = {"do": {"set": {"x": 1}, "output": "other"}}
    two: JsonObject = {"name": "two", "params": ["p"], "steps": [put("s")], "output": "${p}"}
    spec = flow(
        {"name": "a", "switch": {"cases": cases, "default": default}},
        flows=[two],
        vars=X,
        output="${steps.a.output}",
    )
    assert started(spec, {"n": given}).output == output


def test_a_switch_without_a_case_that_holds_gives_null() -> None:
    cases: Json = [{"when": "false", "do": {"set": {"x": 1}}}]
    spec = flow({"name": "a", "switch": {"cases": cases}}, vars=X, output="${steps.a}")
    assert started(spec).output == {"status": "Succeeded", "output": None}


def test_a_switch_is_retried_with_a_new_choice_and_new_paths() -> None:
    cases: Json = [
        {"when": "vars.x == 0", "flow": "sets"},
        {"when": "true", "do": {**call_http(), "output": "second"}},
    ]
    sets: JsonObject = {
        "name": "sets",
        "steps": [put("s"), fail("f", "Again")],
    }
    retry: Json = {"attempts": 2, "when": "true"}
    spec = flow(
        {"name": "a", "switch": {"cases": cases}, "retry": retry},
        flows=[sets],
        vars=X,
        output="${steps.a.output}",
    )
    story = started(spec)
    story.until_wake()
    assert [work.key.partition("/r0/")[2] for work in story.open] == ["a~2.do"]
    story.answer("a~2.do")
    assert story.output == "second"


# --- call -----------------------------------------------------------------------------------------


def test_calls_nest_and_hand_their_outputs_up() -> None:
    inner: JsonObject = {
        "name": "inner",
        "params": ["m"],
        "steps": [http("h")],
        "output": "${m + 1}",
    }
    outer: JsonObject = {
        "name": "outer",
        "params": ["m"],
        "steps": [call("i", "inner", {"m": "${m * 10}"})],
        "output": "${steps.i.output}",
    }
    spec = flow(
        call("o", "outer", {"m": 4}, output="${result + 100}"),
        flows=[inner, outer],
        output="${steps.o.output}",
    )
    story = started(spec)
    assert [work.path for work in story.open] == ["o.i.h"]
    story.answer("o.i.h")
    assert story.output == 141


def test_a_failure_in_a_flow_goes_to_the_caller_and_cancels_its_siblings() -> None:
    inner: JsonObject = {"name": "inner", "steps": [http("a", needs=[]), http("b", needs=[])]}
    retry: Json = {"attempts": 2, "delay": "1s", "jitter": "None", "when": "true"}
    story = started(flow(call("c", "inner", retry=retry), flows=[inner]))
    story.fail("c.a", retryable=False)
    assert not story.open
    story.until_wake()
    assert [work.path for work in story.open] == ["c~2.a", "c~2.b"]
    story.replies({"c~2.a": ok(), "c~2.b": ok()})
    assert story.phase == "Succeeded"


def test_the_step_time_out_of_a_block_closes_all_of_it() -> None:
    inner: JsonObject = {"name": "inner", "steps": [http("a", needs=[]), wait("b", "1h", needs=[])]}
    spec = flow(call("c", "inner", timeout="1m", catch=[{"output": "late"}]), flows=[inner])
    story = started(spec)
    story.later(minutes=1)
    assert story.phase == "Succeeded"
    assert (story.state.activities, story.state.timers) == ({}, {})


# --- needs and when -------------------------------------------------------------------------------


def test_steps_run_one_after_the_other_unless_needs_says_otherwise() -> None:
    story = started(flow(http("a"), http("b"), http("c", needs=[]), http("d", needs=["a"])))
    assert [work.path for work in story.open] == ["a", "c"]
    story.answer("a")
    assert [work.path for work in story.open] == ["c", "b", "d"]


def test_a_diamond_of_calls_costs_one_commit_for_each_answer_taken() -> None:
    spec = flow(
        http("a"), http("b", needs=["a"]), http("c", needs=["a"]), http("d", needs=["b", "c"])
    )
    story = started(spec)
    story.answer("a")
    story.replies({"b": ok(), "c": ok()})
    story.answer("d")
    assert (story.phase, story.commits) == ("Succeeded", 4)


def test_a_chain_of_n_calls_costs_at_most_n_plus_2_commits() -> None:
    story = started(flow(*[http(f"s{i}") for i in range(10)]))
    story.play({f"s{i}": [ok()] for i in range(10)})
    assert (story.phase, story.commits) == ("Succeeded", 11)


def test_a_step_whose_condition_is_false_is_skipped_and_what_needs_it_goes_on() -> None:
    spec = flow(
        http("a", when="input.x > 1"),
        put("b", "${[steps.a.status, steps.a.?output.orValue('none')]}"),
        vars=X,
        output="${steps.b.output}",
    )
    assert started(spec, {"x": 1}).output == ["Skipped", "none"]


@pytest.mark.parametrize("when", ["input.x", "input.nothing == 1"])
def test_a_condition_that_is_no_boolean_or_fails_fails_the_step(when: str) -> None:
    story = started(flow(http("a", when=when)), {"x": 1})
    assert story.error is not None
    assert (story.error.type, story.error.attempt) == ("ExpressionError", 1)


# --- catch ----------------------------------------------------------------------------------------


def test_the_first_entry_that_matches_answers_for_the_failure() -> None:
    catch: Json = [
        {"when": "error.details.nothing == 1", "output": "fails, so no match"},
        {"when": "error.type == 'Other'", "output": "other"},
        {
            "when": "error.type == 'Broken'",
            "output": {"was": "${error.type}", "at": "${error.step}"},
        },
        {"output": "any"},
    ]
    spec = flow(
        fail("a", catch=catch), output="${[steps.a.status, steps.a.output, steps.a.error.type]}"
    )
    assert started(spec).output == ["Caught", {"was": "Broken", "at": "a"}, "Broken"]


def test_an_entry_with_nothing_gives_null() -> None:
    assert started(flow(fail("a", catch=[{}]), output="${steps.a.output}")).output is None


def test_a_failure_that_no_entry_matches_fails_the_flow() -> None:
    story = started(flow(fail("a", catch=[{"when": "false"}])))
    assert story.phase == "Failed"


def test_the_leaf_of_an_entry_sees_the_error_in_its_call_and_in_its_output() -> None:
    do: Json = {**call_http(body={"why": "${error.type}"}), "output": "${error.type + result.body}"}
    spec = flow(fail("a", catch=[{"do": do}]), output="${steps.a.output}")
    story = started(spec)
    request = story.activity("a.catch[0]").request
    assert isinstance(request, dict)
    assert request["body"] == {"why": "Broken"}
    story.answer("a.catch[0]", "!")
    assert story.output == "Broken!"


def test_the_flow_of_an_entry_gets_the_error_by_its_parameters() -> None:
    notify: JsonObject = {"name": "notify", "params": ["e"], "steps": [http("h")], "output": "${e}"}
    entry: Json = {
        "flow": "notify",
        "with": {"e": "${error.type}"},
        "output": {"r": "${result}", "e": "${error.message}"},
    }
    spec = flow(fail("a", catch=[entry]), flows=[notify], output="${steps.a.output}")
    story = started(spec)
    story.answer("a.catch[0].h")
    assert story.output == {"r": "Broken", "e": ""}


def test_a_catch_body_that_fails_fails_the_step_with_its_own_error() -> None:
    entry: Json = {"do": {"raise": {"type": "Worse"}}}
    story = started(flow(fail("a", catch=[entry, {"output": "never"}])))
    assert story.error is not None
    assert (story.error.type, story.error.step) == ("Worse", "a.catch[0]")


def test_a_catch_body_has_no_time_out_of_the_step() -> None:
    story = started(flow(http("a", timeout="1m", catch=[{"do": call_http()}])))
    story.fail("a", retryable=False)
    assert story.later(hours=1) == []
    story.answer("a.catch[0]")
    assert story.phase == "Succeeded"


def test_the_leaf_of_a_body_may_catch_for_itself() -> None:
    leaf: Json = {**call_http(), "catch": [{"output": "caught"}]}
    cases: Json = [{"when": "true", "do": leaf}]
    story = started(flow({"name": "a", "switch": {"cases": cases}}, output="${steps.a.output}"))
    story.fail("a.do", retryable=False)
    assert story.output == "caught"


def test_an_answer_for_a_step_that_is_caught_changes_nothing() -> None:
    story = started(flow(http("a", catch=[{}]), http("b")))
    scheduled = story.activity("a").scheduled_id
    story.fail("a", retryable=False)
    assert story.facts_answers(Answer(scheduled_id=scheduled, result={"body": 1})) == []
