"""From steps and bodies, as users write them, to a program: one function per verb."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from perdure.engine.values import Json, JsonObject
from perdure.language.expressions import Scope
from perdure.language.program import (
    NOTHING,
    Body,
    CallVerb,
    Case,
    Catch,
    EventVerb,
    HttpVerb,
    Poll,
    RaiseVerb,
    Retry,
    ReturnVerb,
    SetVerb,
    Step,
    SwitchVerb,
    Verb,
    WaitVerb,
)
from perdure.language.reading import Reader, as_int, as_list, as_map, as_text
from perdure.language.scopes import ERROR, EVENT, HTTP_RESULT, FlowNames
from perdure.language.templates import Template
from perdure.language.types import Dyn, Type, did_you_mean

LEAVES = ("http", "wait", "event", "set", "raise", "return")
VERBS = (*LEAVES, "switch", "call")
DEFAULTS = "spec.defaults"
_PLACEHOLDER = ReturnVerb()


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a step is compiled in: the names it sees, the flows and variables that exist."""

    names: FlowNames
    flows: Mapping[str, tuple[str, ...]]
    """Parameters of each flow, by its name."""
    instance_vars: frozenset[str]
    own_vars: frozenset[str]
    defaults: JsonObject
    extra: Mapping[str, Type] = field(default_factory=dict)
    """Names of the step's own that all of it sees: `error` in a catch entry."""

    def scope(self, **extra: Type) -> Scope:
        """Return the step's scope, with names of its own."""
        return self.names.scope({**self.extra, **extra})


def compile_step(
    reader: Reader, raw: JsonObject, around: Surroundings, path: str, needs: frozenset[str]
) -> Step:
    """Return a step of a flow."""
    verb = compile_verb(reader, raw, around, path)
    step = Step(name=as_text(raw.get("name")) or "", verb=verb, needs=needs)
    if "when" in raw:
        when = reader.expression(raw["when"], around.scope(), f"{path}.when")
        step = replace(step, when=when)
    return _with_common(reader, step, raw, around, path)


def compile_leaf(reader: Reader, raw: Json, around: Surroundings, path: str) -> Step:
    """Return the leaf under a `do`."""
    fields = as_map(raw)
    for verb in VERBS:
        if verb in fields and verb not in LEAVES:
            reader.fault(f"{path}.{verb}", f"{verb} is a block; a body holds a flow or one leaf")
    step = Step(name="do", verb=compile_verb(reader, fields, around, path))
    return _with_common(reader, step, fields, around, path)


def _with_common(
    reader: Reader, step: Step, raw: JsonObject, around: Surroundings, path: str
) -> Step:
    is_call = isinstance(step.verb, HttpVerb)
    defaults = around.defaults if is_call else {}
    changes: dict[str, object] = {
        "retry": _retry(reader, raw.get("retry"), defaults.get("retry"), around, path),
        "catch": _catches(reader, raw.get("catch"), around, path),
        "fails_on_unknown": raw.get("onUnknown") == "Fail",
    }
    timeout = raw.get("timeout", defaults.get("timeout"))
    if timeout is not None:
        place = path if "timeout" in raw else DEFAULTS
        changes["timeout"] = reader.duration_template(timeout, around.scope(), f"{place}.timeout")
    if "output" in raw:
        result = HTTP_RESULT if is_call else Dyn
        changes["output"] = reader.template(
            raw["output"], around.scope(result=result), f"{path}.output"
        )
    return replace(step, **changes)  # type: ignore[arg-type]  # the keys are fields of Step


