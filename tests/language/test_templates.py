"""Templates: where `${…}` ends, what is joined, what keeps its type, what is refused."""

from __future__ import annotations

import re

import pytest
from tests.language.scopes import BINDINGS, SCOPE

from perdure.engine.faults import Fault
from perdure.engine.values import Json
from perdure.language.expressions import EvaluationError
from perdure.language.templates import Template, TemplateErrors, compile_template


def template(value: Json) -> Template:
    return compile_template(value, SCOPE, "spec.steps[0].http.body")


def rendered(value: Json) -> Json:
    return template(value).render(BINDINGS)


def faults_of(value: Json) -> list[Fault]:
    with pytest.raises(TemplateErrors) as caught:
        template(value)
    return caught.value.faults


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${input.amount}", 12),
        ("  ${ input.amount }\n", 12),
        ("${input.express}", True),
        ("${null}", None),
        ("${input.tags}", ["a", "b"]),
        ("${input.customer}", BINDINGS["input"]["customer"]),  # type: ignore[index, call-overload]
        ("${workflow.now}", "2026-01-02T00:00:00Z"),
        ("${duration('90m')}", "5400s"),
        ("${ {'a': input.amount} }", {"a": 12}),
        ("${ {'a': {'b': {}}} }", {"a": {"b": {}}}),
    ],
)
def test_a_single_expression_keeps_its_type(text: str, value: Json) -> None:
    found = rendered(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("order ${input.orderId}", "order o-1"),
        ("${input.orderId}/${input.amount}", "o-1/12"),
        ("${input.orderId} ${input.amount}", "o-1 12"),
        ("a${vars.total}b${input.express}c${null}d", "a3.5btruecnulld"),
        ("${input.tags}${input.customer.address}", '["a","b"]{"city":"Ulm","country":"DE"}'),
        (
            "at ${workflow.now}, ${workflow.now - workflow.startedAt}",
            "at 2026-01-02T00:00:00Z, 43199.5s",
        ),
        ("${2.0 * 3}!", "6!"),
        ("ü${'ä'}", "üä"),
        ("${dyn(input.customer.address)}.", '{"city":"Ulm","country":"DE"}.'),
        ("$${x}", "${x}"),
        ("$${x} ${input.amount}", "${x} 12"),
        ("$$${input.amount}", "$${input.amount}"),
        ("$ {x} $x } {{", "$ {x} $x } {{"),
        ("$", "$"),
        ("", ""),
        ("cost: $${ ${'$'}{", "cost: ${ ${"),
    ],
)
def test_text_is_joined(text: str, value: str) -> None:
    assert rendered(text) == value


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("'}'", "}"),
        ('"}"', "}"),
        (r"'\'}'", "'}"),
        (r'"\"}"', '"}'),
        (r"'\\'", "\\"),
        (r'R"\}"', r"\}"),
        ("'''}'}\n'}'''", "}'}\n'}"),
        ('"""}"}\n"}"""', '}"}\n"}'),
        (r"'''\'''}'''", "'''}"),
        ("string(b'}')", "}"),
        ("string(br'}')", "}"),
        ("string(bR'}')", "}"),
        (" {'}': {'{': '}'}}['}']['{']", "}"),
        ("// }\n'x'", "x"),
        ("'// }'", "// }"),
        ("'x' // ' }\n", "x"),
        ("'a' + // \"}\n'b'", "ab"),
        ("['}', '{'].join('')", "}{"),
        ("'${x}'", "${x}"),
        ("'$${x}'", "$${x}"),
        ("input['ship-to'] + '}'", "home}"),
        ("'' + '}' + \"\" + '}'", "}}"),
        ("\n'x'\n", "x"),
        ("r''+'}'", "}"),
        ('""+""+"}"', "}"),
    ],
)
def test_the_end_of_an_expression_is_found_by_its_own_lexing(expression: str, value: str) -> None:
    assert rendered("${" + expression + "}") == value
    assert rendered("<${" + expression + "}|${" + expression + "}>") == f"<{value}|{value}>"


@pytest.mark.parametrize(
    ("text", "message", "column", "hint"),
    [
        ("${input.amount", "this ${ has no closing }", 1, None),
        ("a ${ {'a': 1}", "this ${ has no closing }", 3, None),
        ("${'}", "this text has no closing quote", 3, None),
        ("x ${'''}", "this text has no closing quote", 5, None),
        (r"${r'x\'}", "a raw text cannot end in a \\", 3, None),
        ("${r'\n'}", "this text has no closing quote", 3, None),
        ("${{'a': 1}}", "${{ is not how an expression begins", 1, "for a map write ${ {"),
        ("x ${{'a': 1}}", "${{ is not how an expression begins", 3, "for a map write ${ {"),
        ("${input.amount // x}", re.compile("comment without a line end"), 16, re.compile("line")),
        ("${}", "the expression is empty", 3, None),
        ("a ${ } b", "the expression is empty", 5, None),
        ("ab ${steps.chrage}", re.compile('step "chrage" does not exist'), 12, None),
        ("a\nb ${inptu}", re.compile('"inptu" is not known here'), 7, None),
        ("${?}", re.compile("not expected"), 3, None),
    ],
)
def test_a_fault_has_its_place_in_the_whole_text(
    text: str,
    message: str | re.Pattern[str],
    column: int,
    hint: str | re.Pattern[str] | None,
) -> None:
    (fault,) = faults_of(text)
    assert fault.path == "spec.steps[0].http.body"
    assert fault.source == text
    assert fault.column == column
    for found, wanted in ((fault.message, message), (fault.hint, hint)):
        if isinstance(wanted, re.Pattern):
            assert found is not None
            assert wanted.search(found)
        elif wanted is not None or found is fault.message:
            assert found == wanted


