"""WorkflowDefinition: the recipe."""

from typing import ClassVar

from pydantic import Field

from perdure.resources.base import (
    Count,
    DurationTemplate,
    Json,
    JsonObject,
    Name,
    SpecModel,
    StatusModel,
    keys_are_names,
)
from perdure.resources.common import RetentionSpec, Revision, StatusCondition
from perdure.resources.steps import RetrySpec, Step

MAX_STEPS = 200
MAX_FLOWS = 50
MAX_FLOW_STEPS = 100
MAX_PARAMS = 50
MAX_VARS = 100
MAX_FAULTS = 100

_VARS_NAMES = keys_are_names("vars", "variables")


class InputSpec(SpecModel):
    schema_: JsonObject | None = Field(
        default=None,
        max_length=100,
        description="A JSON Schema (2020-12, without remote $ref) that the input must match; "
        "defaults are filled in.",
    )


class FlowSpec(SpecModel):
    name: Name = Field(description="The name of the flow, unique in the definition.")
    params: list[Name] | None = Field(
        default=None,
        max_length=MAX_PARAMS,
        description="The names of its parameters, all required; the caller passes them by with.",
    )
    vars: JsonObject | None = Field(
        default=None,
        max_length=MAX_VARS,
        description="Variables of the flow and their first values, templates.",
    )
    steps: list[Step] = Field(
        min_length=1,
        max_length=MAX_FLOW_STEPS,
        description="The steps of the flow; the fields are those of spec.steps.",
    )
    output: Json = Field(
        default=None, description="A template for the output of the flow. null if not set."
    )

    RULES: ClassVar = (_VARS_NAMES,)


class DefaultsSpec(SpecModel):
    retry: RetrySpec | None = Field(
        default=None, description="The retry of http steps, for each field that a step leaves out."
    )
    timeout: DurationTemplate | None = Field(
        default=None, description="The timeout of http steps that set none."
    )


class DefinitionSpec(SpecModel):
    description: str | None = Field(
        default=None, max_length=4096, description="What the workflow is for, for people."
    )
    input: InputSpec | None = Field(
        default=None, description="What an instance must be given. Anything if not set."
    )
    output: Json = Field(
        default=None,
        description="A template for the output of the instance: any JSON. null if not set.",
    )
    vars: JsonObject | None = Field(
        default=None,
        max_length=MAX_VARS,
        description="Variables of the instance and their first values, templates.",
    )
    steps: list[Step] = Field(
        min_length=1,
        max_length=MAX_STEPS,
        description="The steps of the main flow. Without needs, a step waits for every step "
        "above it.",
    )
    flows: list[FlowSpec] | None = Field(
        default=None,
        max_length=MAX_FLOWS,
        description="Named flows, run by call, switch and catch.",
    )
    defaults: DefaultsSpec | None = Field(
        default=None, description="What http steps use where they set nothing themselves."
    )
    timeout: DurationTemplate | None = Field(
        default=None,
        description="The time for the whole instance, from its start: a duration, or a template. "
        "Without limit if not set.",
    )
    retention: RetentionSpec | None = Field(
        default=None, description="How long finished instances are kept."
    )

    RULES: ClassVar = (_VARS_NAMES,)


class FaultStatus(StatusModel):
    path: str = Field(max_length=1024, description="Where, such as spec.steps[2].http.path.")
    column: Count | None = Field(
        default=None, description="The column in the value where the fault begins, from 1."
    )
    message: str = Field(max_length=4096, description="What is wrong.")
    hint: str | None = Field(default=None, max_length=1024, description="What to do about it.")


class DefinitionStatus(StatusModel):
    observed_generation: Count | None = Field(
        default=None, description="The generation of the spec that this status is about."
    )
    conditions: list[StatusCondition] | None = Field(
        default=None,
        max_length=16,
        description="Ready: whether the definition was checked and instances can start.",
    )
    revision: Revision | None = Field(
        default=None, description="The revision that new instances start with."
    )
    faults: list[FaultStatus] | None = Field(
        default=None,
        max_length=MAX_FAULTS,
        description="Every fault that was found in the spec, at most 100.",
    )
