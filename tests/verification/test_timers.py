"""Timers are never early, fire once, and overtake no event that was sent in time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.verification.logs import BEGINNING, OPERATOR, Log, checks_of, newest, waiting

from perdure.engine.events import TimerFired
from perdure.engine.values import JsonObject


def sleeping() -> Log:
    """Return the log of an instance whose timer, event 2, is due after 10 s."""
    log = Log()
    log.lease()
    log.define({"name": "nap", "wait": {"for": "10s"}}, {"name": "go", "event": {"name": "go"}})
    log.start()
    log.turn()
    return log


def test_a_timer_that_fires_on_time_breaks_nothing() -> None:
    log = sleeping()
    log.until_wake()
    assert log.verdict() == []


def test_a_timer_that_fires_early_is_reported() -> None:
    log = sleeping()
    log.later(9.999)
    log.commit(TimerFired(timer_id=2))
    assert checks_of(log.verdict()) == ["never_early", "truly_not_early"]


def test_a_timer_that_a_fast_clock_fires_is_early_beyond_what_the_clock_may_be_off() -> None:
    log = sleeping()
    log.later(5)
    log.commit(TimerFired(timer_id=2), edit=newest(at="2026-01-01T12:00:10Z"))
    assert checks_of(log.verdict(clocks={OPERATOR: 4.9})) == ["from_no_future", "truly_not_early"]
    assert log.verdict(clocks={OPERATOR: 5.0}) == []


@pytest.mark.parametrize("timer_id", [1, 2])
def test_a_timer_that_was_not_set_or_has_fired_is_reported(timer_id: int) -> None:
    log = sleeping()
    log.until_wake()
    log.commit(TimerFired(timer_id=timer_id))
    assert checks_of(log.verdict()) == ["fires_once"]


def test_a_timer_that_its_wait_has_closed_and_that_fires_is_reported() -> None:
    log = Log()
    log.lease()
    waits: JsonObject = {"event": {"name": "go"}, "timeout": "5s"}
    log.define({"name": "first", **waits}, {"name": "second", **waits})
    log.start()
    log.turn()
    log.send("e1")
    log.later(1)
    log.turn(events=(log.external("e1"),))
    log.later(4)
    assert log.verdict() == []
    log.commit(TimerFired(timer_id=2))
    assert checks_of(log.verdict()) == ["fires_once"]


def in_time(*, sent_after: float) -> list[str]:
    """Return what a time-out after 5 s is reported for, when an event object came meanwhile."""
    log = waiting(timeout="5s")
    log.later(sent_after)
    log.send("e1")
    log.now = BEGINNING + timedelta(seconds=6)
    log.turn()
    return checks_of(log.verdict())


def test_a_time_out_that_overtakes_a_workflow_event_is_reported() -> None:
    assert in_time(sent_after=4.9) == ["objects_first"]
    assert in_time(sent_after=5.1) == []


def test_a_time_out_leaves_alone_what_is_refused_gone_or_of_another_instance() -> None:
    for spec in ({"data": "x" * 20_000}, {"instanceUid": "another"}):
        log = waiting(timeout="5s")
        log.send("e1", **spec)
        log.until_wake()
        assert log.verdict() == []


def test_a_time_out_that_overtakes_an_event_in_the_spec_is_reported() -> None:
    log = waiting(timeout="5s")
    log.edit(events=[{"id": "e1", "name": "go"}])
    log.until_wake()
    assert checks_of(log.verdict()) == ["spec_events_first"]


def test_a_time_out_by_an_operator_that_had_not_seen_the_event_in_the_spec_is_none() -> None:
    log = waiting(timeout="5s")
    log.until_wake()
    assert log.verdict() == []


def late(seconds: float, **fields: object) -> list[str]:
    log = sleeping()
    log.later(10 + seconds)
    log.turn()
    return checks_of(log.verdict(**fields))


def test_a_timer_that_fires_late_without_a_disturbance_is_reported() -> None:
    assert late(4) == []
    assert late(6) == ["prompt_timers"]
    assert late(6, clocks={OPERATOR: 1.0}) == []
    log = sleeping()
    log.later(5)
    log.disturb("", 4)
    log.later(12)
    log.turn()
    assert log.verdict() == []
