"""Rules of definitions: each of them refuses what it is there for."""

import json

import pytest
from tests.contract.api_server.space import DEFINITIONS, NOWHERE, Space, definition
from tests.contract.api_server.space import breaks_rules as breaks

HTTP = {"service": "shop"}
DONE = {"set": {"x": 1}}


def test_the_name_of_a_definition_is_short(space: Space) -> None:
    step = {"name": "a", "http": HTTP}
    assert space.post(definition("a" * 52, step), DEFINITIONS).status == 201
    message = "the name of a WorkflowDefinition has at most 52 characters: choose a shorter one"
    assert breaks(space.post(definition("a" * 53, step), DEFINITIONS), NOWHERE, message)


VERBS = "set exactly one of the verbs http, wait, event, set, raise, return"
FLOW_OR_DO = "set exactly one of flow and do"
WITH = "with passes parameters to a flow: set flow too"


def switch(**case: object) -> dict[str, object]:
    return {"switch": {"cases": [{"when": "${true}", **case}]}}


@pytest.mark.parametrize(
    ("step", "field", "message"),
    [
        ({}, "", f"{VERBS}, switch, call"),
        ({"http": HTTP, "set": {"x": 1}}, "", f"{VERBS}, switch, call"),
        (
            {**DONE, "onUnknown": "Fail"},
            "",
            "onUnknown belongs to http: no other verb has an outcome that can stay unknown",
        ),
        (
            {"http": HTTP, "retry": {"attempts": 0}},
            ".retry",
            "attempts counts the first try: set 1 or more, or -1 for without limit",
        ),
        ({"http": {}}, ".http", "set exactly one of service and url"),
        (
            {"http": {"service": "shop", "url": "http://shop/"}},
            ".http",
            "set exactly one of service and url",
        ),
        (
            {"http": {"url": "http://shop/", "port": 80}},
            ".http",
            "url is the whole address: port, scheme and path belong to service",
        ),
        ({"wait": {}}, ".wait", "set exactly one of for and at"),
        (
            {"wait": {"for": "1s", "at": "2026-01-01T00:00:00Z"}},
            ".wait",
            "set exactly one of for and at",
        ),
        (
            {"http": HTTP, "catch": [{"flow": "f", "do": DONE}]},
            ".catch[0]",
            "set flow or do, or neither, but not both",
        ),
        ({"http": HTTP, "catch": [{"with": {"x": 1}}]}, ".catch[0]", WITH),
        ({"http": HTTP, "catch": [{"do": {}}]}, ".catch[0].do", VERBS),
        (switch(), ".switch.cases[0]", FLOW_OR_DO),
        (switch(flow="f", do=DONE), ".switch.cases[0]", FLOW_OR_DO),
        (switch(do=DONE, **{"with": {"x": 1}}), ".switch.cases[0]", WITH),
    ],
    ids=lambda value: json.dumps(value)[:50] if isinstance(value, dict) else "",
)
def test_steps_that_break_a_rule(
    space: Space, step: dict[str, object], field: str, message: str
) -> None:
    result = space.post(definition("a", {"name": "a", **step}), DEFINITIONS)
    assert breaks(result, f"spec.steps[0]{field}", message)


def test_a_poll_has_one_address(space: Space) -> None:
    poll = {"url": "http://shop/", "path": "/x", "until": "${true}", "every": "1s"}
    step = {"name": "a", "http": {**HTTP, "poll": poll}}
    result = space.post(definition("a", step), DEFINITIONS)
    assert breaks(result, "spec.steps[0].http.poll", "set url or path of the poll, not both")


def test_rules_hold_in_flows_and_defaults_too(space: Space) -> None:
    step = {"name": "a", "http": HTTP}
    flows = [{"name": "f", "steps": [{"name": "a"}]}]
    result = space.post(definition("a", step, flows=flows), DEFINITIONS)
    assert breaks(result, "spec.flows[0].steps[0]", f"{VERBS}, switch, call")


def test_a_change_is_judged_as_a_whole(space: Space) -> None:
    space.post(definition("a", {"name": "a", "http": HTTP}), DEFINITIONS)
    result = space.merge("a", {"spec": {"steps": [{"name": "a"}]}}, DEFINITIONS)
    assert breaks(result, "spec.steps[0]", f"{VERBS}, switch, call")
