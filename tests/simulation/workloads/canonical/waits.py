"""Canonical workflows that wait: for events and time-outs, for many events, for time."""

from __future__ import annotations

from tests.simulation.workloads.actions import Action, RaiseAsObject, RaiseInSpec, Resume, Suspend
from tests.simulation.workloads.canonical.parts import INSTANCE, PATIENT, Canonical, step, workload
from tests.simulation.workloads.services import Script, Temper

from perdure.engine.values import Json, JsonObject


def race_with_timeout() -> Canonical:
    """An event that is sent in the very moment in which the wait for it times out."""
    spec: JsonObject = {
        "steps": [
            {
                "name": "approval",
                "event": {"name": "approved", "onTimeout": "Continue"},
                "timeout": "5s",
            }
        ],
        "output": '${steps.approval.output == null ? "late" : "in time"}',
    }
    event = RaiseInSpec(at=6.0, instance=INSTANCE, event={"id": "e1", "name": "Approved"})
    return Canonical(
        workload=workload("race-with-timeout", spec, event),
        phases=("Succeeded",),
        outputs=("late", "in time"),
    )


def twenty_events() -> Canonical:
    """Twenty events in another order than they are waited for, by both doors, some twice."""
    count = 20
    spec: JsonObject = {
        "steps": [
            {"name": f"w{number}", "event": {"name": f"signal{number}"}, "output": "${result.data}"}
            for number in range(count)
        ],
        "output": [f"${{steps.w{number}.output}}" for number in range(count)],
    }
    events: list[Action] = []
    for place, number in enumerate((7 * n + 3) % count for n in range(count)):
        events.append(_signal(number, at=0.5 + place * 0.4, is_object=number % 2 == 0))
        if number % 5 == 0:
            events.append(_signal(number, at=1.5 + place * 0.4, is_object=number % 2 == 1))
    return Canonical(
        workload=workload("twenty-events", spec, *events),
        phases=("Succeeded",),
        outputs=([*range(count)],),
    )


def _signal(number: int, *, at: float, is_object: bool) -> Action:
    name = f"signal{number}"
    if is_object:
        return RaiseAsObject(
            at=at,
            instance=INSTANCE,
            object_name=f"{INSTANCE}-{name}",
            event_name=name,
            event_id=name,
            data=number,
        )
    # Before the instance exists nothing can be appended to it.
    event: JsonObject = {"id": name, "name": name, "data": number}
    return RaiseInSpec(at=max(at, 1.2), instance=INSTANCE, event=event)


def timer_chain() -> Canonical:
    """Waits one after the other, the longest a day."""
    lengths = ("100ms", "1s", "2s", "1m", "1d", "500ms")
    steps: list[Json] = []
    for number, length in enumerate(lengths):
        steps.append({"name": f"w{number}", "wait": {"for": length}})
        steps.append({"name": f"c{number}", "set": {"count": "${vars.count + 1}"}})
    spec: JsonObject = {"vars": {"count": 0}, "steps": steps, "output": "${vars.count}"}
    return Canonical(
        workload=workload("timer-chain", spec), phases=("Succeeded",), outputs=(len(lengths),)
    )


def suspend_and_resume() -> Canonical:
    """Suspended while a call, a timer and an event are awaited; all of them come meanwhile."""
    spec: JsonObject = {
        "defaults": {"retry": PATIENT},
        "steps": [
            step("call", needs=[], service="bank", catch=[{"output": "none"}]),
            {"name": "timer", "needs": [], "wait": {"for": "3s"}},
            {"name": "signal", "needs": [], "event": {"name": "go"}, "output": "${result.data}"},
            step("last", catch=[{"output": "none"}]),
        ],
        "output": "${steps.signal.output}",
    }
    actions: tuple[Action, ...] = (
        Suspend(at=2.0, instance=INSTANCE, reason="incident 7"),
        RaiseInSpec(at=4.0, instance=INSTANCE, event={"id": "e1", "name": "go", "data": 7}),
        Resume(at=15.0, instance=INSTANCE),
        Suspend(at=15.1, instance=INSTANCE),
        Resume(at=16.0, instance=INSTANCE),
    )
    script = Script(seed=5, tempers={"bank": Temper(slow=1.0)})
    return Canonical(
        workload=workload("suspend-and-resume", spec, *actions, script=script),
        phases=("Succeeded",),
        outputs=(7,),
    )
