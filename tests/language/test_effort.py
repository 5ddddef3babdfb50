"""What an expression may cost: attacks are refused before they run, honest work is not."""

from __future__ import annotations

import time

import pytest
from tests.language.scopes import BINDINGS, SCOPE

from perdure.engine.values import Json
from perdure.language.effort import Size, size_of
from perdure.language.expressions import (
    EvaluationError,
    ExpressionErrors,
    Scope,
    compile_expression,
)
from perdure.language.types import Dyn

BIG = "x" * 250_000

ATTACKS = [
    "range(9999).map(i, item).join('')",
    "range(9999).map(i, item).join('').size() > 0",
    "range(9999).all(i, (item + item + item + item).size() > 0)",
    "range(9999).all(i, item.contains('y') || true)",
    "range(9999).map(i, item.upperAscii()).size()",
    "range(9999).all(i, item == item)",
    "range(9999).all(i, find(item, 'y') == '')",
    "range(9999).map(i, [item, item]).flatten().size()",
    "item.replace('', item).size()",
    "item.replace('x', item).size()",
    "item.split('').join(item).size()",
    "cel.bind(a, item + item, cel.bind(b, a + a + a + a + a + a + a + a, "
    "cel.bind(c, b + b + b + b + b + b + b + b, c + c + c + c).size()))",
    "[item].map(a, a + a + a + a).map(a, a + a + a + a).map(a, a + a + a + a)"
    ".map(a, a + a + a + a).map(a, a + a + a + a).size()",
    "range(9999).map(i, range(9999)).size() + item.size()",
    f"[{', '.join(['item + item + item + item'] * 60)}].size()",
]


@pytest.mark.parametrize("source", ATTACKS)
def test_an_attack_is_refused_before_it_runs(source: str) -> None:
    expression = compile_expression(source, SCOPE)
    began = time.perf_counter()
    with pytest.raises(EvaluationError, match="too much time or memory"):
        expression.evaluate({"item": BIG})
    assert time.perf_counter() - began < 0.5


@pytest.mark.parametrize(
    "source",
    [
        f"'{'x' * 5_000}'.replace('', '{'y' * 5_000}').replace('', '{'z' * 5_000}').size()",
        "cel.bind(l, range(9999), range(9999).all(i, (l + l + l + l + l + l).size() > 0))",
        f"cel.bind(a, '{'x' * 5_000}', range(9999).map(i, a).join(a).size())",
    ],
)
def test_an_attack_without_input_is_refused_when_it_is_checked(source: str) -> None:
    began = time.perf_counter()
    with pytest.raises(ExpressionErrors, match="too much time or memory"):
        compile_expression(source, Scope({}))
    assert time.perf_counter() - began < 0.5


ORDERS: Json = [
    {
        "id": f"o-{i}",
        "lines": [{"sku": f"s-{i}-{j}", "quantity": j, "price": 1.5} for j in range(5)],
    }
    for i in range(300)
]


@pytest.mark.parametrize(
    "source",
    [
        "item.map(o, o.id).join(', ').size() > 0",
        "item.map(o, o.lines.map(l, l.quantity * l.price).sum()).sum() > 0",
        "item.map(o, o.lines).flatten().map(l, l.sku).distinct().sort().join(',').size() > 0",
        "item.filter(o, o.lines.exists(l, l.quantity > 3)).map(o, {'n': size(o.lines)})",
        "item.all(o, o.id.startsWith('o-') && o.id.matches('^o-[0-9]+$'))",
        "item.map(o, o.id).exists(id, id in ['o-1', 'o-2'])",
        "range(size(item)).map(i, item[i].id + '/' + string(i))",
        "range(10).map(i, {'index': i, 'order': item[i]})",
        "item.map(o, merge(o, {'lines': o.lines.size(), 'seen': true})).size()",
        "cel.bind(ids, ['o-1', 'o-2'], item.filter(o, ids.exists(id, id == o.id))).size()",
        "item.map(o, '%s has %d'.format([o.id, o.lines.size()])).join('\\n').size()",
        "item[0].id.replace('-', '_').split('_').join('/')",
    ],
)
def test_honest_work_is_done(source: str) -> None:
    compile_expression(source, SCOPE).evaluate({"item": ORDERS})


def test_a_list_may_be_as_long_as_the_budget_of_steps() -> None:
    items: list[Json] = list(range(5_000))
    expression = compile_expression("item.map(x, x + 1).size()", Scope({"item": Dyn}))
    assert expression.evaluate({"item": items}) == 5_000


@pytest.mark.parametrize(
    ("value", "size"),
    [
        (None, Size(1)),
        (True, Size(1, 1, 1, 1)),
        (7, Size(1, 1, 1, 7)),
        (-7, Size(1, 1, 1, 0)),
        ("abc", Size(4, 3)),
        (["abc", "a"], Size(7, 2, 4)),
        ({"ab": "abc", "c": None}, Size(9, 2, 6)),
        ([], Size(1, 0, 1)),
    ],
)
def test_values_are_measured(value: Json, size: Size) -> None:
    assert size_of(value) == size


def test_all_expressions_of_the_other_tests_are_cheap() -> None:
    for source in ("input.lines.map(l, l.sku + input.orderId).join(',')", "cel.bind(x, 1, x + x)"):
        compile_expression(source, SCOPE).evaluate(BINDINGS)
