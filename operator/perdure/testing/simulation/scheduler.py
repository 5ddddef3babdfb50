"""One virtual time for several processes; nothing happens but what is due next."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random  # noqa: TID251 - seeded: the source of every choice

from perdure.testing.simulation.loops import ProcessLoop

Action = Callable[[], None]

MOST_BURST = 200_000
"""Callbacks at one moment; beyond it a process spins and time would stand still."""


class SpinningError(AssertionError):
    """A process goes on for ever without time passing."""


class Due:
    """Something that is to happen; `act` is None when it was called off."""

    __slots__ = ("act",)

    def __init__(self, act: Action) -> None:
        self.act: Action | None = act

    def call_off(self) -> None:
        """Let it not happen."""
        self.act = None


class Scheduler:
    """Seconds of virtual time since `epoch`, and everything that is due.

    Processes run one after another, each until it waits for something; then the next thing that
    is due happens. What processes say to each other takes time on the network, so every order of
    their steps that matters is an order of deliveries, which the seed decides.
    """

    def __init__(self, seed: str, epoch: datetime) -> None:
        self.random = Random(seed)  # noqa: S311 - to be repeated, not to be secret
        self.epoch = epoch
        self.now = 0.0
        self._count = 0
        self._heap: list[tuple[float, int, Due]] = []
        self._busy: list[ProcessLoop] = []
        """Loops with something to run now, in the order in which they came to it."""
        self._trace = hashlib.sha256()
        self.lines: list[str] | None = None
        """The trace as text, where somebody wants to read it."""

    @property
    def time(self) -> datetime:
        """The true time, aware UTC."""
        return self.at_seconds(self.now)

    def at_seconds(self, seconds: float) -> datetime:
        """Return the true time so many seconds after the beginning."""
        return self.epoch + timedelta(seconds=seconds)

    def at(self, when: float, act: Action) -> Due:
        """Do something at a time, at once if that has passed."""
        self._count += 1
        due = Due(act)
        heapq.heappush(self._heap, (max(when, self.now), self._count, due))
        return due

    def after(self, seconds: float, act: Action) -> Due:
        """Do something after so many seconds."""
        return self.at(self.now + seconds, act)

    def loop(self, name: str) -> ProcessLoop:
        """Return the loop of a new process."""
        return ProcessLoop(name, self)  # type: ignore[abstract]  # no sockets, no signals

    def is_ready(self, loop: ProcessLoop) -> None:
        """Take note of a loop that has something to run."""
        self._busy.append(loop)

    def run(self, until: float, is_over: Callable[[], bool] | None = None) -> None:
        """Let everything happen up to and at a time; stop early once `is_over`."""
        heap = self._heap
        while True:
            if self._busy:
                self._burst()
            if is_over is not None and is_over():
                return
            while heap and heap[0][2].act is None:
                heapq.heappop(heap)
            if not heap or heap[0][0] > until:
                self.now = max(self.now, until)
                return
            self.now, _, due = heapq.heappop(heap)
            act = due.act
            assert act is not None, "what was called off is gone"
            act()

    def _burst(self) -> None:
        """Let every process run until it waits."""
        budget = MOST_BURST
        while self._busy:
            busy, self._busy = self._busy, []
            for loop in busy:
                budget -= loop.run_ready()
                if budget < 0:
                    raise SpinningError(f"{loop.name} spins at {self.now:.6f} s")

    # --- the trace --------------------------------------------------------------------------

    def note(self, text: str) -> None:
        """Add a line to the trace: whatever is the same in it happened alike."""
        line = f"{self.now:.6f} {text}\n"
        self._trace.update(line.encode())
        if self.lines is not None:
            self.lines.append(line)

    @property
    def trace_hash(self) -> str:
        """The digest of all that happened: equal for equal seeds, on any machine."""
        return self._trace.hexdigest()
