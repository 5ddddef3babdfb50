"""Small logs in which turns are committed by the log: lanes of four slots, statuses written later.

A `LanedLog` writes what an operator with lanes would write, by the code that makes entries and
statuses; each write can be damaged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from tests.verification.logs import ME, OPERATOR, Edit, Log, apply, call_step

from perdure.engine.events import HistoryEvent, StepSkipped
from perdure.engine.fold import replay
from perdure.engine.recorder import Recorder
from perdure.engine.state import State
from perdure.engine.values import JsonObject, first_link
from perdure.kubernetes.instances import (
    controls_of,
    created_at_of,
    generation_of,
    head_of,
    key_of,
    rev_of,
    status_of,
    version_of,
)
from perdure.kubernetes.leases import LANES
from perdure.kubernetes.loading import hot_tail
from perdure.kubernetes.log.reflection import Reflection, planned
from perdure.kubernetes.plan import Basis, Position
from perdure.kubernetes.reading import without_history
from perdure.kubernetes.records import records_of
from perdure.kubernetes.segments import Record
from perdure.kubernetes.status import View
from perdure.lanes.entry import Entry, EntryKind, LoggedTurn, entry_of, logged, spec_of
from perdure.ports import Observed
from perdure.verification.bodies import part
from perdure.verification.evidence import Violations
from perdure.verification.judge import conclude
from perdure.verification.watcher import Watcher, watch
from perdure.verification.world import Bounds

SLOTS = 4
LOGS = "workflowlogs"
NAP: JsonObject = {"name": "nap", "wait": {"for": "2s"}}


@dataclass
class Turned:
    """One turn as the log got it, and the state after it."""

    turn: LoggedTurn
    records: Sequence[Record]
    state: State
    generation: int


@dataclass
class LanedLog(Log):
    """Everything that was written; `turns` are those of each instance, by its name."""

    turns: dict[str, list[Turned]] = field(default_factory=dict)
    shown: dict[str, int] = field(default_factory=dict)
    """The newest rev in the status of each uid."""
    tails: dict[int, int] = field(default_factory=dict)
    """The newest entry of each lane."""
    lanes: int = 1
    listed: dict[str, set[int]] = field(default_factory=dict)
    """The lanes in the Lease of each process start."""

    # --- slots ----------------------------------------------------------------------------------

    def open(self, generation: int = 1) -> None:
        """Create all slots of a generation."""
        for lane in range(self.lanes):
            for slot in range(SLOTS):
                is_first = not lane and not slot
                kind = EntryKind.OPENING if is_first else EntryKind.EMPTY
                self.slot(self.blank(kind, lane, generation), slot)
        self.slot(self.blank(EntryKind.EMPTY, 0, generation), 0)

    def blank(self, kind: EntryKind, lane: int = 0, generation: int = 1) -> Entry:
        return Entry(generation=generation, lanes=self.lanes, lane=lane, seq=0, kind=kind)

    def slot(
        self, entry: Entry, slot: int, *, name: str | None = None, actor: str = OPERATOR
    ) -> None:
        """Write an entry into a slot of its lane, or into the object with another name."""
        name = name or f"g{entry.generation}-{entry.lane}-{slot}"
        self.put(LOGS, name, lambda b: b.update(spec=spec_of(entry)), actor=actor, verb="update")

    def enter(
        self,
        kind: EntryKind,
        *turns: LoggedTurn,
        by: str = ME,
        lane: int = 0,
        slot: int | None = None,
        **changes: object,
    ) -> None:
        """Write the next entry of a lane, `changes` in it; it carries what is not shown yet."""
        seq = self.tails.get(lane, 0) + 1
        number = seq % SLOTS if slot is None else slot
        entry = Entry(
            generation=1,
            lanes=self.lanes,
            lane=lane,
            seq=seq,
            kind=kind,
            incarnation=by,
            nonce=f"n{len(self.writes)}",
            turns=turns,
            carried=tuple(self._unshown(f"g1-{lane}-{number}")),
        )
        entry = replace(entry, **changes)  # type: ignore[arg-type]  # its fields
        self.slot(entry, number, name=f"g1-{lane}-{number}", actor=by.rpartition("_")[0])
        self.tails[lane] = entry.seq

    def claim(self, by: str = ME, lane: int = 0) -> None:
        """Claim a lane, and list it in the Lease."""
        self.enter(EntryKind.CLAIM, by=by, lane=lane)
        self.listed = {each: lanes - {lane} for each, lanes in self.listed.items()}
        self.listed[by] = self.listed.get(by, set()) | {lane}
        self.lease(by)

    def lease(self, incarnation: str = ME, *, holder: str | None = None) -> None:
        """Renew the Lease of a process start, with the lanes that it lists."""
        identity = incarnation.rpartition("_")[0]
        lanes = ",".join(map(str, sorted(self.listed.get(incarnation, ()))))
        held: JsonObject = {"holderIdentity": incarnation if holder is None else holder}

        def change(body: JsonObject) -> None:
            metadata: JsonObject = {**part(body, "metadata"), "annotations": {LANES: lanes}}
            body.update(spec=held, metadata=metadata)

        self.put("leases", f"perdure-{identity}", change, actor=identity)

    def _unshown(self, name: str) -> list[LoggedTurn]:
        body = self.bodies.get((LOGS, name))
        if body is None:
            return []
        spec = body["spec"]
        assert isinstance(spec, dict)
        old = entry_of(spec, name)
        return [t for t in (*old.turns, *old.carried) if t.rev > self.shown.get(t.key.uid, 0)]

    # --- turns ----------------------------------------------------------------------------------

    def commit(
        self,
        *events: HistoryEvent,
        name: str = "order-1",
        by: str = ME,
        edit: Edit | None = None,
        observed: Observed | None = None,
        is_numbered: bool = False,
    ) -> None:
        """Commit these events by an entry of the log."""
        assert edit is None, "damage an entry with `enter`"
        assert observed is None, "only a status says what was observed"
        self.enter(
            EntryKind.TURNS, self.decided(*events, name=name, is_numbered=is_numbered), by=by
        )

    def decided(
        self, *events: HistoryEvent, name: str = "order-1", is_numbered: bool = False
    ) -> LoggedTurn:
        """Return the next turn of an instance, its payloads written."""
        self.commits += 1
        state, turns = self.states[name], self.turns.setdefault(name, [])
        recorder = Recorder(state, self.now)
        for event in () if is_numbered else events:
            recorder.add(event)
        numbered = events if is_numbered else tuple(recorder.events)
        before = turns[-1].turn.after if turns else first_link(state.uid)
        records, payloads = records_of(
            state.uid, numbered, f"c{self.commits}", state.last_id, before
        )
        for payload in payloads:
            self._keep(payload.reference.ref, payload.spec(state.uid), OPERATOR)
        body = self.bodies["workflowinstances", name]
        turn = logged(
            key_of(body),
            rev=len(turns) + 1,
            generation=generation_of(body),
            before=before,
            after=records[-1].digest if records else before,
            events=[record.stored for record in records],
        )
        self.states[name] = replay(state, numbered)
        turns.append(Turned(turn, records, self.states[name], generation_of(body)))
        return turn

    # --- statuses -------------------------------------------------------------------------------

    def show(
        self,
        name: str = "order-1",
        *,
        by: str = OPERATOR,
        rev: int | None = None,
        edit: Edit | None = None,
        observed: Observed | None = None,
    ) -> None:
        """Let a status show all turns, or those up to `rev`; `edit` damages it."""
        body = self.bodies["workflowinstances", name]
        turns = self.turns.get(name, [])[: rev if rev is not None else None]
        basis = self._basis(body)
        new = [each for each in turns if each.turn.rev > (basis.rev or 0)]
        newest = turns[-1] if turns else None
        view = View(
            key=basis.key,
            controls=controls_of(body),
            created_at=created_at_of(body),
            generation=generation_of(body) if newest is None else newest.generation,
            state=self.states[name] if newest is None else newest.state,
            observed=observed or Observed(),
            is_over=newest is not None and newest.state.ended is not None and not new,
        )
        reflection = Reflection(
            basis=basis,
            records=tuple(record for each in new for record in each.records),
            rev=new[-1].turn.rev if new else basis.rev,
            view=view,
        )
        plan = planned(reflection, self.now)
        for segment in plan.segments:
            self._keep(segment.link.name, segment.spec, by)

        def change(body: JsonObject) -> None:
            apply(body, plan.operations)
            if edit is not None:
                edit(body)

        self.put("workflowinstances", name, change, actor=by, subresource="status")
        self.shown[basis.key.uid] = reflection.rev or 0

    def _basis(self, body: JsonObject) -> Basis:
        key = key_of(body)
        head = head_of(body, key.uid)
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

    # --- the verdict ----------------------------------------------------------------------------

    def watched(self) -> tuple[Watcher, Violations]:
        return watch(self.evidence().writes, Bounds(slots=SLOTS))

    def verdict(self, **fields: object) -> Violations:
        evidence = self.evidence(**fields)
        watcher, found = watch(evidence.writes, Bounds(slots=SLOTS))
        return found + conclude(watcher, evidence)


def rewritten(turn: LoggedTurn, **changes: object) -> LoggedTurn:
    """Return the turn with other fields, as an entry holds it."""
    fields = ("key", "rev", "generation", "before", "after", "events")
    return logged(**{**{name: getattr(turn, name) for name in fields}, **changes})


def opened(*steps: JsonObject, lanes: int = 1) -> LanedLog:
    """Return a log with lanes that ME has claimed, and an instance of these steps."""
    log = LanedLog(lanes=lanes)
    log.lease()
    log.open()
    for lane in range(lanes):
        log.claim(lane=lane)
    log.define(*steps)
    log.start()
    return log


def calling() -> LanedLog:
    """Return the log of an instance whose one call is open, claimed by ME and shown."""
    log = opened(call_step())
    log.turn()
    log.show()
    return log


def ending() -> LanedLog:
    """Return a log in which the end stands, and no status shows it."""
    log = opened(NAP)
    log.turn()
    log.show()
    log.until_wake()
    return log


def skipped(number: int = 0) -> StepSkipped:
    """Return an event that changes little."""
    return StepSkipped(path=f"s{number}")
