"""What canonical workflows are made of."""

from __future__ import annotations

from dataclasses import dataclass

from tests.simulation.workloads.actions import Action, Define, Start, in_order
from tests.simulation.workloads.services import Script
from tests.simulation.workloads.workload import Workload

from perdure.engine.values import Json, JsonObject

DEFINITION, INSTANCE = "order", "run-1"
PATIENT: JsonObject = {"attempts": -1, "delay": "500ms", "maxDelay": "5s", "jitter": "None"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Canonical:
    """A workload and the phases that its instance may end in.

    `error` is the type of the error that a failure has, `outputs` the outputs that a success may
    have; None where that is left open.
    """

    workload: Workload
    phases: tuple[str, ...]
    error: str | None = None
    outputs: tuple[Json, ...] | None = None

    @property
    def name(self) -> str:
        """Return what it is called by."""
        return self.workload.name

    def allows(self, phase: str, output: Json, error: str | None) -> bool:
        """Return whether an instance may end like this; `error` is the type of its error."""
        if phase not in self.phases:
            return False
        if phase == "Succeeded":
            return self.outputs is None or output in self.outputs
        return phase != "Failed" or self.error in (None, error)


def step(
    name: str, *, service: str = "stock", seen: tuple[str, ...] = (), **around: Json
) -> JsonObject:
    """Return a step that calls a service and passes on the tokens of the steps it has seen."""
    return {"name": name, **ask(name, service=service, seen=seen), **around}


def ask(path: str, *, service: str = "stock", seen: tuple[str, ...] = ()) -> dict[str, Json]:
    """Return the verb that calls a service in the name of the step at this path."""
    body: JsonObject = {
        "uid": "${workflow.uid}",
        "path": path,
        "seen": [f"${{steps.{name}.output.token}}" for name in seen],
    }
    return {"http": {"method": "POST", "service": service, "path": "/orders", "body": body}}


def recipe(*steps: Json, **fields: Json) -> JsonObject:
    """Return the spec of these steps, whose calls go on until they are answered.

    So no single fault of a call changes how the instance ends.
    """
    return {"defaults": {"retry": PATIENT}, "steps": [*steps], **fields}


def workload(
    name: str,
    spec: JsonObject,
    *actions: Action,
    script: Script | None = None,
    given: JsonObject | None = None,
) -> Workload:
    """Return the workload that applies the definition, starts one instance and does the rest."""
    instance: JsonObject = {"definitionRef": {"name": DEFINITION}}
    if given is not None:
        instance["input"] = given
    begin: tuple[Action, ...] = (
        Define(at=0.0, definition=DEFINITION, spec=spec),
        Start(at=1.0, instance=INSTANCE, spec=instance),
    )
    return Workload(
        name=name, actions=in_order((*begin, *actions)), script=script or Script(seed=1)
    )


def job(name: str, *, every: str = "2s") -> JsonObject:
    """Return a step that starts an operation and polls it until it is over."""
    return {
        "name": name,
        "retry": PATIENT,
        "http": {
            "method": "POST",
            "service": "stock",
            "path": "/jobs",
            "body": {"uid": "${workflow.uid}", "path": name},
            "poll": {"every": every, "until": 'result.body.state != "running"'},
        },
    }
