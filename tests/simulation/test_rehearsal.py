"""What definitions of the grammar do when they run: most succeed, and calls say whose they are."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache

from tests.simulation.rehearsal import rehearse
from tests.simulation.test_confluence import events_of
from tests.simulation.workloads import Arrival, generated
from tests.simulation.workloads.actions import Start

from perdure.engine.work import ActivityWork
from perdure.testing.stories import Story

REPEATED = re.compile(r"~\d+")
"""The mark of a further attempt of a block: expressions cannot know it."""


@lru_cache(maxsize=1)
def performance() -> tuple[tuple[Story, ...], tuple[tuple[ActivityWork, Arrival], ...]]:
    """Return the stories of the instances of 150 seeds, and every call that was made in them."""
    stories: list[Story] = []
    calls: list[tuple[ActivityWork, Arrival]] = []
    for seed in range(150):
        workload = generated(seed)
        for start in (a for a in workload.actions if isinstance(a, Start)):
            spec = next(d.spec for d in workload.definitions if d.definition == start.definition)
            given = start.spec.get("input", {})
            events = [*events_of(workload, start)]
            stories.append(
                rehearse(
                    spec,
                    given,
                    workload.script,
                    events,
                    watch=lambda work, arrival: calls.append((work, arrival)),
                )
            )
    return tuple(stories), tuple(calls)


def test_every_call_names_the_instance_and_the_path_of_its_step() -> None:
    _, calls = performance()
    assert len(calls) > 300
    for work, arrival in calls:
        assert arrival.origin == (work.uid, REPEATED.sub("", work.path))


def test_calls_are_made_in_flows_bodies_and_catches() -> None:
    _, calls = performance()
    paths = {work.path for work, _ in calls}
    assert any(".do" in path for path in paths)
    assert any(".catch[" in path for path in paths)
    assert any(re.search(r"s\d+\.s\d+", path) for path in paths)


def test_most_instances_succeed_and_the_others_end_in_many_ways() -> None:
    stories, _ = performance()
    ends = Counter(
        story.phase if story.state.ended is None or story.error is None else story.error.type
        for story in stories
    )
    assert ends["Succeeded"] > len(stories) / 2, ends
    assert ends["ExpressionError"] < len(stories) / 8, ends
    assert {"HttpStatus", "Declined", "Running"} <= ends.keys(), ends


def test_answers_reach_later_calls() -> None:
    _, calls = performance()
    seen = [
        token
        for _, arrival in calls
        if isinstance(arrival.body, dict) and isinstance(tokens := arrival.body.get("seen"), list)
        for token in tokens
    ]
    assert sum(re.fullmatch("[0-9a-f]{16}", str(token)) is not None for token in seen) > 100
