"""The instances of the lanes that this process owns, as they are known.

What was read before a lane was claimed proves nothing: the first body of an instance is one that
was read, or told by a watch, at a version after the claim. What is held never goes back in time,
and what was forgotten is not believed again from an older echo. Source: docs/log.md#claiming.
"""

from __future__ import annotations

import logging
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from perdure.engine.values import JsonObject
from perdure.errors import HistoryCorruptError, NewerHistoryError, NotOwnedError
from perdure.kubernetes.instances import head_of, hint_of, observed_of, rev_of, status_of
from perdure.kubernetes.loading import Loader
from perdure.kubernetes.log.holding import Held, LogPosition, above, absorbed, basis_of
from perdure.kubernetes.reading import Bodies, snapshot_of
from perdure.kubernetes.versions import version_of
from perdure.lanes.entry import LoggedTurn
from perdure.lanes.ring import lane_of
from perdure.ports import InstanceHint, InstanceKey, Snapshot

logger = logging.getLogger(__name__)

GONE = math.inf
"""The floor of an instance that was found gone: no version of it is news any more."""


@dataclass(slots=True)
class _Lane:
    """An owned lane: `since` is the version of instances after its claim, `turns` those that stood
    in it then, by uid, until their instance is held."""

    since: int
    turns: dict[str, list[LoggedTurn]] = field(default_factory=lambda: defaultdict(list))


