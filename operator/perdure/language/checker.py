"""Check a definition completely and compile it: every fault at once, each with its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from perdure.engine.faults import Fault
from perdure.engine.values import Json, JsonObject, ValueRefusedError, normalise
from perdure.language.compiling import Surroundings, compile_step
from perdure.language.inputs import schema_faults
from perdure.language.names import name_fault
from perdure.language.program import CallVerb, Flow, Program, Step, SwitchVerb
from perdure.language.reading import Reader, as_list, as_map, as_text, names_in
from perdure.language.scopes import flow_names
from perdure.language.types import Dyn as Anything
from perdure.language.types import MapOf, Type, did_you_mean, type_of_schema

ANY_OBJECT = MapOf(Anything)
MAX_PATH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class _Whole:
    """What all flows of a definition share."""

    input_type: Type
    flows: Mapping[str, tuple[str, ...]]
    instance_vars: tuple[str, ...]
    defaults: JsonObject


def check(spec: Json) -> tuple[Program | None, list[Fault]]:
    """Return the compiled program of a definition's spec, or None and everything wrong with it.

    Total: any JSON may be given. Faults of shape are reported by `resources` and skipped here;
    what could not be stored at all is the only fault that is told then.
    """
    try:
        normalise(spec, "spec")
    except ValueRefusedError as error:
        return None, [unstorable(error)]
    reader, raw = Reader(), as_map(spec)
    schema = as_map(raw.get("input")).get("schema")
    if isinstance(schema, dict):
        reader.faults += schema_faults(schema, "spec.input.schema")
    whole = _Whole(
        input_type=ANY_OBJECT if schema is None else type_of_schema(schema),
        flows={
            name: tuple(p for p in as_list(as_map(flow).get("params")) if isinstance(p, str))
            for flow in as_list(raw.get("flows"))
            if (name := as_text(as_map(flow).get("name"))) is not None
        },
        instance_vars=tuple(as_map(raw.get("vars"))),
        defaults=as_map(raw.get("defaults")),
    )
    _check_flow_names(reader, raw)
    main = _flow(reader, raw, whole, "spec", is_main=True)
    flows = [
        _flow(reader, as_map(flow), whole, f"spec.flows[{index}]", is_main=False)
        for index, flow in enumerate(as_list(raw.get("flows")))
    ]
    _check_cycles(reader, flows)
    timeout = reader.duration(raw.get("timeout"), "spec.timeout")
    if reader.faults:
        return None, _unique(reader.faults)
    by_name = {flow.name: flow for flow in flows if flow.name is not None}
    return Program(main=main, flows=by_name, input_schema=schema, timeout=timeout), []


def unstorable(error: ValueRefusedError) -> Fault:
    """Return the fault of a spec that cannot be stored; it would have no digest either."""
    path, _, message = str(error).rpartition(": ")
    return Fault(path if len(path) <= MAX_PATH else f"{path[:MAX_PATH]}…", message)


def _unique(faults: list[Fault]) -> list[Fault]:
    return list(dict.fromkeys(faults))


def _check_flow_names(reader: Reader, raw: JsonObject) -> None:
    seen: set[str] = set()
    for index, flow in enumerate(as_list(raw.get("flows"))):
        name = as_text(as_map(flow).get("name"))
        if name is not None:
            _check_name(reader, name, seen, f"spec.flows[{index}].name", "flow")


def _check_name(
    reader: Reader, name: str, seen: set[str], path: str, noun: str, *, is_step: bool = False
) -> None:
    fault = name_fault(name, is_step=is_step)
    if fault is not None:
        reader.fault(path, fault)
    elif name in seen:
        reader.fault(path, f'there is another {noun} "{name}" above')
    seen.add(name)


def _flow(reader: Reader, raw: JsonObject, whole: _Whole, path: str, *, is_main: bool) -> Flow:
    params = tuple(p for p in as_list(raw.get("params")) if isinstance(p, str))
    own = () if is_main else tuple(as_map(raw.get("vars")))
    seen: set[str] = set()
    for index, param in enumerate(params):
        _check_name(reader, param, seen, f"{path}.params[{index}]", "parameter")
    for variable in as_map(raw.get("vars")):
        _check_name(reader, variable, set(), f"{path}.vars.{variable}", "variable")
    steps_raw = [as_map(step) for step in as_list(raw.get("steps"))]
    all_steps = names_in(list(steps_raw))
    visible = (*whole.instance_vars, *own)
    names = flow_names(whole.input_type, visible, params, all_steps)
    around = Surroundings(
        names=names,
        flows=whole.flows,
        instance_vars=frozenset(whole.instance_vars),
        own_vars=frozenset(own),
        defaults=whole.defaults,
    )
    steps = _steps(reader, steps_raw, around, all_steps, path)
    output = None
    reader.visible = frozenset(all_steps)
    if "output" in raw:
        output = reader.template(raw["output"], names.scope({}), f"{path}.output")
    reader.visible = frozenset()
    first_vars = () if is_main else whole.instance_vars
    first = flow_names(whole.input_type, first_vars, params, ())
    variables = reader.templates(raw.get("vars"), first.scope({}), f"{path}.vars")
    name = None if is_main else as_text(raw.get("name"))
    return Flow(name=name, steps=steps, params=params, vars=variables, output=output)


def _steps(
    reader: Reader,
    raw: list[JsonObject],
    around: Surroundings,
    all_names: tuple[str, ...],
    path: str,
) -> tuple[Step, ...]:
    steps: list[Step] = []
    over: dict[str, frozenset[str]] = {}
    seen: set[str] = set()
    for index, fields in enumerate(raw):
        place = f"{path}.steps[{index}]"
        name = as_text(fields.get("name"))
        if name is not None:
            _check_name(reader, name, seen, f"{place}.name", "step", is_step=True)
        needs = _needs(reader, fields, over, all_names, place)
        reader.visible = needs.union(*(over[need] for need in needs))
        steps.append(compile_step(reader, fields, around, place, needs))
        if name is not None:
            over[name] = reader.visible
    return tuple(steps)


def _needs(
    reader: Reader,
    fields: JsonObject,
    above: Mapping[str, frozenset[str]],
    all_names: tuple[str, ...],
    path: str,
) -> frozenset[str]:
    """Return what a step waits for itself: what it names, else everything above."""
    if "needs" not in fields:
        return frozenset(above)
    named = []
    for index, need in enumerate(as_list(fields["needs"])):
        if not isinstance(need, str):
            continue
        place = f"{path}.needs[{index}]"
        if need in above:
            named.append(need)
        elif need in all_names:
            reader.fault(place, f'step "{need}" is not above this one; needs names steps above')
        else:
            reader.fault(place, f'step "{need}" does not exist{did_you_mean(need, above)}')
    return frozenset(named)


def _check_cycles(reader: Reader, flows: list[Flow]) -> None:
    """Flows may call flows, but never themselves: a definition is a finite graph."""
    calls = {flow.name: set(_called(flow)) for flow in flows if flow.name is not None}
    for index, flow in enumerate(flows):
        if flow.name is None:
            continue
        way = _way_back(flow.name, calls)
        if way is not None:
            shown = " → ".join(way)
            reader.fault(
                f"spec.flows[{index}].name",
                f"the flow calls itself: {shown}",
                hint="repetition is the business of retry, or of another instance",
            )


def _called(flow: Flow) -> Iterator[str]:
    for step in flow.steps:
        yield from _called_by(step)


def _called_by(step: Step) -> Iterator[str]:
    bodies = [entry.body for entry in step.catch]
    match step.verb:
        case SwitchVerb(cases=cases, default=default):
            bodies += [case.body for case in cases] + ([default] if default else [])
        case CallVerb(body=body):
            bodies.append(body)
        case _:
            pass
    for body in bodies:
        if body.flow is not None:
            yield body.flow
        if body.do is not None:
            yield from _called_by(body.do)


def _way_back(start: str, calls: Mapping[str, set[str]]) -> list[str] | None:
    """Return a chain of calls from a flow to itself, None when there is none."""
    came_from: dict[str, str] = {}
    below = [start]
    while below:
        flow = below.pop()
        for called in sorted(calls.get(flow, ())):
            if called == start:
                return _chain(start, flow, came_from)
            if called not in came_from:
                came_from[called] = flow
                below.append(called)
    return None


def _chain(start: str, last: str, came_from: Mapping[str, str]) -> list[str]:
    chain = [start, last] if last != start else [start]
    while last != start:
        last = came_from[last]
        chain.insert(1, last)
    return [*dict.fromkeys(chain), start]
