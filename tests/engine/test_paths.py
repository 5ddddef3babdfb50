"""Paths: one place, one path, whatever is nested in what."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from perdure.engine.paths import (
    MAIN,
    body_path,
    catch_path,
    is_below,
    leaf_path,
    name_of,
    owner_of,
    step_path,
)

names = st.sampled_from(["a", "b", "ab", "pay", "pay1", "payA"])
attempts = st.integers(1, 12)


@st.composite
def places(draw: st.DrawFn) -> tuple[tuple[object, ...], str, list[str]]:
    """Return a place as a tuple of how one gets there, its path, and the steps it is inside of."""
    way: tuple[object, ...] = ()
    frame, inside = MAIN, list[str]()
    for _ in range(draw(st.integers(0, 3))):
        name = draw(names)
        step = step_path(frame, name)
        inside.append(step)
        if draw(st.booleans()):
            index = draw(st.integers(0, 9))
            way, frame = (*way, name, "catch", index), catch_path(step, index)
        else:
            attempt = draw(attempts)
            way, frame = (*way, name, "body", attempt), body_path(step, attempt)
    name = draw(names)
    step = step_path(frame, name)
    if draw(st.booleans()):
        return (*way, name), step, inside
    attempt = draw(attempts)
    return (*way, name, "do", attempt), leaf_path(step, attempt), [*inside, step]


@given(places(), places())
def test_different_places_have_different_paths(
    one: tuple[tuple[object, ...], str, list[str]], other: tuple[tuple[object, ...], str, list[str]]
) -> None:
    assert (one[0] == other[0]) is (one[1] == other[1])


@given(places(), places())
def test_a_path_is_below_exactly_the_steps_it_is_inside_of(
    one: tuple[tuple[object, ...], str, list[str]], other: tuple[tuple[object, ...], str, list[str]]
) -> None:
    _, path, inside = one
    assert all(is_below(path, step) for step in inside)
    assert not is_below(path, path)
    if other[0][-2:-1] != ("do",):
        assert is_below(path, other[1]) is (other[1] in inside)


@given(places(), names, attempts, st.integers(0, 9))
def test_a_frame_belongs_to_its_step(
    place: tuple[tuple[object, ...], str, list[str]], name: str, attempt: int, index: int
) -> None:
    step = step_path(place[1], name)
    assert owner_of(body_path(step, attempt)) == step
    assert owner_of(catch_path(step, index)) == step
    assert name_of(step) == name


def test_nothing_is_below_the_main_flow_by_name() -> None:
    assert not is_below("a", MAIN)
    assert owner_of(MAIN) == MAIN
