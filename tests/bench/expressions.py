"""How long the dearest expressions take, beside the work that is estimated for them.

`python -m tests.bench.expressions` prints one line each; what is refused does not run. A unit of
work stands for 10 ns (language/costs.py): the last column should not be far above 1.
"""

from __future__ import annotations

import random  # noqa: TID251  # seeded
import time

from perdure.engine.values import Json
from perdure.language.effort import Allowance
from perdure.language.expressions import (
    EvaluationError,
    Expression,
    ExpressionErrors,
    Scope,
    compile_expression,
)
from perdure.language.types import Dyn

UNIT_SECONDS = 1e-8
SCOPE = Scope({"item": Dyn})
ORDERS: list[Json] = [
    {
        "id": f"o-{i}",
        "lines": [{"sku": f"s-{i}-{j}", "quantity": j, "price": 1.5} for j in range(5)],
    }
    for i in range(2000)
]
NUMBERS: list[Json] = list(range(100_000))
TEXTS: list[Json] = [f"text-{i:06}" for i in range(9_999)]
LONG = "x" * 1_000_000
# No automaton of `a[ab]{n}y` fits into memory on such a text.
MIXED = "".join(random.Random(1).choice("ab") for _ in range(250_000))

CASES: list[tuple[str, Json]] = [
    ("range(9999).all(i, i >= 0)", None),
    ("range(2500).map(i, i).size()", None),
    ("range(2600).map(i, i).size()", None),
    ("item.map(x, x).map(x, x).size()", NUMBERS[:1_700]),
    ("item.map(x, [x]).flatten().size()", NUMBERS[:2_000]),
    ("range(9000).all(i, [1, 2, 3].flatten().size() > 0)", None),
    ("item.flatten().flatten().flatten().size()", [NUMBERS[:100]] * 99),
    ("item.map(o, o.lines.map(l, l.quantity * l.price).sum()).sum()", ORDERS[:1000]),
    ("item.map(o, o.lines).flatten().map(l, l.sku).distinct().sort().size()", ORDERS[:400]),
    ("item.map(o, o.lines).flatten().map(l, l.sku).distinct().sort().size()", ORDERS[:1000]),
    ("item.map(o, '%s has %d'.format([o.id, o.lines.size()])).join().size()", ORDERS),
    ("item.sort().size()", NUMBERS[::-1]),
    ("item.distinct().size()", NUMBERS),
    ("item.distinct().size()", ORDERS),
    ("item.filter(o, o in item).size()", ORDERS[:100]),
    ("item == item", ORDERS),
    ("item[5] == 7", NUMBERS),
    ("json(item).size()", f"[{'1,' * 250_000}1]"),
    ("item.split('').join('').size()", LONG),
    ("item.replace('x', 'yy').size()", LONG[:900_000]),
    ("range(200).all(i, item.substring(i, 240000) != '')", LONG[:250_000]),
    ("item.contains(item.substring(0, 40000) + 'y')", LONG[:100_000]),
    ("item.contains(item.substring(0, 120000) + 'y')", LONG[:250_000]),
    ("item.map(x, x + 'a' + 'b' + 'c' + 'd' + 'e' + 'f').size()", TEXTS[:2_000]),
    ("item.matches('[a-z]*-[0-9]+')", LONG),
    ("item.matches('a[ab]{30}y')", MIXED),
    ("item.matches('a[ab]{300}y')", MIXED),
    ("item.find('((a|b)[ab]{20}){30}y') == ''", MIXED[:12_000]),
    ("item.findAll('a|b[ab]*y').size()", MIXED[:9_000]),
    ("item.findAll('[ab]{9}').size()", MIXED[:80_000]),
    ("range(900).all(i, 'ab'.matches('a{1,' + string(i + 1) + '}b'))", None),
]


def main() -> None:
    """Measure all cases, one line each."""
    for source, item in CASES:
        try:
            print(f"{source:75} {_told(compile_expression(source, SCOPE), item)}")
        except (EvaluationError, ExpressionErrors) as error:
            print(f"{source:75} {error}")


def _told(expression: Expression, item: Json) -> str:
    best = float("inf")
    for _ in range(3):
        allowance = Allowance()
        began = time.perf_counter()
        expression.evaluate({"item": item}, allowance)
        best = min(best, time.perf_counter() - began)
    share = best / (allowance.spent * UNIT_SECONDS)
    return f"{best * 1000:7.1f} ms {allowance.spent:11,} units {share:6.2f}"


if __name__ == "__main__":
    main()
