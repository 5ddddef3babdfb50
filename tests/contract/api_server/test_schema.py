"""Schemas of our kinds: types, bounds, patterns."""

import pytest
from tests.contract.api_server.port import Result
from tests.contract.api_server.space import (
    DEFINITIONS,
    NOWHERE,
    Space,
    definition,
    instance,
)

UNCHECKED = (
    NOWHERE,
    "Invalid value: null: some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation",
)
DURATION = "^([0-9]{1,6}d)?([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,9}s)?([0-9]{1,9}ms)?$"


def wrong_type(field: str, wanted: str, found: str) -> str:
    return f'Invalid value: "{found}": {field} in body must be of type {wanted}: "{found}"'


def step(**fields: object) -> dict[str, object]:
    return {"name": "a", "http": {"service": "shop"}, **fields}


@pytest.mark.parametrize(
    ("field", "value", "wanted", "found"),
    [
        ("suspend", 1, "boolean", "integer"),
        ("suspend", "x", "boolean", "string"),
        ("suspendReason", 5, "string", "integer"),
        ("suspendReason", 1.5, "string", "number"),
        ("suspendReason", True, "string", "boolean"),
        ("input", [], "object", "array"),
        ("events", {}, "array", "object"),
        ("terminate", "x", "object", "string"),
    ],
)
def test_a_value_has_the_type_of_its_field(
    space: Space, field: str, value: object, wanted: str, found: str
) -> None:
    result = space.post(instance("a", **{field: value}))
    assert (result.status, result.reason) == (422, "Invalid")
    told = wrong_type(f"spec.{field}", wanted, found)
    assert result.causes == {(f"spec.{field}", told), UNCHECKED}
    assert result.message == (
        f'WorkflowInstance.perdure.dev "a" is invalid: [spec.{field}: {told}, '
        f"{UNCHECKED[0]}: {UNCHECKED[1]}]"
    )


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("timeout", "", 'Invalid value: "": spec.timeout in body should be at least 1 chars long'),
        (
            "timeout",
            "5 minutes",
            f"Invalid value: \"5 minutes\": spec.timeout in body should match '{DURATION}'",
        ),
        (
            "timeout",
            "5m\n",
            f"Invalid value: \"5m\\n\": spec.timeout in body should match '{DURATION}'",
        ),
    ],
)
def test_text_keeps_to_its_pattern(space: Space, field: str, value: str, message: str) -> None:
    result = space.post(instance("a", **{field: value}))
    assert result.causes == {(f"spec.{field}", message)}


def test_text_is_measured_in_characters(space: Space) -> None:
    assert space.post(instance("a", suspendReason="é" * 1024)).status == 201
    result = space.post(instance("b", suspendReason="é" * 1025))
    assert result.causes == {
        ("spec.suspendReason", "Too long: may not be more than 1024 bytes"),
        UNCHECKED,
    }


@pytest.mark.parametrize(
    "value", ["x", "2026-01-01", "2026-13-01T00:00:00Z", "2026-01-01T00:00:00"]
)
def test_a_time_is_one_of_rfc_3339(space: Space, value: str) -> None:
    result = space.post(instance("a", startAt=value))
    message = f'Invalid value: "{value}": spec.startAt in body must be of type date-time: "{value}"'
    assert result.causes == {("spec.startAt", message), UNCHECKED}


@pytest.mark.parametrize(
    "value", ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.123456789+02:00", "2026-01-01t00:00:00z"]
)
def test_a_time_may_have_fractions_and_an_offset(space: Space, value: str) -> None:
    result = space.post(instance("a", startAt=value))
    assert (result.status, result.spec["startAt"]) == (201, value)


def test_bounds_of_numbers_hold(space: Space) -> None:
    ports = {0: "greater than or equal to 1", 65_536: "less than or equal to 65535"}
    for port, bound in ports.items():
        body = definition("a", {"name": "a", "http": {"service": "shop", "port": port}})
        result = space.post(body, DEFINITIONS)
        field = "spec.steps[0].http.port"
        assert result.causes == {
            (field, f"Invalid value: {port}: {field} in body should be {bound}")
        }


