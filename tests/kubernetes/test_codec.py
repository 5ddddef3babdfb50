import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.kubernetes.generated import EVENT_CLASSES, events, events_of, json_values

from perdure.engine.events import (
    ActivityCompleted,
    ActivityFailed,
    ActivityScheduled,
    Claim,
    Failure,
    HistoryEvent,
    InstanceStarted,
    InstanceSuspended,
    Purpose,
    Revision,
    StepSucceeded,
    TimerCreated,
)
from perdure.engine.values import Json, JsonObject, ValueRefusedError, canonical
from perdure.errors import HistoryCorruptError, NewerHistoryError
from perdure.kubernetes.codec import VERSION, check_version, decode, encode, payload_keys
from perdure.kubernetes.payloads import (
    MAX_INLINE,
    MAX_PAYLOAD,
    PayloadTooLargeError,
    Reference,
    escaped,
    moved_out,
    references,
    unescaped,
    value_of,
)

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize("cls", EVENT_CLASSES, ids=lambda cls: cls.__name__)
@given(data=st.data())
def test_every_event_is_read_back_as_it_was_written(cls: type[Any], data: st.DataObject) -> None:
    event = data.draw(events_of(cls))
    # As bytes, as the API server has it in between.
    stored = orjson.loads(canonical(encode(event)))
    assert decode(stored) == event
    assert canonical(encode(decode(stored))) == canonical(stored)


@given(event=events)
def test_json_types_survive_and_not_only_equality(event: HistoryEvent) -> None:
    # 1 == 1.0 == True in Python, so compare what would be written.
    assert canonical(encode(decode(encode(event)))) == canonical(encode(event))


def test_the_stored_form_is_what_people_read_in_a_status() -> None:
    scheduled = ActivityScheduled(
        id=2,
        at=AT.replace(microsecond=250_000),
        commit_id="c1",
        path="pay.charge",
        kind="http",
        attempt=1,
        claim=Claim(delivery=1, incarnation="p1", claim_id="k1"),
        request={"method": "POST", "snake_case": {"Keep-Me": None}},
    )
    assert encode(scheduled) == {
        "id": 2,
        "at": "2026-01-02T03:04:05.250000Z",
        "type": "ActivityScheduled",
        "commitId": "c1",
        "path": "pay.charge",
        "kind": "http",
        "attempt": 1,
        "claim": {"delivery": 1, "incarnation": "p1", "claimId": "k1"},
        "request": {"method": "POST", "snake_case": {"Keep-Me": None}},
    }


def test_what_equals_its_default_is_absent_and_empty_values_are_not() -> None:
    assert encode(StepSucceeded(id=1, at=AT, path="a")).keys() == {"id", "at", "type", "path"}
    values: list[Json] = [{}, [], "", 0, False]
    for empty in values:
        assert encode(StepSucceeded(id=1, at=AT, path="a", output=empty))["output"] == empty
    suspended = InstanceSuspended(id=1, at=AT, reason="")
    assert decode(encode(suspended)) == suspended


def test_a_null_input_is_written_since_it_has_no_default() -> None:
    started = InstanceStarted(
        id=1, at=AT, definition="d", revision=Revision(name="d-1", digest="x"), input=None
    )
    assert encode(started)["input"] is None
    assert decode(encode(started)) == started


def test_times_are_stored_in_utc() -> None:
    elsewhere = AT.astimezone(timezone(timedelta(hours=2)))
    timer = TimerCreated(id=1, at=AT, path="a", purpose=Purpose.WAIT, fire_at=elsewhere)
    assert encode(timer)["fireAt"] == "2026-01-02T03:04:05Z"


def test_values_are_normalised_and_what_cannot_be_stored_is_refused() -> None:
    value: Any = {"b": 1.0, "a": (2,)}
    written = encode(StepSucceeded(id=1, at=AT, path="a", output=value))["output"]
    assert canonical(written) == b'{"a":[2],"b":1}'
    failed = ActivityFailed(
        id=1,
        at=AT,
        scheduled_id=1,
        failure=Failure(type="T", message="m", retry_after_seconds=5.0),
    )
    assert canonical(encode(failed)["failure"]) == (
        b'{"message":"m","retryAfterSeconds":5,"type":"T"}'
    )
    for bad in (float("nan"), 2**63, "\ud800", object()):
        with pytest.raises(ValueRefusedError):
            encode(StepSucceeded(id=1, at=AT, path="a", output=bad))  # type: ignore[arg-type]


def test_a_newer_history_is_refused_as_such() -> None:
    stored = encode(StepSucceeded(id=1, at=AT, path="a"))
    newer: list[JsonObject] = [
        {**stored, "type": "StepPondered"},
        {**stored, "mood": "good"},
        {
            **encode(TimerCreated(id=1, at=AT, path="a", purpose=Purpose.WAIT, fire_at=AT)),
            "purpose": "Surprise",
        },
    ]
    for event in newer:
        with pytest.raises(NewerHistoryError):
            decode(event)
    with pytest.raises(NewerHistoryError, match=f"form {VERSION + 1}"):
        check_version(VERSION + 1)
    check_version(VERSION)


