"""The turns that wait for an entry of one lane. Pure. Source: docs/log.md#writing."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable
from typing import TypeAlias

from perdure.lanes.entry import LoggedTurn

SEPARATOR = 1
"""Bytes between two turns."""

_Instances: TypeAlias = "OrderedDict[str, deque[LoggedTurn]]"


class Waiting:
    """Turns in the order in which entries take them.

    Namespaces take turns, and in each of them its instances: a flood in one namespace makes others
    wait for no more than one entry. Turns of one instance keep their order.
    """

    def __init__(self) -> None:
        self._namespaces: OrderedDict[str, _Instances] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def put(self, turn: LoggedTurn) -> None:
        """Let a turn wait behind all others of its namespace."""
        self._queue(turn).append(turn)

    def put_back(self, turns: Iterable[LoggedTurn]) -> None:
        """Let turns wait that `take` gave: each before all others of its namespace."""
        for turn in reversed([*turns]):
            queue = self._queue(turn)
            queue.appendleft(turn)
            key = turn.key
            self._namespaces[key.namespace].move_to_end(key.uid, last=False)
            self._namespaces.move_to_end(key.namespace, last=False)

    def _queue(self, turn: LoggedTurn) -> deque[LoggedTurn]:
        self._count += 1
        instances = self._namespaces.setdefault(turn.key.namespace, OrderedDict())
        return instances.setdefault(turn.key.uid, deque())

    def take(self, room: int) -> list[LoggedTurn]:
        """Return the turns of the next entry, at most one of each instance.

        They have `room` bytes of `wire`, but the first one is taken whatever its size: whether it
        fits is known when it has been compressed. The first that does not fit ends it, so that a
        large one comes first the next time.
        """
        taken: list[LoggedTurn] = []
        served: set[str] = set()
        while (turn := self._next(served)) is not None:
            room -= len(turn.wire) + SEPARATOR
            if taken and room < 0:
                break
            self._remove(turn)
            served.add(turn.key.uid)
            taken.append(turn)
        return taken

    def _next(self, served: set[str]) -> LoggedTurn | None:
        """Return the first turn of an instance that is not served yet.

        Who is served goes to the end of the row: if the first one is served, all of them are.
        """
        for instances in self._namespaces.values():
            uid, queue = next(iter(instances.items()))
            if uid not in served:
                return queue[0]
        return None

    def _remove(self, turn: LoggedTurn) -> None:
        """Take a turn out; its namespace and its instance go to the end of their rows."""
        namespace, uid = turn.key.namespace, turn.key.uid
        instances = self._namespaces[namespace]
        instances[uid].popleft()
        self._count -= 1
        instances.move_to_end(uid)
        self._namespaces.move_to_end(namespace)
        if not instances[uid]:
            del instances[uid]
        if not instances:
            del self._namespaces[namespace]

    def drop_all(self) -> list[LoggedTurn]:
        """Let nothing wait any more; return what did."""
        dropped = [
            turn
            for instances in self._namespaces.values()
            for queue in instances.values()
            for turn in queue
        ]
        self._namespaces.clear()
        self._count = 0
        return dropped
