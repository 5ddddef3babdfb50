"""How long a history may become."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.language.definitions import flow, http

from perdure.engine.events import EndRequested
from perdure.language.flow import MAX_HISTORY
from perdure.testing import ok, started


@pytest.mark.parametrize(("past", "goes_on"), [(-1, True), (0, False), (1, False)])
def test_an_instance_with_a_history_at_its_limit_fails(past: int, goes_on: bool) -> None:
    story = started(flow(http("a"), http("b")))
    (work,) = story.open
    story.state = replace(story.state, last_id=MAX_HISTORY + past)
    events = story.one_turn(answers=(ok().to(work.scheduled_id),))
    if goes_on:
        assert story.types(events) == ["ActivityCompleted", "ActivityScheduled"]
        return
    (event,) = events
    assert isinstance(event, EndRequested)
    assert event.error is not None
    assert event.error.type == "HistoryLimit"
