"""Reading a spec that may be wrong anywhere: faults are collected, never raised.

What has the wrong shape is skipped here, because `resources` reports it; what is broken is
replaced by a harmless stand-in, so that everything else is still checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from perdure.engine.faults import Fault
from perdure.engine.values import Json, JsonObject
from perdure.language.durations import SMALLEST, parse_duration, parse_time
from perdure.language.expressions import (
    Expression,
    ExpressionErrors,
    Scope,
    compile_expression,
)
from perdure.language.templates import Template, TemplateErrors, compile_template
from perdure.language.types import Bool, Dyn, Type

_EMPTY: Final = Scope({})
_BROKEN_CONDITION: Final = compile_expression("false", _EMPTY)
_BROKEN_TEMPLATE: Final = compile_template("", _EMPTY, "")


@dataclass(slots=True)
class Reader:
    """Collects faults. `visible` are the steps that are surely over where it reads now."""

    faults: list[Fault] = field(default_factory=list)
    visible: frozenset[str] = frozenset()

    def fault(
        self, path: str, message: str, *, hint: str | None = None, source: str | None = None
    ) -> None:
        """Note a fault."""
        self.faults.append(Fault(path, message, hint=hint, source=source))

    def expression(
        self, value: Json, scope: Scope, path: str, *, result: Type = Bool
    ) -> Expression:
        """Return a compiled expression; a condition unless another result is asked for."""
        if not isinstance(value, str) or not value:
            return _BROKEN_CONDITION
        if value.strip().startswith("${"):
            self.fault(path, "this field holds a bare expression", hint="write it without ${ and }")
            return _BROKEN_CONDITION
        try:
            expression = compile_expression(value, scope, result=result)
        except ExpressionErrors as errors:
            self.faults += errors.at(path)
            return _BROKEN_CONDITION
        self._check_steps(expression.references(), value, path)
        return expression

    def template(self, value: Json, scope: Scope, path: str) -> Template:
        """Return a compiled template."""
        try:
            template = compile_template(value, scope, path)
        except TemplateErrors as errors:
            self.faults += errors.faults
            return _BROKEN_TEMPLATE
        self._check_steps(template.references(), value, path)
        return template

    def templates(self, value: Json, scope: Scope, path: str) -> dict[str, Template]:
        """Return the compiled values of a map."""
        return {
            name: self.template(item, scope, f"{path}.{name}")
            for name, item in as_map(value).items()
        }

    def _check_steps(self, references: Iterable[tuple[str, ...]], value: Json, path: str) -> None:
        """Refuse to read a step that may not be over yet."""
        read = {reference[1] for reference in references if _is_step(reference)}
        for name in sorted(read - self.visible):
            where, column, source = _mention(name, value, path)
            self.faults.append(
                Fault(
                    where,
                    f'step "{name}" is not surely over here',
                    column,
                    "an expression sees only steps that its step waits for: put it above, or "
                    "into needs",
                    source,
                )
            )

    def duration(self, value: Json, path: str) -> timedelta | None:
        """Return a literal duration of at least the smallest delay."""
        if not isinstance(value, str):
            return None
        try:
            length = parse_duration(value)
        except ValueError as error:
            self.fault(path, str(error))
            return None
        if length < SMALLEST:
            self.fault(path, f'"{value}" is shorter than the smallest delay, 100ms')
            return None
        return length

    def duration_template(self, value: Json, scope: Scope, path: str) -> Template:
        """Return a template of a duration; a literal one is checked now."""
        template = self.template(value, scope, path)
        if template.is_literal and template is not _BROKEN_TEMPLATE:
            self.duration(value, path)
        return template

    def time_template(self, value: Json, scope: Scope, path: str) -> Template:
        """Return a template of a time; a literal one is checked now."""
        template = self.template(value, scope, path)
        if template.is_literal and template is not _BROKEN_TEMPLATE and isinstance(value, str):
            self._time(value, path)
        return template

    def _time(self, value: str, path: str) -> datetime | None:
        try:
            return parse_time(value)
        except ValueError as error:
            self.fault(path, str(error))
            return None


def _is_step(reference: tuple[str, ...]) -> bool:
    return len(reference) > 1 and reference[0] == "steps"


def _mention(name: str, value: Json, path: str) -> tuple[str, int | None, str | None]:
    """Return where a step is mentioned: path, column from 1, and the text it stands in."""
    pattern = re.compile(rf"\bsteps\s*\.\s*\??\s*({name})\b")
    below = [(path, value)]
    while below:
        place, item = below.pop()
        if isinstance(item, str):
            found = pattern.search(item)
            if found is not None:
                return place, found.start(1) + 1, item
        elif isinstance(item, dict):
            below += [(f"{place}.{key}", inner) for key, inner in item.items()]
        elif isinstance(item, list):
            below += [(f"{place}[{index}]", inner) for index, inner in enumerate(item)]
    return path, None, None


def as_map(value: Json) -> JsonObject:
    """Return an object, or an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def as_list(value: Json) -> list[Json]:
    """Return a list, or an empty one for anything else."""
    return value if isinstance(value, list) else []


def as_text(value: Json) -> str | None:
    """Return a text, or None for anything else."""
    return value if isinstance(value, str) else None


def as_int(value: Json) -> int | None:
    """Return an integer, or None for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def names_in(items: list[Json], key: str = "name") -> tuple[str, ...]:
    """Return the names of a list of named things, those that have one."""
    named = (as_text(as_map(item).get(key)) for item in items)
    return tuple(name for name in named if name is not None)


ANY: Final = Dyn
Names = Mapping[str, Type]
