"""Simpler definitions from one: without a step, a flow, or something around a step.

What comes out may have faults (a step that another one reads): the caller checks it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from perdure.engine.values import Json, JsonObject

_Simpler: TypeAlias = Callable[[JsonObject], Iterator[JsonObject]]

AROUND = ("catch", "retry", "timeout", "when", "output", "onUnknown", "needs")
"""Fields of a step that it can do without."""
IN_VERBS: Mapping[str, tuple[str, ...]] = {
    "http": ("poll", "expect", "headers", "port", "scheme"),
    "event": ("where", "count", "onTimeout"),
    "switch": ("default",),
    "raise": ("message", "code", "details", "retryable"),
    "return": ("value",),
}
OF_WHOLE = ("output", "defaults", "timeout", "retention", "vars", "input", "flows")
ORIGIN = ("uid", "path")
"""What stays in a body: it tells a service whose call it is."""


def pruned(spec: JsonObject) -> Iterator[JsonObject]:
    """Yield specs with one thing less, whole steps and flows first."""
    yield from _without_keys(spec, OF_WHOLE)
    yield from _in_flows(spec, _without_steps)
    yield from _without_flows(spec)
    yield from _in_flows(spec, _with_simpler_steps)


def _without_keys(fields: JsonObject, keys: tuple[str, ...]) -> Iterator[JsonObject]:
    for key in keys:
        if key in fields:
            yield {name: value for name, value in fields.items() if name != key}


def _in_flows(spec: JsonObject, simpler: _Simpler) -> Iterator[JsonObject]:
    """Yield the spec with its main flow or one of its flows made simpler."""
    yield from simpler(spec)
    flows = _list(spec.get("flows"))
    for index, flow in enumerate(flows):
        for less in simpler(_object(flow)):
            yield {**spec, "flows": _replaced(flows, index, less)}


def _without_steps(flow: JsonObject) -> Iterator[JsonObject]:
    """Drop one step; those that need it need what it needed."""
    steps = _list(flow["steps"])
    if len(steps) < 2:
        return
    for index, step in enumerate(steps):
        left = [_without_need(_object(s), _object(step)) for s in steps if s is not step]
        assert len(left) == len(steps) - 1, f"the step {index} stands there twice"
        yield {**flow, "steps": [*left]}


def _without_need(step: JsonObject, gone: JsonObject) -> JsonObject:
    needs = step.get("needs")
    if not isinstance(needs, list) or gone["name"] not in needs:
        return step
    instead = _list(gone.get("needs"))
    return {**step, "needs": [*dict.fromkeys([n for n in (*needs, *instead) if n != gone["name"]])]}


def _without_flows(spec: JsonObject) -> Iterator[JsonObject]:
    flows = _list(spec.get("flows"))
    for index in range(len(flows)):
        left = [flow for place, flow in enumerate(flows) if place != index]
        yield {**spec, "flows": left} if left else _without(spec, "flows")


def _with_simpler_steps(flow: JsonObject) -> Iterator[JsonObject]:
    steps = _list(flow["steps"])
    for index, step in enumerate(steps):
        for less in _simpler_step(_object(step)):
            yield {**flow, "steps": _replaced(steps, index, less)}


def _simpler_step(step: JsonObject) -> Iterator[JsonObject]:
    yield from _without_keys(step, AROUND)
    for verb, keys in IN_VERBS.items():
        for less in _without_keys(_object(step.get(verb)), keys):
            yield {**step, verb: less}
    yield from _simpler_body(step)
    for cases in _fewer_cases(_object(step.get("switch"))):
        yield {**step, "switch": cases}


def _simpler_body(step: JsonObject) -> Iterator[JsonObject]:
    """Drop what a request carries beside whose it is."""
    http = _object(step.get("http"))
    body = _object(http.get("body"))
    for key in body:
        if key not in ORIGIN:
            yield {**step, "http": {**http, "body": _without(body, key)}}


def _fewer_cases(switch: JsonObject) -> Iterator[JsonObject]:
    cases = _list(switch.get("cases"))
    if len(cases) > 1:
        for index in range(len(cases)):
            yield {**switch, "cases": [c for place, c in enumerate(cases) if place != index]}


def _without(fields: JsonObject, key: str) -> JsonObject:
    return {name: value for name, value in fields.items() if name != key}


def _replaced(items: list[Json], index: int, item: Json) -> list[Json]:
    return [*items[:index], item, *items[index + 1 :]]


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _object(value: Json) -> JsonObject:
    return value if isinstance(value, dict) else {}
