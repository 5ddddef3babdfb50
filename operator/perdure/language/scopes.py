"""What expressions can see where: the types behind docs/language.md#values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

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


STEP = Record({"status": Text, "output": Dyn, "error": ERROR}, "a step")
"""What `steps.<name>` looks like; outputs are dynamic. One type for all steps, however many."""


@dataclass(frozen=True, slots=True)
class FlowNames:
    """The names that expressions of one flow may use, all its steps included.

    Which steps an expression may read where is checked apart from its types, so that a whole
    flow shares a few scopes: building one takes milliseconds.
    """

    names: Mapping[str, Type]
    _scopes: dict[tuple[str, ...], Scope] = field(default_factory=dict, compare=False)

    def scope(self, extra: Mapping[str, Type]) -> Scope:
        """Return the scope with names of the step's own; the same name is always one type."""
        key = tuple(f"{name}={id(extra[name])}" for name in sorted(extra))
        if key not in self._scopes:
            self._scopes[key] = Scope({**self.names, **extra})
        return self._scopes[key]


def flow_names(
    input_type: Type, variables: Iterable[str], params: Iterable[str], steps: Iterable[str]
) -> FlowNames:
    """Return the names of a flow."""
    names: dict[str, Type] = dict.fromkeys(params, Dyn)
    names |= {
        "input": input_type,
        "workflow": WORKFLOW,
        "vars": Record(dict.fromkeys(variables, Dyn), "vars"),
        "steps": Record(dict.fromkeys(steps, STEP), "steps"),
    }
    return FlowNames(names)
