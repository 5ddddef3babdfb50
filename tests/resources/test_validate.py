"""The offline check says everything at once, with places and kind words."""

from typing import Any

import pytest
from tests.resources.manifests import (
    FULL,
    WRONG,
    Manifest,
    definition,
    event,
    history,
    http,
    instance,
    step,
)

from perdure.engine.faults import Fault
from perdure.resources.validate import manifest_faults, shape_faults


@pytest.mark.parametrize(
    "manifest", [definition(**FULL), instance(input={"a": None}), event(data=None), history()]
)
def test_a_right_manifest_has_no_fault(manifest: Manifest) -> None:
    if manifest["kind"] == "WorkflowEvent":
        del manifest["spec"]["data"]
    assert manifest_faults(manifest) == []


@pytest.mark.parametrize(("manifest", "path", "words"), WRONG.values(), ids=WRONG)
def test_a_fault_is_found_at_its_place_and_nowhere_else(
    manifest: Manifest, path: str, words: str
) -> None:
    faults = manifest_faults(manifest)
    assert [fault.path for fault in faults] == [path]
    assert words in faults[0].message


def test_all_faults_of_a_step_are_found_at_once() -> None:
    wrong = step(name="A", htpp={}, retry={"attempts": 0, "delay": "x"})
    assert {fault.path for fault in manifest_faults(wrong)} == {
        "spec.steps[0]",
        "spec.steps[0].name",
        "spec.steps[0].htpp",
        "spec.steps[0].retry",
        "spec.steps[0].retry.delay",
    }


@pytest.mark.parametrize(
    ("manifest", "hint"),
    [
        (step(htpp={"service": "s"}), 'did you mean "http"?'),
        (http(metod="GET"), 'did you mean "method"?'),
        (http(method="get"), 'did you mean "GET"?'),
        (step(wait={"until": "x", "for": "1s"}), "known here: for, at"),
        (step(name=True, wait={"for": "1s"}), "YAML reads yes, no, on, off, y and n as booleans"),
        (step(name=1, wait={"for": "1s"}), "put the text in quotes"),
        (step(when="", wait={"for": "1s"}), 'starts with "!": put it in quotes'),
        (step(set={"a": None}), 'write "${null}" for a null value'),
        (step(when=None, wait={"for": "1s"}), "leave the field out"),
    ],
)
def test_a_hint_says_what_to_do(manifest: Manifest, hint: str) -> None:
    assert any(hint in (fault.hint or "") for fault in manifest_faults(manifest))


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        (http(body=1, form={"a": 1}), "set body (sent as JSON) or form, not both"),
        (step(set={"Bad": 1}), "the keys of set are names of variables"),
        (definition(vars={"a-b": 1}), "the keys of vars are names of variables"),
        (step(call={"flow": "f", "with": {"1": 1}}), "the keys of with are names of the flow's"),
    ],
)
def test_what_the_server_cannot_see_is_found_offline(manifest: Manifest, words: str) -> None:
    assert any(words in fault.message for fault in manifest_faults(manifest))


def test_nulls_are_found_wherever_apply_would_drop_them() -> None:
    spec = definition(
        vars={"a": {"b": None}, "list": [None, {"c": None}]},
        input={"schema": {"default": None, "enum": [None]}},
    )["spec"]
    assert {fault.path for fault in shape_faults(spec, "WorkflowDefinition")} == {
        "spec.vars.a.b",
        "spec.vars.list[1].c",
        "spec.input.schema.default",
    }


def test_a_deeply_nested_value_is_checked_too() -> None:
    value: Any = None
    for _ in range(20_000):
        value = {"a": value}
    assert len(shape_faults(definition(vars={"a": value})["spec"], "WorkflowDefinition")) == 1


@pytest.mark.parametrize(
    ("manifest", "path"),
    [
        ([], ""),
        ({}, "kind"),
        ({"kind": "Workflow"}, "kind"),
        (definition() | {"apiVersion": "v1"}, "apiVersion"),
        (definition() | {"sepc": 1}, "sepc"),
        (definition() | {"metadata": {}}, "metadata.name"),
        (definition() | {"metadata": None}, "metadata"),
        (definition() | {"spec": None}, "spec"),
        (definition() | {"spec": []}, "spec"),
        ({k: v for k, v in definition().items() if k != "spec"}, "spec"),
        (history() | {"status": {}}, "status"),
    ],
)
def test_the_head_of_a_manifest_is_checked(manifest: Any, path: str) -> None:
    assert [fault.path for fault in manifest_faults(manifest)] == [path]


def test_a_generated_name_is_enough() -> None:
    assert manifest_faults(instance() | {"metadata": {"generateName": "order-"}}) == []


def test_a_key_that_is_no_word_stands_in_brackets() -> None:
    faults = manifest_faults(http(headers={"X-A": "a", "b c": None}))
    assert [fault.path for fault in faults] == ['spec.steps[0].http.headers["b c"]']


def test_a_fault_is_rendered_with_the_line_and_a_caret() -> None:
    fault = Fault("spec.output", "no such step", column=8, hint="look", source="a +\n\t b.c\nd")
    assert fault.render().splitlines() == [
        "spec.output: no such step",
        "  \t b.c",
        "  \t  ^",
        "  hint: look",
    ]


def test_a_fault_without_a_column_is_one_line() -> None:
    assert Fault("spec", "is missing").render() == "spec: is missing"
