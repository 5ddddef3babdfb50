"""From the spec of a WorkflowDefinition to something that runs: shape, checks, program.

The one place where `resources` (shapes) and `language` (meaning) meet.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from perdure.engine.events import Revision
from perdure.engine.faults import Fault
from perdure.engine.values import (
    Json,
    JsonObject,
    ValueRefusedError,
    canonical,
    normalise,
    sha256,
)
from perdure.language.checker import check, unstorable
from perdure.language.flow import FlowOrchestrator
from perdure.resources import validate
from perdure.resources.conditions import Summary, definition_conditions

MAX_FAULTS = 100
REVISION_DIGITS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed:
    """What a definition's spec comes to: faults, or an orchestrator."""

    digest: str
    faults: tuple[Fault, ...]
    orchestrator: FlowOrchestrator | None


def review(spec: JsonObject) -> Reviewed:
    """Check a definition's spec completely: every fault at once, each with its place."""
    try:
        digest = spec_digest(spec)
    except ValueRefusedError as error:
        return Reviewed(digest="", faults=(unstorable(error),), orchestrator=None)
    faults = list(validate.shape_faults(spec, "WorkflowDefinition"))
    program, more = check(spec)
    shown = {fault.path for fault in faults}
    faults += [fault for fault in more if fault.path not in shown]
    if faults or program is None:
        return Reviewed(digest=digest, faults=tuple(faults[:MAX_FAULTS]), orchestrator=None)
    return Reviewed(digest=digest, faults=(), orchestrator=FlowOrchestrator(program))


def manifest_faults(manifest: object) -> list[Fault]:
    """Return everything wrong with a whole manifest of any of our kinds, as `perdure lint` does."""
    faults = validate.manifest_faults(manifest)
    if isinstance(manifest, dict) and manifest.get("kind") == "WorkflowDefinition":
        spec = manifest.get("spec")
        shown = {fault.path for fault in faults}
        _, more = check(spec)
        faults += [fault for fault in more if fault.path not in shown]
    return faults


def spec_digest(spec: JsonObject) -> str:
    """Return the digest that pins a spec: of its canonical bytes."""
    return sha256(canonical(normalise(spec, "spec")))


def revision_name(definition: str, digest: str) -> str:
    """Return the name of the ControllerRevision of a spec."""
    return f"{definition}-{digest[:REVISION_DIGITS]}"


Reviewer = Callable[[JsonObject], Awaitable[Reviewed]]
"""Reviews a spec beside the event loop: a definition of the largest size takes seconds."""


def definition_status(
    body: JsonObject, faults: tuple[Fault, ...], revision: Revision | None, now: datetime
) -> JsonObject:
    """Return the status a definition ought to show: Ready or not, every fault, its revision."""
    meta, status = body["metadata"], body.get("status")
    assert isinstance(meta, dict), "a definition without metadata"
    before = status.get("conditions") if isinstance(status, dict) else None
    generation = meta["generation"]
    assert isinstance(generation, int), "a definition without generation"
    summary = Summary(
        phase="",
        message=_verdict(faults),
        generation=generation,
        now=now,
        previous=[c for c in before if isinstance(c, dict)] if isinstance(before, list) else [],
    )
    conditions: list[Json] = [
        condition.to_json()
        for condition in definition_conditions(summary, is_ready=revision is not None)
    ]
    shown: JsonObject = {"observedGeneration": generation, "conditions": conditions}
    if revision is not None:
        shown["revision"] = {"name": revision.name, "digest": revision.digest}
    if faults:
        shown["faults"] = [_fault_json(fault) for fault in faults]
    return shown


MAX_VERDICT = 4000


def _verdict(faults: tuple[Fault, ...]) -> str:
    """Return the condition's message: the first faults with their places and carets."""
    if not faults:
        return "checked; instances may start"
    number = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
    text = f"{number}:\n" + "\n".join(fault.render() for fault in faults)
    return _cut(text, MAX_VERDICT)


def _fault_json(fault: Fault) -> JsonObject:
    shown: JsonObject = {"path": _cut(fault.path, 1024), "message": _cut(fault.message, 4096)}
    if fault.column is not None:
        shown["column"] = fault.column
    if fault.hint is not None:
        shown["hint"] = _cut(fault.hint, 1024)
    return shown


def _cut(text: str, length: int) -> str:
    """Return at most so many characters, as the schema of the status bounds them."""
    return text if len(text) <= length else text[: length - 1] + "…"
