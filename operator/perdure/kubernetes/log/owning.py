"""Writing one lane for as long as this process owns it: entry after entry, each decided first.

Source: docs/log.md#writing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from perdure.kubernetes.log.placing import Decision, Declined, Placed, Placing
from perdure.kubernetes.log.slots import Slots
from perdure.kubernetes.log.turnstile import Turnstile
from perdure.lanes import ring
from perdure.lanes.batching import Waiting
from perdure.lanes.carrying import OwnedRing
from perdure.lanes.entry import MAX_DATA, MAX_DOCUMENT, Entry, EntryKind, LoggedTurn, packed
from perdure.lanes.settling import Damaged, Fenced, Outcome, Refused, Stands
from perdure.ports import Clock

MOST_DATA = MAX_DATA - 4096
"""Of `data`. The rest is for an entry that carries all of another one: in another order, the same
turns may deflate a little worse."""
MOST_WIRE = MOST_DATA * 3 // 4 - 1024
"""Bytes of turns that fit into MOST_DATA in any case: base64 of what does not deflate at all."""
MOST_CARRIED = 64 * 1024
"""Bytes of turns in the slot that comes next; with more of them it takes no new ones."""
PATIENCE_SECONDS = 5.0
"""So long a lane waits for statuses to be written; then it passes that slot without new turns. One
that never can be written must not stop the lane."""
AHEAD = 32
"""Slots before which turns are asked to be shown: a few seconds of a busy lane."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What all lanes of a process share. `on_due` is told uids whose turns are to be shown first:
    their slots come round."""

    slots: Slots
    clock: Clock
    turnstile: Turnstile
    on_due: Callable[[Collection[str]], None]


@dataclass(slots=True)
class _Handover:
    heir: str | None
    done: asyncio.Future[bool] = field(default_factory=asyncio.Future)


class OwnedLane:
    """One lane and the turns that wait for it. `run` writes until the lane is lost or released."""

    def __init__(self, owned: OwnedRing, tools: Tools) -> None:
        self._ring, self._tools = owned, tools
        self._waiting = Waiting()
        self._answers: dict[tuple[str, int], asyncio.Future[Outcome]] = {}
        """Of every turn that is not decided, whether it waits or was sent."""
        self._news = asyncio.Event()
        """Set when something may be done that could not be done before."""
        self._handover: _Handover | None = None
        self._is_over = False

    @property
    def lane(self) -> int:
        return self._ring.lane

    # --- for the process --------------------------------------------------------------------

    async def submit(self, turn: LoggedTurn) -> Outcome:
        """Let a turn wait for an entry, and return what became of it."""
        if self._is_over or self._handover is not None:
            return Fenced()
        name = name_of(turn)
        assert name not in self._answers, f"turn {name} is not decided yet"
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._answers[name] = answer
        self._waiting.put(turn)
        self._news.set()
        return await answer

    def shown(self, uid: str, rev: int) -> None:
        """Carry the turns of an instance up to `rev` no more."""
        self._ring.shown(uid, rev)
        self._news.set()

    def gone(self, uid: str) -> None:
        """Carry nothing of an instance any more."""
        self._ring.gone(uid)
        self._news.set()

    async def release(self, heir: str | None) -> bool:
        """Give the lane up after the entry that is under way; False if it was lost before.

        It goes on if who asked is cancelled; who asks again waits for the same.
        """
        if self._is_over:
            return False
        if self._handover is None:
            self._handover = _Handover(heir)
            self._news.set()
        return await asyncio.shield(self._handover.done)

    async def run(self) -> Fenced | Damaged | None:
        """Write entries until the lane is lost; None when it was released.

        At the end, cancelled or not, whatever is not decided is answered as fenced.
        """
        try:
            self._tell_due(self._ring.next_seq, self._ahead)
            loss: Fenced | Damaged | None = None
            while loss is None and self._handover is None:
                await self._have_work()
                loss = await self._go_on()
            return loss or await self._hand_over()
        finally:
            self.end()

    def end(self) -> None:
        """Decide nothing any more."""
        self._is_over = True
        self._waiting.drop_all()
        for answer in self._answers.values():
            if not answer.done():
                answer.set_result(Fenced())
        self._answers.clear()
        if self._handover is not None and not self._handover.done.done():
            self._handover.done.set_result(False)

    # --- entries ----------------------------------------------------------------------------

    async def _have_work(self) -> None:
        while not self._waiting and self._handover is None:
            self._news.clear()
            await self._news.wait()

    async def _go_on(self) -> Fenced | Damaged | None:
        """Write one entry, with all that waits and fits."""
        is_full = await self._is_full()
        if self._handover is not None:
            return None
        async with self._tools.turnstile.passage():
            turns: Sequence[LoggedTurn] | None = () if is_full else self._taken()
            if turns is None:
                return None
            place = self._ring.replaced
            with Placing(self._tools.slots, self._tools.clock, place) as placing:
                return await self._write(placing, turns)

    async def _is_full(self) -> bool:
        """Return whether too much would have to be carried, even after some patience."""
        clock, seq = self._tools.clock, self._ring.next_seq
        if self._ring.carried_bytes(seq) <= MOST_CARRIED:
            return False
        self._tell_due(seq, 1)
        timer = asyncio.ensure_future(clock.sleep(PATIENCE_SECONDS))
        timer.add_done_callback(lambda _: self._news.set())
        try:
            while self._ring.carried_bytes(seq) > MOST_CARRIED:
                if timer.done() or self._handover is not None:
                    return True
                self._news.clear()
                await self._news.wait()
            return False
        finally:
            timer.cancel()

    def _taken(self) -> Sequence[LoggedTurn] | None:
        """Return the turns of the next entry; None if there is nothing to write.

        None of them, where the first one is so large that it has no room beside what is carried:
        it may have in the next slot.
        """
        carried = self._ring.carried_by(self._ring.next_seq)
        room = max(MOST_WIRE - self._ring.carried_bytes(self._ring.next_seq), 0)
        while turns := self._waiting.take(room):
            first = turns[0]
            if len(first.wire) <= room or fits(first, carried):
                return turns
            if fits(first, ()):
                self._waiting.put_back(turns)
                return ()
            self._answer(first, Refused(too_large(first), is_too_large=True))
        return None

    async def _write(
        self, placing: Placing, turns: Sequence[LoggedTurn]
    ) -> Fenced | Damaged | None:
        """Let an entry with some of these turns stand in the next slot, and answer them.

        What is refused is halved. A turn that was refused alone is answered when something else
        stands in the slot; until then it may land yet.
        """
        groups, refused = [turns], dict[tuple[str, int], Refused]()
        while True:
            group = groups.pop() if groups else ()
            decision = await self._offered(placing, group)
            if not isinstance(decision, Declined):
                break
            if len(group) > 1:
                half = len(group) // 2
                groups += [group[half:], group[:half]]
            else:
                refused[name_of(group[0])] = Refused(decision.message, decision.is_too_large)
        if not isinstance(decision, Placed):
            return decision
        self._stands(decision)
        self._settle(turns, decision.entry, refused)
        return None

    async def _offered(self, placing: Placing, group: Sequence[LoggedTurn]) -> Decision | Declined:
        if not group:
            return await placing.insist(lambda: self._entry(EntryKind.TURNS))
        return await placing.offer(self._entry(EntryKind.TURNS, group))

    def _entry(
        self, kind: EntryKind, turns: Sequence[LoggedTurn] = (), heir: str | None = None
    ) -> Entry:
        return self._ring.next_entry(kind, self._tools.clock.token(), tuple(turns), heir)

    def _stands(self, placed: Placed) -> None:
        self._ring.stands(placed.entry, placed.version)
        self._tell_due(self._ring.next_seq + self._ahead - 1, 1)

    def _settle(
        self,
        turns: Sequence[LoggedTurn],
        entry: Entry,
        refused: dict[tuple[str, int], Refused],
    ) -> None:
        """Answer the turns for which the entry that stands decides; let the others wait again."""
        standing = {name_of(turn) for turn in entry.turns}
        undecided: list[LoggedTurn] = []
        for turn in turns:
            name = name_of(turn)
            if name in standing:
                self._answer(turn, Stands(entry.nonce))
            elif name in refused:
                self._answer(turn, refused[name])
            else:
                undecided.append(turn)
        self._waiting.put_back(undecided)

    def _answer(self, turn: LoggedTurn, outcome: Outcome) -> None:
        answer = self._answers.pop(name_of(turn))
        if not answer.done():  # Else who asked is gone.
            answer.set_result(outcome)

    async def _hand_over(self) -> Fenced | Damaged | None:
        """Let a Released entry stand: it carries what has to be, and nothing follows it."""
        handover = self._handover
        assert handover is not None, "somebody wants it"
        async with self._tools.turnstile.passage():
            place = self._ring.replaced
            with Placing(self._tools.slots, self._tools.clock, place) as placing:
                decision = await placing.insist(
                    lambda: self._entry(EntryKind.RELEASED, heir=handover.heir)
                )
        if not isinstance(decision, Placed):
            return decision
        handover.done.set_result(True)
        return None

    # --- what is due ------------------------------------------------------------------------

    @property
    def _ahead(self) -> int:
        return min(AHEAD, ring.SLOTS // 2)

    def _tell_due(self, seq: int, ahead: int) -> None:
        uids = self._ring.due(seq, ahead)
        if uids:
            self._tools.on_due(uids)


def name_of(turn: LoggedTurn) -> tuple[str, int]:
    return turn.key.uid, turn.rev


def fits(turn: LoggedTurn, carried: Sequence[LoggedTurn]) -> bool:
    """Return whether a turn and what is carried deflate to what one entry has room for."""
    size = sum(len(each.wire) for each in (turn, *carried))
    return size < MAX_DOCUMENT // 2 and len(packed((turn,), carried)) <= MOST_DATA


def too_large(turn: LoggedTurn) -> str:
    return (
        f"turn {turn.rev} of {turn.key.namespace}/{turn.key.name} is {len(turn.wire)} bytes long, "
        f"deflated still more than the {MOST_DATA} characters of base64 that an entry has room for"
    )
