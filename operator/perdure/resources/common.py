"""Parts that more than one kind has."""

from typing import Literal

from pydantic import Field

from perdure.resources.base import (
    Count,
    Digest,
    Duration,
    SpecModel,
    StatusModel,
    Timestamp,
)


class RetentionSpec(SpecModel):
    succeeded: Duration | None = Field(
        default=None, description="How long after a success. 7d if not set."
    )
    failed: Duration | None = Field(
        default=None, description="How long after a failure. 30d if not set."
    )
    terminated: Duration | None = Field(
        default=None, description="How long after a terminate. 7d if not set."
    )


class Revision(StatusModel):
    name: str = Field(max_length=253, description="The name of the ControllerRevision.")
    digest: Digest | None = Field(default=None, description="The full digest of its content.")


class StatusCondition(StatusModel):
    type: str = Field(max_length=316, description="What the condition is about.")
    status: Literal["True", "False", "Unknown"] = Field(description="Whether it holds.")
    reason: str | None = Field(default=None, max_length=1024, description="Why, as one word.")
    message: str | None = Field(default=None, max_length=32768, description="Why, for people.")
    last_transition_time: Timestamp | None = Field(
        default=None, description="When status last changed."
    )
    observed_generation: Count | None = Field(
        default=None, description="The generation of the spec that the condition is about."
    )
