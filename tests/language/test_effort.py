"""What an expression may cost: attacks are refused before they run, honest work is not."""

from __future__ import annotations

import time

import pytest
from tests.language.scopes import BINDINGS, SCOPE

from perdure.engine.values import Json
from perdure.language.effort import MAX_WORK, Allowance
from perdure.language.expressions import (
    EvaluationError,
    ExpressionErrors,
    Scope,
    compile_expression,
)
from perdure.language.sizes import Size, size_of

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
    "range(size(item)).map(i, i).size()",
    "range(3000).filter(i, i != size(item)).size()",
    "item.contains(item.substring(0, 120000) + 'y')",
    "item.indexOf(item.substring(0, 120000) + 'y') < 0",
    "item.split(item.substring(0, 120000) + 'y').size()",
    "item.matches('a[ab]{300}y')",
    "item.find('((a|b)[ab]{20}){30}y') == ''",
    "item.findAll('x|a[ab]*y').size()",
    "item.matches('a{' + '900}')",
    "range(9000).all(i, json('[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]') != item)",
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
        "range(9999).map(i, i).size()",
        "range(900).all(i, 'aaab'.matches('a{1,' + string(i + 1) + '}') || true)",
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


@pytest.mark.parametrize(
    ("source", "longest"),
    [
        ("item.map(x, x).size()", 2_400),
        ("item.filter(x, x >= 0).size()", 2_300),
        ("item.filter(x, x >= 0).map(x, x).size()", 1_600),
        ("item.all(x, x >= 0) ? 0 : size(item)", 9_999),
    ],
)
def test_a_list_may_be_as_long_as_can_be_copied_at_every_step(source: str, longest: int) -> None:
    items: list[Json] = list(range(longest))
    compile_expression(source, SCOPE).evaluate({"item": items})


def test_expressions_that_share_an_allowance_are_bounded_together() -> None:
    expression = compile_expression("item.sort().size()", SCOPE)
    items: list[Json] = list(range(10_000))
    allowance = Allowance()
    expression.evaluate({"item": items}, allowance)
    once = allowance.spent
    for _ in range(MAX_WORK // once - 1):
        expression.evaluate({"item": items}, allowance)
    with pytest.raises(EvaluationError, match="too much time or memory"):
        expression.evaluate({"item": items}, allowance)
    assert allowance.spent == MAX_WORK // once * once


def test_what_is_handed_to_an_expression_counts_however_little_it_does() -> None:
    small: Json = ["x"] * 10
    large: Json = ["x"] * 100_000
    spent = []
    for value in (small, large):
        allowance = Allowance()
        compile_expression("item[5] == 'y'", SCOPE).evaluate({"item": value}, allowance)
        spent.append(allowance.spent)
    assert spent[1] > spent[0] + 1_000_000


@pytest.mark.parametrize(
    ("value", "size"),
    [
        (None, Size(1)),
        (True, Size(1, number=1)),
        (7, Size(1, number=7)),
        (-7, Size(1, number=0)),
        ("abc", Size(4, 3)),
        (["abc", "a"], Size(7, 2, 4, nodes=3)),
        ({"ab": "abc", "c": None}, Size(9, 2, 4, nodes=3)),
        ([], Size(1, 0, nodes=1)),
        ([["a", "b"], {"k": [1, 2, 3]}], Size(12, 2, 6, nodes=9, item_nodes=5, item_top=2)),
    ],
)
def test_values_are_measured(value: Json, size: Size) -> None:
    assert size_of(value) == size


def test_all_expressions_of_the_other_tests_are_cheap() -> None:
    for source in ("input.lines.map(l, l.sku + input.orderId).join(',')", "cel.bind(x, 1, x + x)"):
        compile_expression(source, SCOPE).evaluate(BINDINGS)
