"""WorkflowInstance: one run of a definition.

The status rules are for the day when somebody with the right to patch `/status` makes a mistake:
a finished instance stays finished, and a commit counter that ran backwards would let an old
decision through. CEL does not see `output` (any JSON has no type), but an equality of the whole
status compares it byte for byte: so after the end every change must be one of the operator's own,
which raises `observedGeneration`, and `rev` if anything of it does.
"""

from typing import Annotated, ClassVar

from pydantic import Field

from perdure.resources.base import (
    OBJECT_NAME_PATTERN,
    Count,
    Digest,
    Duration,
    Integer,
    Json,
    JsonObject,
    Rule,
    SpecModel,
    StatusModel,
    Timestamp,
    text,
    unchanged,
)
from perdure.resources.common import RetentionSpec, Revision, StatusCondition
from perdure.resources.event import EventId
from perdure.resources.verbs import EventName

MAX_SPEC_EVENTS = 32
# Above the rule's bound, so that the rule's message is what people see, and not "too many items".
SPEC_EVENTS_ESTIMATE = 64
MAX_WAITING_FOR = 10
# One turn adds at most 500 events; past 32 KiB of status the older ones move to segments.
MAX_STATUS_EVENTS = 2000

ENDED = ("Succeeded", "Failed", "Terminated")

DefinitionName = Annotated[str, text(52, minimum=1, pattern=OBJECT_NAME_PATTERN)]
RevisionName = Annotated[str, text(63, minimum=1, pattern=OBJECT_NAME_PATTERN)]


class DefinitionRef(SpecModel):
    name: DefinitionName = Field(description="The name of the definition in the same namespace.")
    revision: RevisionName | None = Field(
        default=None,
        description="A certain revision of it, by the name of its ControllerRevision. The current "
        "one if not set.",
    )


class TerminateSpec(SpecModel):
    reason: str | None = Field(
        default=None, max_length=1024, description="Why, for people; it becomes the message."
    )


class InlineEvent(SpecModel):
    id: EventId = Field(
        description="The identity of the event for this instance: the same id counts once."
    )
    name: EventName = Field(description="The name of the event; upper and lower case are alike.")
    data: Json = Field(default=None, description="What the event carries: any JSON, best small.")

    RULES: ClassVar = (
        Rule(
            message="an event that was sent does not change: append another one with its own id",
            cel="self == oldSelf",
        ),
    )


_EVENTS_SCHEMA = {
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["id"],
    "maxItems": SPEC_EVENTS_ESTIMATE,
    "x-kubernetes-validations": [
        {
            "rule": f"size(self) <= {MAX_SPEC_EVENTS}",
            "message": f"spec.events holds at most {MAX_SPEC_EVENTS} events: send further ones as "
            "WorkflowEvent objects (kubectl create, kind WorkflowEvent), of which there may be "
            "any number",
        },
        {
            "rule": "oldSelf.all(old, self.exists(new, new.id == old.id))",
            "message": "spec.events is append-only: keep the events that are there, and add new "
            'ones with a JSON patch (kubectl patch --type=json, op add, path "/spec/events/-")',
        },
    ],
}


def _ids_are_unique(events: object) -> bool:
    if not isinstance(events, list):
        return True
    ids = [event.get("id") for event in events if isinstance(event, dict)]
    return len({str(one) for one in ids}) == len(ids)


