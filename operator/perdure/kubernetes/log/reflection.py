"""Showing committed turns in a status: the patch, and what a body that was read says of it. Pure.

One patch shows all turns since the status that it builds on. Their events are in stored form
already, and their payloads exist. Source: docs/log.md#reflecting.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from perdure.engine.values import Json, JsonObject
from perdure.errors import HistoryCorruptError, NewerHistoryError
from perdure.kubernetes.instances import (
    generation_of,
    head_of,
    observed_of,
    rev_of,
    status_of,
    version_of,
)
from perdure.kubernetes.plan import Basis, Plan, managed, nothing, patched
from perdure.kubernetes.reading import observed_generation_of, without_history
from perdure.kubernetes.records import is_end, large_output
from perdure.kubernetes.segments import Record
from perdure.kubernetes.status import View, status_of_view
from perdure.kubernetes.store import is_as_written


@dataclass(frozen=True, slots=True, kw_only=True)
class Reflection:
    """What a status is to show from now on.

    `records` are the events of all turns since `basis`, oldest first; `rev` is that of the newest
    turn, and `view` what it led to. Without records only what stands beside the history is shown:
    `rev` is the one of `basis` then, None before the first turn.
    """

    basis: Basis
    records: tuple[Record, ...]
    rev: int | None
    view: View

    @property
    def tested_generation(self) -> int | None:
        """Return the generation that the spec must still have: what ends has seen all of it."""
        return self.view.generation if is_end(self.records) else None


def planned(reflection: Reflection, now: datetime) -> Plan:
    """Return the patch that shows it, and the segments it needs; `now` dates conditions.

    Nothing is to be written where the status shows it already. A showing without events leaves
    `rev` as it is. `payloads` is always empty: they exist since before the turns were committed.
    """
    basis, records = reflection.basis, reflection.records
    assert bool(records) == (reflection.rev != basis.rev), "a rev grows with events, and only then"
    before = basis.position.status or {}
    shown = status_of_view(reflection.view, before, now, large_output(records))
    status = shown | _counted(reflection, before)
    if not records and status == managed(before):
        return nothing(basis.position)
    return patched(basis, records, status, reflection.tested_generation)


def _counted(reflection: Reflection, before: Mapping[str, Json]) -> JsonObject:
    """Return `rev` and `commitId` of the newest turn; the latter stands on its first event."""
    if not reflection.records:
        return {field: before[field] for field in ("rev", "commitId") if field in before}
    ids = [record.stored["commitId"] for record in reflection.records if _begins_a_turn(record)]
    assert ids, "the first event of every turn names its commit"
    return {"rev": reflection.rev, "commitId": ids[-1]}


def _begins_a_turn(record: Record) -> bool:
    return "commitId" in record.stored


def is_shown(reflection: Reflection, plan: Plan, body: JsonObject) -> bool:
    """Return whether a body of the instance shows just this, whoever wrote it."""
    if rev_of(body) != reflection.rev or not is_as_written(body, plan.position):
        return False
    view, status = reflection.view, status_of(body) or {}
    is_seen = observed_generation_of(status) == view.generation
    return is_seen and (view.is_over or observed_of(status) == view.observed)


def has_moved(reflection: Reflection, body: JsonObject) -> bool:
    """Return whether anything that the patch depends on is another in this body of the instance.

    That is what it tests (`rev` among the fields of the status), and the fields that it changes:
    somebody may have taken one away.
    """
    basis = reflection.basis
    if basis.rev is None and version_of(body) != basis.version:
        return True
    generation = reflection.tested_generation
    if generation is not None and generation_of(body) != generation:
        return True
    return without_history(status_of(body)) != basis.position.status or _has_other_history(
        basis, body
    )


def _has_other_history(basis: Basis, body: JsonObject) -> bool:
    try:
        head = head_of(body, basis.key.uid)
    except (HistoryCorruptError, NewerHistoryError):
        return True
    return head.digest != basis.position.digest or head.length != basis.position.length


def basis_after(reflection: Reflection, plan: Plan, body: JsonObject) -> Basis:
    """Return what the next reflection builds on; `body` is one that `is_shown`."""
    position = replace(plan.position, status=without_history(status_of(body)))
    return Basis(
        key=reflection.basis.key, version=version_of(body), rev=rev_of(body), position=position
    )
