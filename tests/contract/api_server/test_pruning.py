"""What is kept of an object: defaults, nulls, unknown fields, numbers."""

import pytest
from tests.contract.api_server.space import (
    DEFINITIONS,
    EVENTS,
    HISTORIES,
    Space,
    custom,
    definition,
    instance,
)


def step(**fields: object) -> dict[str, object]:
    return {"name": "a", "http": {"service": "shop"}, **fields}


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
