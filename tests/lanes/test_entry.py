"""Entries come back as they were written; what cannot be one is told from what is newer."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kubernetes.arbitrary import values
from tests.kubernetes.generated import json_values, texts, words
from tests.lanes.entries import entry, turn

from perdure.engine.values import MAX_DEPTH, Json, JsonObject, normalise
from perdure.errors import LogDamagedError, NewerLogError
from perdure.lanes.entry import (
    MAX_DATA,
    MAX_DOCUMENT,
    MAX_LANES,
    Entry,
    EntryKind,
    LoggedTurn,
    entry_of,
    logged,
    packed,
    spec_of,
    unpacked,
)
from perdure.ports import InstanceKey
from perdure.resources import log
from perdure.resources.log import LogSpec

# --- what is written is read back -----------------------------------------------------------

counts = st.integers(min_value=1, max_value=2**53)
turns = st.builds(
    logged,
    st.builds(InstanceKey, words, words, words),
    rev=counts,
    generation=counts,
    before=words,
    after=words,
    events=st.lists(st.dictionaries(texts, json_values, max_size=4), max_size=3),
)
several = st.lists(turns, max_size=3).map(tuple)


def built(kind: EntryKind) -> st.SearchStrategy[Entry]:
    is_blank = kind in (EntryKind.OPENING, EntryKind.EMPTY)
    return st.builds(
        Entry,
        generation=counts,
        lanes=st.just(MAX_LANES),
        lane=st.integers(min_value=0, max_value=MAX_LANES - 1),
        seq=st.just(0) if is_blank else counts,
        kind=st.just(kind),
        incarnation=words,
        nonce=words,
        turns=several,
        carried=several,
        heir=st.none() | words if kind is EntryKind.RELEASED else st.none(),
        next_lanes=st.integers(1, MAX_LANES) if kind is EntryKind.CLOSED else st.none(),
    )


entries = st.sampled_from(EntryKind).flatmap(built)


@given(entries)
@settings(max_examples=60)
def test_an_entry_is_read_back_as_it_was_written(one: Entry) -> None:
    assert entry_of(spec_of(one), "g1-0-1") == one


@given(entries)
@settings(max_examples=60)
def test_the_api_server_takes_what_is_written(one: Entry) -> None:
    LogSpec.model_validate(spec_of(one))


@given(entries)
@settings(max_examples=60)
def test_the_api_server_does_not_change_what_is_written(one: Entry) -> None:
    spec = spec_of(one)
    assert normalise(spec) == spec


def test_any_value_is_kept_as_it_is() -> None:
    events: list[JsonObject] = [{"type": "A", "value": value} for value in values(5000)]
    key = InstanceKey("shop", "order-1", "u1")
    one = logged(key, rev=1, generation=1, before="", after="", events=events)

    ((found,), _) = unpacked(packed([one], []), "g1-0-1")

    # As text, because to Python 1, 1.0 and True are the same.
    assert orjson.dumps(found.events) == orjson.dumps(events)
    assert found == one


def test_the_deepest_value_that_the_engine_takes_can_be_written() -> None:
    value: Json = 1
    for _ in range(MAX_DEPTH):
        value = [value]
    event: JsonObject = {"type": "A", "data": {"$value": normalise(value)}}
    key = InstanceKey("shop", "order-1", "u1")
    one = logged(key, rev=1, generation=1, before="", after="", events=[event])
    assert unpacked(packed([one], [one]), "g1-0-1") == ((one,), (one,))


def test_an_entry_without_turns_has_no_data() -> None:
    assert spec_of(entry(0))["data"] == ""
    assert unpacked("", "g1-0-0") == ((), ())


def test_turns_of_one_kind_take_little_room() -> None:
    turns = [turn(f"u{number}", 1, text="a line that they all have") for number in range(100)]
    assert len(packed(turns, [])) < sum(len(each.wire) for each in turns) / 5


def test_an_instance_ends_with_the_last_event_of_a_turn() -> None:
    assert turn("a", 1, type_="InstanceEnded").ends
    assert not turn("a", 1, type_="ActivityCompleted").ends
    key = InstanceKey("shop", "order-1", "a")
    middle: list[JsonObject] = [{"type": "InstanceEnded"}, {"type": "VariablesSet"}]
    for events in (middle, []):
        assert not logged(key, rev=1, generation=1, before="", after="", events=events).ends


def test_what_could_not_be_read_again_is_not_written() -> None:
    large = turn("a", 1, text="x" * MAX_DOCUMENT)
    with pytest.raises(AssertionError):
        packed([large], [])


# --- the resource says the same -------------------------------------------------------------


def test_the_resource_has_the_same_bounds_and_kinds() -> None:
    assert (log.MAX_DATA, log.MAX_LANES) == (MAX_DATA, MAX_LANES)
    schema = LogSpec.model_json_schema(by_alias=True)
    assert set(schema["properties"]["kind"]["enum"]) == set(EntryKind)


def test_the_resource_has_just_the_fields_that_are_written() -> None:
    released = spec_of(entry(1, kind=EntryKind.RELEASED, heir="b"))
    closed = spec_of(entry(1, kind=EntryKind.CLOSED, next_lanes=5))
    schema = LogSpec.model_json_schema(by_alias=True)
    assert released.keys() | closed.keys() == schema["properties"].keys()
    assert released.keys() & closed.keys() == set(schema["required"])


# --- damage ---------------------------------------------------------------------------------


def spec(**change: Json) -> JsonObject:
    return spec_of(entry(7, turn("a", 1))) | change


def refused(spec: JsonObject) -> str:
    """Return what is said of a damaged spec, without what is said of all of them."""
    with pytest.raises(LogDamagedError) as caught:
        entry_of(spec, "g1-0-7")
    before, message = str(caught.value).split(" cannot be read: ", 1)
    assert before == "WorkflowLog g1-0-7"
    reason, remedy = message.split(". Nothing is written to its lane", 1)
    assert "perdure store repair" in remedy
    return reason


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("generation", "1"),
        ("lanes", 3.0),
        ("lane", None),
        ("seq", True),
        ("kind", 1),
        ("kind", ["Turns"]),
        ("codec", None),
        ("incarnation", 1),
        ("nonce", {}),
        ("heir", None),
        ("nextLanes", "3"),
    ],
)
def test_a_field_of_another_type_is_damage(field: str, wrong: Json) -> None:
    found = refused(spec(**{field: wrong}))
    assert found == f"{field} is missing or of the wrong type ({type(wrong).__name__})"


@pytest.mark.parametrize("field", sorted(spec_of(entry(7)).keys() - {"data"}))
def test_a_missing_field_is_damage(field: str) -> None:
    damaged = spec()
    del damaged[field]
    assert refused(damaged) == f"{field} is missing or of the wrong type (NoneType)"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"generation": 0}, "it is of generation 0, lane 0 of 3"),
        ({"lane": 3}, "it is of generation 1, lane 3 of 3"),
        ({"lane": -1}, "it is of generation 1, lane -1 of 3"),
        ({"lanes": 0}, "it is of generation 1, lane 0 of 0"),
        ({"seq": -1}, "an entry of kind Turns has seq -1"),
        ({"seq": 0}, "an entry of kind Turns has seq 0"),
        ({"kind": "Empty"}, "an entry of kind Empty has seq 7"),
        ({"kind": "Opening"}, "an entry of kind Opening has seq 7"),
        ({"kind": "Closed"}, "an entry of kind Closed has nextLanes None"),
        ({"nextLanes": 5}, "an entry of kind Turns has nextLanes 5"),
    ],
)
def test_fields_that_do_not_go_together_are_damage(change: JsonObject, reason: str) -> None:
    assert refused(spec(**change)) == reason


def data(document: object) -> str:
    return base64.b64encode(zlib.compress(orjson.dumps(document))).decode()


def test_the_turns_of_these_tests_are_good_ones() -> None:
    """What follows is damaged by what it changes, and by nothing else."""
    one = orjson.loads(turn("a", 1).wire)
    found = entry_of(spec(data=data({"turns": [one], "carried": [one]})), "g1-0-7")
    assert found.turns == found.carried == (turn("a", 1),)


@pytest.mark.parametrize(
    ("damaged", "reason"),
    [
        (None, "data is no text"),
        (0, "data is no text"),
        ([], "data is no text"),
        ("x", "data is not deflated and in base64: "),
        ("ä", "data is not deflated and in base64: "),
        ("a b=", "data is not deflated and in base64: "),
        (base64.b64encode(b'{"turns":[]}').decode(), "data is not deflated and in base64: "),
        (base64.b64encode(zlib.compress(b"{")).decode(), "data is no JSON: "),
        (data(1), "data is no object"),
        (data([]), "data is no object"),
        (data({}), "turns is missing or of the wrong type (NoneType)"),
        (data({"turns": []}), "carried is missing or of the wrong type (NoneType)"),
        (data({"turns": "", "carried": []}), "turns is missing or of the wrong type (str)"),
        (data({"turns": [1], "carried": []}), "one of turns is no object"),
        (data({"turns": [], "carried": [[]]}), "one of carried is no object"),
    ],
)
def test_data_that_hold_no_turns_are_damage(damaged: Json, reason: str) -> None:
    assert refused(spec(data=damaged)).startswith(reason)


@pytest.mark.parametrize("place", ["turns", "carried"])
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"rev": 0}, "a turn has rev 0 and generation 1"),
        ({"rev": True}, "rev is missing or of the wrong type (bool)"),
        ({"rev": 1.5}, "rev is missing or of the wrong type (float)"),
        ({"generation": 0}, "a turn has rev 1 and generation 0"),
        ({"generation": None}, "generation is missing or of the wrong type (NoneType)"),
        ({"uid": 5}, "uid is missing or of the wrong type (int)"),
        ({"name": None}, "name is missing or of the wrong type (NoneType)"),
        ({"namespace": []}, "namespace is missing or of the wrong type (list)"),
        ({"before": None}, "before is missing or of the wrong type (NoneType)"),
        ({"after": {}}, "after is missing or of the wrong type (dict)"),
        ({"events": {}}, "events is missing or of the wrong type (dict)"),
        ({"events": [{}, 1]}, "an event is no object"),
    ],
)
def test_a_damaged_turn_damages_its_entry(place: str, change: JsonObject, reason: str) -> None:
    damaged = {"turns": [], "carried": []} | {place: [orjson.loads(turn("a", 1).wire) | change]}
    assert refused(spec(data=data(damaged))) == reason


@given(st.data())
def test_one_damaged_byte_is_never_taken_for_other_turns(source: st.DataObject) -> None:
    whole = base64.b64decode(packed([turn("a", 1), turn("b", 2)], [turn("c", 3)]))
    place = source.draw(st.integers(0, len(whole) - 1))
    value = source.draw(st.integers(0, 255).filter(lambda value: value != whole[place]))
    damaged = whole[:place] + bytes([value]) + whole[place + 1 :]
    try:
        found = unpacked(base64.b64encode(damaged).decode(), "g1-0-7")
    except LogDamagedError:
        return
    # Some bits of the head only say how it was deflated.
    assert found == ((turn("a", 1), turn("b", 2)), (turn("c", 3),))


def test_data_that_are_cut_off_or_continued_are_damage() -> None:
    whole = base64.b64decode(packed([turn("a", 1)], []))
    for damaged in (whole[:-1], whole[: len(whole) // 2], b"", whole + b"x", whole + whole):
        text = base64.b64encode(damaged).decode() or "===="
        assert "data" in refused(spec(data=text))


def test_signs_that_are_not_of_base64_are_not_passed_over() -> None:
    good = packed([turn("a", 1)], [])
    for sign in ("!", "\n", " "):
        damaged = good[:8] + sign + good[8:]
        assert refused(spec(data=damaged)).startswith("data is not deflated and in base64: ")


def test_values_too_deep_to_be_carried_on_are_damage() -> None:
    deep = b"[" * 300 + b"]" * 300
    wire = turn("a", 1).wire.replace(b'"text":""', b'"text":' + deep)
    text = base64.b64encode(zlib.compress(b'{"turns":[' + wire + b'],"carried":[]}')).decode()
    assert refused(spec(data=text)).startswith("a turn cannot be carried on")


def test_payloads_are_not_told() -> None:
    wire = turn("a", 1).wire.replace(b'"text":""', b'"text":"secret" "secret"')
    text = base64.b64encode(zlib.compress(b'{"turns":[' + wire + b'],"carried":[]}')).decode()
    assert "secret" not in refused(spec(data=text))


# --- bombs ----------------------------------------------------------------------------------


def bomb(size: int) -> str:
    """Return data that inflate to so many bytes of JSON."""
    frame = b'{"turns":[],"carried":[],"x":""}'
    document = frame[:-2] + b"x" * (size - len(frame)) + frame[-2:]
    return base64.b64encode(zlib.compress(document)).decode()


def test_data_that_inflate_without_end_are_damage_before_they_fill_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Given a little text that stands for much, and the size of what is taken from it,
    held: list[int] = []

    class Inflater:
        def __init__(self) -> None:
            self._real: Any = real()

        def decompress(self, text: bytes, most: int) -> bytes:
            found: bytes = self._real.decompress(text, most)
            held.append(len(found))
            return found

    text = bomb(4 * MAX_DOCUMENT)
    assert len(text) < MAX_DATA
    real = zlib.decompressobj
    monkeypatch.setattr(zlib, "decompressobj", Inflater)

    # when it is read, then it is refused without having been inflated.
    assert refused(spec(data=text)) == f"data inflates to more than {MAX_DOCUMENT} bytes"
    assert held == [MAX_DOCUMENT + 1]


def test_the_bound_is_exact() -> None:
    assert unpacked(bomb(MAX_DOCUMENT), "g1-0-7") == ((), ())
    with pytest.raises(LogDamagedError):
        unpacked(bomb(MAX_DOCUMENT + 1), "g1-0-7")


# --- newer forms ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "Merged"}, 'kind "Merged" in the form "turns/1"'),
        ({"codec": "turns/2", "data": "?"}, 'kind "Turns" in the form "turns/2"'),
        ({"kind": "Merged", "codec": "t/2", "seq": "a"}, 'kind "Merged" in the form "t/2"'),
        ({"kind": "x" * 500}, f'kind "{"x" * 99}" in'),
    ],
)
def test_what_a_newer_version_wrote_is_no_damage(change: JsonObject, words: str) -> None:
    with pytest.raises(NewerLogError, match="WorkflowLog g1-0-7 is of ") as caught:
        entry_of(spec(**change), "g1-0-7")
    assert words in str(caught.value)


def test_fields_that_a_newer_version_added_are_left_alone() -> None:
    one: LoggedTurn = turn("a", 1)
    document = {"turns": [orjson.loads(one.wire) | {"new": 1}], "carried": [], "new": 1}
    assert entry_of(spec(data=data(document), new=1), "g1-0-7").turns == (one,)
