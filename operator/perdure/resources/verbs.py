"""The leaf verbs of a step: what one step does itself. The blocks are in `steps.py`.

No field inside a list of steps has a default in the schema: the server would write it into
atomic lists that a GitOps tool owns and compares. The description names the default instead.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from perdure.resources.base import (
    MAX_EXPRESSION,
    PATH_PATTERN,
    SERVICE_PATTERN,
    URL_PATTERN,
    Duration,
    DurationTemplate,
    ErrorType,
    Expression,
    Json,
    JsonObject,
    Rule,
    SpecModel,
    TextTemplate,
    TimeTemplate,
    at_most_one_of,
    excludes_field,
    one_of,
    text,
)

ServiceName = Annotated[str, text(MAX_EXPRESSION, minimum=1, pattern=SERVICE_PATTERN)]
UrlTemplate = Annotated[str, text(MAX_EXPRESSION, minimum=1, pattern=URL_PATTERN)]
PathTemplate = Annotated[str, text(MAX_EXPRESSION, minimum=1, pattern=PATH_PATTERN)]
EventName = Annotated[str, text(253, minimum=1)]


class PollSpec(SpecModel):
    url: UrlTemplate | None = Field(
        default=None,
        description="Where to ask, as a whole URL. Without url and path it is the Location of "
        "the start's answer.",
    )
    path: PathTemplate | None = Field(
        default=None, description="Where to ask, as a path of the same service or host."
    )
    every: Duration = Field(description="The time between two polls, such as 10s.")
    until: Expression = Field(
        description="CEL over result: polling ends when it is true, such as "
        'result.body.state == "done".'
    )

    RULES: ClassVar = (at_most_one_of("set url or path of the poll, not both", "url", "path"),)


class HttpSpec(SpecModel):
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] | None = Field(
        default=None, description="The HTTP method. GET if not set."
    )
    service: ServiceName | None = Field(
        default=None,
        description="A Service in the namespace of the instance: its name, or a template. "
        "Either service or url.",
    )
    port: Annotated[int, Field(ge=1, le=65535)] | None = Field(
        default=None,
        description="The port of the Service; its only TCP port if not set.",
    )
    scheme: Literal["http", "https"] | None = Field(
        default=None, description="How to talk to the Service. http if not set."
    )
    path: PathTemplate | None = Field(
        default=None,
        description="The path below the Service, a template that starts with /. Values inserted "
        "into it are percent-encoded. / if not set.",
    )
    url: UrlTemplate | None = Field(
        default=None,
        description="A whole URL, a template, for a host that the administrator allows. "
        "Either service or url.",
    )
    query: JsonObject | None = Field(
        default=None,
        max_length=50,
        description="Query parameters by name; the values are templates, a list repeats the "
        "parameter.",
    )
    headers: JsonObject | None = Field(
        default=None,
        max_length=50,
        description="Request headers by name; the values are templates. A header given here wins "
        "over one that Perdure adds (Idempotency-Key, traceparent, Perdure-Attempt).",
    )
    body: Json = Field(
        default=None, description="The request body: any JSON, a template, sent as JSON."
    )
    form: JsonObject | None = Field(
        default=None,
        max_length=50,
        description="The request body as a form: values by field name, templates. Instead of body.",
    )
    expect: Expression | None = Field(
        default=None,
        description="CEL over result {code, headers, body} that must be true, else the attempt "
        "fails with ExpectFailed. result.code < 400 if not set.",
    )
    poll: PollSpec | None = Field(
        default=None,
        description="For calls that start something long: after the first answer, ask with GET "
        "until a condition holds; the last answer is the result.",
    )

    RULES: ClassVar = (
        one_of("set exactly one of service and url", "service", "url"),
        excludes_field(
            "url is the whole address: port, scheme and path belong to service",
            "url",
            "port",
            "scheme",
            "path",
        ),
        Rule(
            message="set body (sent as JSON) or form, not both",
            holds=lambda data: not ("body" in data and "form" in data),
        ),
    )


class WaitSpec(SpecModel):
    for_: DurationTemplate | None = Field(
        default=None,
        description="How long, from when the step starts: a duration such as 1h30m, or a template.",
    )
    at: TimeTemplate | None = Field(
        default=None,
        description="Until when: an RFC 3339 time, or a template. A time in the past ends the "
        "step at once.",
    )

    RULES: ClassVar = (one_of("set exactly one of for and at", "for", "at"),)


class EventSpec(SpecModel):
    name: EventName = Field(description="The name of the event; upper and lower case are alike.")
    where: Expression | None = Field(
        default=None,
        description="CEL over event {id, name, data, time}: only events for which it is true "
        "count. One for which it fails is no match.",
    )
    count: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        default=None,
        description="How many events to wait for; the output is then a list of them. One event, "
        "and no list, if not set.",
    )
    on_timeout: Literal["Fail", "Continue"] | None = Field(
        default=None,
        description="What the step's timeout does: Fail the step, or Continue with the output "
        "null. Fail if not set.",
    )


class RaiseSpec(SpecModel):
    type: ErrorType = Field(description="The type of the error, such as CardDeclined.")
    message: TextTemplate | None = Field(
        default=None, description="What happened, for people; a template."
    )
    code: Annotated[int, Field(ge=-(2**31), le=2**31 - 1)] | None = Field(
        default=None, description="A number that goes with the error, read as error.code."
    )
    details: Json = Field(
        default=None, description="Any JSON that goes with the error; a template."
    )
    retryable: bool | None = Field(
        default=None, description="Whether a retry may try again. false if not set."
    )


class ReturnSpec(SpecModel):
    value: Json = Field(
        default=None, description="The output of the flow: any JSON, a template. null if not set."
    )
