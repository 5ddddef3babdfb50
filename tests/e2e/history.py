"""Instances with their whole histories, as the API server returns them.

What must hold of every history is judged by perdure.verification, which computes digests from the
description of the format (docs/architecture.md#history) and not by the code that wrote them.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from tests.cluster.api import Api, Object, Objects

from perdure.verification import histories
from perdure.verification.chain import sha256
from perdure.verification.histories import FINAL_PHASES, HistoryFaultError

__all__ = ["FINAL_PHASES", "HistoryFaultError", "sha256"]

GROUP = "/apis/perdure.dev/v1alpha1"
UID_LABEL = "perdure.dev/instance-uid"


@dataclass(frozen=True, slots=True)
class Dump:
    """An instance with its WorkflowHistory objects, all as the API server returned them."""

    instance: Object
    objects: Objects

    @property
    def name(self) -> str:
        return str(self.instance["metadata"]["name"])

    @property
    def uid(self) -> str:
        return str(self.instance["metadata"]["uid"])

    @property
    def status(self) -> Object:
        found: Object = self.instance.get("status", {})
        return found


@dataclass(frozen=True, slots=True)
class History:
    """The events in stored form, oldest first; payloads by the name of their object."""

    events: Objects
    payloads: Mapping[str, Any]

    def of(self, *types: str) -> Iterator[Object]:
        """Yield the events of these types."""
        return (event for event in self.events if event["type"] in types)

    def by_id(self) -> dict[int, Object]:
        return {event["id"]: event for event in self.events}


def moment(text: str) -> datetime:
    """Return the time of an event."""
    return datetime.fromisoformat(text)


# --- reading --------------------------------------------------------------------------------


async def dump_of(api: Api, namespace: str, name: str) -> Dump:
    """Read one instance; its status is read first, so that every segment it names is there."""
    instance = await api.get(f"{instances_path(namespace)}/{name}")
    selector = f"{UID_LABEL}={instance['metadata']['uid']}"
    objects = await api.list(histories_path(namespace), labelSelector=selector)
    return Dump(instance, objects)


async def dumps_of(api: Api, namespace: str) -> list[Dump]:
    """Read every instance of a namespace, by name."""
    instances = await api.list(instances_path(namespace))
    objects: dict[str, Objects] = {}
    for found in await api.list(histories_path(namespace)):
        objects.setdefault(found["metadata"]["labels"][UID_LABEL], []).append(found)
    dumps = [Dump(each, objects.get(each["metadata"]["uid"], [])) for each in instances]
    return sorted(dumps, key=lambda dump: dump.name)


def instances_path(namespace: str) -> str:
    return f"{GROUP}/namespaces/{namespace}/workflowinstances"


def events_path(namespace: str) -> str:
    return f"{GROUP}/namespaces/{namespace}/workflowevents"


def definitions_path(namespace: str) -> str:
    return f"{GROUP}/namespaces/{namespace}/workflowdefinitions"


def histories_path(namespace: str) -> str:
    return f"{GROUP}/namespaces/{namespace}/workflowhistories"


def write_dumps(dumps: Sequence[Dump], file: Path) -> None:
    """Write one JSON object per line, so that `python -m tests.e2e.refold` can read them."""
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps({"instance": d.instance, "objects": d.objects}) for d in dumps)
    file.write_text("".join(f"{line}\n" for line in lines))


def read_dumps(file: Path) -> list[Dump]:
    with file.open() as lines:
        return [Dump(**json.loads(line)) for line in lines]


def history_of(dump: Dump) -> History:
    """Return the history, its chain checked from the first event to `status.history.digest`.

    Raises HistoryFaultError with everything that is wrong with it.
    """
    found = histories.history_of(histories.Dump(dump.instance, dump.objects))
    return History(cast("Objects", found.events), found.payloads)
