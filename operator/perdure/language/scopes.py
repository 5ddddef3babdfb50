"""What expressions can see where: the types behind docs/language.md#values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from perdure.language.expressions import Scope
from perdure.language.types import (
    Bool,
    Dyn,
    MapOf,
    Number,
    Record,
    Text,
    Time,
    Type,
)

WORKFLOW = Record(
    {
        "name": Text,
        "uid": Text,
        "namespace": Text,
        "definition": Text,
        "revision": Text,
        "startedAt": Time,
        "now": Time,
        "parent": Dyn,
    },
    "workflow",
)
ERROR = Record(
    {
        "type": Text,
        "message": Text,
        "code": Dyn,
        "retryable": Bool,
        "step": Dyn,
        "attempt": Dyn,
        "details": Dyn,
        "cause": Dyn,
    },
    "error",
)
EVENT = Record({"id": Text, "name": Text, "data": Dyn, "time": Time}, "event")
HTTP_RESULT = Record({"code": Number, "headers": MapOf(Text), "body": Dyn}, "result")


def step_record(name: str) -> Record:
    """Return what `steps.<name>` looks like; outputs are dynamic."""
    return Record({"status": Text, "output": Dyn, "error": ERROR}, f"steps.{name}")


def flow_scope(
    input_type: Type, variables: Iterable[str], params: Iterable[str], steps: Iterable[str]
) -> dict[str, Type]:
    """Return the names of a flow in which these steps are surely over."""
    names: dict[str, Type] = dict.fromkeys(params, Dyn)
    names |= {
        "input": input_type,
        "workflow": WORKFLOW,
        "vars": Record(dict.fromkeys(variables, Dyn), "vars"),
        "steps": Record({name: step_record(name) for name in steps}, "steps"),
    }
    return names


def scope(names: Mapping[str, Type], extra: Mapping[str, Type] | None = None) -> Scope:
    """Return a Scope of these names and those of the step's own."""
    return Scope({**names, **(extra or {})})