class InstanceSpec(SpecModel):
    definition_ref: DefinitionRef = Field(description="The definition to run.")
    input: JsonObject | None = Field(
        default=None,
        max_length=1000,
        description="The input: any JSON object, at most 256 KiB. {} if not set.",
    )
    start_at: Timestamp | None = Field(
        default=None, description="Do not start before this time (RFC 3339)."
    )
    timeout: Duration | None = Field(
        default=None,
        description="The time for the whole instance, from its start. That of the definition if "
        "not set.",
    )
    suspend: bool = Field(
        default=False,
        description="Pause: nothing new starts, what runs may finish. Time does not stop.",
    )
    suspend_reason: str | None = Field(
        default=None, max_length=1024, description="Why it is suspended, for people."
    )
    terminate: TerminateSpec | None = Field(
        default=None,
        description="End the instance: running work is cancelled. Set once, it cannot be undone.",
    )
    events: list[InlineEvent] = Field(
        default=[],
        description="Events raised by patching the instance, append-only, merged by id, at most "
        "32. For more or larger ones create WorkflowEvent objects.",
        json_schema_extra=_EVENTS_SCHEMA,  # type: ignore[arg-type]
    )
    retention: RetentionSpec | None = Field(
        default=None,
        description="How long the instance is kept when it is finished. That of the definition "
        "if not set.",
    )

    RULES: ClassVar = (
        Rule(
            message="definitionRef does not change: start another instance for another definition",
            cel="self.definitionRef == oldSelf.definitionRef",
        ),
        # One gap: the server's equality of untyped objects overlooks a key that was renamed. The
        # operator works on the copy in the history anyway.
        unchanged("input", "input does not change: start another instance with the other input"),
        unchanged("startAt", "startAt does not change: start another instance for another time"),
        unchanged("timeout", "timeout does not change: terminate the instance to end it early"),
        Rule(
            message="terminate is set once: it cannot be taken back or changed",
            cel="!has(oldSelf.terminate) || "
            "(has(self.terminate) && self.terminate == oldSelf.terminate)",
        ),
        Rule(
            message="two events of spec.events have the same id: give each its own",
            holds=lambda data: _ids_are_unique(data.get("events")),
        ),
        Rule(
            message=f"spec.events holds at most {MAX_SPEC_EVENTS} events: send further ones as "
            "WorkflowEvent objects",
            holds=lambda data: (
                not isinstance(data.get("events"), list) or len(data["events"]) <= MAX_SPEC_EVENTS
            ),
        ),
    )


class WaitingFor(StatusModel):
    what: str = Field(
        max_length=32,
        description="Activity, Timer, Retry, Event, Definition, Start or Storage.",
    )
    name: str | None = Field(
        default=None, max_length=1024, description="The name of the step, event or definition."
    )
    path: str | None = Field(
        default=None, max_length=4096, description="The path of the step, such as pay.charge."
    )
    since: Timestamp | None = Field(default=None, description="Since when it waits.")
    until: Timestamp | None = Field(
        default=None, description="Until when it waits at the longest, if that is known."
    )
    attempt: Count | None = Field(default=None, description="The attempt, counted from 1.")
    message: str | None = Field(
        default=None, max_length=4096, description="More about it, for people."
    )


_NULLABLE = {"nullable": True}


class ErrorStatus(StatusModel):
    type: str = Field(max_length=256, description="The type of the error, such as HttpStatus.")
    message: str | None = Field(
        default=None,
        max_length=32768,
        description="What happened, for people.",
        json_schema_extra=_NULLABLE,  # type: ignore[arg-type]
    )
    code: Integer | None = Field(
        default=None,
        description="The HTTP or exit code, if there is one.",
        json_schema_extra=_NULLABLE,  # type: ignore[arg-type]
    )
    retryable: bool | None = Field(
        default=None,
        description="Whether trying again could help.",
        json_schema_extra=_NULLABLE,  # type: ignore[arg-type]
    )
    step: str | None = Field(
        default=None,
        max_length=4096,
        description="The path of the step that failed.",
        json_schema_extra=_NULLABLE,  # type: ignore[arg-type]
    )
    attempt: Count | None = Field(
        default=None,
        description="The attempt that failed, counted from 1.",
        json_schema_extra=_NULLABLE,  # type: ignore[arg-type]
    )
    details: Json = Field(default=None, description="Any JSON that goes with the error.")
    cause: Json = Field(default=None, description="The error behind it, of the same form.")


class SegmentRef(StatusModel):
    name: str = Field(max_length=253, description="The name of the WorkflowHistory.")
    digest: Digest = Field(description="Its digest.")


class SegmentsStatus(StatusModel):
    count: Count = Field(description="How many segments there are.")
    newest: SegmentRef | None = Field(default=None, description="The newest of them.")


class HistoryStatus(StatusModel):
    version: Count | None = Field(default=None, description="The version of the stored form.")
    length: Count | None = Field(default=None, description="The id of the newest event.")
    digest: Digest | None = Field(
        default=None, description="The hash chain over all events up to the newest."
    )
    segments: SegmentsStatus | None = Field(
        default=None, description="Where the older events are: in WorkflowHistory objects."
    )
    # Items without a type: only so does an equality around them compare every byte, and no older
    # CRD prunes what a newer operator writes.
    events: list[Json] | None = Field(
        default=None,
        max_length=MAX_STATUS_EVENTS,
        description="The events after the newest segment, as objects, oldest first.",
    )


