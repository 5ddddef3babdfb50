"""What all models share: strictness, rules, and the value types of the fields.

A bound lives in the type of its field, so that it reaches the CRD schema and the offline check
alike. Patterns are in the common subset of RE2 (the API server) and Rust's regex (pydantic).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError

GROUP = "perdure.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

RULE_ERROR = "rule"


NAME_PATTERN = r"^[a-z][a-zA-Z0-9]{0,62}$"
DURATION_PATTERN = r"^([0-9]{1,6}d)?([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,9}s)?([0-9]{1,9}ms)?$"
DURATION_TEMPLATE_PATTERN = (
    r"^(([0-9]{1,6}d)?([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,9}s)?([0-9]{1,9}ms)?"
    r"|[\s\S]*\$\{[\s\S]*)$"
)
TIME_TEMPLATE_PATTERN = (
    r"^([0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})|[\s\S]*\$\{[\s\S]*)$"
)
OBJECT_NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
SERVICE_PATTERN = r"^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?|[\s\S]*\$\{[\s\S]*)$"
URL_PATTERN = r"^(https?://[\s\S]+|\s*\$\{[\s\S]*)$"
PATH_PATTERN = r"^/"
ERROR_TYPE_PATTERN = r"^[A-Za-z]([A-Za-z0-9_]{0,126}[A-Za-z0-9])?$"

# What a person should write where a pattern does not match; read by the offline check.
PATTERN_WORDS: Mapping[str, str] = {
    NAME_PATTERN: "a name: a lower-case letter, then letters and digits, at most 63",
    DURATION_PATTERN: "a duration such as 500ms, 30s, 5m, 1h30m or 7d",
    DURATION_TEMPLATE_PATTERN: "a duration such as 500ms, 30s, 5m, 1h30m or 7d, or a template ${…}",
    TIME_TEMPLATE_PATTERN: "an RFC 3339 time such as 2030-01-31T09:00:00Z, or a template ${…}",
    OBJECT_NAME_PATTERN: "the name of an object: lower-case letters, digits, - and .",
    SERVICE_PATTERN: "the name of a Service (lower-case letters, digits and -), or a template ${…}",
    URL_PATTERN: "a URL that starts with http:// or https://, or a template ${…}",
    PATH_PATTERN: "a path that starts with /",
    ERROR_TYPE_PATTERN: "an error type: a letter, then letters, digits and _, at most 128",
}

MAX_EXPRESSION = 4096
MAX_TEMPLATE = 8192


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule over an object, for the API server (`cel`) and for the offline check (`holds`).

    `holds` gets the object as it was written (camel case) and must not assume that the fields
    have the right types. Without `cel` the API server cannot see what the rule is about (untyped
    JSON): only the offline check and the operator enforce it. Without `holds` the rule compares
    with the object before the change, which offline nobody knows.
    """

    message: str
    cel: str | None = None
    holds: Callable[[Mapping[str, Any]], bool] | None = None


class ResourceModel(BaseModel):
    """A part of a resource. Field names are camel case in manifests, snake case in code."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        alias_generator=lambda name: to_camel(name.rstrip("_")),
    )

    RULES: ClassVar[tuple[Rule, ...]] = ()

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = handler.resolve_ref_schema(handler(core_schema))
        rules = [{"rule": r.cel, "message": r.message} for r in cls.RULES if r.cel is not None]
        if rules:
            schema["x-kubernetes-validations"] = rules
        return schema


class SpecModel(ResourceModel):
    """A part of a spec: an unknown field is an error, since a typo must not pass as a default."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="wrap")
    @classmethod
    def _check_rules(cls, data: Any, handler: ModelWrapValidatorHandler[Any]) -> Any:
        """Check the rules even if a field is wrong, so that one look shows every fault."""
        broken = [] if not isinstance(data, Mapping) else _broken_rules(cls.RULES, data)
        try:
            model = handler(data)
        except ValidationError as error:
            raise ValidationError.from_exception_data(
                cls.__name__, [*_details(error), *broken]
            ) from None
        if broken:
            raise ValidationError.from_exception_data(cls.__name__, broken)
        return model


class StatusModel(ResourceModel):
    """A part of a status: unknown fields are ignored, since an older operator reads it too."""

    model_config = ConfigDict(extra="ignore")


def _broken_rules(rules: tuple[Rule, ...], data: Mapping[str, Any]) -> list[InitErrorDetails]:
    return [
        InitErrorDetails(
            type=PydanticCustomError(RULE_ERROR, "{message}", {"message": rule.message}),
            loc=(),
            input=data,
        )
        for rule in rules
        if rule.holds is not None and not rule.holds(data)
    ]


def _details(error: ValidationError) -> list[InitErrorDetails]:
    return [_detail(line) for line in error.errors(include_url=False)]


def _detail(line: Any) -> InitErrorDetails:
    kind = line["type"]
    if kind == RULE_ERROR:
        kind = PydanticCustomError(RULE_ERROR, "{message}", line["ctx"])
    return InitErrorDetails(
        type=kind, loc=line["loc"], input=line["input"], ctx=line.get("ctx", {})
    )


