"""What the users of a generated workload do with one instance, and with its definition."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from tests.simulation.workloads import inputs, retries
from tests.simulation.workloads.actions import (
    Action,
    Define,
    Delete,
    Edit,
    Raise,
    RaiseAsObject,
    RaiseInSpec,
    Resume,
    Start,
    Subject,
    Suspend,
    Tamper,
    Terminate,
    Undefine,
)
from tests.simulation.workloads.draws import Draw
from tests.simulation.workloads.workload import verbs_in

from perdure.definitions import revision_name, spec_digest
from perdure.engine.external import MAX_EVENT_BYTES
from perdure.engine.values import Json, JsonObject

LATEST = 30.0
"""Seconds within which most is done."""
USERS = ("anna", "ben")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One instance that users handle: where, by which definition, and how wildly."""

    draw: Draw
    subject: Subject
    definition: str
    versions: tuple[JsonObject, ...]
    """The specs of the definition over time, the first one first."""
    is_confluent: bool


def life_of(task: Task) -> list[Action]:
    """Return everything that is done with the instance, in no order."""
    if task.is_confluent:
        return _quiet_life(task)
    draw = task.draw
    start = _start(task, at=_moment(draw, 5))
    actions: list[Action] = [start, *events_for(task, start), *_controls(task, start)]
    if draw.chance(0.05):
        actions += _again(task, start)
    if draw.chance(0.15):
        for _ in range(draw.whole(1, 3)):
            actions += _tampering(task)
    return actions


def _quiet_life(task: Task) -> list[Action]:
    draw, where = task.draw, task.subject
    start = _start(task, at=_moment(draw, 5))
    actions: list[Action] = [start]
    for index, fields in enumerate(awaited(task.versions[0])):
        if draw.chance(0.9):
            event_id = f"{where.name}-e{index}"
            actions.append(_event(task, str(fields["name"]), event_id, at=_moment(draw, LATEST)))
    if draw.chance(0.2):
        actions += _pause(task)
    if draw.chance(0.15):
        edit = draw.pick((Edit.INPUT, Edit.LABEL, Edit.ANNOTATE, Edit.DEFINITION))
        actions.append(_tamper(task, edit))
    return actions


def _moment(draw: Draw, latest: float) -> float:
    """Return a time; now and then a round one, so that things meet."""
    if draw.chance(0.01):
        return draw.pick((600.0, 3 * 3600.0, 25 * 3600.0))
    return float(draw.whole(0, int(latest))) if draw.chance(0.2) else draw.seconds(0, latest)


def _start(task: Task, *, at: float) -> Start:
    draw = task.draw
    ref: JsonObject = {"name": task.definition}
    spec: JsonObject = {"definitionRef": ref}
    if draw.chance(0.95):
        spec["input"] = inputs.without_nulls(inputs.given(draw, is_wild=not task.is_confluent))
    late = draw.pick((2.0, 10.0, 30.0, 3600.0)) if draw.chance(0.08) else None
    start = Start(
        at=at,
        namespace=task.subject.namespace,
        instance=task.subject.name,
        spec=spec,
        starts_after=late,
    )
    if task.is_confluent:
        spec.setdefault("input", {"n": 3, "flag": True, "label": "plain", "items": [], "pad": ""})
        return start
    if draw.chance(0.06):
        known = [revision_name(task.definition, spec_digest(one)) for one in task.versions]
        ref["revision"] = draw.pick((*known, f"{task.definition}-0000000000"))
    if draw.chance(0.06):
        spec["timeout"] = retries.instance_timeout(draw)
    if draw.chance(0.06):
        spec["suspend"] = True
    if draw.chance(0.04):
        spec["retention"] = {"succeeded": "5s", "failed": "5s", "terminated": "5s"}
    if draw.chance(0.08):
        name = draw.pick([*_names(task), "elsewhere"])
        spec["events"] = [{"id": "early", "name": name, "data": {"n": 5, "kind": "good"}}]
    return start