def _retry(reader: Reader, raw: Json, default: Json, around: Surroundings, path: str) -> Retry:
    own = as_map(raw)
    fields = {**as_map(default), **own}

    def place(name: str) -> str:
        return f"{path if name in own else DEFAULTS}.retry.{name}"

    changes: dict[str, object] = {}
    attempts = as_int(fields.get("attempts"))
    if attempts is not None:
        changes["attempts"] = attempts
    factor = fields.get("factor")
    if isinstance(factor, int | float):
        changes["factor"] = float(factor)
    if "jitter" in fields:
        changes["has_jitter"] = fields["jitter"] == "Full"
    for name, target in (
        ("delay", "delay"),
        ("maxDelay", "max_delay"),
        ("attemptTimeout", "attempt_timeout"),
    ):
        length = reader.duration(fields.get(name), place(name))
        if length is not None:
            changes[target] = length
    if "when" in fields:
        changes["when"] = reader.expression(
            fields["when"], around.scope(error=ERROR), place("when")
        )
    return replace(Retry(), **changes)  # type: ignore[arg-type]  # the keys are fields of Retry


def _catches(reader: Reader, raw: Json, around: Surroundings, path: str) -> tuple[Catch, ...]:
    return tuple(
        _catch(reader, as_map(entry), around, f"{path}.catch[{index}]")
        for index, entry in enumerate(as_list(raw))
    )


def _catch(reader: Reader, raw: JsonObject, around: Surroundings, path: str) -> Catch:
    inside = replace(around, extra={"error": ERROR})
    when = output = None
    if "when" in raw:
        when = reader.expression(raw["when"], inside.scope(), f"{path}.when")
    if "output" in raw:
        output = reader.template(raw["output"], inside.scope(result=Dyn), f"{path}.output")
    body = compile_body(reader, raw, inside, path) if {"flow", "do"} & set(raw) else NOTHING
    return Catch(when=when, body=body, output=output)


def compile_body(reader: Reader, raw: JsonObject, around: Surroundings, path: str) -> Body:
    """Return what a block runs: a named flow with its parameters, or one leaf."""
    if "do" in raw:
        return Body(do=compile_leaf(reader, raw["do"], around, f"{path}.do"))
    flow = as_text(raw.get("flow"))
    if flow is None:
        return NOTHING
    given = reader.templates(raw.get("with"), around.scope(), f"{path}.with")
    if flow not in around.flows:
        near = did_you_mean(flow, around.flows)
        reader.fault(f"{path}.flow", f'flow "{flow}" does not exist{near}')
        return NOTHING
    _compare_params(reader, flow, around.flows[flow], given, path)
    return Body(flow=flow, params=given)


def _compare_params(
    reader: Reader, flow: str, params: tuple[str, ...], given: Mapping[str, Template], path: str
) -> None:
    for name in params:
        if name not in given:
            reader.fault(f"{path}.with", f'flow "{flow}" needs the parameter "{name}"')
    for name in given:
        if name not in params:
            near = did_you_mean(name, params)
            reader.fault(f"{path}.with.{name}", f'flow "{flow}" has no parameter "{name}"{near}')


def compile_verb(reader: Reader, raw: JsonObject, around: Surroundings, path: str) -> Verb:
    """Return the verb of a step; a harmless stand-in where there is none."""
    name = next((verb for verb in VERBS if verb in raw), None)
    if name is None:
        return _PLACEHOLDER
    fields, path = as_map(raw[name]), f"{path}.{name}"
    match name:
        case "http":
            return _http(reader, fields, around, path)
        case "wait":
            return _wait(reader, fields, around, path)
        case "event":
            return _event(reader, fields, around, path, has_timeout="timeout" in raw)
        case "set":
            return _set(reader, fields, around, path)
        case "raise":
            return _raise(reader, fields, around, path)
        case "return":
            return _return(reader, fields, around, path)
        case "switch":
            return _switch(reader, fields, around, path)
        case _:
            return CallVerb(body=compile_body(reader, fields, around, path))


def _http(reader: Reader, raw: JsonObject, around: Surroundings, path: str) -> HttpVerb:
    seen = around.scope()

    def optional(name: str) -> Template | None:
        if name not in raw:
            return None
        return reader.template(raw[name], seen, f"{path}.{name}")

    port = raw.get("port")
    expect = None
    if "expect" in raw:
        result_scope = around.scope(result=HTTP_RESULT)
        expect = reader.expression(raw["expect"], result_scope, f"{path}.expect")
    return HttpVerb(
        method=as_text(raw.get("method")) or "GET",
        service=optional("service"),
        port=port if isinstance(port, int | str) else None,
        scheme=as_text(raw.get("scheme")),
        path=optional("path"),
        url=optional("url"),
        query=optional("query"),
        headers=optional("headers"),
        body=optional("body"),
        form=optional("form"),
        expect=expect,
        poll=_poll(reader, as_map(raw["poll"]), around, f"{path}.poll") if "poll" in raw else None,
    )


