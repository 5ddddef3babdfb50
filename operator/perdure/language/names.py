"""Which names users may give: those that CEL and YAML do not read as something else."""

from __future__ import annotations

import re

_NAME = re.compile(r"[a-z][a-zA-Z0-9]{0,62}")
_CEL = frozenset(
    [
        "as",
        "break",
        "const",
        "continue",
        "else",
        "false",
        "for",
        "function",
        "if",
        "import",
        "in",
        "let",
        "loop",
        "package",
        "namespace",
        "null",
        "return",
        "true",
        "var",
        "void",
        "while",
        "int",
        "uint",
        "double",
        "bool",
        "string",
        "bytes",
        "list",
        "map",
        "type",
        "null_type",
        "dyn",
        "timestamp",
        "duration",
    ]
)
_OURS = frozenset(
    ["input", "workflow", "vars", "steps", "item", "index", "iteration", "result", "error", "event"]
)
_YAML = frozenset(["y", "n", "yes", "no", "on", "off", "true", "false", "null"])
_PARTS_OF_PATHS = frozenset(["do", "undo", "catch", "finally", "start"])


def name_fault(name: str, *, is_step: bool = False) -> str | None:
    """Return why a step, flow, parameter or variable cannot have this name, None if it can."""
    if not _NAME.fullmatch(name):
        return (
            f'"{name[:70]}" is not a name: a lower-case letter, then letters and digits, up to 63'
        )
    if name in _YAML:
        return f'"{name}" is read as a boolean or null by YAML; choose another name'
    if name in _OURS:
        return f'"{name}" has a meaning in expressions; choose another name'
    if name in _CEL:
        return f'"{name}" is a word of the expression language; choose another name'
    if is_step and name in _PARTS_OF_PATHS:
        return f'"{name}" is a part of paths; choose another name'
    return None
