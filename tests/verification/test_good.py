"""What the engine writes breaks nothing: the checks stay silent over good logs."""

from __future__ import annotations

from tests.verification.logs import OPERATOR, Log, call_step


def test_a_run_over_calls_events_retries_and_timers_breaks_nothing() -> None:
    log = Log()
    log.lease()
    log.define(
        call_step("reserve"),
        {"name": "approval", "event": {"name": "go"}, "timeout": "1h"},
        call_step("charge", retry={"attempts": 3, "delay": "2s"}),
        {"name": "pause", "wait": {"for": "5s"}},
    )
    log.start(input={"a": 1})
    log.turn()
    log.exchange("reserve", {"n": 1})
    log.send("e1", data={"ok": True})
    log.later(1)
    log.turn(events=(log.external("e1"),))
    log.delete("workflowevents", "e1", actor=OPERATOR)
    log.exchange("charge", code=503)
    log.until_wake()
    log.exchange("charge", {"n": 2})
    log.until_wake()
    assert log.phase == "Succeeded"
    assert log.verdict() == []