def test_all_faults_of_a_document_are_found_with_their_paths() -> None:
    faults = faults_of(
        {
            "items": [1, "${inptu}", {"deep-er": "${steps.chrage} and ${foo()}"}],
            "${key}": "x",
            "none": None,
            "fine": "${input.amount}",
        }
    )
    assert [
        (fault.path.removeprefix("spec.steps[0].http.body"), fault.column) for fault in faults
    ] == [
        (".items[1]", 3),
        ('.items[2]["deep-er"]', 9),
        ('.items[2]["deep-er"]', 23),
        ('["${key}"]', 1),
        (".none", None),
    ]
    assert faults[-1].hint == 'write "${null}", or leave the property out'
    assert str(TemplateErrors(faults)).startswith("spec.steps[0].http.body.items[1]: ")


def test_documents_are_rendered_in_their_shape() -> None:
    value: Json = {
        "order": "${input.orderId}",
        "list": [1, 2.5, True, "x", "${input.amount}", {"a": []}],
        "none": "${null}",
        "text": "$${x}",
    }
    assert rendered(value) == {
        "order": "o-1",
        "list": [1, 2.5, True, "x", 12, {"a": []}],
        "none": None,
        "text": "${x}",
    }


@pytest.mark.parametrize("value", ["x", "$${x}", 1, True, [], {}, {"a": [1, {"b": "$${c}"}]}])
def test_what_holds_no_expression_is_literal(value: Json) -> None:
    assert template(value).is_literal
    assert template(value).references() == frozenset()


def test_what_holds_an_expression_is_not_literal_and_knows_its_references() -> None:
    found = template({"a": ["${steps.charge.output.id}", "x ${input.amount} ${1}"]})
    assert not found.is_literal
    assert found.references() == {("steps", "charge", "output", "id"), ("input", "amount")}
    assert not template("${1}").is_literal


def test_a_failing_expression_says_where_it_stands() -> None:
    with pytest.raises(EvaluationError) as caught:
        rendered({"a": ["${input.extra.nope}"]})
    assert str(caught.value) == ('spec.steps[0].http.body.a[0]: input.extra has no property "nope"')


def test_joined_text_is_bounded() -> None:
    found = template("${item}${item}${item}${item}${item}")
    with pytest.raises(EvaluationError, match="longer than"):
        found.render({"item": "x" * 250_000})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("/orders/${input.orderId}", "/orders/o-1"),
        ("/orders/${'a/b c?d#e%f'}", "/orders/a%2Fb%20c%3Fd%23e%25f"),
        ("/a b/${'ä'}", "/a b/%C3%A4"),
        ("/orders?q=${'a&b=c'}&e=${''}", "/orders?q=a%26b%3Dc&e="),
        ("/${input.amount}/${input.express}/${input.tags}", "/12/true/%5B%22a%22%2C%22b%22%5D"),
        ("${'/a/b'}", "%2Fa%2Fb"),
        (" ${'a'} ", "a"),
        ("/literal", "/literal"),
        ("/x/${'...'}", "/x/..."),
    ],
)
def test_values_in_a_path_are_percent_encoded(text: str, value: str) -> None:
    assert template(text).for_path().render(BINDINGS) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("/orders/${''}", "is empty"),
        ("/orders/${null}", "is null"),
        ("/orders/${'..'}/x", "segment . or .."),
        ("/orders/${'.'}", "segment . or .."),
        ("/orders/.${'.'}/x", "segment . or .."),
    ],
)
def test_values_that_would_address_something_else_are_refused(text: str, message: str) -> None:
    with pytest.raises(EvaluationError, match=re.escape(message)):
        template(text).for_path().render(BINDINGS)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (
            "https://${'api.example'}:8443/a/${'b/c'}?d=${'e&f'}",
            "https://api.example:8443/a/b%2Fc?d=e%26f",
        ),
        ("${'https://api.example'}/a/${'b/c'}", "https://api.example/a/b%2Fc"),
        ("${'https://api.example/x y'}", "https://api.example/x y"),
        ("https://api.example?x=${'a/b'}", "https://api.example?x=a%2Fb"),
    ],
)
def test_values_in_a_url_are_percent_encoded_behind_the_host(text: str, value: str) -> None:
    assert template(text).for_url().render(BINDINGS) == value


def test_a_url_is_text() -> None:
    with pytest.raises(EvaluationError, match="a URL is text"):
        template("${input.amount}").for_url().render(BINDINGS)
