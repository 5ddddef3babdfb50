"""Canonical workflows whose users change their mind: terminate, define late, begin anew."""

from __future__ import annotations

from tests.simulation.workloads.actions import (
    Action,
    Define,
    Delete,
    RaiseAsObject,
    RaiseInSpec,
    Start,
    Terminate,
    Undefine,
)
from tests.simulation.workloads.canonical.parts import (
    DEFINITION,
    INSTANCE,
    Canonical,
    recipe,
    step,
    workload,
)
from tests.simulation.workloads.services import Script, Temper
from tests.simulation.workloads.workload import Workload

from perdure.engine.values import JsonObject


def cancel_race() -> Canonical:
    """A terminate that meets the answer of the last call."""
    second = step("second", service="bank", seen=("first",))
    spec = recipe(step("first"), second, output="done")
    script = Script(seed=4, tempers={"bank": Temper(slow=1.0)})
    stop = Terminate(at=4.0, instance=INSTANCE, reason="not needed any more")
    return Canonical(
        workload=workload("cancel-race", spec, stop, script=script),
        phases=("Terminated", "Succeeded"),
    )


def late_definition() -> Canonical:
    """An instance before its definition, which is changed while it runs and then deleted."""
    pause: JsonObject = {"name": "pause", "wait": {"for": "5s"}}
    spec = recipe(step("a"), pause, step("b", seen=("a",)), output="first")
    other = recipe(step("x"), output="second")
    instance: JsonObject = {"definitionRef": {"name": DEFINITION}}
    actions: tuple[Action, ...] = (
        Start(at=0.0, instance=INSTANCE, spec=instance),
        Define(at=3.0, definition=DEFINITION, spec=spec),
        Define(at=6.0, definition=DEFINITION, spec=other),
        Undefine(at=8.0, definition=DEFINITION),
    )
    made = Workload(name="late-definition", actions=actions, script=Script(seed=7))
    return Canonical(workload=made, phases=("Succeeded",), outputs=("first", "second"))


def reborn() -> Canonical:
    """Deleted amid a call and created again under its name: two instances, two effects."""
    signal: JsonObject = {"name": "signal", "event": {"name": "go"}, "output": "${result.data}"}
    spec = recipe(step("pay", service="bank"), signal, output="${steps.signal.output}")
    instance: JsonObject = {"definitionRef": {"name": DEFINITION}}
    actions: tuple[Action, ...] = (
        RaiseInSpec(at=1.5, instance=INSTANCE, event={"id": "e1", "name": "go", "data": 1}),
        Delete(at=2.0, instance=INSTANCE),
        Start(at=2.1, instance=INSTANCE, spec=instance),
        RaiseAsObject(
            at=2.2,
            instance=INSTANCE,
            object_name="go-2",
            event_name="go",
            event_id="e1",
            data=2,
        ),
    )
    script = Script(seed=8, tempers={"bank": Temper(slow=1.0)})
    return Canonical(
        workload=workload("reborn", spec, *actions, script=script),
        phases=("Succeeded",),
        outputs=(2,),
    )
