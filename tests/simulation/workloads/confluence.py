"""Whether the end of each instance follows from the workload alone, and not from timing.

Sufficient, not necessary: what is called confluent comes to the same phase and output whatever
the order of calls, the delays and the faults that end (crashes, conflicts, lost answers, calls
that break). Compare only instances whose actions were all acknowledged, and give them the same
uids: the tokens of answers derive from them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from tests.simulation.workloads.actions import (
    Action,
    Define,
    Edit,
    RaiseAsObject,
    RaiseInSpec,
    Resume,
    Start,
    Subject,
    Suspend,
    Tamper,
    Undefine,
    instance_of,
)
from tests.simulation.workloads.workload import Workload, steps_in

from perdure.engine.values import Json, JsonObject

VOLATILE = re.compile(r"\b(now|startedAt|time|attempt|message)\b")
"""What expressions may not read: it tells when or how often something happened."""
HARMLESS = frozenset({Edit.INPUT, Edit.DEFINITION, Edit.LABEL, Edit.ANNOTATE})
_PLAIN = frozenset({"http", "wait", "event"})


def is_confluent(workload: Workload) -> bool:
    """Return whether phase and output of every instance are the same in every run."""
    if not workload.script.is_idempotent:
        return False
    specs = _specs(workload)
    return specs is not None and all(
        _is_quiet(subject, [a for a in workload.actions if instance_of(a) == subject], specs)
        for subject in workload.instances
    )


def _specs(workload: Workload) -> dict[Subject, JsonObject] | None:
    """Return the specs by definition; None where one changes or goes, or depends on timing."""
    specs: dict[Subject, JsonObject] = {}
    for action in workload.actions:
        if isinstance(action, Undefine):
            return None
        if isinstance(action, Define):
            subject = Subject(action.namespace, action.definition)
            if subject in specs or not is_timeless(action.spec):
                return None
            specs[subject] = action.spec
    return specs


def _is_quiet(subject: Subject, actions: list[Action], specs: dict[Subject, JsonObject]) -> bool:
    """Return whether what users do with the instance means the same at any time."""
    starts = [a for a in actions if isinstance(a, Start)]
    if len(starts) != 1 or {"timeout", "events"} & starts[0].spec.keys():
        return False
    if "revision" in str(starts[0].spec["definitionRef"]):
        return False
    if not all(isinstance(a, _QUIET) or _is_harmless(a) for a in actions):
        return False
    return (
        len({a.user for a in actions}) == 1
        and not _stays_suspended(starts[0], actions)
        and _each_event_has_one_taker(actions, specs.get(_definition_of(starts[0])))
    )


_QUIET = (Start, RaiseInSpec, RaiseAsObject, Suspend, Resume)


def _is_harmless(action: Action) -> bool:
    return isinstance(action, Tamper) and action.edit in HARMLESS


def _definition_of(start: Start) -> Subject:
    return Subject(start.namespace, start.definition)


def _stays_suspended(start: Start, actions: list[Action]) -> bool:
    is_suspended = start.spec.get("suspend") is True
    for action in actions:
        if isinstance(action, Suspend | Resume):
            is_suspended = isinstance(action, Suspend)
    return is_suspended


def _each_event_has_one_taker(actions: list[Action], spec: JsonObject | None) -> bool:
    sent = Counter(_event_name(a) for a in actions if isinstance(a, RaiseInSpec | RaiseAsObject))
    return spec is not None and all(count == 1 for count in sent.values())


def _event_name(action: RaiseInSpec | RaiseAsObject) -> str:
    if isinstance(action, RaiseAsObject):
        return action.event_name.casefold()
    return str(action.event["name"]).casefold()


def is_timeless(spec: JsonObject) -> bool:
    """Return whether what a definition does follows from input, answers and events alone."""
    steps = list(steps_in(spec))
    names = Counter(_awaited(steps))
    return (
        "timeout" not in spec
        and not any(VOLATILE.search(text) for text in _texts(spec))
        and all(_is_timeless_step(step, spec) for step in steps)
        and all(_is_orderless(flow) for flow in _flows(spec))
        and all(count == 1 for count in names.values())
        and sum(names.values()) == sum(1 for step in _steps_of(spec) if "event" in step)
    )


def _is_timeless_step(step: JsonObject, spec: JsonObject) -> bool:
    if "timeout" in step or step.get("onUnknown") == "Fail":
        return False
    if "http" in step:
        return _is_patient(step, spec)
    # The event's time of arrival must stay out of the output.
    return "retry" not in step and ("event" not in step or step.get("output") == "${result.data}")


def _is_patient(step: JsonObject, spec: JsonObject) -> bool:
    """Return whether the call goes on until it is answered: attempts may be lost to faults."""
    defaults = spec.get("defaults")
    around = defaults if isinstance(defaults, dict) else {}
    retry: JsonObject = {}
    for policy in (around.get("retry"), step.get("retry")):
        retry |= policy if isinstance(policy, dict) else {}
    return retry.get("attempts") == -1 and "when" not in retry and "timeout" not in around


def _is_orderless(flow: JsonObject) -> bool:
    """Return whether steps that run side by side cannot disturb each other."""
    steps = _steps_of(flow)
    return all("needs" not in step for step in steps) or all(_is_plain(step) for step in steps)


def _is_plain(step: JsonObject) -> bool:
    if not (_PLAIN & step.keys()):
        return False
    if "http" in step:
        return step.get("catch") == [{"output": "none"}]
    return "when" not in step and "catch" not in step


def _flows(spec: JsonObject) -> Iterator[JsonObject]:
    yield spec
    flows = spec.get("flows")
    yield from (f for f in (flows if isinstance(flows, list) else []) if isinstance(f, dict))


def _steps_of(flow: JsonObject) -> list[JsonObject]:
    steps = flow["steps"]
    assert isinstance(steps, list), "a flow without steps"
    return [step for step in steps if isinstance(step, dict)]


def _awaited(steps: list[JsonObject]) -> Iterator[str]:
    for step in steps:
        fields = step.get("event")
        if isinstance(fields, dict):
            yield str(fields["name"]).casefold()


def _texts(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
