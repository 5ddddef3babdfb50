"""The five kinds: what a CRD says beside its fields."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from perdure.resources.base import Rule, SpecModel, StatusModel
from perdure.resources.definition import DefinitionSpec, DefinitionStatus
from perdure.resources.event import WorkflowEventSpec, WorkflowEventStatus
from perdure.resources.history import HistorySpec
from perdure.resources.instance import ENDED, InstanceSpec, InstanceStatus
from perdure.resources.log import LogSpec

CATEGORY = "perdure"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of `kubectl get`; a wide one shows only with `-o wide`."""

    name: str
    path: str
    description: str
    type: str = "string"
    is_wide: bool = False


@dataclass(frozen=True, slots=True)
class Kind:
    kind: str
    plural: str
    short: str
    description: str
    spec: type[SpecModel]
    spec_description: str
    status: type[StatusModel] | None
    columns: tuple[Column, ...]
    selectable: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    max_name: int = 253
    is_for_people: bool = True
    """Whether `kubectl get perdure` lists it."""

    @property
    def singular(self) -> str:
        return self.kind.lower()


_AGE = Column("Age", ".metadata.creationTimestamp", "When it was created.", type="date")


def _name_rule(maximum: int, what: str) -> Rule:
    return Rule(
        message=f"the name of a {what} has at most {maximum} characters: choose a shorter one",
        cel=f"size(self.metadata.name) <= {maximum}",
        holds=lambda data: _name_fits(data, maximum),
    )


def _name_fits(data: Mapping[str, Any], maximum: int) -> bool:
    metadata = data.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    return not isinstance(name, str) or len(name) <= maximum


DEFINITION = Kind(
    kind="WorkflowDefinition",
    plural="workflowdefinitions",
    short="wfd",
    description="A durable workflow: its steps, and what they need. Instances run it.",
    spec=DefinitionSpec,
    spec_description="The recipe. A change makes a new revision; running instances keep theirs.",
    status=DefinitionStatus,
    columns=(
        Column(
            "Ready",
            '.status.conditions[?(@.type=="Ready")].status',
            "Whether instances can start.",
        ),
        Column("Revision", ".status.revision.name", "The revision that new instances start with."),
        Column(
            "Message",
            '.status.conditions[?(@.type=="Ready")].message',
            "What was found when it was checked.",
            is_wide=True,
        ),
        _AGE,
    ),
    rules=(_name_rule(52, "WorkflowDefinition"),),
    max_name=52,
)

INSTANCE = Kind(
    kind="WorkflowInstance",
    plural="workflowinstances",
    short="wfi",
    description="One run of a WorkflowDefinition: what to run, its controls, and how it goes.",
    spec=InstanceSpec,
    spec_description="What to run, and the controls. Only suspend, suspendReason, terminate, "
    "events and retention may change.",
    status=InstanceStatus,
    columns=(
        Column("Definition", ".spec.definitionRef.name", "The definition that it runs."),
        Column("Phase", ".status.phase", "One word about its state."),
        Column("Progress", ".status.progress", "Ended steps of all steps of the main flow."),
        Column("Waiting for", ".status.waitingFor[0].name", "The first of what it waits for."),
        Column("Message", ".status.message", "What is going on.", is_wide=True),
        Column("Started", ".status.startedAt", "When it started.", type="date", is_wide=True),
        Column("Completed", ".status.completedAt", "When it ended.", type="date", is_wide=True),
        _AGE,
    ),
    selectable=(".spec.definitionRef.name", ".status.phase", ".spec.suspend"),
    rules=(
        _name_rule(63, "WorkflowInstance"),
        Rule(
            message="the status of an instance is its memory: it cannot be removed; delete the "
            "instance instead",
            cel="!has(oldSelf.status) || has(self.status)",
        ),
        Rule(
            message="the instance has ended and takes no events any more: start another one",
            cel="!has(oldSelf.status) || !has(oldSelf.status.phase) || "
            f"!(oldSelf.status.phase in {list(ENDED)!r}) || "
            "self.spec.events == oldSelf.spec.events",
        ),
    ),
    max_name=63,
)

EVENT = Kind(
    kind="WorkflowEvent",
    plural="workflowevents",
    short="wfe",
    description="One external event for one WorkflowInstance.",
    spec=WorkflowEventSpec,
    spec_description="The event. It does not change.",
    status=WorkflowEventStatus,
    columns=(
        Column("Instance", ".spec.instance", "The instance that it is for."),
        Column("Event", ".spec.name", "The name of the event."),
        Column(
            "State",
            '.status.conditions[?(@.status=="True")].type',
            "Taken or Refused; empty while it waits.",
        ),
        Column(
            "Reason",
            '.status.conditions[?(@.status=="True")].reason',
            "Why it was refused.",
        ),
        _AGE,
    ),
    selectable=(".spec.instance",),
)

HISTORY = Kind(
    kind="WorkflowHistory",
    plural="workflowhistories",
    short="wfh",
    description="A part of the history of a WorkflowInstance, written by the operator.",
    spec=HistorySpec,
    spec_description="The content. It does not change.",
    status=None,
    columns=(
        Column("Kind", ".spec.kind", "Segment or Payload."),
        Column("First", ".spec.firstId", "The id of the first event in it.", type="integer"),
        Column("Last", ".spec.lastId", "The id of the last event in it.", type="integer"),
        Column(
            "Types",
            r".metadata.annotations.perdure\.dev/types",
            "The types of the events in it.",
        ),
        _AGE,
    ),
)

LOG = Kind(
    kind="WorkflowLog",
    plural="workflowlogs",
    short="wfl",
    description="One slot of the log of turns, written by the operator.",
    spec=LogSpec,
    spec_description="The entry that stands in the slot. A later one replaces it.",
    status=None,
    columns=(
        Column("Lane", ".spec.lane", "The lane that it is a slot of.", type="integer"),
        Column("Seq", ".spec.seq", "The number of the entry; 0 for none.", type="integer"),
        Column("Kind", ".spec.kind", "What the entry says of its lane."),
        Column("Writer", ".spec.incarnation", "The process that wrote the entry."),
        _AGE,
    ),
    is_for_people=False,
)

KINDS: Mapping[str, Kind] = MappingProxyType(
    {kind.kind: kind for kind in (DEFINITION, INSTANCE, EVENT, HISTORY, LOG)}
)
