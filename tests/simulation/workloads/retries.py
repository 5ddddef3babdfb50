"""Policies around a step: retry, time-outs, and what stands in for a failed step."""

from __future__ import annotations

from tests.simulation.workloads.draws import Draw

from perdure.engine.values import JsonObject

PATIENT: JsonObject = {"attempts": -1, "delay": "500ms", "maxDelay": "10s"}
"""Asks until it is answered: no fault of a call that passes changes the end."""


def retry(draw: Draw) -> JsonObject:
    """Return a retry policy, any of its fields."""
    policy: JsonObject = {"attempts": draw.weighted({2: 3, 3: 4, 5: 3, -1: 1})}
    if draw.chance(0.7):
        policy["delay"] = draw.pick(("100ms", "500ms", "1s", "3s", "20s"))
    if draw.chance(0.2):
        policy["factor"] = draw.pick((1, 1.5, 3))
    if draw.chance(0.2):
        policy["maxDelay"] = draw.pick(("2s", "10s", "1h"))
    if draw.chance(0.3):
        policy["jitter"] = draw.pick(("None", "Full"))
    if draw.chance(0.3):
        policy["attemptTimeout"] = draw.pick(("500ms", "2s", "5s", "10s"))
    if draw.chance(0.15):
        policy["when"] = draw.pick(
            (
                "error.retryable || error.code == 404",
                'error.type != "Timeout"',
                "error.attempt < 3",
                'error.type in ["HttpStatus", "NoAnswer", "ExpectFailed"]',
            )
        )
    return policy


def patient(draw: Draw) -> JsonObject:
    """Return a policy without a limit, whose end does not depend on how often it asked."""
    return {**PATIENT, "delay": draw.pick(("100ms", "500ms", "1s"))}


def timeout(draw: Draw) -> str:
    """Return the time-out of a call or a block: a duration or a template of one."""
    return draw.pick(("1s", "3s", "8s", "20s", "1m", "1h", "${input.n + 1}s"))


def wait_timeout(draw: Draw) -> str:
    """Return the time-out of a wait for events."""
    return draw.pick(("500ms", "3s", "8s", "15s", "30s", "${input.n}s", "3h"))


def instance_timeout(draw: Draw) -> str:
    """Return the time-out of a whole instance."""
    return draw.pick(("2s", "10s", "25s", "1m", "2h"))
