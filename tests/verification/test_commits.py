"""A commit is one step by one writer: what is none is reported."""

from __future__ import annotations

import pytest
from tests.verification.logs import (
    Edit,
    Log,
    calling,
    checks_of,
    newest,
    resealed,
    showing,
    status_of,
)

from perdure.engine.events import Door, Ending, EndRequested, EventReceived, StepSkipped
from perdure.engine.values import Json, JsonObject
from perdure.verification.watcher import watch
from perdure.verification.world import Bounds


def skipping(edit: Edit | None = None, steps: int = 1) -> list[str]:
    """Return what a commit of skipped steps is reported for."""
    log = calling()
    log.later(1)
    log.commit(*(StepSkipped(path=f"s{number}") for number in range(steps)), edit=edit)
    return checks_of(log.verdict())


def test_a_commit_of_a_skipped_step_breaks_nothing() -> None:
    assert skipping() == []


@pytest.mark.parametrize("rev", [1, 3])
def test_a_commit_that_does_not_raise_rev_by_one_is_reported(rev: int) -> None:
    assert skipping(showing(rev=rev)) == ["one_step"]


def test_a_commit_id_that_is_used_twice_is_reported() -> None:
    def again(body: JsonObject) -> None:
        showing(commitId="c1")(body)
        newest(commitId="c1")(body)

    assert skipping(again) == ["one_commit_each", "own_id"]


def test_a_commit_id_on_a_second_event_is_reported() -> None:
    assert skipping(newest(commitId="c2"), steps=2) == ["own_id"]


def test_a_commit_without_an_id_on_its_first_event_is_reported() -> None:
    assert skipping(resealed(lambda events: events[-1].pop("commitId"))) == ["own_id"]


def test_an_event_of_another_commit_than_the_status_says_is_reported() -> None:
    assert skipping(showing(commitId="c9")) == ["own_id"]


def test_a_history_met_as_it_stands_has_each_commit_id_once() -> None:
    log = calling()
    log.later(1)
    log.commit(StepSkipped(path="s"), edit=newest(commitId="c1"))
    log.writes = [w for w in log.writes if w.name != "order-1"] + [log.writes[-1]]
    assert checks_of(log.verdict(is_complete=False)) == ["one_commit_each"]


def test_more_than_500_events_in_a_commit_are_reported() -> None:
    assert skipping(steps=500) == []
    assert skipping(steps=501) == ["bounded"]


def test_a_history_that_goes_on_at_its_limit_is_reported() -> None:
    log = calling()
    for number in range(3):
        log.commit(StepSkipped(path=f"s{number}"))
    writes, length = log.evidence().writes, log.states["order-1"].last_id
    assert watch(writes, Bounds(history_events=length))[1] == []
    found = watch(writes, Bounds(history_events=length - 1))[1]
    assert checks_of(found) == ["within_limit"]


def test_a_commit_that_shows_nothing_new_is_reported() -> None:
    log = calling()
    log.commit(edit=showing(rev=2, commitId="c2", conditions=[]))
    assert "has_reason" in checks_of(log.verdict())


def test_a_status_over_32_KiB_is_reported() -> None:  # noqa: N802 - a unit
    large: list[Json] = ["x" * 100] * 400
    log = calling()
    for number in range(12):
        log.commit(EventReceived(event_id=f"e{number}", name="go", door=Door.SPEC, data="x" * 900))
    log.writes[-1:] = []
    assert "small_status" not in checks_of(log.verdict())
    log.commit(StepSkipped(path="s"), edit=showing(customStatus=large))
    assert "small_status" in checks_of(log.verdict())


def test_a_segment_over_128_KiB_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: N802 - a unit
    def spilling() -> list[str]:
        log = calling()
        for number in range(60):
            log.commit(StepSkipped(path=f"s{number}-{'x' * 900}"))
        return checks_of(log.verdict())

    assert "small_segments" not in spilling()
    monkeypatch.setattr("perdure.verification.commits.MAX_SEGMENT", 10 * 1024)
    assert "small_segments" in spilling()


def test_time_that_runs_back_is_reported() -> None:
    assert skipping(newest(at="2026-01-01T11:59:00Z")) == ["forward"]


def test_an_event_from_the_future_is_reported_beyond_what_the_clock_may_be_off() -> None:
    ahead = newest(at="2026-01-01T12:00:31Z")
    assert skipping(ahead) == ["from_no_future"]
    log = calling()
    log.later(1)
    log.commit(StepSkipped(path="s"), edit=ahead)
    assert log.verdict(clocks={"perdure-0": 30.0}) == []


def test_a_decision_to_end_that_overlooks_a_newer_spec_is_reported() -> None:
    log = calling()
    log.edit(suspend=True)
    log.commit(EndRequested(ending=Ending.FAILED), edit=showing(observedGeneration=1))
    assert "on_record" in checks_of(log.verdict())


def test_an_end_that_overlooks_a_newer_spec_is_reported() -> None:
    log = Log()
    log.lease()
    log.define({"name": "nap", "wait": {"for": "1s"}})
    log.start()
    log.turn()
    log.edit(suspend=True)
    log.until_wake()
    assert log.phase == "Succeeded"
    assert log.verdict() == []
    last = log.writes[-1].after
    assert last is not None
    status_of(last)["observedGeneration"] = 1
    assert checks_of(log.verdict()) == ["on_record"]
