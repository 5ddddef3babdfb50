"""Retention: finished instances go by age, by count and by bytes; new ones wait for room.

Storage is shared with the whole cluster, so a namespace has a budget. Purge deletes with uid and
resourceVersion preconditions. Instances that a deployment tool owns are never purged unless their
own `spec.retention` says so: the tool would create and run them again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from perdure.errors import ObjectConflictError, PerdureError
from perdure.language.durations import parse_duration
from perdure.ports import (
    OWNERSHIP_MARKS,
    WORKFLOW_INSTANCES,
    Clock,
    InstanceHint,
    InstanceKey,
    Meter,
    Objects,
)

logger = logging.getLogger(__name__)

DEFAULT_AGES: Mapping[str, timedelta] = {
    "Succeeded": timedelta(days=7),
    "Failed": timedelta(days=30),
    "Terminated": timedelta(days=7),
}
MAX_PURGES = 200
"""At most this many deletions in one round, so that a purge never crowds out commits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a namespace may hold: finished ones by count and bytes, everything by bytes."""

    count: int
    finished_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What retention keeps of a finished instance. `size` is in bytes.

    `age` is what the instance itself says about how long it is kept; None: its definition, or the
    default of its outcome.
    """

    key: InstanceKey
    version: int
    definition: str
    outcome: str
    completed_at: datetime
    age: str | None
    size: int
    is_owned: bool


Ages = Callable[[Finished], timedelta]


def purgeable(
    finished: Iterable[Finished], limits: Limits, now: datetime, ages: Ages
) -> list[Finished]:
    """Return what is to be deleted of one namespace, oldest first: pure."""
    kept = sorted(finished, key=lambda f: (f.completed_at, f.key.uid))
    is_due = [not f.is_owned and f.completed_at + ages(f) <= now for f in kept]
    purged = [f for f, due in zip(kept, is_due, strict=True) if due]
    rest = [f for f, due in zip(kept, is_due, strict=True) if not due]
    count, size = len(rest), sum(f.size for f in rest)
    for candidate in rest:
        if count <= limits.count and size <= limits.finished_bytes:
            break
        if candidate.is_owned:
            continue
        purged.append(candidate)
        count, size = count - 1, size - candidate.size
    return purged


class Retention:
    """Keeps account of what namespaces hold, and deletes what has been kept long enough."""

    def __init__(self, objects: Objects, clock: Clock, meter: Meter, limits: Limits) -> None:
        self._objects = objects
        self._clock = clock
        self._meter = meter
        self._limits = limits
        self._finished: dict[str, dict[str, Finished]] = {}
        self._sizes: dict[str, dict[str, int]] = {}
        self._totals: dict[str, int] = {}
        self._policies: dict[tuple[str, str], Mapping[str, str]] = {}

    def set_policy(self, namespace: str, definition: str, policy: Mapping[str, str] | None) -> None:
        """Remember the `retention` of a definition; None when it is gone."""
        self._policies.pop((namespace, definition), None)
        if policy:
            self._policies[namespace, definition] = policy

    def observe(self, hint: InstanceHint) -> None:
        """Take note of an instance as it stands now."""
        namespace, uid = hint.key.namespace, hint.key.uid
        sizes = self._sizes.setdefault(namespace, {})
        grown = hint.size - sizes.get(uid, 0)
        self._totals[namespace] = self._totals.get(namespace, 0) + grown
        sizes[uid] = hint.size
        if hint.is_finished and hint.completed_at is not None and not hint.is_deleting:
            entry = self._entry(hint, hint.completed_at)
            self._finished.setdefault(namespace, {})[uid] = entry

    def _entry(self, hint: InstanceHint, completed_at: datetime) -> Finished:
        is_owned = bool(OWNERSHIP_MARKS & {*hint.labels, *hint.annotations})
        return Finished(
            key=hint.key,
            version=hint.version,
            definition=hint.definition,
            outcome=hint.phase,
            completed_at=completed_at,
            age=hint.retention.get(hint.phase.lower()),
            size=hint.size,
            is_owned=is_owned and not hint.retention,
        )

    def _age(self, entry: Finished) -> timedelta:
        policy = self._policies.get((entry.key.namespace, entry.definition), {})
        text = entry.age or policy.get(entry.outcome.lower())
        if text is None:
            return DEFAULT_AGES.get(entry.outcome, DEFAULT_AGES["Failed"])
        try:
            return parse_duration(text)
        except ValueError:
            return DEFAULT_AGES["Failed"]

    def forget(self, key: InstanceKey) -> None:
        """Take note that an instance is gone."""
        size = self._sizes.get(key.namespace, {}).pop(key.uid, 0)
        self._totals[key.namespace] = self._totals.get(key.namespace, 0) - size
        self._finished.get(key.namespace, {}).pop(key.uid, None)

    def refusal(self, namespace: str) -> str | None:
        """Return why no instance may start in the namespace now, None when one may."""
        held = self._totals.get(namespace, 0)
        if held <= self._limits.total_bytes:
            return None
        return (
            f'the instances of namespace "{namespace}" take more than its budget of '
            f"{self._limits.total_bytes} bytes: delete finished ones, or raise --storage-budget"
        )

    async def purge(self) -> int:
        """Delete what is due in all namespaces; return how many were deleted."""
        due = [
            victim
            for finished in self._finished.values()
            for victim in purgeable(finished.values(), self._limits, self._clock.now(), self._age)
        ]
        done = 0
        for victim in due[:MAX_PURGES]:
            done += await self._delete(victim)
        return done

    async def _delete(self, victim: Finished) -> int:
        key = victim.key
        try:
            await self._objects.delete(
                WORKFLOW_INSTANCES,
                key.namespace,
                key.name,
                uid=key.uid,
                version=str(victim.version),
            )
        except ObjectConflictError:
            return 0  # it changed: the informer brings the newer version
        except PerdureError as error:
            logger.info(
                "A finished instance could not be purged; it is tried again",
                extra={"namespace": key.namespace, "instance": key.name, "error": str(error)},
            )
            return 0
        self._meter.count("instances_purged_total")
        self.forget(key)
        return 1

    @property
    def namespaces(self) -> list[str]:
        """Return the namespaces that hold instances."""
        return [namespace for namespace, sizes in self._sizes.items() if sizes]
