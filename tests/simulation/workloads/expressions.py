"""Expressions and templates over what a scope knows: one small function per form, in tables.

Most of them succeed on the inputs of `inputs.py` and on calm services. An odd answer or a wrong
input makes some fail with ExpressionError, which is an end like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from tests.simulation.workloads.draws import Draw
from tests.simulation.workloads.scope import Known, Scope, Shape

from perdure.engine.values import Json

Form: TypeAlias = Callable[[Draw, Scope, int], str]
"""Makes an expression; the number is how many levels may still follow."""
Template: TypeAlias = Callable[[Draw, Scope, int], Json]
"""Makes a template, likewise."""
DEPTH = 2


def number(draw: Draw, scope: Scope, depth: int = DEPTH) -> str:
    """Return an expression for a number."""
    return _drawn(draw, scope, depth, _NUMBERS if depth else _PLAIN_NUMBERS)


def boolean(draw: Draw, scope: Scope, depth: int = DEPTH) -> str:
    """Return an expression for a condition."""
    return _drawn(draw, scope, depth, _BOOLEANS)


def text(draw: Draw, scope: Scope, depth: int = DEPTH) -> str:
    """Return an expression for a text."""
    return _drawn(draw, scope, depth, _TEXTS)


def value(draw: Draw, scope: Scope, depth: int = DEPTH) -> Json:
    """Return a template of any JSON."""
    template: Template = draw.weighted(_VALUES if depth else _PLAIN_VALUES)
    return template(draw, scope, depth)


def tokens(scope: Scope, most: int = 3) -> list[Json]:
    """Return templates of the tokens of earlier answers, the newest ones: where data came from."""
    answers = [known for known in scope.steps if known.shape is Shape.ANSWER]
    return [f"${{{token_of(known)}}}" for known in answers[-most:]]


def token_of(known: Known) -> str:
    """Return the expression of the token of an answer; a text without one is not surely there."""
    output = f"steps.{known.name}.output"
    if known.is_sure:
        return f"{output}.token"
    return f'has({output}) && type({output}) == map ? {output}.?token.orValue("none") : "none"'


def whole(expression: str) -> str:
    """Return the template that is this one expression."""
    return f"${{{expression}}}"


def _drawn(draw: Draw, scope: Scope, depth: int, forms: Mapping[Form, float]) -> str:
    return draw.weighted(forms)(draw, scope, max(0, depth - 1))


def _answer(draw: Draw, scope: Scope) -> Known | None:
    sure = [k for k in scope.steps if k.shape is Shape.ANSWER and k.is_sure]
    return draw.pick(sure) if sure else None


def _input_number(draw: Draw, scope: Scope, depth: int) -> str:
    return "input.n"


def _literal(draw: Draw, scope: Scope, depth: int) -> str:
    return str(draw.whole(0, 12))


def _size(draw: Draw, scope: Scope, depth: int) -> str:
    return draw.pick(("size(input.items)", "size(input.label)", "sum(input.items)"))


def _total(draw: Draw, scope: Scope, depth: int) -> str:
    return "vars.total" if scope.has_variables else "input.n"


def _amount(draw: Draw, scope: Scope, depth: int) -> str:
    return "amount" if scope.is_flow else "input.n"


def _answered_number(draw: Draw, scope: Scope, depth: int) -> str:
    known = _answer(draw, scope)
    return "input.n" if known is None else f"steps.{known.name}.output.n"


def _arithmetic(draw: Draw, scope: Scope, depth: int) -> str:
    sign = draw.pick(("+", "-", "*", "+"))
    return f"({number(draw, scope, depth)} {sign} {number(draw, scope, depth)})"


def _greatest(draw: Draw, scope: Scope, depth: int) -> str:
    side = draw.pick(("greatest", "least"))
    return f"math.{side}({number(draw, scope, depth)}, {number(draw, scope, depth)})"


def _chosen_number(draw: Draw, scope: Scope, depth: int) -> str:
    condition = boolean(draw, scope, depth)
    return f"({condition} ? {number(draw, scope, depth)} : {number(draw, scope, depth)})"


def _bound_number(draw: Draw, scope: Scope, depth: int) -> str:
    return f"cel.bind(z, {number(draw, scope, depth)}, z * z % 97)"


_PLAIN_NUMBERS: Mapping[Form, float] = {
    _input_number: 3,
    _literal: 3,
    _size: 1,
    _total: 2,
    _amount: 2,
    _answered_number: 3,
}
_NUMBERS: Mapping[Form, float] = {
    **_PLAIN_NUMBERS,
    _arithmetic: 2,
    _greatest: 0.5,
    _chosen_number: 0.7,
    _bound_number: 0.3,
}


def _flag(draw: Draw, scope: Scope, depth: int) -> str:
    return draw.pick(("input.flag", "!input.flag"))


def _comparison(draw: Draw, scope: Scope, depth: int) -> str:
    sign = draw.pick(("<", "<=", ">", ">=", "==", "!="))
    return f"{number(draw, scope, depth)} {sign} {number(draw, scope, depth)}"


def _member(draw: Draw, scope: Scope, depth: int) -> str:
    return f"{number(draw, scope, depth)} in [0, 1, 2, 3, 5, 8]"


def _over_items(draw: Draw, scope: Scope, depth: int) -> str:
    macro = draw.pick(("exists", "all", "exists_one"))
    return f"input.items.{macro}(x, x > {draw.whole(0, 4)})"


def _status(draw: Draw, scope: Scope, depth: int) -> str:
    if not scope.steps:
        return "has(input.label)"
    known = draw.pick(scope.steps)
    word = draw.pick(("Succeeded", "Succeeded", "Caught", "Skipped"))
    return f'steps.{known.name}.status == "{word}"'


def _has_output(draw: Draw, scope: Scope, depth: int) -> str:
    if not scope.steps:
        return "has(input.n)"
    return f"has(steps.{draw.pick(scope.steps).name}.output)"


def _both(draw: Draw, scope: Scope, depth: int) -> str:
    sign = draw.pick(("&&", "||"))
    return f"({_flag(draw, scope, depth)} {sign} {_comparison(draw, scope, 0)})"


def _matches(draw: Draw, scope: Scope, depth: int) -> str:
    return 'input.label.matches("^[a-z]+$")'


_BOOLEANS: Mapping[Form, float] = {
    _flag: 3,
    _comparison: 4,
    _member: 1,
    _over_items: 1,
    _status: 1.5,
    _has_output: 1,
    _both: 1,
    _matches: 0.5,
}


def _label(draw: Draw, scope: Scope, depth: int) -> str:
    return "label" if scope.is_flow and draw.chance(0.5) else "input.label"


def _word(draw: Draw, scope: Scope, depth: int) -> str:
    return draw.pick(('"ready"', '"fäll"', '"a b/c"', '""'))


def _noted(draw: Draw, scope: Scope, depth: int) -> str:
    return "vars.note" if scope.has_variables else "input.label"


def _token(draw: Draw, scope: Scope, depth: int) -> str:
    known = _answer(draw, scope)
    return "workflow.name" if known is None else token_of(known)


def _joined(draw: Draw, scope: Scope, depth: int) -> str:
    return f'["n", string({number(draw, scope, depth)})].join("-")'


def _upper(draw: Draw, scope: Scope, depth: int) -> str:
    return f"({_label(draw, scope, depth)}).upperAscii()"


def _chosen_text(draw: Draw, scope: Scope, depth: int) -> str:
    condition = boolean(draw, scope, depth)
    return f"({condition} ? {_label(draw, scope, depth)} : {_word(draw, scope, depth)})"


def _error_type(draw: Draw, scope: Scope, depth: int) -> str:
    return "error.type" if scope.has_error else "workflow.definition"


_TEXTS: Mapping[Form, float] = {
    _label: 3,
    _word: 1,
    _noted: 1.5,
    _token: 2,
    _joined: 1,
    _upper: 0.5,
    _chosen_text: 1,
    _error_type: 1,
}


def _one_number(draw: Draw, scope: Scope, depth: int) -> Json:
    return whole(number(draw, scope, depth))


def _one_boolean(draw: Draw, scope: Scope, depth: int) -> Json:
    return whole(boolean(draw, scope, depth))


def _one_text(draw: Draw, scope: Scope, depth: int) -> Json:
    return whole(text(draw, scope, depth))


def _mixed_text(draw: Draw, scope: Scope, depth: int) -> Json:
    return f"{whole(text(draw, scope, depth))}: ${{input.n}} of $${{n}}"


def _constant(draw: Draw, scope: Scope, depth: int) -> Json:
    constants: tuple[Json, ...] = (7, True, "fixed", 2.5, "${null}")
    return draw.pick(constants)


def _mapped(draw: Draw, scope: Scope, depth: int) -> Json:
    return draw.pick(
        (
            "${input.items.map(x, x * 2)}",
            "${input.items.filter(x, x > 1)}",
            "${sort(distinct(input.items))}",
            '${range(3).map(i, "n" + string(i))}',
            '${merge({"label": input.label}, {"n": input.n})}',
            "${flatten([input.items, [input.n]])}",
        )
    )


def _list_of(draw: Draw, scope: Scope, depth: int) -> Json:
    return [value(draw, scope, depth - 1) for _ in range(draw.whole(0, 3))]


def _map_of(draw: Draw, scope: Scope, depth: int) -> Json:
    return {name: value(draw, scope, depth - 1) for name in ("left", "right")}


def _step_output(draw: Draw, scope: Scope, depth: int) -> Json:
    if not scope.steps:
        return "${input.items}"
    return whole(f"steps.{draw.pick(scope.steps).name}.?output.orValue(null)")


_PLAIN_VALUES: Mapping[Template, float] = {
    _one_number: 3,
    _one_boolean: 1,
    _one_text: 3,
    _mixed_text: 1,
    _constant: 1,
    _mapped: 1,
}
_VALUES: Mapping[Template, float] = {
    **_PLAIN_VALUES,
    _list_of: 1.5,
    _map_of: 2,
    _step_output: 2,
}