def _poll(reader: Reader, raw: JsonObject, around: Surroundings, path: str) -> Poll | None:
    every = reader.duration(raw.get("every"), f"{path}.every")
    until = reader.expression(raw.get("until"), around.scope(result=HTTP_RESULT), f"{path}.until")
    target = next((name for name in ("path", "url") if name in raw), "location")
    value = None
    if target in raw:
        value = reader.template(raw[target], around.scope(), f"{path}.{target}")
    if every is None:
        return None
    return Poll(target=target, value=value, every=every, until=until)


def _wait(reader: Reader, raw: JsonObject, around: Surroundings, path: str) -> WaitVerb:
    if "for" in raw:
        length = reader.duration_template(raw["for"], around.scope(), f"{path}.for")
        return WaitVerb(length=length)
    if "at" not in raw:
        return WaitVerb()  # a fault of shape
    return WaitVerb(moment=reader.time_template(raw["at"], around.scope(), f"{path}.at"))


def _event(
    reader: Reader, raw: JsonObject, around: Surroundings, path: str, *, has_timeout: bool
) -> EventVerb:
    where = None
    if "where" in raw:
        where = reader.expression(raw["where"], around.scope(event=EVENT), f"{path}.where")
    continues = raw.get("onTimeout") == "Continue"
    if continues and not has_timeout:
        reader.fault(f"{path}.onTimeout", "Continue does nothing: the step has no timeout")
    return EventVerb(
        name=as_text(raw.get("name")) or "",
        where=where,
        count=as_int(raw.get("count")) or 1,
        continues_on_timeout=continues,
    )


def _set(reader: Reader, raw: JsonObject, around: Surroundings, path: str) -> SetVerb:
    values = reader.templates(raw, around.scope(), path)
    known = around.own_vars | around.instance_vars
    for name in values:
        if name not in known:
            near = did_you_mean(name, known)
            reader.fault(
                f"{path}.{name}",
                f'variable "{name}" does not exist{near}',
                hint="declare it with a first value under spec.vars or the flow's vars",
            )
    return SetVerb(
        own={n: t for n, t in values.items() if n in around.own_vars},
        instance={n: t for n, t in values.items() if n not in around.own_vars},
    )


def _raise(reader: Reader, raw: JsonObject, around: Surroundings, path: str) -> RaiseVerb:
    seen = around.scope()
    message = details = None
    if "message" in raw:
        message = reader.template(raw["message"], seen, f"{path}.message")
    if "details" in raw:
        details = reader.template(raw["details"], seen, f"{path}.details")
    return RaiseVerb(
        type=as_text(raw.get("type")) or "",
        message=message,
        code=as_int(raw.get("code")),
        details=details,
        retryable=raw.get("retryable") is True,
    )


def _return(reader: Reader, raw: JsonObject, around: Surroundings, path: str) -> ReturnVerb:
    if "value" not in raw:
        return ReturnVerb()
    return ReturnVerb(value=reader.template(raw["value"], around.scope(), f"{path}.value"))


def _switch(reader: Reader, raw: JsonObject, around: Surroundings, path: str) -> SwitchVerb:
    cases = tuple(
        _case(reader, as_map(case), around, f"{path}.cases[{index}]")
        for index, case in enumerate(as_list(raw.get("cases")))
    )
    default = None
    if "default" in raw:
        default = compile_body(reader, as_map(raw["default"]), around, f"{path}.default")
    return SwitchVerb(cases=cases, default=default)


def _case(reader: Reader, raw: JsonObject, around: Surroundings, path: str) -> Case:
    when = reader.expression(raw.get("when"), around.scope(), f"{path}.when")
    return Case(when=when, body=compile_body(reader, raw, around, path))
