"""A workload: everything that comes from outside in one simulated run, as plain data."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tests.simulation.workloads.actions import Action, Define, Start, Subject, instance_of
from tests.simulation.workloads.services import Script

from perdure.engine.values import Json

VERBS = ("http", "wait", "event", "set", "raise", "return", "switch", "call")
_STRUCTURE = ("steps", "flows", "catch", "do", "switch", "cases", "default")
_URL = re.compile(r"^https?://([^/:]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What users do and how services behave. `actions` are in the order of their times.

    `name` is for people: a seed, or the name of a canonical workflow.
    """

    name: str
    actions: tuple[Action, ...]
    script: Script

    @property
    def definitions(self) -> tuple[Define, ...]:
        """Return every version of every definition, in the order of their times."""
        return tuple(a for a in self.actions if isinstance(a, Define))

    @property
    def instances(self) -> tuple[Subject, ...]:
        """Return the instances that are started, each name once."""
        found = {instance_of(a): None for a in self.actions if isinstance(a, Start)}
        return tuple(subject for subject in found if subject is not None)

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Return the namespaces in which something is done."""
        return tuple(dict.fromkeys(a.namespace for a in self.actions))

    @property
    def services(self) -> tuple[Subject, ...]:
        """Return the Services that are called, which have to exist (TCP port 80)."""
        found = {
            Subject(define.namespace, str(http["service"])): None
            for define in self.definitions
            for http in verbs_in(define.spec, "http")
            if "service" in http
        }
        return tuple(found)

    @property
    def hosts(self) -> tuple[str, ...]:
        """Return the hosts of the URLs that are called; the administrator may allow them."""
        calls = [http for define in self.definitions for http in verbs_in(define.spec, "http")]
        hosts = [_URL.match(str(http["url"])) for http in calls if "url" in http]
        return tuple(dict.fromkeys(host[1] for host in hosts if host is not None))

    @property
    def users(self) -> tuple[str, ...]:
        """Return who acts."""
        return tuple(dict.fromkeys(a.user for a in self.actions))

    @property
    def last_at(self) -> float:
        """Return when the last action begins, in virtual seconds; 0 without any."""
        return max((a.at for a in self.actions), default=0.0)


def steps_in(spec: Json) -> Iterator[dict[str, Json]]:
    """Yield every step and leaf of a definition: whatever holds a verb, from the top down."""
    if isinstance(spec, list):
        for item in spec:
            yield from steps_in(item)
    elif isinstance(spec, dict):
        if any(verb in spec for verb in VERBS) and "steps" not in spec:
            yield spec
        for key, value in spec.items():
            if key in _STRUCTURE:
                yield from steps_in(value)


def verbs_in(spec: Json, verb: str) -> Iterator[dict[str, Json]]:
    """Yield the fields of every use of this verb in a definition."""
    for step in steps_in(spec):
        fields = step.get(verb)
        if isinstance(fields, dict):
            yield fields
