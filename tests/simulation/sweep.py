"""The crash sweep: every request of a canonical workflow meets every fault F1 to F6, once.

The run without faults is the reference: with one fault everything has to come to an end that the
workflow may come to, with at most three times the writes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from tests.simulation.plan import Plan
from tests.simulation.workloads.canonical import CANONICAL, Canonical
from tests.simulation.world import Outcome, World

from perdure.engine.values import Json, JsonObject
from perdure.testing.simulation.fates import (
    Calm,
    Fate,
    Fault,
    Occasion,
    Stroke,
    applicable,
)
from perdure.testing.simulation.points import Point
from perdure.verification.bodies import part
from perdure.verification.evidence import Violation
from perdure.verification.histories import payload_of

SWEPT = (
    Fault.CRASH_BEFORE,
    Fault.CRASH_APPLIED,
    Fault.CRASH_ANSWERED,
    Fault.REQUEST_LOST,
    Fault.REPLY_LOST,
    Fault.TWICE,
)
HEAL_SECONDS = 2.0
"""After the fault; until then the process that died stays dead."""
MOST_LEASES = 6
"""Renewals are all alike: only the first of them are swept."""
MOST_WRITES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One request of one workflow, and what it is to meet."""

    workflow: str
    occasion: Occasion
    fate: Fate

    def render(self) -> str:
        """Return the case for people."""
        occasion = self.occasion
        return (
            f"{self.workflow}: request {occasion.number} of {occasion.process} "
            f"({occasion.point.value}) meets {self.fate.fault.value} {self.fate.variant}"
        )


class _Listener:
    """Lets everything pass and remembers it."""

    def __init__(self) -> None:
        self.occasions: list[Occasion] = []
        self._calm = Calm()

    def decide(self, occasion: Occasion) -> Fate | None:
        self.occasions.append(occasion)
        return self._calm.decide(occasion)


def reference(workflow: Canonical, operators: int) -> tuple[Outcome, list[Occasion]]:
    """Return the run without faults, and every request in it."""
    listener = _Listener()
    plan = plan_of(workflow, operators)
    return World(plan, listener).run(), listener.occasions


def plan_of(workflow: Canonical, operators: int) -> Plan:
    """Return the plan of a canonical workflow without any fault."""
    return Plan(
        seed=workflow.workload.name,
        workload=workflow.workload,
        operators=operators,
        storms=(),
        heal_at=HEAL_SECONDS,
        strokes=(),
    )


def cases(workflow: Canonical, occasions: list[Occasion]) -> Iterator[Case]:
    """Yield every case of a workflow."""
    leases = 0
    for occasion in occasions:
        if occasion.point is Point.LEASE:
            leases += 1
            if leases > MOST_LEASES:
                continue
        found = applicable(
            occasion.point, is_operator=occasion.is_operator, is_write=occasion.is_write
        )
        for fault in SWEPT:
            if fault in found:
                for variant in ("refused", "cut") if fault is Fault.REQUEST_LOST else ("cut",):
                    fate = Fate(fault=fault, variant=variant, seconds=1.0)
                    yield Case(workflow=workflow.workload.name, occasion=occasion, fate=fate)


def run_case(case: Case, calm: Outcome) -> Outcome:
    """Run one case; what differs from the reference is a violation, too."""
    occasion = case.occasion
    stroke = Stroke(
        process=occasion.process,
        number=occasion.number,
        point=occasion.point,
        at=occasion.at,
        fate=case.fate,
    )
    heal_at = occasion.at + HEAL_SECONDS
    outcome = World(replace(calm.plan, strokes=(stroke,), heal_at=heal_at)).run()
    return replace(
        outcome,
        violations=(*outcome.violations, *differences(by_name(case.workflow), outcome, calm)),
    )


def differences(workflow: Canonical, outcome: Outcome, calm: Outcome) -> Iterator[Violation]:
    """Yield where a run came to an end that it may not come to, or wrote too much (I-34)."""
    if outcome.violations:
        return
    for name, end in sorted(ends_of(outcome).items()):
        if not workflow.allows(end.phase, end.output, end.error):
            yield Violation(invariant="I-34", subject=name, text=f"ended as {end}")
    before, after = writes_of(calm), writes_of(outcome)
    if after > MOST_WRITES * before:
        yield Violation(
            invariant="I-34", subject="", text=f"{after} writes, without the fault {before}"
        )


@dataclass(frozen=True, slots=True)
class End:
    """How an instance stood at the end; `error` is the type of its error."""

    phase: str
    output: Json
    error: str | None


def ends_of(outcome: Outcome) -> dict[str, End]:
    """Return how every instance that still stands ended, by `namespace/name`."""
    ends: dict[str, End] = {}
    payloads: dict[str, Json] = {}
    for write in outcome.evidence.writes:
        if write.resource == "workflowhistories" and write.after is not None:
            found = payload_of(part(write.after, "spec"))
            payloads[write.name] = None if found is None else found.value
        if write.resource == "workflowinstances":
            place = f"{write.namespace}/{write.name}"
            ends.pop(place, None)
            status = None if write.after is None else write.after.get("status")
            if isinstance(status, dict):
                ends[place] = _end(status, payloads)
    return ends


def _end(status: JsonObject, payloads: Mapping[str, Json]) -> End:
    output = status.get("output")
    reference = part(output, "$payload").get("ref")
    if isinstance(reference, str):
        output = payloads.get(reference)
    error = status.get("error")
    kind = str(error.get("type")) if isinstance(error, dict) else None
    return End(str(status.get("phase")), output, kind)


def writes_of(outcome: Outcome) -> int:
    """Return how many writes there were, Leases apart."""
    return sum(write.resource != "leases" for write in outcome.evidence.writes)


def by_name(name: str) -> Canonical:
    """Return a canonical workflow. Raises KeyError for a name that there is none of."""
    return {workflow.workload.name: workflow for workflow in CANONICAL}[name]