def awaited(spec: JsonObject) -> Iterator[JsonObject]:
    """Yield the event verbs of a definition."""
    return verbs_in(spec, "event")


def _names(task: Task) -> list[str]:
    names = [str(f["name"]) for spec in task.versions for f in awaited(spec)]
    return list(dict.fromkeys(names))


def events_for(task: Task, start: Start) -> list[Action]:
    """Return the events that users send: nearly what is waited for, by both doors, doubled."""
    draw, raised = task.draw, list[Raise]()
    for fields in awaited(task.versions[0]):
        count = fields.get("count", 1)
        assert isinstance(count, int), "the checker asks for a number"
        for _ in range(count + (1 if draw.chance(0.15) else 0)):
            if draw.chance(0.88):
                raised.append(_some_event(task, str(fields["name"]), len(raised)))
    if draw.chance(0.05):
        raised.append(_some_event(task, "elsewhere", len(raised)))
    if draw.chance(0.004):
        raised += [_flood(task, number) for number in range(34)]
    doubles = [_doubled(task, event) for event in raised if draw.chance(0.12)]
    return [*raised, *doubles]


def _some_event(task: Task, name: str, number: int) -> Raise:
    draw = task.draw
    if draw.chance(0.2):
        name = name.upper()
    event_id = f"{task.subject.name}-e{number}"
    return _event(task, name, event_id, at=_moment(draw, draw.pick((4, 15, LATEST))))


def _event(task: Task, name: str, event_id: str, *, at: float) -> Raise:
    draw, data = task.draw, _data(task.draw)
    user = draw.pick(USERS) if not task.is_confluent else USERS[0]
    if draw.chance(0.5):
        event: JsonObject = {"id": event_id, "name": name}
        if data is not None:
            event["data"] = data
        return RaiseInSpec(
            at=at,
            user=user,
            namespace=task.subject.namespace,
            instance=task.subject.name,
            event=event,
        )
    return RaiseAsObject(
        at=at,
        user=user,
        namespace=task.subject.namespace,
        instance=task.subject.name,
        object_name=event_id,
        event_name=name,
        data=data,
        is_bound=draw.chance(0.2) and not task.is_confluent,
    )


def _data(draw: Draw) -> Json:
    """Return what an event carries; rarely at the bound of what is taken."""
    if draw.chance(0.02):
        return "z" * (MAX_EVENT_BYTES + draw.pick((-1, 0, 1)) - inputs.QUOTES)
    if draw.chance(0.08):
        odd: tuple[Json, ...] = (None, 3, "only text", [1, 2])
        return draw.pick(odd)
    return {"n": draw.whole(0, 9), "kind": draw.pick(("good", "good", "bad"))}


def _doubled(task: Task, event: Raise) -> Raise:
    """Return the same event once more, of the same id, by the same or the other door."""
    draw = task.draw
    later = event.at + draw.seconds(0, 5)
    if draw.chance(0.4):
        return replace(event, at=later)
    if isinstance(event, RaiseAsObject):
        own_id = event.event_id or event.object_name
        body: JsonObject = {"id": own_id, "name": event.event_name}
        if event.data is not None:
            body["data"] = event.data
        return RaiseInSpec(
            at=later,
            user=event.user,
            namespace=event.namespace,
            instance=event.instance,
            event=body,
        )
    return RaiseAsObject(
        at=later,
        user=draw.pick(USERS),
        namespace=event.namespace,
        instance=event.instance,
        object_name=f"{event.event['id']}-again",
        event_name=str(event.event["name"]),
        event_id=str(event.event["id"]),
        data=event.event.get("data"),
    )


def _flood(task: Task, number: int) -> Raise:
    """Return one of more events than `spec.events` holds."""
    return RaiseInSpec(
        at=10 + number / 10,
        namespace=task.subject.namespace,
        instance=task.subject.name,
        event={"id": f"flood-{number}", "name": "elsewhere", "data": number},
    )


