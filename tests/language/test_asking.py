"""How often conditions are asked, and how much one turn does before others have theirs."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.language.definitions import event, flow, http, put

from perdure.engine.events import Door
from perdure.engine.orchestrator import Asked, ExternalEvent, Facts
from perdure.engine.values import Json, JsonObject
from perdure.language.effort import MAX_TURN
from perdure.language.expressions import Expression
from perdure.language.places import Extra
from perdure.language.run import Run
from perdure.testing import Story, started

MANY: list[Json] = list(range(30_000))
"""Handing it over takes a fifth of what a turn may do."""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect the id of each event that a condition is asked about."""
    seen: list[str] = []
    accepts = Run.accepts

    def counted(run: Run, condition: Expression, names: Extra) -> bool:
        about = names["event"]
        assert isinstance(about, dict)
        seen.append(str(about["id"]))
        return accepts(run, condition, names)

    monkeypatch.setattr(Run, "accepts", counted)
    return seen


def events(count: int, data: Json = None, *, first: int = 0) -> tuple[ExternalEvent, ...]:
    return tuple(
        ExternalEvent(id=f"e{i}", name="approved", data=data, door=Door.OBJECT)
        for i in range(first, first + count)
    )


def test_a_thousand_events_that_nobody_wants_are_asked_about_once(asked: list[str]) -> None:
    story = started(flow(event("a", where="event.data == 'never'"), timeout="1h"))
    story.turn(events=events(1000))
    assert len(story.state.inbox) == 1000
    assert len(asked) == len(set(asked)) == 1000
    story.later(minutes=1)
    assert len(asked) == 1000


def test_only_the_waits_that_see_a_change_are_asked_again(asked: list[str]) -> None:
    spec = flow(
        event("a", where="event.data == vars.x", needs=[]),
        event("b", where="event.data == input.y", needs=[]),
        event("go", "go", needs=[]),
        put("c", needs=["go"]),
        vars={"x": 0},
    )
    story = started(spec, {"y": "none"})
    story.turn(events=events(10))
    assert len(asked) == 20
    story.event("go", event_id="go")
    assert len(asked) == 30


def test_one_is_not_true_when_it_is_compared_what_a_wait_sees(asked: list[str]) -> None:
    spec = flow(
        event("a", where="event.data == vars.x", needs=[]),
        event("go", "go", needs=[]),
        put("c", needs=["go"]),
        vars={"x": True},
    )
    story = started(spec)
    story.turn(events=events(1, data=1))
    assert story.state.inbox
    story.event("go")
    assert story.phase == "Succeeded"


def test_the_time_of_the_turn_is_seen_anew_in_each(asked: list[str]) -> None:
    where = "workflow.now > timestamp('2026-01-01T01:00:00Z')"
    story = started(flow(event("a", where=where)))
    story.turn(events=events(3))
    assert len(asked) == 3
    story.later(minutes=1)
    assert len(asked) == 6
    story.later(hours=1)
    assert story.phase == "Succeeded"


def test_events_that_one_wait_would_take_are_left_to_another_that_is_quicker() -> None:
    spec = flow(
        event("a", where="event.data == 1", count=3, needs=[]),
        event("b", where="event.data == vars.x", needs=[]),
        event("go", "go", needs=[]),
        put("c", needs=["go"]),
        vars={"x": 0},
        output="${[steps.a.output.map(e, e.id), [steps.b.output.id]]}",
    )
    story = started(spec)
    story.turn(events=events(2, data=1))
    story.event("go", event_id="go")
    assert story.state.inbox[0].event_id == "e1", "b took e0 as soon as x was 1"
    story.turn(events=events(2, data=1, first=7))
    assert story.output == [["e1", "e7", "e8"], ["e0"]]


def test_without_what_was_known_everything_is_decided_alike() -> None:
    histories = []
    for is_forgetful in (False, True):
        story = started(flow(event("a", where="event.data > 2", count=2)), {})
        for number in range(5):
            if is_forgetful:
                story.control(asked={})
            story.turn(events=events(1, data=number, first=number))
        histories.append(story.events)
    assert histories[0] == histories[1]
    assert story.phase == "Succeeded"