def test_one_of_the_known_words_is_needed(space: Space) -> None:
    result = space.post(definition("a", step(onUnknown="Maybe")), DEFINITIONS)
    assert result.causes == {
        (
            "spec.steps[0].onUnknown",
            'Unsupported value: "Maybe": supported values: "Retry", "Fail"',
        ),
        UNCHECKED,
    }


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({}, "spec.definitionRef"),
        ({"definitionRef": {}}, "spec.definitionRef.name"),
        ({"definitionRef": {"name": None}}, "spec.definitionRef.name"),
    ],
)
def test_required_fields_are_required(space: Space, spec: dict[str, object], field: str) -> None:
    body = instance("a")
    body["spec"] = spec
    assert space.post(body).causes == {(field, "Required value"), UNCHECKED}


def test_a_spec_is_required(space: Space) -> None:
    body = instance("a")
    del body["spec"]
    assert space.post(body).causes == {("spec", "Required value"), UNCHECKED}


def test_lists_have_a_least_and_a_most(space: Space) -> None:
    few = space.post(definition("a"), DEFINITIONS)
    message = "Invalid value: 0: spec.steps in body should have at least 1 items"
    assert few.causes == {("spec.steps", message)}
    events = [{"id": str(number), "name": "n"} for number in range(65)]
    many = space.post(instance("a", events=events))
    assert many.causes == {("spec.events", "Too many: 65: must have at most 64 items"), UNCHECKED}


def test_objects_have_a_most(space: Space) -> None:
    assert space.post(instance("a", input={str(n): n for n in range(1000)})).status == 201
    result = space.post(instance("b", input={str(n): n for n in range(1001)}))
    assert result.causes == {
        ("spec.input", "Too many: 1001: must have at most 1000 items"),
        UNCHECKED,
    }


def test_twins_in_a_list_with_keys_are_refused(space: Space) -> None:
    event = {"id": "1", "name": "n"}
    result = space.post(instance("a", events=[event, {**event, "data": 1}]))
    assert (result.status, result.reason) == (422, "Invalid")
    assert ("spec.events[1]", 'Duplicate value: {"id":"1"}') in result.causes


def test_all_that_is_wrong_is_told_at_once(space: Space) -> None:
    result = space.post(instance("a", suspend="x", input=[], timeout="x"))
    assert result.fields == {"spec.suspend", "spec.input", "spec.timeout", NOWHERE}


def test_items_are_told_by_their_place(space: Space) -> None:
    result = space.post(instance("a", events=[{"id": "1", "name": "n"}, {"id": "2"}]))
    assert result.causes == {("spec.events[1].name", "Required value"), UNCHECKED}


# --- the status -----------------------------------------------------------------------------


def refused_status(space: Space, **status: object) -> Result:
    space.create("a")
    result = space.status("a", **status)
    assert (result.status, result.reason) == (422, "Invalid")
    return result


def test_the_status_endpoint_names_fields_from_the_status_on(space: Space) -> None:
    result = refused_status(space, rev="x", startedAt="x")
    assert result.causes == {
        ("status.rev", wrong_type("rev", "integer", "string")),
        (
            "status.startedAt",
            'Invalid value: "x": startedAt in body must be of type date-time: "x"',
        ),
        UNCHECKED,
    }


def test_a_fraction_is_no_integer(space: Space) -> None:
    result = refused_status(space, rev=1.5)
    assert ("status.rev", wrong_type("rev", "integer", "number")) in result.causes


def test_a_least_number_holds_in_the_status(space: Space) -> None:
    result = refused_status(space, rev=-1)
    message = "Invalid value: -1: rev in body should be greater than or equal to 0"
    assert result.causes == {("status.rev", message)}


def test_conditions_are_checked_one_by_one(space: Space) -> None:
    conditions = [{"type": "a", "status": "True"}, {"type": "b", "status": "No"}, {"type": "c"}]
    result = refused_status(space, conditions=conditions)
    assert result.causes == {
        (
            "status.conditions[1].status",
            'Unsupported value: "No": supported values: "True", "False", "Unknown"',
        ),
        ("status.conditions[2].status", "Required value"),
        UNCHECKED,
    }
