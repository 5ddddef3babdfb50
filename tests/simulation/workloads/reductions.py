"""Simpler workloads from one: what shrinking tries, the largest simplifications first.

Each one is smaller and as valid as the one it came from: a caller takes the first that still
fails and asks again, and it ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.simulation.workloads.actions import Action, Define, Start, Subject, instance_of
from tests.simulation.workloads.pruning import pruned
from tests.simulation.workloads.services import CALM, Script
from tests.simulation.workloads.workload import Workload

from perdure.definitions import review
from perdure.engine.values import JsonObject

Faultless = Callable[[JsonObject], bool]


def is_faultless(spec: JsonObject) -> bool:
    """Return whether the definition can run."""
    return not review(spec).faults


def reductions(workload: Workload, *, is_valid: Faultless = is_faultless) -> Iterator[Workload]:
    """Yield workloads with less in them; `is_valid` judges definitions (a memo may stand in)."""
    yield from _without_instances(workload)
    yield from _without_halves(workload)
    yield from _without_actions(workload)
    yield from _without_definitions(workload)
    yield from _with_simpler_services(workload)
    yield from _with_simpler_definitions(workload, is_valid)
    yield from _with_simpler_instances(workload)


def _with(workload: Workload, actions: list[Action]) -> Workload:
    return replace(workload, actions=tuple(actions))


def _replacing(workload: Workload, index: int, action: Action) -> Workload:
    before, after = workload.actions[:index], workload.actions[index + 1 :]
    return _with(workload, [*before, action, *after])


def _without_instances(workload: Workload) -> Iterator[Workload]:
    if len(workload.instances) < 2:
        return
    for subject in workload.instances:
        yield _with(workload, [a for a in workload.actions if instance_of(a) != subject])


def _is_droppable(action: Action) -> bool:
    """What defines and starts goes by other reductions."""
    return not isinstance(action, Define | Start)


def _without_halves(workload: Workload) -> Iterator[Workload]:
    droppable = [i for i, a in enumerate(workload.actions) if _is_droppable(a)]
    half = len(droppable) // 2
    if half < 2:
        return
    for part in (droppable[:half], droppable[half:], droppable):
        dropped = frozenset(part)
        yield _with(workload, [a for i, a in enumerate(workload.actions) if i not in dropped])


def _without_actions(workload: Workload) -> Iterator[Workload]:
    seen: dict[Subject, int] = {}
    for index, action in enumerate(workload.actions):
        is_again = False
        if isinstance(action, Start):
            subject = Subject(action.namespace, action.instance)
            seen[subject] = seen.get(subject, 0) + 1
            is_again = seen[subject] > 1
        if _is_droppable(action) or is_again:
            yield _with(workload, [a for i, a in enumerate(workload.actions) if i != index])


def _without_definitions(workload: Workload) -> Iterator[Workload]:
    """Drop a definition that nobody runs, or one version of several."""
    run = {Subject(a.namespace, a.definition) for a in workload.actions if isinstance(a, Start)}
    of = [Subject(d.namespace, d.definition) for d in workload.definitions]
    for define, subject in zip(workload.definitions, of, strict=True):
        if subject not in run or of.count(subject) > 1:
            yield _with(workload, [a for a in workload.actions if a is not define])


def _with_simpler_services(workload: Workload) -> Iterator[Workload]:
    script = workload.script
    if script.tempers:
        yield replace(workload, script=replace(script, tempers={}))
    for service, temper in script.tempers.items():
        yield replace(workload, script=_without_temper(script, service))
        for mood in temper.__dataclass_fields__:
            if getattr(temper, mood) and temper != replace(CALM, **{mood: getattr(temper, mood)}):
                calmer = replace(temper, **{mood: 0.0})
                tempers = {**script.tempers, service: calmer}
                yield replace(workload, script=replace(script, tempers=tempers))


def _without_temper(script: Script, service: str) -> Script:
    left = {name: temper for name, temper in script.tempers.items() if name != service}
    return replace(script, tempers=left)


def _with_simpler_definitions(workload: Workload, is_valid: Faultless) -> Iterator[Workload]:
    for index, action in enumerate(workload.actions):
        if not isinstance(action, Define):
            continue
        for spec in pruned(action.spec):
            if is_valid(spec):
                yield _replacing(workload, index, replace(action, spec=spec))


def _with_simpler_instances(workload: Workload) -> Iterator[Workload]:
    for index, action in enumerate(workload.actions):
        if not isinstance(action, Start):
            continue
        if action.starts_after is not None:
            yield _replacing(workload, index, replace(action, starts_after=None))
        for spec in _simpler_instance(action.spec):
            yield _replacing(workload, index, replace(action, spec=spec))


def _simpler_instance(spec: JsonObject) -> Iterator[JsonObject]:
    """Yield the spec without a field, or with less in its input."""
    for field in spec:
        if field != "definitionRef":
            yield _without(spec, field)
    given = spec.get("input")
    if isinstance(given, dict):
        for field in given:
            yield {**spec, "input": _without(given, field)}


def _without(fields: JsonObject, key: str) -> JsonObject:
    return {name: value for name, value in fields.items() if name != key}