def one_of(message: str, *fields: str) -> Rule:
    """Exactly one of the fields is set. A sum: a filtered list costs twice the estimate."""
    terms = " + ".join(f"(has(self.{cel_name(field)}) ? 1 : 0)" for field in fields)
    return Rule(
        message=message,
        cel=f"{terms} == 1",
        holds=lambda data: sum(field in data for field in fields) == 1,
    )


def at_most_one_of(message: str, *fields: str) -> Rule:
    terms = " + ".join(f"(has(self.{cel_name(field)}) ? 1 : 0)" for field in fields)
    return Rule(
        message=message,
        cel=f"{terms} <= 1",
        holds=lambda data: sum(field in data for field in fields) <= 1,
    )


def needs_field(message: str, field: str, *wanted: str) -> Rule:
    """`field` is allowed only beside one of the `wanted` fields."""
    beside = " || ".join(f"has(self.{cel_name(name)})" for name in wanted)
    return Rule(
        message=message,
        cel=f"!has(self.{cel_name(field)}) || {beside}",
        holds=lambda data: field not in data or any(name in data for name in wanted),
    )


def excludes_field(message: str, field: str, *unwanted: str) -> Rule:
    """`field` is not allowed beside any of the `unwanted` fields."""
    beside = " || ".join(f"has(self.{cel_name(name)})" for name in unwanted)
    return Rule(
        message=message,
        cel=f"!has(self.{cel_name(field)}) || !({beside})",
        holds=lambda data: field not in data or not any(name in data for name in unwanted),
    )


def keys_are_names(field: str, what: str) -> Rule:
    """Every key below `field` is a name; offline only, CEL sees no keys of untyped maps."""
    return Rule(
        message=f"the keys of {field} are names of {what}: a lower-case letter, then letters and "
        "digits, at most 63",
        holds=lambda data: _has_only_names(data.get(field)),
    )


def unchanged(field: str, message: str) -> Rule:
    """`field` keeps the value, or the absence, that it was created with."""
    name = cel_name(field)
    return Rule(
        message=message,
        cel=f"has(self.{name}) == has(oldSelf.{name}) && "
        f"(!has(self.{name}) || self.{name} == oldSelf.{name})",
    )


# Kubernetes asks that a field named like one of CEL's words is written __word__ in a rule.
_CEL_WORD = re.compile(
    "true|false|null|in|as|break|const|continue|else|for|function|if|import|let|loop|package|"
    "namespace|return|var|void|while"
)


def cel_name(field: str) -> str:
    return f"__{field}__" if _CEL_WORD.fullmatch(field) else field


def _has_only_names(value: object) -> bool:
    if not isinstance(value, Mapping):
        return True  # Not ours to judge: the type of the field is checked elsewhere.
    return all(isinstance(key, str) and re.fullmatch(NAME_PATTERN, key) for key in value)


def _rfc3339(value: str) -> str:
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        parsed = None
    if parsed is None or parsed.tzinfo is None:
        raise PydanticCustomError(
            RULE_ERROR,
            "{message}",
            {"message": "must be an RFC 3339 time with a zone, such as 2030-01-31T09:00:00Z"},
        )
    return value


def text(
    maximum: int, *, minimum: int | None = None, pattern: str | None = None
) -> StringConstraints:
    return StringConstraints(min_length=minimum, max_length=maximum, pattern=pattern)


Name = Annotated[str, text(63, pattern=NAME_PATTERN)]
ObjectName = Annotated[str, text(253, minimum=1, pattern=OBJECT_NAME_PATTERN)]
Duration = Annotated[str, text(32, minimum=1, pattern=DURATION_PATTERN)]
DurationTemplate = Annotated[
    str, text(MAX_EXPRESSION, minimum=1, pattern=DURATION_TEMPLATE_PATTERN)
]
TimeTemplate = Annotated[str, text(MAX_EXPRESSION, minimum=1, pattern=TIME_TEMPLATE_PATTERN)]
Expression = Annotated[str, text(MAX_EXPRESSION, minimum=1)]
TextTemplate = Annotated[str, text(MAX_TEMPLATE)]
ErrorType = Annotated[str, text(128, pattern=ERROR_TYPE_PATTERN)]
Uid = Annotated[str, text(128)]
Digest = Annotated[str, text(128)]
# No maximum: a server compares bounds as floats, and the largest int64 wraps round to the smallest.
Integer = Annotated[int, Field(json_schema_extra={"format": "int64"})]
Count = Annotated[Integer, Field(ge=0)]
Timestamp = Annotated[
    str,
    AfterValidator(_rfc3339),
    WithJsonSchema({"type": "string", "format": "date-time", "maxLength": 64}),
]
# Any JSON. In the schema: no type, unknown fields preserved, invisible to CEL except through an
# equality of the object around it.
Json = Any
# A JSON object of any content: `type: object`, so that CEL sees whether it is there.
JsonObject = dict[str, Any]