def test_deciding_twice_on_equal_facts_gives_equal_decisions() -> None:
    story = heavy_story()
    facts = Facts(incarnation="me", commit_id="c", events=events(4))
    first = story.orchestrator.advance(story.state, facts, story.now)
    assert story.orchestrator.advance(story.state, facts, story.now) == first


def test_what_is_known_of_another_history_is_not_believed() -> None:
    story = started(flow(event("a", where="event.data == 1")))
    (wait_id,) = story.state.waits
    foreign = {wait_id: Asked({}, upto=story.state.last_id + 50)}
    story.turn(asked=foreign, events=events(1, data=1))
    assert story.phase == "Succeeded"


# --- long turns -----------------------------------------------------------------------------------


def heavy_story(where: str = "event.data == input.many[29999]") -> Story:
    """Five waits, each of whose questions takes a fifth of what a turn may do."""
    waits = [event(f"w{i}", where=where, needs=[]) for i in range(5)]
    return started(flow(*waits), {"many": MANY})


@pytest.mark.parametrize(
    "where",
    [
        "event.data == input.many[29999]",
        "event.data == input.many[29999] && workflow.now > workflow.startedAt",
    ],
)
def test_a_turn_with_too_many_questions_goes_on_in_the_next(where: str, asked: list[str]) -> None:
    story = heavy_story(where)
    story.now += timedelta(hours=1)
    turns: list[int] = []
    while not turns or story.goes_on:
        story.one_turn(events=events(8))
        turns.append(len(asked) - sum(turns))
        assert len(turns) < 100, "the turns never end"
    assert sum(turns) == 5 * 8, "each wait was asked once about each event"
    assert max(turns) <= MAX_TURN // 600_000 + 1
    story.turn(events=events(5, data=29_999, first=50))
    assert story.phase == "Succeeded"


def test_a_turn_that_only_asks_goes_on_although_it_decides_nothing(asked: list[str]) -> None:
    waits = [event(f"w{i}", where="event.data == input.many[29999]", needs=["h"]) for i in range(5)]
    story = started(flow(http("h"), *waits), {"many": MANY})
    story.turn(events=events(8))
    assert asked == []
    story.answer("h")
    assert len(asked) == 5 * 8
    assert story.types(story.one_turn()) == []
    assert len(asked) == 5 * 8


def test_a_long_turn_decides_what_a_short_one_would_in_the_same_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    outputs = []
    for limit in (MAX_TURN, 1):
        monkeypatch.setattr("perdure.language.run.MAX_TURN", limit)
        spec = flow(
            event("a", where="event.data > 5", count=2, needs=[]),
            event("b", where="event.data > 3", needs=[]),
            http("c"),
            output="${[steps.a.output.map(e, e.data), [steps.b.output.data]]}",
        )
        story = started(spec)
        for number in range(8):
            story.turn(events=events(1, data=number, first=number))
        story.answer("c")
        outputs.append(story.output)
    assert outputs[0] == outputs[1] == [[6, 7], [4]]


def test_a_step_whose_output_takes_more_than_a_turn_may_still_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("perdure.language.run.MAX_TURN", 1)
    inner = flow(put("x"), vars={"x": 0}, output="${range(100).map(i, i).size()}", name="inner")
    outer: JsonObject = {"name": "outer", "call": {"flow": "inner"}}
    story = started(flow(outer, output="${steps.outer.output}", flows=[inner]))
    assert story.output == 100


def test_the_cases_of_a_switch_are_bounded_together() -> None:
    do: JsonObject = {"set": {"x": 1}}
    cases: list[Json] = [{"when": f"input.many.sort().size() < {-i}", "do": do} for i in range(20)]
    step: JsonObject = {"name": "s", "switch": {"cases": cases}}
    assert started(flow(step, vars={"x": 0}), {"many": MANY[:100]}).phase == "Succeeded"
    story = started(flow(step, vars={"x": 0}), {"many": MANY})
    assert story.error is not None
    assert story.error.type == "ExpressionError"
    assert "too much time or memory" in story.error.message
