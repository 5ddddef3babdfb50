"""Judging a cluster as it stands: what there is now, read and never written.

Only what the objects themselves tell can be checked: of who wrote when there is no record.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from perdure.engine.values import JsonObject
from perdure.errors import ObjectForbiddenError, ObjectNotFoundError
from perdure.ports import (
    CONTROLLER_REVISIONS,
    WORKFLOW_EVENTS,
    WORKFLOW_HISTORIES,
    WORKFLOW_INSTANCES,
    Objects,
    Resource,
)
from perdure.verification.bodies import number, part, text, time_of
from perdure.verification.evidence import Evidence, Violation, Write
from perdure.verification.judge import judge
from perdure.verification.world import UNREADABLE

UID_LABEL = "perdure.dev/instance-uid"
DEFINITION_LABEL = "perdure.dev/definition"
LOOKS = 4
"""How often an instance is read again that seems damaged: it may have moved between two reads."""


@dataclass(slots=True)
class Report:
    """What was looked at, and what is wrong with it. `notes` say what could not be seen."""

    instances: int = 0
    events: int = 0
    violations: list[Violation] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What may belong to any instance of the scope; None where it may not be read."""

    revisions: Sequence[JsonObject] | None
    events: Sequence[JsonObject] | None


class Inspector:
    """Reads instances with what belongs to them, and judges each. `now` dates what is left over."""

    def __init__(self, objects: Objects, now: datetime) -> None:
        self._objects = objects
        self._now = now

    async def inspect(self, namespace: str | None, name: str | None = None) -> Report:
        """Judge all instances of a namespace (None: of all), or the one with this name.

        Holds the instances of the scope in memory, histories one at a time. Raises
        ObjectNotFoundError, ObjectForbiddenError, TransientError and its kin.
        """
        report = Report()
        instances = await self._instances(namespace, name)
        around = Surroundings(
            revisions=await self._optional(report, CONTROLLER_REVISIONS, namespace),
            events=await self._optional(report, WORKFLOW_EVENTS, namespace),
        )
        for instance in instances:
            report.violations += await self._judged(instance, around)
            report.instances += 1
            report.events += number(part(instance, "status", "history").get("length"))
        return report

    async def _instances(self, namespace: str | None, name: str | None) -> list[JsonObject]:
        if name is None:
            return await self._objects.list(WORKFLOW_INSTANCES, namespace)
        assert namespace is not None, "a name is one of a namespace"
        return [await self._objects.get(WORKFLOW_INSTANCES, namespace, name)]

    async def _optional(
        self, report: Report, resource: Resource, namespace: str | None
    ) -> list[JsonObject] | None:
        """Return the objects of a kind that not everybody may read, None where we may not."""
        labels = DEFINITION_LABEL if resource == CONTROLLER_REVISIONS else None
        try:
            return await self._objects.list(resource, namespace, labels=labels)
        except ObjectForbiddenError:
            report.notes.append(f"{resource.plural} may not be listed, and were not checked")
            return None

    async def _judged(self, instance: JsonObject, around: Surroundings) -> list[Violation]:
        """Return what is wrong with an instance, after it was found wrong at one version twice."""
        found = await self._judged_once(instance, around)
        for _ in range(LOOKS):
            if not found:
                return []
            again = await self._again(instance)
            if again is None:
                return []
            is_same = _version(again) == _version(instance)
            instance, found = again, await self._judged_once(again, around)
            if is_same:
                return found
        return found

    async def _again(self, instance: JsonObject) -> JsonObject | None:
        """Return the newest version of this very instance, None when it is gone."""
        metadata = part(instance, "metadata")
        namespace, name = text(metadata.get("namespace")), text(metadata.get("name"))
        try:
            found = await self._objects.get(WORKFLOW_INSTANCES, namespace, name)
        except ObjectNotFoundError:
            return None
        return found if part(found, "metadata").get("uid") == metadata.get("uid") else None

    async def _judged_once(self, instance: JsonObject, around: Surroundings) -> list[Violation]:
        metadata = part(instance, "metadata")
        histories: list[JsonObject] = []
        if refers(part(instance, "status", "history")):
            namespace, uid = text(metadata.get("namespace")), text(metadata.get("uid"))
            selector = f"{UID_LABEL}={uid}"
            histories = await self._objects.list(WORKFLOW_HISTORIES, namespace, labels=selector)
        return judge(evidence_of(instance, histories, around, self._now))


def refers(history: JsonObject) -> bool:
    """Return whether a history refers to WorkflowHistory objects."""
    return bool(number(part(history, "segments").get("count"))) or "$payload" in str(history)


def evidence_of(
    instance: JsonObject, histories: Iterable[JsonObject], around: Surroundings, now: datetime
) -> Evidence:
    """Return what stands as evidence: what an instance may refer to first, then itself."""
    metadata, status = part(instance, "metadata"), part(instance, "status")
    place = (metadata.get("namespace"), metadata.get("name"))
    writes = [
        *_revisions(instance, text(part(status, "revision").get("name")), around.revisions),
        *(_write(WORKFLOW_HISTORIES, body) for body in histories),
        *(_write(WORKFLOW_EVENTS, e) for e in around.events or () if _instance_of(e) == place),
        _write(WORKFLOW_INSTANCES, instance),
    ]
    return Evidence(writes=tuple(writes), ended_at=now, is_complete=False)


def _revisions(
    instance: JsonObject, pin: str, revisions: Sequence[JsonObject] | None
) -> list[Write]:
    namespace = part(instance, "metadata").get("namespace")
    if revisions is None:
        unseen: JsonObject = {"metadata": {"namespace": namespace, "name": pin}}
        return [replace(_write(CONTROLLER_REVISIONS, unseen), after=UNREADABLE)]
    return [
        _write(CONTROLLER_REVISIONS, body) for body in revisions if _place(body) == (namespace, pin)
    ]


def _place(body: JsonObject) -> tuple[object, object]:
    metadata = part(body, "metadata")
    return metadata.get("namespace"), metadata.get("name")


def _instance_of(event: JsonObject) -> tuple[object, object]:
    return part(event, "metadata").get("namespace"), part(event, "spec").get("instance")


def _write(resource: Resource, body: JsonObject) -> Write:
    """Return the creation of an object as it stands now, by nobody knows whom."""
    metadata = part(body, "metadata")
    return Write(
        revision=_version(body),
        at=time_of(metadata.get("creationTimestamp")),
        actor="",
        verb="create",
        resource=resource.plural,
        subresource=None,
        namespace=text(metadata.get("namespace")),
        name=text(metadata.get("name")),
        uid=text(metadata.get("uid")),
        before=None,
        after=body,
    )


def _version(body: JsonObject) -> int:
    version = text(part(body, "metadata").get("resourceVersion"))
    return int(version) if version.isdecimal() else 0