class LogReader:
    """Holds instances from their first load on, until everything is shown and they are forgotten.

    `shown` is told uid and rev of the status with which an instance is first held, `gone` the uid
    of each that was found not to exist any more: their turns in the lane need not be carried.
    """

    def __init__(
        self,
        bodies: Bodies,
        loader: Loader,
        lanes: int,
        *,
        shown: Callable[[str, int], None],
        gone: Callable[[str], None],
    ) -> None:
        self._objects = bodies
        self._loader = loader
        self._count = lanes
        self._shown = shown
        self._gone = gone
        self._lanes: dict[int, _Lane] = {}
        self._held: dict[str, Held] = {}
        self._told: dict[str, JsonObject] = {}
        self._busy: set[str] = set()
        """Uids of instances of which a turn is on its way: they are not dropped meanwhile."""
        self._floors: dict[str, float] = {}

    # --- lanes ------------------------------------------------------------------------------

    def adopt(self, lane: int, since: int, turns: Iterable[LoggedTurn]) -> None:
        """Begin to own a lane. `since` was read after the claim, `turns` stand in the lane."""
        owned = _Lane(since)
        for turn in turns:
            owned.turns[turn.key.uid].append(turn)
        self._lanes[lane] = owned

    def lose(self, lane: int) -> None:
        """Own a lane no more: nothing is known of its instances."""
        del self._lanes[lane]
        for uid in [uid for uid in self._held if self.lane_of(uid) == lane]:
            self._drop(uid, is_answered=False)
        for uid in [uid for uid in self._told if self.lane_of(uid) == lane]:
            del self._told[uid]

    def lane_of(self, uid: str) -> int:
        return lane_of(uid, self._count)

    def owns(self, uid: str) -> bool:
        return self.lane_of(uid) in self._lanes

    def left_over(self, lane: int) -> list[InstanceKey]:
        """Return the instances with turns from before the claim that are not held yet."""
        return [turns[0].key for turns in self._lanes[lane].turns.values()]

    def is_left_over(self, uid: str) -> bool:
        """Return whether turns from before the claim stand in the lane, perhaps in no status."""
        lane = self._lanes.get(self.lane_of(uid))
        return lane is not None and uid in lane.turns

    # --- what is told -----------------------------------------------------------------------

    def hint(self, body: JsonObject) -> InstanceHint | None:
        """Return what a body tells that is not known, and keep it for the next load."""
        try:
            hint = hint_of(body)
        except (KeyError, ValueError):
            logger.warning("an object of a list or watch is no instance")
            return None
        uid, held = hint.key.uid, self._held.get(hint.key.uid)
        if held is not None and held.snapshot.version >= hint.version:
            is_end = held.snapshot.version == hint.version and hint.is_finished
            is_news, held.is_told = is_end or not held.is_told, True
            return hint if is_news else None
        if self._floors.get(uid, 0) > hint.version:
            return None
        self._floors.pop(uid, None)
        told = self._told.get(uid)
        if self.owns(uid) and (told is None or version_of(told) < hint.version):
            self._told[uid] = body
        return hint

    def removed(self, key: InstanceKey) -> None:
        """Take note that a watch has told the deletion: nothing older will follow."""
        self._drop(key.uid, is_answered=True)
        self._told.pop(key.uid, None)
        self._floors.pop(key.uid, None)
        self._forget_turns(key.uid)
        self._gone(key.uid)

    def forget(self, key: InstanceKey) -> None:
        """Drop what is cached, as soon as a status shows everything."""
        held = self._held.get(key.uid)
        self._told.pop(key.uid, None)
        if held is None:
            return
        if held.is_shown and key.uid not in self._busy:
            self._drop(key.uid, is_answered=True)
            self._lift(key.uid, held.snapshot.version)
        else:
            held.is_cold = True

    @contextmanager
    def kept(self, key: InstanceKey) -> Iterator[None]:
        """Drop nothing of an instance that is forgotten meanwhile: a turn is on its way."""
        self._busy.add(key.uid)
        try:
            yield
        finally:
            self._busy.discard(key.uid)
            held = self._held.get(key.uid)
            if held is not None and held.is_cold:
                self.forget(key)

    def _lift(self, uid: str, version: float) -> None:
        self._floors[uid] = max(version, self._floors.get(uid, 0))

    def _drop(self, uid: str, *, is_answered: bool) -> None:
        held = self._held.pop(uid, None)
        for _, waiter in held.waiters if held is not None else ():
            if not waiter.done():
                waiter.set_result(is_answered)

    def _forget_turns(self, uid: str) -> None:
        lane = self._lanes.get(self.lane_of(uid))
        if lane is not None:
            lane.turns.pop(uid, None)

    # --- what is held -----------------------------------------------------------------------

    def held(self, uid: str) -> Held | None:
        """Return what is held of an instance; nothing is read."""
        return self._held.get(uid)

    def keep(self, held: Held) -> None:
        """Go on from this; answer those who wait for what is shown by now."""
        uid = held.snapshot.key.uid
        rev = held.basis.rev or 0
        for wanted, waiter in held.waiters:
            if wanted <= rev and not waiter.done():
                waiter.set_result(True)
        held.waiters = [each for each in held.waiters if each[0] > rev]
        self._held[uid] = held
        if held.is_cold and held.is_shown:
            self.forget(held.snapshot.key)

    def __iter__(self) -> Iterator[Held]:
        """Yield everything that is held."""
        yield from list(self._held.values())

    async def load(self, key: InstanceKey, *, fresh: bool) -> Snapshot | None:
        """Return the newest state; None if the instance is gone.

        Raises TransientError, NotOwnedError, HistoryCorruptError, NewerHistoryError.
        """
        try:
            held = await self._loaded(key, fresh=fresh)
        except (HistoryCorruptError, NewerHistoryError):
            known = self._held.get(key.uid)
            if known is not None:
                known.is_damaged = True
            raise
        if held is None:
            return None
        held.is_cold = False
        return held.snapshot

    async def _loaded(self, key: InstanceKey, *, fresh: bool) -> Held | None:
        held, told = self._held.get(key.uid), self._told.pop(key.uid, None)
        if not fresh and told is not None and self._serves(key.uid, told):
            return await self._second_look(key, told)
        if not fresh and held is not None and not held.is_damaged:
            return held
        body = await self._get(key)
        return None if body is None else await self._second_look(key, body)

    def _serves(self, uid: str, body: JsonObject) -> bool:
        """Return whether a body that a watch told is one from after the claim."""
        return version_of(body) > self._lane(uid).since

    def _lane(self, uid: str) -> _Lane:
        lane = self._lanes.get(self.lane_of(uid))
        if lane is None:
            raise NotOwnedError(f"lane {self.lane_of(uid)} is another process's")
        return lane

    async def _get(self, key: InstanceKey) -> JsonObject | None:
        self._lane(key.uid)
        body = await self._objects.get(key)
        if body is None:
            self.found_gone(key)
        return body

    def found_gone(self, key: InstanceKey) -> None:
        """Take note that an instance was found not to exist, before a watch has told so."""
        self._drop(key.uid, is_answered=True)
        self._told.pop(key.uid, None)  # It came while the instance was looked for.
        self._forget_turns(key.uid)
        self._lift(key.uid, GONE)
        self._gone(key.uid)

    async def _second_look(self, key: InstanceKey, body: JsonObject) -> Held | None:
        """Join a body with what is held; look again if that seems damaged.

        An object that is missing may have gone with the instance, and a body that was told may be
        older than the chain of segments.
        """
        try:
            return await self._joined(key, body)
        except HistoryCorruptError:
            again = await self._get(key)
            if again is None:
                return None
            if version_of(again) == version_of(body):
                self._lift(key.uid, version_of(body))
                raise
        return await self._joined(key, again)

    async def _joined(self, key: InstanceKey, body: JsonObject) -> Held:
        if key.uid not in self._held:
            lane = self._lane(key.uid)
            first = await self._first(key, body, lane.turns.get(key.uid, ()))
            if self._lanes.get(self.lane_of(key.uid)) is not lane:
                raise NotOwnedError(f"lane {self.lane_of(key.uid)} was lost meanwhile")
            if key.uid not in self._held:  # Else somebody was faster, and may have gone on.
                lane.turns.pop(key.uid, None)
                self.keep(first)
                if first.basis.rev is not None:
                    self._shown(key.uid, first.basis.rev)
        held = self._held[key.uid]
        if version_of(body) > held.snapshot.version:
            held = absorbed(held, body)
            self.keep(held)
        return held

    async def _first(self, key: InstanceKey, body: JsonObject, turns: Iterable[LoggedTurn]) -> Held:
        """Return the state of a status, and of the turns of the log above it."""
        head, rev = head_of(body, key.uid), rev_of(body)
        loaded = await self._loader.load(key, head, None)
        basis = basis_of(body, head)
        observed = observed_of(status_of(body) or {})
        state, backlog = loaded.state, above(turns, rev, head)
        at = LogPosition(length=head.length, digest=head.digest)
        snapshot = snapshot_of(body, None, state, observed, at)
        for one in backlog:
            state = await self._loader.onto(key, state, one.records)
        if backlog:
            last = backlog[-1].turn
            at = LogPosition(length=state.last_id, digest=last.after)
            seen = max(snapshot.observed_generation, last.generation)
            snapshot = replace(
                snapshot, rev=last.rev, state=state, store_data=at, observed_generation=seen
            )
        return Held(snapshot=snapshot, basis=basis, backlog=backlog)
