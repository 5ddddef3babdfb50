"""Canonical workflows of flows in flows: compensation by hand, and everything at once."""

from __future__ import annotations

from tests.simulation.workloads.actions import Action, RaiseInSpec
from tests.simulation.workloads.canonical.parts import (
    INSTANCE,
    PATIENT,
    Canonical,
    ask,
    job,
    step,
    workload,
)
from tests.simulation.workloads.services import Script, Temper

from perdure.engine.values import JsonObject


def compensation() -> Canonical:
    """A trip of nested flows whose last booking is refused: what was booked is undone by hand."""
    undo: JsonObject = {
        "flow": "undo",
        "with": {"at": "book.catch[0]"},
        "output": {"undone": "${result}", "why": "${error.code}"},
    }
    spec: JsonObject = {
        "defaults": {"retry": PATIENT},
        "steps": [{"name": "book", "call": {"flow": "trip"}, "catch": [undo]}],
        "flows": [
            {
                "name": "trip",
                "steps": [
                    {"name": "travel", "call": {"flow": "travel"}},
                    {"name": "hotel", **ask("book.hotel", service="bank")},
                ],
            },
            {
                "name": "travel",
                "steps": [
                    {"name": "train", **ask("book.travel.train")},
                    {"name": "seat", **ask("book.travel.seat", seen=("train",))},
                ],
                "output": "${steps.seat.output.token}",
            },
            {
                "name": "undo",
                "params": ["at"],
                "steps": [
                    {"name": "seat", **ask("${at}.seat")},
                    {"name": "train", **ask("${at}.train", seen=("seat",))},
                ],
                "output": 2,
            },
        ],
        "output": '${steps.book.status + ":" + string(steps.book.output.undone)}',
    }
    script = Script(seed=3, tempers={"bank": Temper(refusing=1.0)})
    return Canonical(
        workload=workload("compensation", spec, script=script),
        phases=("Succeeded",),
        outputs=("Caught:2",),
    )


def kitchen_sink() -> Canonical:
    """Every verb, blocks in blocks, steps side by side, a retried block, a catch, a return."""
    spec: JsonObject = {
        "input": {"schema": {"type": "object", "properties": {"n": {"type": "integer"}}}},
        "vars": {"total": "${input.n}"},
        "defaults": {"retry": PATIENT},
        "steps": [
            step("left", needs=[]),
            step("right", needs=[], service="bank"),
            {"name": "pause", "needs": ["left"], "wait": {"for": "1s"}},
            {"name": "add", "set": {"total": "${vars.total + steps.left.output.n * 0 + 1}"}},
            {
                "name": "route",
                "switch": {
                    "cases": [
                        {"when": "vars.total > 99", "do": {"raise": {"type": "TooMany"}}},
                        {"when": "vars.total == 4", "flow": "inner", "with": {"at": "route"}},
                    ],
                    "default": {"do": {"return": {"value": "wrong"}}},
                },
            },
            {
                "name": "risky",
                "call": {"flow": "failing"},
                "retry": {"attempts": 2, "delay": "100ms", "when": 'error.type == "Declined"'},
                "catch": [{"when": 'error.type == "Declined"', "do": ask("risky.catch[0]")}],
            },
            {"name": "skipped", "when": "vars.total < 0", **ask("skipped")},
            {"name": "signal", "event": {"name": "go", "where": "event.data > 1", "count": 2}},
            job("job"),
            {"name": "end", "return": {"value": "${[vars.total, size(steps.signal.output)]}"}},
        ],
        "flows": [
            {
                "name": "inner",
                "params": ["at"],
                "vars": {"total": 100},
                "steps": [
                    {"name": "own", "set": {"total": "${vars.total + 1}"}},
                    {"name": "deep", "call": {"flow": "deepest", "with": {"at": "${at}.deep"}}},
                ],
                "output": "${vars.total}",
            },
            {
                "name": "deepest",
                "params": ["at"],
                "steps": [{"name": "ask", **ask("${at}.ask")}],
            },
            {
                "name": "failing",
                "steps": [
                    {"name": "try", **ask("risky.try")},
                    {"name": "decline", "raise": {"type": "Declined", "message": "no"}},
                ],
            },
        ],
    }
    actions = (
        _go("g1", at=2.0, data=0),
        _go("g2", at=3.0, data=2),
        _go("g2", at=4.0, data=2),
        _go("g3", at=20.0, data=3),
    )
    return Canonical(
        workload=workload("kitchen-sink", spec, *actions, given={"n": 3}),
        phases=("Succeeded",),
        outputs=([4, 2],),
    )


def _go(event_id: str, *, at: float, data: int) -> Action:
    event: JsonObject = {"id": event_id, "name": "go", "data": data}
    return RaiseInSpec(at=at, instance=INSTANCE, event=event)