def _controls(task: Task, start: Start) -> list[Action]:
    draw, where = task.draw, task.subject
    of = {"namespace": where.namespace, "instance": where.name}
    actions: list[Action] = []
    if start.spec.get("suspend") is True and draw.chance(0.9):
        actions.append(Resume(at=start.at + draw.seconds(0, 20), **of))
    if draw.chance(0.16):
        actions += _pause(task)
    if draw.chance(0.07):
        reason = draw.pick((None, "not needed any more"))
        actions.append(Terminate(at=_moment(draw, 20), user=draw.pick(USERS), reason=reason, **of))
    if draw.chance(0.04):
        actions.append(Delete(at=_moment(draw, LATEST), user=draw.pick(USERS), **of))
    return actions


def _pause(task: Task) -> list[Action]:
    draw, where = task.draw, task.subject
    of = {"namespace": where.namespace, "instance": where.name}
    begin = _moment(draw, 15)
    reason = draw.pick((None, "incident 7"))
    suspend = Suspend(at=begin, reason=reason, **of)
    if draw.chance(0.1) and not task.is_confluent:
        return [suspend]
    return [suspend, Resume(at=begin + draw.seconds(0.01, 20), **of)]


def _again(task: Task, start: Start) -> list[Action]:
    """Delete the instance and create another one under its name."""
    draw, where = task.draw, task.subject
    of = {"namespace": where.namespace, "instance": where.name}
    gone = start.at + draw.seconds(0.5, 15)
    again = replace(_start(task, at=gone + draw.seconds(0, 3)), user=start.user)
    return [Delete(at=gone, user=start.user, **of), again]


def _tampering(task: Task) -> list[Action]:
    """Return an edit; who holds an instance mostly lets it go again."""
    tamper = _tamper(task)
    if tamper.edit is not Edit.HOLD or task.draw.chance(0.15):
        return [tamper]
    strip = replace(tamper, at=tamper.at + task.draw.seconds(1, 20), edit=Edit.STRIP)
    return [tamper, strip]


def _tamper(task: Task, edit: Edit | None = None) -> Tamper:
    draw = task.draw
    if edit is None:
        edit = draw.weighted(EDITS)
    return Tamper(
        at=_moment(draw, LATEST),
        user=draw.pick(USERS) if not task.is_confluent else USERS[0],
        namespace=task.subject.namespace,
        instance=task.subject.name,
        edit=edit,
    )


EDITS = {
    Edit.INPUT: 3.0,
    Edit.DEFINITION: 1.0,
    Edit.UNTERMINATE: 1.0,
    Edit.DROP_EVENT: 2.0,
    Edit.CHANGE_EVENT: 2.0,
    Edit.LABEL: 2.0,
    Edit.ANNOTATE: 2.0,
    Edit.RETRY: 2.0,
    Edit.HOLD: 2.0,
    Edit.STRIP: 2.0,
    Edit.STATUS_MESSAGE: 2.0,
    Edit.STATUS_WAKE: 2.0,
    Edit.STATUS_OUTPUT: 1.0,
    Edit.STATUS_PHASE: 1.0,
    Edit.STATUS_HISTORY: 1.0,
    Edit.STATUS_REMOVED: 1.0,
}


def lives_of_definition(
    draw: Draw, subject: Subject, versions: tuple[JsonObject, ...], *, is_confluent: bool
) -> list[Action]:
    """Return what is done with a definition: mostly applied once and before everything else."""
    of = {"namespace": subject.namespace, "definition": subject.name}
    first = draw.seconds(0, 0.5) if draw.chance(0.85) else draw.seconds(0, 20)
    actions: list[Action] = [Define(at=first, spec=versions[0], **of)]
    for spec in versions[1:]:
        actions.append(Define(at=first + draw.seconds(0.1, 15), spec=spec, **of))
    if not is_confluent and draw.chance(0.05):
        gone = first + draw.seconds(0.5, 15)
        actions.append(Undefine(at=gone, **of))
        if draw.chance(0.6):
            actions.append(Define(at=gone + draw.seconds(0, 10), spec=versions[-1], **of))
    return actions
