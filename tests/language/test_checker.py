"""The checker: faults that the corpus of wrong manifests does not hold, and that it is total."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.language.definitions import X, back, call, event, flow, http, put, wait

from perdure.definitions import review
from perdure.engine.values import Json, JsonObject
from perdure.language.checker import check


def inner(*steps: JsonObject, name: str = "inner", **fields: Json) -> JsonObject:
    return {"name": name, "steps": list(steps), **fields}


@pytest.mark.parametrize(
    ("spec", "path", "words"),
    [
        (flow(http("a"), http("a")), "spec.steps[1].name", 'another step "a"'),
        (flow(http("do")), "spec.steps[0].name", "part of paths"),
        (flow(http("input")), "spec.steps[0].name", "has a meaning"),
        (flow(http("no")), "spec.steps[0].name", "YAML"),
        (flow(http("string")), "spec.steps[0].name", "expression language"),
        (flow(http("a-b")), "spec.steps[0].name", "is not a name"),
        (
            flow(call("a", "inr"), flows=[inner(put("x"))], vars=X),
            "spec.steps[0].call.flow",
            'did you mean "inner"',
        ),
        (
            flow(call("a", "inner"), flows=[inner(wait("w"), params=["p"])]),
            "spec.steps[0].call.with",
            'needs the parameter "p"',
        ),
        (
            flow(call("a", "inner", {"p": 1, "q": 1}), flows=[inner(wait("w"), params=["p"])]),
            "spec.steps[0].call.with.q",
            'no parameter "q"',
        ),
        (flow({"name": "a", "set": {"z": 1}}, vars=X), "spec.steps[0].set.z", "does not exist"),
        (flow(http("a", needs=["b"]), http("b")), "spec.steps[0].needs[0]", "is not above"),
        (flow(http("a", needs=["zz"])), "spec.steps[0].needs[0]", "does not exist"),
        (
            flow(http("a"), http("b", needs=[], when="steps.a.output == 1")),
            "spec.steps[1].when",
            "not surely over",
        ),
        (
            flow(http("a", when="steps.b.output == 1"), http("b")),
            "spec.steps[0].when",
            "not surely over",
        ),
        (flow(http("a", when="${true}")), "spec.steps[0].when", "bare expression"),
        (flow(wait("a", "50ms")), "spec.steps[0].wait.for", "smallest delay"),
        (flow(wait("a", "soon")), "spec.steps[0].wait.for", "is not a duration"),
        (
            flow({"name": "a", "wait": {"at": "2026-01-01"}}),
            "spec.steps[0].wait.at",
            "is not a time",
        ),
        (flow(event("a", onTimeout="Continue")), "spec.steps[0].event.onTimeout", "no timeout"),
        (flow(http("a"), timeout="1x"), "spec.timeout", "is not a duration"),
        (flow(http("a", retry={"delay": "1ms"})), "spec.steps[0].retry.delay", "smallest delay"),
        (
            flow(http("a"), defaults={"retry": {"delay": "1ms"}}),
            "spec.defaults.retry.delay",
            "smallest",
        ),
        (
            flow({"name": "a", "switch": {"cases": [{"when": "true", "do": {"switch": {}}}]}}),
            "spec.steps[0].switch.cases[0].do.switch",
            "is a block",
        ),
        (flow(back("a", "${vars.z}"), vars=X), "spec.steps[0].return.value", "does not exist"),
    ],
)
def test_a_fault_is_told_with_its_place(spec: JsonObject, path: str, words: str) -> None:
    program, faults = check(spec)
    assert program is None
    found = {fault.path: fault.render() for fault in faults}
    assert words in found.get(path, ""), found


def test_flows_that_call_each_other_are_told_with_the_way_round() -> None:
    flows: list[Json] = [
        inner(call("c", "two"), name="one"),
        inner({"name": "c", "raise": {"type": "T"}, "catch": [{"flow": "one"}]}, name="two"),
        inner(call("c", "three"), name="three"),
        inner(call("c", "one"), name="four"),
    ]
    _, faults = check(flow(call("a", "four"), flows=flows))
    assert {fault.path: fault.message for fault in faults} == {
        "spec.flows[0].name": "the flow calls itself: one → two → one",
        "spec.flows[1].name": "the flow calls itself: two → one → two",
        "spec.flows[2].name": "the flow calls itself: three → three",
    }


def test_defaults_are_merged_field_by_field_into_calls_only() -> None:
    spec = flow(
        http("a", retry={"attempts": 5}),
        http("b", timeout="1m"),
        wait("c"),
        defaults={"retry": {"attempts": 2, "factor": 3}, "timeout": "1h"},
    )
    program, faults = check(spec)
    assert faults == []
    assert program is not None
    a, b, c = program.main.steps
    assert (a.retry.attempts, a.retry.factor) == (5, 3)
    assert (b.retry.attempts, b.timeout is not None and b.timeout.render({})) == (2, "1m")
    assert (c.retry.attempts, c.timeout) == (1, None)


def test_every_fault_is_told_at_once_and_none_twice() -> None:
    _, faults = check(flow(http("a", when="nope"), http("a", when="nope"), timeout="x"))
    assert len(faults) == 4
    assert len(set(faults)) == 4


words = st.sampled_from(
    [
        "steps",
        "flows",
        "name",
        "http",
        "wait",
        "event",
        "set",
        "raise",
        "return",
        "switch",
        "call",
        "cases",
        "when",
        "do",
        "flow",
        "with",
        "needs",
        "retry",
        "catch",
        "output",
        "input",
        "schema",
        "vars",
        "params",
        "defaults",
        "timeout",
        "attempts",
        "delay",
        "$ref",
        "properties",
        "a",
        "for",
        "poll",
        "until",
        "every",
        "where",
        "count",
        "type",
        "items",
        "pattern",
        "default",
        "path",
    ]
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["a", "${a}", "1s", "#", "${", "", "object", "\ud800"])
)
garbage = st.recursive(
    scalars,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(words, below, max_size=5),
    max_leaves=40,
)
steps = st.lists(st.dictionaries(words, garbage, max_size=5), max_size=3)
specs = garbage | st.fixed_dictionaries(
    {"steps": steps},
    optional={
        "flows": st.lists(st.fixed_dictionaries({"name": garbage, "steps": steps}), max_size=2),
        "input": st.fixed_dictionaries({"schema": garbage}),
        "vars": garbage,
        "defaults": garbage,
    },
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(specs)
def test_any_json_is_judged_and_nothing_is_raised(spec: Json) -> None:
    check(spec)


@pytest.mark.parametrize("depth", [40, 190, 1000, 20_000])
def test_deep_nesting_is_a_fault_at_most_and_never_a_crash(depth: int) -> None:
    lists: Json = 1
    schemas: Json = {}
    for _ in range(depth):
        lists, schemas = [lists], {"properties": {"a": schemas}}
    for spec in (flow(http("a", output=lists)), flow(http("a"), input={"schema": schemas})):
        check(spec)
        assert (depth > 200) <= (review(spec).faults != ())


@pytest.mark.parametrize("value", [10**19, "\ud800"])
def test_what_cannot_be_stored_is_a_fault_and_no_endless_retry(value: Json) -> None:
    (fault,) = review(flow(http("a", output={"n": value}))).faults
    assert fault.path == "spec.steps[0].output.n"
