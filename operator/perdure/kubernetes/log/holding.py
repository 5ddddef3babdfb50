"""What an owner holds of an instance: its newest state, and what of it no status shows yet. Pure.

The state is the status and, above it, the turns that stand in the log. A body that is read later
must lie on that line: its `rev` between what was shown before and what is committed, its digest
the one that this turn left. Source: docs/log.md#claiming.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from perdure.engine.values import JsonObject
from perdure.errors import HistoryCorruptError, TransientError
from perdure.kubernetes.instances import (
    Head,
    head_of,
    key_of,
    observed_of,
    rev_of,
    status_of,
    version_of,
)
from perdure.kubernetes.loading import hot_tail
from perdure.kubernetes.log.reflection import Reflection
from perdure.kubernetes.plan import Basis, Position
from perdure.kubernetes.reading import observed_generation_of, snapshot_of, without_history
from perdure.kubernetes.segments import Record, verified
from perdure.kubernetes.status import View
from perdure.lanes.entry import LoggedTurn
from perdure.ports import Observed, Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPosition:
    """Where the committed history of a snapshot ends: the `store_data` of `LogStore`."""

    length: int
    digest: str


@dataclass(frozen=True, slots=True)
class Standing:
    """A turn that stands in the log and that no status is known to show, with its records."""

    turn: LoggedTurn
    records: tuple[Record, ...]


@dataclass(slots=True, kw_only=True)
class Held:
    """One instance of an owned lane.

    `snapshot` has the state after every committed turn, and the spec of the newest body. `basis`
    is the newest known status, `backlog` what stands above it, oldest first.
    """

    snapshot: Snapshot
    basis: Basis
    backlog: list[Standing]
    is_damaged: bool = False
    """Whether the newest body that was seen does not lie on the line: nothing is shown there."""
    is_told: bool = True
    """Whether a watch has told of the instance, so that its own echoes are no news."""
    is_cold: bool = False
    """Whether it is to be forgotten as soon as everything is shown."""
    waiters: list[tuple[int, asyncio.Future[bool]]] = field(default_factory=list)

    @property
    def is_shown(self) -> bool:
        """Return whether the status shows all there is."""
        if self.backlog:
            return False
        status, view = self.basis.position.status or {}, view_of(self.snapshot)
        is_seen = observed_generation_of(status) == view.generation
        return is_seen and (view.is_over or observed_of(status) == view.observed)


def standing(turn: LoggedTurn, length: int) -> Standing:
    """Return a turn with its records; `length` is that of the history before it.

    Raises HistoryCorruptError where its events do not lead from one of its digests to the other.
    """
    records = verified(turn.before, turn.events, length + 1)
    if not records or records[-1].digest != turn.after:
        raise HistoryCorruptError(f"turn {turn.rev} of the log does not match its digests")
    return Standing(turn, tuple(records))


def above(turns: Iterable[LoggedTurn], rev: int | None, head: Head) -> list[Standing]:
    """Return the turns of the log that follow a status, oldest first.

    Raises HistoryCorruptError where one is missing, or does not follow.
    """
    found: list[Standing] = []
    next_rev, digest, length = (rev or 0) + 1, head.digest, head.length
    for turn in sorted(turns, key=lambda turn: turn.rev):
        if turn.rev < next_rev:
            continue
        if turn.rev > next_rev:
            raise HistoryCorruptError(
                f"the log holds turn {turn.rev}, but neither it nor the status turn {next_rev}"
            )
        if turn.before != digest:
            raise HistoryCorruptError(f"turn {turn.rev} of the log does not follow the status")
        found.append(standing(turn, length))
        next_rev, digest, length = next_rev + 1, turn.after, length + len(turn.events)
    return found


def basis_of(body: JsonObject, head: Head) -> Basis:
    """Return where a status stands. Raises HistoryCorruptError if its events were edited."""
    key = key_of(body)
    position = Position(
        status=without_history(status_of(body)),
        is_present=head.is_present,
        length=head.length,
        digest=head.digest,
        segments=head.segments,
        newest=head.newest,
        hot=tuple(hot_tail(key.uid, head).parts[0]),
    )
    return Basis(key=key, version=version_of(body), rev=rev_of(body), position=position)


def absorbed(held: Held, body: JsonObject) -> Held:
    """Return what is held after a newer body was read; its turns are those that were held.

    Raises HistoryCorruptError where the status is none of those that our turns lead to, and
    TransientError where it is ahead of us: another process has gone on, which the log will tell.
    """
    rev = rev_of(body)
    head = head_of(body, held.snapshot.key.uid)
    if (rev or 0) > (held.snapshot.rev or 0):
        raise TransientError(f"the status shows turn {rev}, which was not committed here")
    if head.digest != digest_at(held, rev):
        raise HistoryCorruptError(f"the history of the status is not what turn {rev} left")
    return shown(held, body, basis_of(body, head))


def shown(held: Held, body: JsonObject, basis: Basis) -> Held:
    """Return what is held when a newer body shows `basis`."""
    backlog = [one for one in held.backlog if one.turn.rev > (basis.rev or 0)]
    snapshot = _respecified(held.snapshot, body)
    return replace(held, snapshot=snapshot, basis=basis, backlog=backlog, is_damaged=False)


def _respecified(snapshot: Snapshot, body: JsonObject) -> Snapshot:
    """Return the snapshot with all that is not engine state as a newer body has it."""
    fresh = snapshot_of(body, snapshot, snapshot.state, snapshot.observed, snapshot.store_data)
    seen = max(snapshot.observed_generation, fresh.observed_generation)
    return replace(fresh, rev=snapshot.rev, observed_generation=seen)


def digest_at(held: Held, rev: int | None) -> str | None:
    """Return the digest of the history after a turn; None for one before what was shown."""
    if rev == held.basis.rev:
        return held.basis.position.digest
    return next((one.turn.after for one in held.backlog if one.turn.rev == rev), None)


def reflection_of(held: Held) -> Reflection:
    """Return what the status is to show now."""
    records = tuple(record for one in held.backlog for record in one.records)
    rev = held.backlog[-1].turn.rev if held.backlog else held.basis.rev
    view = replace(view_of(held.snapshot), is_over=_shows_end(held))
    return Reflection(basis=held.basis, records=records, rev=rev, view=view)


def _shows_end(held: Held) -> bool:
    return held.snapshot.state.ended is not None and not held.backlog


def view_of(snapshot: Snapshot) -> View:
    """Return what a status makes of the state.

    What has ended has nothing more to do with later generations of its spec: it shows the newest,
    and names the events that came too late.
    """
    is_over = snapshot.state.ended is not None
    return View(
        key=snapshot.key,
        controls=snapshot.controls,
        created_at=snapshot.created_at,
        generation=snapshot.generation if is_over else snapshot.observed_generation,
        state=snapshot.state,
        observed=_with_late_events(snapshot) if is_over else snapshot.observed,
        is_over=is_over,
    )


def _with_late_events(snapshot: Snapshot) -> Observed:
    late = [one.id for one in snapshot.controls.events if one.id not in snapshot.state.taken]
    if not late:
        return snapshot.observed
    return replace(snapshot.observed, warning=f"not taken before the end: {', '.join(late)}"[:512])
