"""Slots of the log as objects of the API server: bodies out, entries in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from perdure.engine.values import JsonObject
from perdure.errors import LogDamagedError, ObjectNotFoundError
from perdure.kubernetes.histories import is_absence
from perdure.kubernetes.naming import LOG_LANE_LABEL, LOG_SLOT_LABEL
from perdure.kubernetes.versions import metadata_of
from perdure.lanes.entry import Entry, entry_of, spec_of
from perdure.lanes.ring import Slot, slot_name
from perdure.lanes.settling import Place
from perdure.ports import WORKFLOW_LOGS, Objects


@dataclass(frozen=True, slots=True)
class Generation:
    """A set of lanes, counted from 1, and how many they are."""

    number: int
    lanes: int


class Slots:
    """The WorkflowLogs of one namespace. All methods raise what `ports.Objects` do."""

    def __init__(self, objects: Objects, namespace: str) -> None:
        self._objects = objects
        self._namespace = namespace

    async def list(self, generation: int, lane: int) -> dict[int, Slot]:
        """Return the slots of a lane by number; what is not there is not in it.

        Raises LogDamagedError, NewerLogError.
        """
        bodies = await self.bodies(generation, lane)
        return {number_of(body): slot_in(body) for body in bodies}

    async def bodies(self, generation: int, lane: int) -> Sequence[JsonObject]:
        """Return the WorkflowLogs of a lane, whatever is in them."""
        labels = f"{LOG_LANE_LABEL}={lane_label(generation, lane)}"
        return await self._objects.list(WORKFLOW_LOGS, self._namespace, labels=labels)

    async def samples(self) -> Sequence[JsonObject]:
        """Return the WorkflowLogs that are a slot 0, or all if there is none; nothing: no log."""
        labels = f"{LOG_SLOT_LABEL}=0"
        firsts = await self._objects.list(WORKFLOW_LOGS, self._namespace, labels=labels)
        return firsts or await self._objects.list(WORKFLOW_LOGS, self._namespace)

    async def firsts(self) -> dict[tuple[int, int], Slot]:
        """Return slot 0 of every lane by generation and lane. Raises as `list` does."""
        labels = f"{LOG_SLOT_LABEL}=0"
        bodies = await self._objects.list(WORKFLOW_LOGS, self._namespace, labels=labels)
        slots = [slot_in(body) for body in bodies]
        return {(slot.entry.generation, slot.entry.lane): slot for slot in slots}

    async def get(self, name: str) -> Slot | None:
        """Return what stands in a slot, read with a quorum; None where there is no such object.

        Raises LogDamagedError, NewerLogError.
        """
        try:
            return slot_in(await self._objects.get(WORKFLOW_LOGS, self._namespace, name))
        except ObjectNotFoundError as error:
            if not is_absence(error):
                raise
            return None

    async def create(self, entry: Entry, number: int) -> None:
        """Create a slot of a lane, with an entry that is no turn's."""
        name = slot_name(entry.generation, entry.lane, number)
        body = self._body(entry, {"name": name}, number)
        await self._objects.create(WORKFLOW_LOGS, self._namespace, body)

    def written(self, place: Place, entry: Entry, number: int) -> JsonObject:
        """Return the body that replaces what stands at a place, as it was seen there."""
        metadata: JsonObject = {"name": place.name, "resourceVersion": place.version}
        return self._body(entry, metadata, number)

    async def replace(self, body: JsonObject) -> str:
        """Write what `written` gave; return the new resourceVersion."""
        answer = await self._objects.replace(WORKFLOW_LOGS, self._namespace, body)
        return str(metadata_of(answer)["resourceVersion"])

    def _body(self, entry: Entry, metadata: JsonObject, number: int) -> JsonObject:
        labels: JsonObject = {
            LOG_LANE_LABEL: lane_label(entry.generation, entry.lane),
            LOG_SLOT_LABEL: str(number),
        }
        return {
            "apiVersion": f"{WORKFLOW_LOGS.group}/{WORKFLOW_LOGS.version}",
            "kind": WORKFLOW_LOGS.kind,
            "metadata": {**metadata, "namespace": self._namespace, "labels": labels},
            "spec": spec_of(entry),
        }


def lane_label(generation: int, lane: int) -> str:
    """Return the value of the label that all slots of a lane have."""
    return f"g{generation}-{lane}"


def slot_in(body: JsonObject) -> Slot:
    """Return the slot that a WorkflowLog is. Raises LogDamagedError, NewerLogError."""
    metadata = metadata_of(body)
    name = str(metadata["name"])
    spec = body.get("spec")
    if not isinstance(spec, dict):
        raise LogDamagedError(f"WorkflowLog {name} has no spec")
    return Slot(name, str(metadata["resourceVersion"]), entry_of(spec, name))


def number_of(body: JsonObject) -> int:
    """Return the number of a slot, from the end of its name. Raises LogDamagedError."""
    name = str(cast("JsonObject", body["metadata"])["name"])
    number = name.rpartition("-")[2]
    if not number.isdecimal():
        raise LogDamagedError(f"WorkflowLog {name} is no slot: names are g<generation>-<lane>-<n>")
    return int(number)
