"""Generated history events: strategies by the annotations of their fields."""

from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, get_args

from hypothesis import strategies as st

from perdure.engine.events import (
    Claim,
    Door,
    Ending,
    Failure,
    HistoryEvent,
    Purpose,
    Revision,
)
from perdure.engine.values import Json, normalise

EVENT_CLASSES: tuple[type[Any], ...] = get_args(HistoryEvent)

int64 = st.integers(min_value=-(2**63), max_value=2**63 - 1)
floats = st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
keys = texts | st.sampled_from(["$payload", "$value", "type", "id", "scheduled_id", "fire-at"])
json_values: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | int64 | floats | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
).map(normalise)
objects = st.dictionaries(keys, json_values, max_size=3).map(normalise)
times = st.datetimes(
    min_value=datetime(1970, 1, 1),  # noqa: DTZ001 - hypothesis wants naive bounds
    max_value=datetime(9000, 1, 1),  # noqa: DTZ001 - as above
    timezones=st.just(UTC),
)
words = st.text("abcxyz0189.-[]~", min_size=1, max_size=12)
counts = st.integers(min_value=1, max_value=2**53)

claims = st.builds(Claim, delivery=counts, incarnation=words, claim_id=words)
revisions = st.builds(Revision, name=words, digest=words)


def failures(depth: int = 1) -> st.SearchStrategy[Failure]:
    cause = failures(depth - 1) if depth else st.none()
    return st.builds(
        Failure,
        type=words,
        message=texts,
        code=st.none() | int64,
        retryable=st.booleans(),
        step=st.none() | words,
        attempt=st.none() | counts,
        details=json_values,
        cause=st.none() | cause,
        unknown=st.booleans(),
        final=st.booleans(),
        retry_after_seconds=st.none() | st.floats(min_value=0, max_value=1e6),
    )


BY_ANNOTATION: dict[str, st.SearchStrategy[Any]] = {
    "int": counts,
    "str": texts,
    "bool": st.booleans(),
    "datetime": times,
    "Json": json_values,
    "Mapping[str, Json]": objects,
    "tuple[int, ...]": st.lists(counts, max_size=3).map(tuple),
    "Purpose": st.sampled_from(Purpose),
    "Door": st.sampled_from(Door),
    "Ending": st.sampled_from(Ending),
    "Failure": failures(),
    "Claim": claims,
    "Revision": revisions,
}


def strategy_of(annotation: str) -> st.SearchStrategy[Any]:
    name, bar, _ = annotation.partition(" | ")
    return st.none() | BY_ANNOTATION[name] if bar else BY_ANNOTATION[name]


def events_of(cls: type[Any]) -> st.SearchStrategy[Any]:
    return st.builds(cls, **{each.name: strategy_of(str(each.type)) for each in fields(cls)})


events: st.SearchStrategy[HistoryEvent] = st.one_of([events_of(cls) for cls in EVENT_CLASSES])
