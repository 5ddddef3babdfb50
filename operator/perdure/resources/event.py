"""WorkflowEvent: one external event for one instance, immutable."""

from typing import Annotated, ClassVar

from pydantic import Field

from perdure.resources.base import Json, ObjectName, Rule, SpecModel, StatusModel, Uid, text
from perdure.resources.common import StatusCondition
from perdure.resources.verbs import EventName

EventId = Annotated[str, text(253, minimum=1)]
InstanceName = Annotated[ObjectName, text(63)]


class WorkflowEventSpec(SpecModel):
    instance: InstanceName = Field(
        description="The name of the instance in the same namespace. It need not exist yet: the "
        "event waits for it up to 24 hours."
    )
    instance_uid: Uid | None = Field(
        default=None,
        description="The uid of the instance, if only this very one is meant and not another of "
        "the same name.",
    )
    name: EventName = Field(description="The name of the event; upper and lower case are alike.")
    id: EventId | None = Field(
        default=None,
        description="The identity of the event for its instance: the same id counts once. The "
        "name of this object if not set.",
    )
    data: Json = Field(
        default=None, description="What the event carries: any JSON, at most 16 KiB."
    )

    RULES: ClassVar = (
        Rule(
            message="a WorkflowEvent does not change: create another one with its own name, or "
            "delete this one",
            cel="self == oldSelf",
        ),
    )


class WorkflowEventStatus(StatusModel):
    conditions: list[StatusCondition] | None = Field(
        default=None,
        max_length=16,
        description="Taken: the instance has the event. Refused: it does not get it, with the "
        "reason.",
    )
