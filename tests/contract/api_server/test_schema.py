"""Schemas of our kinds: types, bounds, patterns, defaults, pruning, numbers."""

import pytest
from tests.contract.api_server.port import Result
from tests.contract.api_server.space import (
    DEFINITIONS,
    EVENTS,
    HISTORIES,
    NOWHERE,
    Space,
    custom,
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


# --- what is kept ---------------------------------------------------------------------------


def test_defaults_take_the_place_of_null(space: Space) -> None:
    result = space.post(instance("a", suspend=None, events=None))
    assert (result.status, result.spec["suspend"], result.spec["events"]) == (201, False, [])


def test_null_is_dropped_where_it_may_not_stand(space: Space) -> None:
    result = space.post(instance("a", suspendReason=None, input=None))
    assert result.status == 201
    assert not {"suspendReason", "input"} & set(result.spec)


def test_null_is_kept_where_it_may_stand(space: Space) -> None:
    space.create("a")
    error = {"type": "E", "message": None, "code": None, "details": None}
    operation = {"op": "add", "path": "/status", "value": {"error": error, "output": None}}
    result = space.patch("a", operation, subresource="status")
    assert (result.status, result.body["status"]) == (
        200,
        {"error": {"type": "E", "message": None, "code": None}},
    )


def test_null_inside_of_what_is_not_described_is_kept(space: Space) -> None:
    value = {"a": None, "b": [None, {"c": None}]}
    result = space.post(instance("a", input=value))
    assert (result.status, result.spec["input"]) == (201, value)


def test_unknown_fields_of_the_history_are_kept_but_not_those_below_it(space: Space) -> None:
    space.create("a")
    history = {"extra": {"x": 1}, "segments": {"count": 1, "extra": 2}}
    result = space.status("a", history=history, extra=1)
    assert result.body["status"] == {"history": {"extra": {"x": 1}, "segments": {"count": 1}}}


def test_unknown_fields_deep_in_a_definition_are_dropped(space: Space) -> None:
    result = space.post(
        definition("a", step(extra=1, http={"service": "shop", "extra": {"x": 1}})), DEFINITIONS
    )
    assert result.spec == {"steps": [step()]}


@pytest.mark.parametrize(
    "data", [None, 1, "text", True, [1, {"a": [None]}], {"b": {"z": 1, "a": 2}}, "é \u2028 <&>"]
)
def test_the_data_of_an_event_may_be_anything_but_null(space: Space, data: object) -> None:
    spec = {"instance": "a", "name": "paid", "data": data}
    result = space.post(custom(EVENTS, "e", spec), EVENTS)
    assert result.status == 201
    assert result.spec.get("data") == data
    assert ("data" in result.spec) == (data is not None)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("1.0", "1"),
        ("-0", "0"),
        ("1e3", "1000"),
        ("1e15", "1000000000000000"),
        ("0.1", "0.1"),
        ("1.50", "1.5"),
        ("9223372036854775807", "9223372036854775807"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("9223372036854775808", "9223372036854776000"),
        ("9007199254740993", "9007199254740993"),
        ("123456789.0", "123456789"),
    ],
)
def test_numbers_come_back_in_one_form(space: Space, written: str, kept: str) -> None:
    body = (
        '{"apiVersion":"perdure.dev/v1alpha1","kind":"WorkflowEvent","metadata":{"name":"e"},'
        f'"spec":{{"instance":"a","name":"paid","data":{written}}}}}'
    )
    result = space.server.call("POST", space.path(EVENTS), body.encode())
    assert result.status == 201, result.text
    assert f'"data":{kept},' in space.get("e", EVENTS).text


@pytest.mark.parametrize(
    ("written", "value"),
    [("1e21", 1e21), ("12345678901234567890123", 12345678901234567890123.0), ("1e-7", 1e-7)],
)
def test_numbers_that_are_no_integers_for_go_stay_floats(
    space: Space, written: str, value: float
) -> None:
    body = instance("a", input={"x": 0})
    text = space.server.call(
        "POST",
        space.path(),
        str(body).replace("'", '"').replace('"x": 0', f'"x": {written}').encode(),
    )
    assert (text.status, text.spec["input"]) == (201, {"x": value})


def test_histories_keep_their_events_as_they_are(space: Space) -> None:
    events = [{"id": 1, "type": "InstanceStarted", "extra": {"x": [None, 1.5]}}]
    spec = {"instanceUid": "u", "kind": "Segment", "firstId": 1, "lastId": 1, "events": events}
    result = space.post(custom(HISTORIES, "h", spec), HISTORIES)
    assert (result.status, result.spec) == (201, spec)
