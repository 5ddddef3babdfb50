"""JSON values: one form on entry, the bytes that are hashed, the hash chain."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.kubernetes.generated import json_values

from perdure.engine.values import (
    INT64_MAX,
    INT64_MIN,
    MAX_DEPTH,
    Json,
    ValueRefusedError,
    canonical,
    first_link,
    is_same,
    next_link,
    normalise,
    sha256,
)

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def nested(depth: int) -> Json:
    value: Json = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "normal"),
    [(1.0, 1), (-0.0, 0), (1e15, 10**15), (1.5, 1.5), ((1, 2), [1, 2]), (True, True)],
)
def test_integral_floats_become_integers(value: object, normal: Json) -> None:
    found = normalise(value)
    assert found == normal
    assert type(found) is type(normal)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (float("nan"), "nan is not JSON"),
        (float("inf"), "inf is not JSON"),
        (INT64_MAX + 1, "64 bits"),
        (INT64_MIN - 1, "64 bits"),
        ("\ud800", "not valid Unicode"),
        ({"\udfff": 1}, "not valid Unicode"),
        ({1: 1}, "is not text"),
        (b"x", "bytes is not JSON"),
        (nested(MAX_DEPTH + 1), "nested deeper"),
    ],
)
def test_what_cannot_be_stored_is_refused_with_its_place(value: object, words: str) -> None:
    with pytest.raises(ValueRefusedError, match=words) as caught:
        normalise({"a": [value]} if words != "nested deeper" else value, "input")
    assert str(caught.value).startswith("input")


def test_the_bounds_themselves_are_accepted() -> None:
    assert normalise([INT64_MAX, INT64_MIN]) == [INT64_MAX, INT64_MIN]
    assert normalise(nested(MAX_DEPTH)) == nested(MAX_DEPTH)


@given(anything)
def test_normalising_twice_is_normalising_once_or_it_is_refused(value: object) -> None:
    try:
        once = normalise(value)
    except ValueRefusedError:
        return
    assert canonical(normalise(once)) == canonical(once)
    assert normalise(json.loads(canonical(once))) == once


@given(json_values, json_values)
def test_different_values_have_different_bytes(one: Json, other: Json) -> None:
    alike = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (canonical(one) == canonical(other)) is alike


def test_the_order_of_keys_changes_no_bytes() -> None:
    assert canonical({"b": 1, "a": {"z": 1, "y": 2}}) == b'{"a":{"y":2,"z":1},"b":1}'


def test_the_chain_begins_with_the_uid_and_each_link_covers_all_before() -> None:
    assert first_link("u") == hashlib.sha256(b"u").hexdigest()
    one = next_link(first_link("u"), b"{}")
    assert one == sha256(first_link("u").encode() + b"{}")
    assert next_link(one, b"{}") != one
    assert next_link(first_link("v"), b"{}") != one


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (1, 1, True),
        (1, True, False),
        ([0], [False], False),
        ({"a": [1, None]}, {"a": [1, None]}, True),
        ({"a": 1}, {"a": 1, "b": None}, False),
        ([1], [1, 1], False),
        ("1", 1, False),
        ([], {}, False),
    ],
)
def test_values_are_compared_as_json(one: Json, other: Json, same: bool) -> None:
    assert is_same(one, other) is same
    assert is_same(other, one) is same


@given(json_values, json_values)
def test_values_are_the_same_when_their_bytes_are(one: Json, other: Json) -> None:
    assert is_same(one, normalise(one)) or canonical(one) != canonical(normalise(one))
    assert is_same(normalise(one), normalise(other)) == (
        canonical(normalise(one)) == canonical(normalise(other))
    )
