"""Steps, the bodies of blocks, and what surrounds every step: retry, timeout, catch.

Flat by construction: a step never holds a list of steps, a body is a named flow or one leaf. So
the schema is finite. The leaf classes differ only in what may surround the verb at that depth.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from perdure.resources.base import (
    Duration,
    DurationTemplate,
    Expression,
    Json,
    JsonObject,
    Name,
    Rule,
    SpecModel,
    at_most_one_of,
    keys_are_names,
    needs_field,
    one_of,
)
from perdure.resources.verbs import EventSpec, HttpSpec, RaiseSpec, ReturnSpec, WaitSpec

MAX_CASES = 20
MAX_CATCH = 10
MAX_NEEDS = 200

LEAF_VERBS = ("http", "wait", "event", "set", "raise", "return")
BLOCK_VERBS = ("switch", "call")


class RetrySpec(SpecModel):
    attempts: Annotated[int, Field(ge=-1, le=1_000_000)] | None = Field(
        default=None,
        description="How many tries, the first one included; -1 is without limit. 1 if not set.",
    )
    delay: Duration | None = Field(
        default=None, description="The delay before the second try. 1s if not set, at least 100ms."
    )
    factor: Annotated[float, Field(ge=1, le=1000)] | None = Field(
        default=None, description="What each further delay is multiplied by. 2 if not set."
    )
    max_delay: Duration | None = Field(
        default=None, description="The longest delay. 1m if not set."
    )
    jitter: Literal["None", "Full"] | None = Field(
        default=None,
        description="Full: a random part of the delay, so that many retries spread out; None: the "
        "delay as it is. Full if not set.",
    )
    attempt_timeout: Duration | None = Field(
        default=None, description="The time for one try. 30s for http if not set."
    )
    when: Expression | None = Field(
        default=None,
        description="CEL over error: whether to try again. error.retryable if not set.",
    )

    RULES: ClassVar = (
        Rule(
            message="attempts counts the first try: set 1 or more, or -1 for without limit",
            cel="!has(self.attempts) || self.attempts != 0",
            holds=lambda data: data.get("attempts") != 0,
        ),
    )


_ONE_LEAF = one_of(f"set exactly one of the verbs {', '.join(LEAF_VERBS)}", *LEAF_VERBS)
_ONE_VERB = one_of(
    f"set exactly one of the verbs {', '.join(LEAF_VERBS + BLOCK_VERBS)}",
    *LEAF_VERBS,
    *BLOCK_VERBS,
)
_UNKNOWN_OUTCOME = needs_field(
    "onUnknown belongs to http: no other verb has an outcome that can stay unknown",
    "onUnknown",
    "http",
)
_BODY = one_of("set exactly one of flow and do", "flow", "do")
_CATCH_BODY = at_most_one_of("set flow or do, or neither, but not both", "flow", "do")
_WITH_FLOW = needs_field("with passes parameters to a flow: set flow too", "with", "flow")
_WITH_NAMES = keys_are_names("with", "the flow's params")
_SET_NAMES = keys_are_names("set", "variables")


class _Verbs(SpecModel):
    http: HttpSpec | None = Field(
        default=None,
        description="Call a service. The output is the answer's body, parsed when it is JSON.",
    )
    wait: WaitSpec | None = Field(
        default=None, description="Wait for a time to pass or to come. The output is null."
    )
    event: EventSpec | None = Field(
        default=None,
        description="Wait for an external event. The output is {id, name, data, time}. Events "
        "that came before are kept and matched in order of arrival.",
    )
    set_: JsonObject | None = Field(
        default=None,
        min_length=1,
        max_length=50,
        description="Set variables: values by name, templates. All of them see the old values.",
    )
    raise_: RaiseSpec | None = Field(default=None, description="Fail the step with this error.")
    return_: ReturnSpec | None = Field(
        default=None,
        description="End the flow that the step stands in, in the main flow the instance, with "
        "this output.",
    )


class _Around(SpecModel):
    retry: RetrySpec | None = Field(
        default=None, description="When and how to try again. One attempt if not set."
    )
    timeout: DurationTemplate | None = Field(
        default=None,
        description="The time for the whole step with its retries: a duration, or a template. "
        "Without limit if not set.",
    )
    output: Json = Field(
        default=None,
        description="A template that reshapes result into the output: any JSON.",
    )
    on_unknown: Literal["Retry", "Fail"] | None = Field(
        default=None,
        description="What to do when the answer of a call was lost, so that nobody knows whether "
        "it had an effect: Retry under the same idempotency key, or Fail with OutcomeUnknown. "
        "Retry if not set.",
    )


_CATCH_WHEN = Field(
    default=None,
    description="CEL over error: whether this entry handles the error. Every error if not set.",
)
_CATCH_OUTPUT = Field(
    default=None,
    description="A template for the step's output after the catch: any JSON. The output of flow "
    "or do if not set, null without them.",
)
_FLOW = Field(default=None, description="The name of the flow of this definition to run.")
_WITH = Field(
    default=None,
    max_length=50,
    description="The parameters of the flow: values by name, templates.",
)
_CATCH_LIST = "What to do when the step has failed for good; the first entry that matches counts."


class CatchFlow(SpecModel):
    """An entry under the `catch` of a leaf in a body: it runs a flow or nothing."""

    when: Expression | None = _CATCH_WHEN
    flow: Name | None = _FLOW
    with_: JsonObject | None = _WITH
    output: Json = _CATCH_OUTPUT

    RULES: ClassVar = (_WITH_FLOW, _WITH_NAMES)


class CatchLeaf(_Verbs, _Around):
    """The leaf under `catch.do`: it has no catch of its own."""

    RULES: ClassVar = (_ONE_LEAF, _UNKNOWN_OUTCOME, _SET_NAMES)


class Leaf(_Verbs, _Around):
    """The leaf under the `do` of a block."""

    catch: list[CatchFlow] | None = Field(
        default=None, min_length=1, max_length=MAX_CATCH, description=_CATCH_LIST
    )

    RULES: ClassVar = (_ONE_LEAF, _UNKNOWN_OUTCOME, _SET_NAMES)


class Catch(SpecModel):
    """An entry under the `catch` of a step."""

    when: Expression | None = _CATCH_WHEN
    flow: Name | None = _FLOW
    with_: JsonObject | None = _WITH
    do: CatchLeaf | None = Field(default=None, description="One leaf to run, instead of a flow.")
    output: Json = _CATCH_OUTPUT

    RULES: ClassVar = (_CATCH_BODY, _WITH_FLOW, _WITH_NAMES)


class Body(SpecModel):
    """What a block runs: a named flow, or one leaf."""

    flow: Name | None = _FLOW
    with_: JsonObject | None = _WITH
    do: Leaf | None = Field(default=None, description="One leaf to run, instead of a flow.")

    RULES: ClassVar = (_BODY, _WITH_FLOW, _WITH_NAMES)


class Case(Body):
    when: Expression = Field(description="CEL: this case is taken if it is the first that is true.")


class SwitchSpec(SpecModel):
    cases: list[Case] = Field(
        min_length=1,
        max_length=MAX_CASES,
        description="The cases in the order in which they are tried.",
    )
    default: Body | None = Field(
        default=None, description="What runs when no case is taken. Nothing if not set."
    )


class CallSpec(SpecModel):
    flow: Name = Field(description="The name of the flow of this definition to run.")
    with_: JsonObject | None = _WITH

    RULES: ClassVar = (_WITH_NAMES,)


class Step(_Verbs, _Around):
    """A step of a flow: a name, exactly one verb, and what surrounds it."""

    name: Name = Field(
        description="The name, unique in its flow; expressions read steps.<name>.output."
    )
    when: Expression | None = Field(
        default=None,
        description="CEL: if it is false the step is Skipped, and what needs it goes on.",
    )
    needs: list[Name] | None = Field(
        default=None,
        max_length=MAX_NEEDS,
        description="The steps above it that it waits for; an empty list starts it at once. All "
        "steps above it if not set.",
    )
    catch: list[Catch] | None = Field(
        default=None, min_length=1, max_length=MAX_CATCH, description=_CATCH_LIST
    )
    switch: SwitchSpec | None = Field(
        default=None,
        description="Run the first case whose condition is true. The output is that of the case, "
        "null if none is taken.",
    )
    call: CallSpec | None = Field(
        default=None, description="Run a named flow. The output is that of the flow."
    )

    RULES: ClassVar = (_ONE_VERB, _UNKNOWN_OUTCOME, _SET_NAMES)
