"""Hosts: places where a process of one name runs, dies and is started again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from random import Random  # noqa: TID251 - seeded

from perdure.testing.simulation.clocks import Watch
from perdure.testing.simulation.loops import ProcessLoop
from perdure.testing.simulation.scheduler import Due, Scheduler

Main = Callable[["Host"], Coroutine[None, None, None]]

RESTART_SECONDS = 1.0
"""Until a process that ended by itself is started again."""


class Host:
    """Keeps one process running, as a StatefulSet does: the name stays, the process changes.

    `main` is the program; when it returns or raises it is started again, unless `is_lasting` is
    False. `number` counts the requests of all its processes.
    """

    def __init__(
        self, name: str, scheduler: Scheduler, main: Main, *, is_lasting: bool = True
    ) -> None:
        self.name = name
        self.watch = Watch(scheduler)
        self.random = Random(f"{name} {scheduler.random.random()}")  # noqa: S311 - seeded
        self.number = 0
        self.starts = 0
        self.problems: list[str] = []
        self.is_done = False
        self.stopping: asyncio.Event | None = None
        """Set to ask the process to end in good order; None while none runs that listens."""
        self._scheduler = scheduler
        self._main = main
        self._is_lasting = is_lasting
        self._loop: ProcessLoop | None = None
        self._buried: list[ProcessLoop] = []
        self._restart: Due | None = None
        self._thaw: Due | None = None

    @property
    def loop(self) -> ProcessLoop | None:
        """The loop of the process that runs now."""
        return self._loop

    @property
    def is_up(self) -> bool:
        """Whether a process runs and is not frozen."""
        return self._loop is not None and self._thaw is None

    def start(self) -> None:
        """Start a process."""
        assert self._loop is None, f"{self.name} runs already"
        self._restart = None
        self.starts += 1
        self._scheduler.note(f"{self.name} starts")
        loop = self._loop = self._scheduler.loop(self.name)
        task = loop.create_task(self._main(self))
        task.add_done_callback(lambda done: self._ended(loop, done))

    def _ended(self, loop: ProcessLoop, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        self._scheduler.note(f"{self.name} ends: {type(error).__name__}")
        if isinstance(error, AssertionError):
            self.problems.append(repr(error))
        self._bury(loop)
        self.is_done = True
        if self._is_lasting:
            self._restart = self._scheduler.after(RESTART_SECONDS, self.start)

    def crash(self, seconds: float) -> None:
        """End the process on the spot; start another after so many seconds."""
        loop = self._loop
        if loop is None:
            return
        self._scheduler.note(f"{self.name} crashes")
        self._bury(loop)
        self._restart = self._scheduler.after(seconds, self.start)

    def _bury(self, loop: ProcessLoop) -> None:
        self.problems += loop.problems
        loop.end()
        self._loop = None
        self.stopping = None
        self._buried.append(loop)
        if self._thaw is not None:
            self._thaw.call_off()
            self._thaw = None

    def pause(self, seconds: float) -> None:
        """Let the process stand still for a while; its connections stay."""
        loop = self._loop
        if loop is None or self._thaw is not None:
            return
        self._scheduler.note(f"{self.name} pauses {seconds:.3f} s")
        loop.freeze()
        self._thaw = self._scheduler.after(seconds, self._go_on)

    def _go_on(self) -> None:
        self._thaw = None
        if self._loop is not None:
            self._scheduler.note(f"{self.name} goes on")
            self._loop.thaw()

    def stop(self) -> None:
        """Ask the process to end in good order."""
        if self.stopping is not None and self._loop is not None:
            self._scheduler.note(f"{self.name} is asked to stop")
            self._loop.call_soon(self.stopping.set)

    def heal(self) -> None:
        """Let it run, now."""
        if self._thaw is not None:
            self._thaw.call_off()
            self._go_on()
        if self._restart is not None:
            self._restart.call_off()
            self.start()
        self.watch.shift(0.0)

    def close(self) -> None:
        """End for good, and free what its processes left."""
        if self._restart is not None:
            self._restart.call_off()
        if self._loop is not None:
            self._bury(self._loop)
        for loop in self._buried:
            loop.bury()