@pytest.mark.parametrize(
    "change",
    [
        {"path": None},
        {"path": 1},
        {"id": "1"},
        {"id": True},
        {"at": "yesterday"},
        {"at": "2026-01-01T00:00:00"},
        {"at": 5},
        {"type": 5},
        {"output": {"$payload": {"ref": "gone", "size": 1, "digest": "0"}}},
        {"output": {"$payload": "damaged"}},
    ],
)
def test_damaged_shapes_are_refused_as_such(change: JsonObject) -> None:
    with pytest.raises(HistoryCorruptError):
        decode({**encode(StepSucceeded(id=1, at=AT, path="a")), **change})


@pytest.mark.parametrize("stored", [None, [], "event", {}, {"id": 1, "at": "x"}])
def test_what_is_no_event_at_all_is_refused(stored: Any) -> None:
    with pytest.raises(HistoryCorruptError):
        decode(stored)


@pytest.mark.parametrize("version", [None, "1", 0, True, 1.5])
def test_a_damaged_version_is_refused(version: Any) -> None:
    with pytest.raises(HistoryCorruptError):
        check_version(version)


def test_a_missing_required_field_is_damage() -> None:
    stored = encode(StepSucceeded(id=1, at=AT, path="a"))
    del stored["path"]
    with pytest.raises(HistoryCorruptError, match="path is missing"):
        decode(stored)


@given(value=json_values)
def test_no_value_of_a_user_can_pass_for_a_reference(value: Any) -> None:
    marked: list[Any] = [
        value,
        {"$payload": value},
        {"$value": value},
        {"$value": {"$payload": value}},
        Reference("name", 9, "digest").marker(),
    ]
    for each in marked:
        assert unescaped(escaped(each), {}) == each
        stored = encode(StepSucceeded(id=1, at=AT, path="a", output=each))
        assert references(stored, payload_keys(stored)) == []


def sized(size: int) -> str:
    """Return a value of so many bytes in canonical form."""
    return "x" * (size - 2)


@pytest.mark.parametrize(("size", "is_moved"), [(-1, False), (0, False), (1, True)])
def test_a_value_leaves_its_event_only_past_the_bound(size: int, is_moved: bool) -> None:
    event = ActivityCompleted(id=7, at=AT, scheduled_id=2, output=sized(MAX_INLINE + size))
    stored, payloads = moved_out("uid", encode(event), ("output",))
    assert len(payloads) == (1 if is_moved else 0)
    values = {p.reference.ref: value_of(p.spec("uid"), p.reference) for p in payloads}
    assert decode(stored, values) == event
    if is_moved:
        assert len(canonical(stored)) < 400
        assert payloads[0].reference.size == MAX_INLINE + 1


@pytest.mark.parametrize(("size", "is_refused"), [(-1, False), (0, False), (1, True)])
def test_a_value_over_a_mebibyte_is_refused_with_its_size(size: int, is_refused: bool) -> None:
    event = ActivityCompleted(id=7, at=AT, scheduled_id=2, output=sized(MAX_PAYLOAD + size))
    if not is_refused:
        assert len(moved_out("uid", encode(event), ("output",))[1]) == 1
        return
    with pytest.raises(PayloadTooLargeError, match=f"output of event 7 has {MAX_PAYLOAD + 1}"):
        moved_out("uid", encode(event), ("output",))


def test_a_large_value_that_looks_like_a_reference_comes_back_as_it_was() -> None:
    tricky: Any = {"$payload": sized(MAX_INLINE)}
    event = ActivityCompleted(id=7, at=AT, scheduled_id=2, output=tricky)
    stored, payloads = moved_out("uid", encode(event), ("output",))
    (payload,) = payloads
    values = {payload.reference.ref: value_of(payload.spec("uid"), payload.reference)}
    assert decode(stored, values) == event


def test_a_payload_with_another_content_is_damage() -> None:
    _, payloads = moved_out(
        "uid",
        encode(ActivityCompleted(id=7, at=AT, scheduled_id=2, output=sized(MAX_INLINE + 1))),
        ("output",),
    )
    spec = payloads[0].spec("uid")
    for data in ("", "!", None, "AAAA"):
        with pytest.raises(HistoryCorruptError):
            value_of({**spec, "data": data}, payloads[0].reference)


def test_print_what_an_event_costs() -> None:
    event: HistoryEvent = ActivityScheduled(
        id=2,
        at=AT,
        path="charge",
        kind="http",
        attempt=1,
        claim=Claim(delivery=1, incarnation="perdure-0-5f3a", claim_id="0123456789abcdef"),
        request={"method": "POST", "service": "pay", "path": "/v1/pay", "body": {"a": 1, "b": "x"}},
    )
    stored = encode(event)
    for name, work in (
        ("encode", lambda: encode(event)),
        ("canonical", lambda: canonical(stored)),
        ("decode", lambda: decode(stored)),
    ):
        started = time.perf_counter()
        for _ in range(2000):
            work()
        print(f"{name}: {(time.perf_counter() - started) / 2000 * 1e6:.1f} µs")
    assert decode(stored) == replace(event)