_WAS_ENDED = f"has(oldSelf.phase) && oldSelf.phase in {list(ENDED)!r}"
_FROZEN_FIELDS = ("history", "error", "startedAt", "completedAt", "revision")
_FROZEN = " && ".join(
    f"has(self.{field}) == has(oldSelf.{field}) && "
    f"(!has(self.{field}) || self.{field} == oldSelf.{field})"
    for field in _FROZEN_FIELDS
)


class InstanceStatus(StatusModel):
    rev: Count | None = Field(
        default=None, description="The commit counter; every change of the status raises it."
    )
    commit_id: str | None = Field(
        default=None, max_length=128, description="The identity of the newest commit."
    )
    observed_generation: Count | None = Field(
        default=None, description="The generation of the spec that this status is about."
    )
    phase: str | None = Field(
        default=None,
        max_length=32,
        description="One word for people: Pending, Running, Suspended, Succeeded, Failed, "
        "Terminated or Stalled. Programs read the conditions.",
    )
    conditions: list[StatusCondition] | None = Field(
        default=None,
        max_length=16,
        description="Succeeded, Completed and Suspended always; Reconciling and Stalled where "
        "true.",
    )
    message: str | None = Field(
        default=None, max_length=32768, description="What is going on, for people."
    )
    progress: str | None = Field(
        default=None, max_length=32, description="Ended steps of all steps of the main flow."
    )
    waiting_for: list[WaitingFor] | None = Field(
        default=None,
        max_length=MAX_WAITING_FOR,
        description="What the instance waits for, at most 10 of it.",
    )
    started_at: Timestamp | None = Field(default=None, description="When it started.")
    completed_at: Timestamp | None = Field(default=None, description="When it ended.")
    wake_at: Timestamp | None = Field(
        default=None, description="When the next timer is due, if one is open."
    )
    revision: Revision | None = Field(
        default=None, description="The revision of the definition that the instance stays on."
    )
    output: Json = Field(
        default=None, description="The output of an instance that succeeded: any JSON."
    )
    error: ErrorStatus | None = Field(
        default=None, description="Why the instance failed or was terminated."
    )
    observed: JsonObject | None = Field(
        default=None,
        max_length=100,
        description="What only the outside knows, such as why the operator is stuck. Decides "
        "nothing.",
    )
    history: HistoryStatus | None = Field(
        default=None,
        description="Everything that happened: what the engine decides from.",
        json_schema_extra={"x-kubernetes-preserve-unknown-fields": True},
    )

    RULES: ClassVar = (
        Rule(
            message="status.rev only grows: read the object anew before writing its status",
            cel="!has(oldSelf.rev) || (has(self.rev) && self.rev >= oldSelf.rev)",
        ),
        Rule(
            message="a finished instance stays finished: start another instance to run it again",
            cel=f"!({_WAS_ENDED}) || (has(self.phase) && self.phase == oldSelf.phase)",
        ),
        Rule(
            message="the result of a finished instance does not change: history, error, "
            "startedAt, completedAt and revision stay as they are",
            cel=f"!({_WAS_ENDED}) || ({_FROZEN})",
        ),
        Rule(
            message="the conditions Succeeded and Completed of a finished instance do not change",
            cel=f"!({_WAS_ENDED}) || !has(oldSelf.conditions) || (has(self.conditions) && "
            "oldSelf.conditions.all(old, !(old.type in ['Succeeded', 'Completed']) || "
            "self.conditions.exists(new, new.type == old.type && new.status == old.status)))",
        ),
        Rule(
            message="the status of a finished instance does not change, the output included; "
            "only the operator notes that it has seen a newer generation of the spec",
            cel=f"!({_WAS_ENDED}) || self == oldSelf || "
            "(has(self.rev) && has(oldSelf.rev) && self.rev >= oldSelf.rev && "
            "has(self.observedGeneration) && has(oldSelf.observedGeneration) && "
            "self.observedGeneration > oldSelf.observedGeneration)",
        ),
    )
