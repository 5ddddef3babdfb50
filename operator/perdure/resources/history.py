"""WorkflowHistory: an immutable part of an instance's history, or a large value of it."""

from typing import ClassVar, Literal

from pydantic import Field

from perdure.resources.base import Count, Digest, Json, Rule, SpecModel, Uid

MAX_SEGMENT_EVENTS = 5000
# One payload is at most 1 MiB; base64 makes it 4/3 of that.
MAX_DATA = 1_400_000


class PreviousSegment(SpecModel):
    name: str = Field(max_length=253, description="The name of the WorkflowHistory before it.")
    digest: Digest = Field(description="The digest of that one.")


class HistorySpec(SpecModel):
    instance_uid: Uid = Field(description="The uid of the instance that it belongs to.")
    kind: Literal["Segment", "Payload"] = Field(
        description="Segment: older events. Payload: one large value of an event."
    )
    first_id: Count | None = Field(
        default=None, description="The id of the first event in it, or of the payload's event."
    )
    last_id: Count | None = Field(
        default=None, description="The id of the last event in it, or of the payload's event."
    )
    previous: PreviousSegment | None = Field(
        default=None, description="The segment before this one, by name and digest."
    )
    digest: Digest | None = Field(
        default=None,
        description="The digest of the chain after the last event, or of the payload.",
    )
    codec: str | None = Field(
        default=None, max_length=63, description="The name and version of the stored form."
    )
    # Items without a type: only so does an equality of the spec compare every byte of them.
    events: list[Json] | None = Field(
        default=None,
        max_length=MAX_SEGMENT_EVENTS,
        description="The events, as objects, oldest first.",
    )
    data: str | None = Field(
        default=None, max_length=MAX_DATA, description="The payload, in base64."
    )

    RULES: ClassVar = (
        Rule(
            message="a WorkflowHistory does not change: it is part of what an instance has "
            "recorded",
            cel="self == oldSelf",
        ),
    )
